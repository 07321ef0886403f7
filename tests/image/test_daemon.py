"""An engine that misbehaves."""

from __future__ import annotations

import hashlib
import json
import shutil
import socket
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from driftscan.errors import ImageError, LimitError, NotFoundError, UnreachableError
from driftscan.image import Limits, open_image
from driftscan.image.history import layer_ids
from driftscan.image.layercache import LayerCache
from driftscan.image.manifest import MANIFEST_TYPES
from driftscan.image.scan import scan
from driftscan.inventory import wants
from driftscan.model.image import UsedImage
from tests.builders.archives import docker_archive, layer_tar, oci_layout
from tests.builders.engine import IDENTITY, STEPS, Engine, json_reply, read, refused, reply
from tests.builders.images import tar_of


def test_an_image_is_read(shop: Engine) -> None:
    assert read() == ("nobody", ["RUN touch /a", "RUN touch /b"])


def test_a_history_that_leaves_it_open_is_settled_by_the_saved_configuration(shop: Engine) -> None:
    history = [{"CreatedBy": made_by, "Size": 0} for made_by in ("RUN touch /b", "RUN true", "RUN touch /a")]
    shop.replies[f"/images/{IDENTITY}/history"] = json_reply(history)
    assert read() == ("root", ["RUN touch /a", "RUN touch /b"])


def test_a_history_that_the_daemon_refuses_is_read_from_the_saved_configuration(shop: Engine) -> None:
    """As the containerd image store does where it names more layers than there are."""
    refusal = json_reply({"message": "unable to find the size of the layer"}, 500)
    shop.replies[f"/images/{IDENTITY}/history"] = refusal
    assert read() == ("root", ["RUN touch /a", "RUN touch /b"])

    shop.replies[f"/images/{IDENTITY}/get"] = refusal
    assert str(refused()).endswith("it answered 500 unable to find the size of the layer")


def test_what_is_cached_is_not_exported(shop: Engine, tmp_path: Path) -> None:
    cache, limits = LayerCache(tmp_path / "cache"), Limits()
    with open_image("docker:shop", limits=limits) as image:
        found = scan(image, wants, limits, cache=cache)
    del shop.replies[f"/images/{IDENTITY}/get"]
    with open_image("docker:shop", limits=limits) as image:
        assert scan(image, wants, limits, cache=cache) == found


def test_an_image_that_the_daemon_does_not_have(engine: Engine) -> None:
    error = refused()
    assert isinstance(error, NotFoundError)
    assert str(error) == f"{engine.host}: the Docker daemon has no image 'shop'"
    assert error.hint == "fetch it with `docker pull shop`, or read it with registry:shop"


def test_another_platform(shop: Engine) -> None:
    assert str(refused(platform="linux/arm64")) == "docker:shop: the image is for linux/amd64, not for linux/arm64"


AMD64, ARM64 = {"architecture": "amd64", "os": "linux"}, {"architecture": "arm64", "os": "linux", "variant": "v8"}


def containerd_store(engine: Engine, tmp_path: Path, *, there: Sequence[dict[str, str]]) -> Engine:
    """What Docker 29 answers from its containerd image store of an index for two platforms, of which it has `there`.

    Without a platform it describes the one of its own machine (amd64), in the same answers empty where that is not
    there, and then saves nothing.
    """
    engine.replies["/version"] = json_reply({"ApiVersion": "1.55"})
    kind = "application/vnd.oci.image.index.v1+json"
    index = {"Id": IDENTITY, "Descriptor": {"mediaType": kind, "digest": IDENTITY, "size": 536}}
    nothing = {**index, "Architecture": "", "Os": "", "Config": {}, "RootFS": {}}
    manifests: list[dict[str, object]] = []
    engine.replies |= {"/images/shop/json": json_reply(nothing), f"/images/{IDENTITY}/history": json_reply([])}
    for number, (platform, steps) in enumerate(((AMD64, STEPS), (ARM64, STEPS[:1])), 6):
        manifest = f"sha256:{str(number) * 64}"
        manifests.append(
            {
                "ID": manifest,
                "Descriptor": {"digest": manifest, "mediaType": MANIFEST_TYPES[0], "size": 400, "platform": platform},
                "Available": platform in there,
                "Kind": "image",
            }
        )
        if platform not in there:
            continue
        described = {
            "Architecture": platform["architecture"],
            "Os": platform["os"],
            "Variant": platform.get("variant"),
            "Config": {"User": platform["architecture"]},
            "RootFS": {"Layers": [f"sha256:{hashlib.sha256(layer_tar(files)).hexdigest()}" for _, files in steps]},
        }
        query = "?platform=" + json.dumps({"os": "linux", **platform}, separators=(",", ":"), sort_keys=True)
        history = json_reply([{"CreatedBy": made_by, "Size": 4096} for made_by, _ in reversed(steps)])
        saved = docker_archive(tmp_path / f"{number}.tar", steps).read_bytes()
        engine.replies |= {
            f"/images/{IDENTITY}/json{query}": json_reply({**described, "Id": manifest}),
            f"/images/{IDENTITY}/history{query}": history,
            f"/images/{IDENTITY}/get{query}": reply(saved),
        }
        if platform is AMD64:
            engine.replies["/images/shop/json"] = json_reply({**index, **described})
    attested = {"ID": "sha256:" + "8" * 64, "Available": True, "Kind": "attestation", "Descriptor": {}}
    listed = {**index, "Manifests": [*manifests, attested]}
    engine.replies[f"/images/{IDENTITY}/json?manifests=1"] = json_reply(listed)
    return engine


@pytest.mark.parametrize(
    ("there", "platform", "read"),
    [
        ([AMD64, ARM64], None, ("amd64", "linux/amd64", ["RUN touch /a", "RUN touch /b"])),
        ([AMD64, ARM64], "linux/amd64", ("amd64", "linux/amd64", ["RUN touch /a", "RUN touch /b"])),
        ([AMD64, ARM64], "linux/arm64", ("arm64", "linux/arm64/v8", ["RUN touch /a"])),
        ([AMD64], None, ("amd64", "linux/amd64", ["RUN touch /a", "RUN touch /b"])),
        ([ARM64], None, ("arm64", "linux/arm64/v8", ["RUN touch /a"])),
        ([ARM64], "linux/arm64", ("arm64", "linux/arm64/v8", ["RUN touch /a"])),
    ],
)
def test_one_platform_of_several(
    engine: Engine, tmp_path: Path, there: list[dict[str, str]], platform: str | None, read: tuple[str, str, list[str]]
) -> None:
    containerd_store(engine, tmp_path, there=there)
    with open_image("docker:shop", limits=Limits(), platform=platform) as image:
        makers = [layer.created_by for layer in layer_ids(image.config)]
        assert (image.config.user, image.platform, makers) == read
        assert image.digest == IDENTITY
        assert [list(index.entries) for index in scan(image, wants, Limits())] == [["a"], ["b"]][: len(makers)]


def test_what_an_image_was_built_from(engine: Engine, tmp_path: Path) -> None:
    containerd_store(engine, tmp_path, there=[AMD64, ARM64])
    base = {"uri": "pkg:docker/base@1?platform=linux%2Farm64", "digest": {"sha256": "b" * 64}}
    statement = {
        "predicateType": "https://slsa.dev/provenance/v1",
        "subject": [{"name": "pkg:docker/shop", "digest": {"sha256": "7" * 64}}],
        "predicate": {"buildDefinition": {"resolvedDependencies": [base]}},
    }
    platform = json.dumps(ARM64, separators=(",", ":"))
    kinds = "".join(f"&type=https://slsa.dev/provenance/{version}" for version in ("v0.2", "v1"))
    asked = f"/images/{IDENTITY}/attestations?platform={platform}&statement=1{kinds}"
    engine.replies[asked] = json_reply([{"PredicateType": statement["predicateType"], "Statement": statement}])
    with open_image("docker:shop", limits=Limits(), platform="linux/arm64") as image:
        assert image.used() == (UsedImage("base:1", "sha256:" + "b" * 64),)

    del engine.replies[asked]
    engine.replies["/version"] = json_reply({"ApiVersion": "1.54"})
    with open_image("docker:shop", limits=Limits(), platform="linux/arm64") as image:
        assert image.used() == ()


def test_a_platform_that_the_daemon_does_not_have(engine: Engine, tmp_path: Path) -> None:
    containerd_store(engine, tmp_path, there=[ARM64])
    error = refused(platform="linux/amd64")
    assert isinstance(error, NotFoundError)
    assert str(error) == "docker:shop: there is no image for linux/amd64; it has linux/arm64/v8"
    assert error.hint == "choose one of them with --platform"


def test_an_image_of_which_the_daemon_has_not_everything(engine: Engine, tmp_path: Path) -> None:
    """Else it would look like one without layers."""
    containerd_store(engine, tmp_path, there=[])
    error = refused()
    assert isinstance(error, NotFoundError)
    assert str(error) == "docker:shop: the Docker daemon does not have all of its content"
    assert error.hint == "read it with registry:shop, or remove all images that share layers with it and fetch it again"

    manifest = {"mediaType": MANIFEST_TYPES[0], "digest": IDENTITY, "size": 400}
    found = {"Id": IDENTITY, "Descriptor": manifest, "Architecture": "", "Os": "", "Config": {}, "RootFS": {}}
    engine.replies["/images/shop/json"] = json_reply(found)
    assert str(refused()) == str(error)


def test_an_image_whose_layers_the_daemon_only_has_unpacked(shop: Engine, engine: Engine, tmp_path: Path) -> None:
    """The containerd image store fetches no layer whose files it has from another image, and then saves none."""
    shop.replies[f"/images/{IDENTITY}/get"] = reply(tar_of({"index.json": b"{}", "manifest.json": b"[]"}))
    error = refused()
    assert isinstance(error, NotFoundError)
    assert str(error) == "docker:shop: the Docker daemon does not have all of its content"
    assert error.hint == "read it with registry:shop, or remove all images that share layers with it and fetch it again"

    containerd_store(engine, tmp_path, there=[AMD64])
    query = next(path for path in engine.replies if path.startswith(f"/images/{IDENTITY}/get?"))
    engine.replies[query] = json_reply({"message": "no suitable export target found"}, 404)
    assert (str(refused()), refused().hint) == (str(error), error.hint)


def test_an_error_of_the_daemon(shop: Engine) -> None:
    shop.replies["/images/shop/json"] = json_reply({"message": "disk is gone"}, 500)
    error = refused()
    assert isinstance(error, UnreachableError)
    assert str(error) == f"docker:shop, the Docker daemon at {shop.host}: it answered 500 disk is gone"


def test_a_saved_archive_that_breaks_off(shop: Engine, tmp_path: Path) -> None:
    saved = (tmp_path / "saved.tar").read_bytes()
    shop.replies[f"/images/{IDENTITY}/get"] = reply(saved[:3000], length=len(saved))
    assert isinstance(refused(), UnreachableError)
    shop.replies[f"/images/{IDENTITY}/get"] = reply(saved[:3000])
    assert isinstance(refused(), ImageError)


def test_a_saved_archive_of_another_image(shop: Engine, tmp_path: Path) -> None:
    other = docker_archive(tmp_path / "other.tar", STEPS[:1]).read_bytes()
    shop.replies[f"/images/{IDENTITY}/get"] = reply(other)
    error = refused()
    assert isinstance(error, ImageError)
    assert error.message.startswith("layer 2 (sha256:")


def test_podman_saves_in_another_format_what_does_not_go_into_the_first(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it says of zstd layers that it pulled."""
    layout = oci_layout(tmp_path / "layout", STEPS)
    saved = Path(shutil.make_archive(str(tmp_path / "saved"), "tar", layout)).read_bytes()
    asked: list[str] = []

    def save(exchange: BaseHTTPRequestHandler) -> None:
        asked.append(exchange.path.partition("format=")[2])
        zstd = {"cause": "zstd compression is not supported for docker images", "response": 400}
        (json_reply(zstd, 400) if asked[-1] == "docker-archive" else reply(saved))(exchange)

    diff_ids = [f"sha256:{hashlib.sha256(layer_tar(files)).hexdigest()}" for _, files in STEPS]
    images = "/v4.0.0/libpod/images"
    engine.replies |= {
        "/libpod/_ping": reply(b"OK"),
        f"{images}/shop/json": json_reply({"Id": IDENTITY, "RootFS": {"Layers": diff_ids}}),
        f"{images}/{IDENTITY.removeprefix('sha256:')}/get": save,
    }
    monkeypatch.setenv("CONTAINER_HOST", engine.host)
    with open_image("podman:shop", limits=Limits()) as image:
        assert [list(index.entries) for index in scan(image, wants, Limits())] == [["a"], ["b"]]
    assert asked == ["docker-archive", "oci-archive"]

    engine.replies[f"{images}/{IDENTITY.removeprefix('sha256:')}/get"] = json_reply({"cause": "no space left"}, 500)
    with open_image("podman:shop", limits=Limits()) as image, pytest.raises(UnreachableError) as caught:
        scan(image, wants, Limits())
    assert caught.value.message == "it answered 500 no space left"


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"Id": 7}', b'{"Id": "sha256:../.."}', b'{"a": 1, "A": 2}'])
def test_an_answer_that_makes_no_sense(shop: Engine, body: bytes) -> None:
    shop.replies["/images/shop/json"] = reply(body)
    assert isinstance(refused(), ImageError)


def test_an_answer_without_end(shop: Engine) -> None:
    shop.replies["/images/shop/json"] = reply(b'{"a": "' + b"a" * (1 << 20) + b'"}')
    assert isinstance(refused(Limits(document=1 << 16)), LimitError)


def test_what_is_no_engine(engine: Engine) -> None:
    engine.replies["/version"] = reply(b"hello")
    error = refused()
    assert isinstance(error, UnreachableError)
    assert str(error).startswith(f"DOCKER_HOST: the Docker daemon does not answer at {engine.host} (")


def test_a_socket_that_may_not_be_used(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    class Forbidden(socket.socket):
        def connect(self, *_: object) -> None:
            raise PermissionError(13, "Permission denied")

    # Tests may run as root, whom no socket forbids anything.
    monkeypatch.setattr("driftscan.image.daemon.socket.socket", Forbidden)
    error = refused()
    assert str(error) == f"DOCKER_HOST: permission denied on the socket {engine.host.removeprefix('unix://')}"
    assert error.hint == (
        "run as a user that may use the Docker daemon, or read the image with registry: or docker-archive:"
    )
