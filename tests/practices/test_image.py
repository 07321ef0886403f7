"""Each practice in an image: its layers, its configuration and its history."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import pytest

from driftscan.dockerfile.build import Build, OtherLock, Resolved
from driftscan.finding import Outcome
from driftscan.model.image import HistoryEntry, ImageConfig
from driftscan.model.inventory import Cuda, CudaBuild
from driftscan.model.traces import CodeLayer, Execution, Removed, Traces, Waste
from driftscan.practices.scope import own_layers
from tests.builders.comparisons import elf, environment, installed, native
from tests.builders.judged import DIGEST, OTHER, failed, image_comparison, layer, outcomes, said

ADD = "ADD file:1234 in /"
APT = "RUN apt-get update && apt-get install -y a && rm -rf /var/lib/apt/lists/*"


def labelled(**labels: str) -> ImageConfig:
    prefix = "org.opencontainers.image.base."
    return ImageConfig(labels=MappingProxyType({f"{prefix}{key}": value for key, value in labels.items()}))


def test_history_does_not_tell_what_was_pinned() -> None:
    (found,) = said(image_comparison(ADD), "IM511")
    assert (found.outcome, found.grade.value) == (Outcome.UNKNOWN, "history")
    assert found.why == "an image's history does not tell; give the Dockerfile"
    (found,) = said(image_comparison(ADD, config=labelled(name="a:1", digest=DIGEST)), "IM511")
    assert (found.outcome, found.grade.value) == (Outcome.UNKNOWN, "provenance")


@pytest.mark.parametrize(
    ("now", "expected"),
    [(Resolved(DIGEST, "r"), "pass"), (Resolved(OTHER, "r"), "fail"), (Resolved(None, "no answer"), "unknown")],
)
def test_labels_tell_whether_the_base_has_moved(now: Resolved, expected: str) -> None:
    build = Build(images={"a:1": now})
    comparison = image_comparison(ADD, config=labelled(name="a:1", digest=DIGEST), build=build)
    assert outcomes(comparison, "IM512") == {expected}


def test_layers_tell_whether_the_base_has_moved() -> None:
    comparison = image_comparison(ADD, "RUN x", "RUN y", base=2)
    assert outcomes(comparison, "IM512") == {"pass"}
    assert [each.index for each in own_layers(comparison)] == [3]
    moved = replace(comparison, build=replace(comparison.build, base_layers=("sha256:other",)))
    assert failed(moved, "IM512") == [
        (None, "the image was built on another image than base is now: it does not begin with its layers")
    ]


@pytest.mark.parametrize(
    ("made", "own"), [((ADD, "RUN x"), [2]), ((None, "RUN x"), [2]), (("RUN x", "RUN y"), [1, 2]), (("COPY x",), [1])]
)
def test_own_layers_without_a_base(made: tuple[str | None, ...], own: list[int]) -> None:
    assert [each.index for each in own_layers(image_comparison(*made))] == own


def test_lists_and_caches_in_layers() -> None:
    waste = (
        Waste("the package lists of apt", "/var/lib/apt/lists", layer(1, ADD), 1, 5),
        Waste("the cache of uv", "/root/.cache/uv", layer(2, "RUN x"), 2, 3 << 20),
    )
    comparison = image_comparison(ADD, "RUN x", traces=Traces(waste=waste))
    assert failed(comparison, "IM521") == [
        (2, "the cache of uv stay in the layer: 3.0 MiB in 2 files under /root/.cache/uv")
    ]
    (found,) = said(image_comparison(ADD, "RUN x"), "IM521")
    assert (found.outcome, found.text) == (Outcome.PASS, "no layer holds package lists or caches")


@pytest.mark.parametrize(("base", "above"), [(1, "the base image's"), (None, "the root filesystem at the bottom")])
def test_what_a_base_image_holds_is_not_denied(base: int | None, above: str) -> None:
    bottom = layer(1, ADD)
    traces = Traces(
        waste=(Waste("the package lists of apt", "/var/lib/apt/lists", bottom, 118, 49 << 20),),
        removed=(Removed(bottom, 9, 9 << 20, "/a"),),
    )
    comparison = image_comparison(ADD, "RUN x", traces=traces, base=base)
    for rule, text in (
        ("IM521", f"no layer above {above} holds package lists or caches"),
        ("IM524", f"what the layers above {above} bring is in the image"),
    ):
        (found,) = said(comparison, rule)
        assert (found.outcome, found.text) == (Outcome.PASS, text)


def test_bytes_that_ship_in_vain() -> None:
    removed = (Removed(layer(1, ADD), 9, 9 << 20, "/a"), Removed(layer(2, "RUN x"), 1, 2 << 20, "/big"))
    comparison = image_comparison(ADD, "RUN x", traces=Traces(removed=removed))
    assert failed(comparison, "IM524") == [
        (2, "2.0 MiB of this layer (1 file) are deleted or replaced later, and still ship (such as /big)")
    ]


def test_layers_that_install() -> None:
    layers = (layer(1, ADD), layer(2, APT), layer(3, APT))
    traces = Traces(package_layers=layers)
    (found,) = said(image_comparison(ADD, APT, APT, traces=traces), "IM522", Outcome.UNKNOWN)
    assert found.text == "whether packages of the operating system come in one own layer (layers 2, 3 change them)"
    assert failed(image_comparison(ADD, APT, APT, traces=traces, base=1), "IM522") == [
        (None, "packages of the operating system are installed in 2 own layers (2, 3)")
    ]
    assert outcomes(image_comparison(ADD, APT, APT, traces=traces, base=2), "IM522") == {"pass"}


def test_what_fixes_os_packages() -> None:
    traces = Traces(package_layers=(layer(2, APT),))
    assert failed(image_comparison(ADD, APT, traces=traces), "IM523") == [(2, "neither versions nor a snapshot fix a")]
    snapshot = replace(traces, sources=("deb https://files.example/snapshot/debian/2025 x main",))
    assert outcomes(image_comparison(ADD, APT, traces=snapshot), "IM523") == {"pass"}
    assert outcomes(image_comparison(ADD, "RUN x", traces=Traces()), "IM523") == {"pass"}
    assert outcomes(image_comparison(ADD, "RUN make", traces=Traces(package_layers=(layer(2, "x"),))), "IM523") == {
        "unknown"
    }


def test_code_below_what_was_installed() -> None:
    run = layer(3, "RUN pip install --require-hashes -r r.txt")
    place = environment(installed("idna", layer=run))
    made = (ADD, "COPY . /app", run.created_by)
    early = Traces(code=(CodeLayer(layer(2, "COPY . /app"), "/app/shop.py"),))
    assert failed(image_comparison(*made, traces=early, environment=place), "IM531") == [
        (2, "code (/app/shop.py) is in the image before layer 3 installs the dependencies")
    ]
    late = Traces(code=(CodeLayer(layer(4, "COPY . /app"), "/app/shop.py"),))
    assert outcomes(image_comparison(*made, traces=late, environment=place), "IM531") == {"pass"}
    copied = environment(installed("idna", layer=layer(2, "COPY --from=build /opt/venv /opt/venv")))
    assert outcomes(image_comparison(ADD, "COPY x", environment=copied), "IM531") == {"unknown"}


@pytest.mark.parametrize(
    ("run", "rule", "expected"),
    [
        ("RUN pip install --require-hashes -r r.txt", "IM541", {"pass"}),
        ("RUN pip install --require-hashes -r r.txt", "IM542", {"pass"}),
        ("RUN --mount=type=cache,target=/x uv sync --locked", "IM541", {"pass"}),
        ("RUN pip install idna", "IM541", {"fail"}),
        ("RUN pip install -r r.txt", "IM542", {"fail"}),
        ("RUN make install", "IM541", {"unknown"}),
    ],
)
def test_what_the_history_claims(run: str, rule: str, expected: set[str]) -> None:
    place = environment(installed("idna", layer=layer(2, run)))
    assert outcomes(image_comparison(ADD, run, environment=place), rule) == expected


def test_evidence_of_the_history_is_a_claim() -> None:
    (found,) = said(image_comparison(ADD, "RUN uv sync --locked"), "IM541")
    assert (found.grade.value, found.text) == (
        "history",
        "uv sync reads uv.lock (layer 2) (enforcement claimed in the history)",
    )


@pytest.mark.parametrize(
    ("other", "text"),
    [
        (
            OtherLock(path="/a/uv.lock", compared="uv.lock", differences=("a 1 is 2",), follows=1),
            "/a/uv.lock in the image is another lock than uv.lock: a 1 is 2; 1 of 1 is installed as in there",
        ),
        (
            OtherLock(path="/a/uv.lock", compared="uv.lock", differences=("a", "b"), follows=0),
            "/a/uv.lock in the image is another lock than uv.lock: a, b; 0 of 2 are installed as in there",
        ),
        (
            OtherLock(path="/a/uv.lock", compared="uv.lock", differences=()),
            "/a/uv.lock in the image is another lock than uv.lock, though both lock the same for this image",
        ),
        (
            OtherLock(path="/a/uv.lock", compared="uv.lock", unread="it is broken"),
            "/a/uv.lock in the image is another lock than uv.lock, and cannot be read: it is broken",
        ),
    ],
)
def test_another_lock_in_the_image(other: OtherLock, text: str) -> None:
    assert failed(image_comparison(ADD, build=Build(other_locks=(other,))), "IM543") == [(None, text)]


def history(*entries: tuple[str, bool]) -> tuple[HistoryEntry, ...]:
    return tuple(HistoryEntry(text, empty) for text, empty in entries)


@pytest.mark.parametrize(
    ("config", "rule", "expected"),
    [
        (ImageConfig(), "IM551", "fail"),
        (ImageConfig(cmd=("a",), history=history(("RUN x", False), ('CMD ["a"]', True))), "IM551", "pass"),
        (
            ImageConfig(cmd=("a",), history=history(('/bin/sh -c #(nop)  CMD ["a"]', True), ("x", False))),
            "IM551",
            "unknown",
        ),
        (ImageConfig(cmd=("a",)), "IM551", "unknown"),
        (ImageConfig(cmd=("/bin/sh", "-c", "a")), "IM552", "fail"),
        (ImageConfig(entrypoint=("bash", "-euxc", "a")), "IM552", "fail"),
        (ImageConfig(entrypoint=("sh", "/a.sh")), "IM552", "pass"),
    ],
)
def test_how_an_image_runs(config: ImageConfig, rule: str, expected: str) -> None:
    assert outcomes(image_comparison(ADD, config=config), rule) == {expected}


def test_a_base_tells_what_is_inherited() -> None:
    entries = history(("ADD x", False), ('CMD ["a"]', True), ("RUN y", False))
    config = ImageConfig(cmd=("a",), history=entries)
    comparison = image_comparison("ADD x", "RUN y", config=config, base=1)
    inherited = replace(comparison, build=replace(comparison.build, base_runs=("a",)))
    assert failed(inherited, "IM551") == [(None, "what the image runs is merely inherited from its base image (CMD)")]
    assert outcomes(comparison, "IM551") == {"pass"}


def test_a_command_that_stands_at_the_one_layer_of_buildah() -> None:
    entries = history(("ADD x", False), ("COPY y", True), ("/bin/sh -c #(nop) ENTRYPOINT z", False))
    config = ImageConfig(entrypoint=("z",), history=entries)
    assert outcomes(image_comparison("ADD x", "ENTRYPOINT z", config=config), "IM551") == {"pass"}


@pytest.mark.parametrize(
    ("execution", "expected"),
    [
        (Execution(found=("/app/run",)), "pass"),
        (Execution(missing="there is no /app/run"), "fail"),
        (Execution(unclear="uv run decides"), "unknown"),
    ],
)
def test_what_an_image_runs_is_there(execution: Execution, expected: str) -> None:
    assert outcomes(image_comparison(ADD, traces=Traces(execution=execution)), "IM553") == {expected}


def test_threads_of_numerical_libraries() -> None:
    place = environment(installed("numpy"))
    assert outcomes(image_comparison(ADD, environment=place), "HW601") == {"fail"}
    config = ImageConfig(env=MappingProxyType({"OMP_NUM_THREADS": "1"}))
    assert outcomes(image_comparison(ADD, environment=place, config=config), "HW601") == {"pass"}
    assert outcomes(image_comparison(ADD, environment=environment(installed("idna"))), "HW601") == {"pass"}


def test_cuda_of_packages_and_of_the_image() -> None:
    torch = installed("torch", "2.6.0+cu124")
    place = replace(environment(torch), cuda=(CudaBuild(torch.name, torch.version, "12.4", "its version"),))
    comparison = image_comparison(ADD, environment=place)

    def with_cuda(cuda: Cuda, **env: str) -> list[tuple[str, str, str]]:
        assert comparison.inventory is not None
        config = replace(comparison.inventory.config, env=MappingProxyType(env))
        inventory = replace(comparison.inventory, cuda=cuda, config=config)
        found = said(replace(comparison, inventory=inventory), "HW60")
        return [(each.rule, each.outcome.value, each.text) for each in found if each.rule in ("HW602", "HW605")]

    assert with_cuda(Cuda()) == [("HW602", "pass", "the wheels carry their own CUDA, and the image has none beside it")]
    assert with_cuda(Cuda(toolkit="12.6")) == [("HW602", "pass", "packages and image are for CUDA 12")]
    text = "torch 2.6.0+cu124 is for CUDA 12.4 (its version), the image has 11.8.0; the wheel carries its own"
    assert with_cuda(Cuda(declared="11.8.0")) == [("HW602", "fail", text)]
    assert with_cuda(Cuda(driver_requirement="cuda>=11.8 brand=tesla"))[1:] == [
        ("HW605", "fail", "packages need CUDA 12.4 (driver 525.60.13 or newer), and the image declares only cuda>=11.8")
    ]
    assert with_cuda(Cuda(driver_requirement="cuda>=12.1"))[1:] == [
        ("HW605", "pass", "the image declares cuda>=12.1, and packages need no more")
    ]
    text = "the image declares cuda>=12.4, and NVIDIA_DISABLE_REQUIRE makes the runtime ignore it"
    assert with_cuda(Cuda(driver_requirement="cuda>=12.4"), NVIDIA_DISABLE_REQUIRE="1")[1:] == [("HW605", "fail", text)]


def test_an_extension_that_was_compiled_for_another_cuda() -> None:
    own = installed("gpusort", "1.0", built_on_the_spot="x")
    module = native(own, "gpusort.so", elf(62, "libcudart.so.11.0", "libc.so.6"))
    comparison = image_comparison(ADD, environment=environment(own, natives=(module,)))
    assert comparison.inventory is not None
    assert outcomes(comparison, "HW602") == {"unknown"}
    with_toolkit = replace(comparison, inventory=replace(comparison.inventory, cuda=Cuda(toolkit="12.4.1")))
    assert failed(with_toolkit, "HW602") == [
        (None, "gpusort was compiled in the image for CUDA 11, and the image has 12.4.1")
    ]


def test_a_script_that_ends_without_a_gpu() -> None:
    torch = installed("torch", "2.6.0+cu124")
    place = replace(environment(torch), cuda=(CudaBuild(torch.name, torch.version, "12.4", "its version"),))
    assert outcomes(image_comparison(ADD, environment=place), "HW604") == {"fail"}
    guarded = Traces(execution=Execution(guard="/start.sh"))
    assert outcomes(image_comparison(ADD, environment=place, traces=guarded), "HW604") == {"pass"}
