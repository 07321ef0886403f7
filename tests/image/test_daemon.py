"""An engine that misbehaves, on a unix socket of the test's own."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import socket
import socketserver
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import unquote

import pytest

from driftscan.errors import DriftscanError, ImageError, LimitError, NotFoundError, UnreachableError
from driftscan.image import Limits, open_image
from driftscan.image.daemon import Client
from driftscan.image.docker_storage import storage_root
from driftscan.image.history import layer_ids
from driftscan.image.layercache import LayerCache
from driftscan.image.manifest import MANIFEST_TYPES
from driftscan.image.scan import scan
from driftscan.inventory import wants
from driftscan.model.image import UsedImage
from tests.builders.archives import docker_archive, layer_tar, oci_layout
from tests.builders.images import tar_of
from tests.builders.stored import docker_store, store_layer

STEPS = [("RUN touch /a", {"a": "1"}), ("RUN touch /b", {"b": "2"})]
IDENTITY = "sha256:" + "5" * 64
Reply = Callable[[BaseHTTPRequestHandler], None]


class Engine(socketserver.ThreadingUnixStreamServer):
    """Answers by path without Docker's API version; with the query where there is a reply to that."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path), Exchange)
        self.host = f"unix://{path}"
        self.replies: dict[str, Reply] = {"/version": json_reply({"ApiVersion": "1.41"})}


class Exchange(BaseHTTPRequestHandler):
    server: Engine

    def do_GET(self) -> None:
        asked = re.sub(r"^/v1\.\d+", "", unquote(self.path))
        path = asked.partition("?")[0]
        unknown = json_reply({"message": f"No such image: {path}"}, 404)
        self.server.replies.get(asked, self.server.replies.get(path, unknown))(self)

    def address_string(self) -> str:
        return "unix"

    def log_message(self, *_: object) -> None:
        """Silence."""


def reply(body: bytes, status: int = 200, *, length: int | None = None) -> Reply:
    def send(exchange: BaseHTTPRequestHandler) -> None:
        exchange.send_response(status)
        exchange.send_header("Content-Length", str(len(body) if length is None else length))
        exchange.end_headers()
        exchange.wfile.write(body)

    return send


def json_reply(document: object, status: int = 200) -> Reply:
    return reply(json.dumps(document).encode(), status)


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    # pytest's own folders can be too long for a socket.
    folder = Path(tempfile.mkdtemp(prefix="driftscan-"))
    server = Engine(folder / "engine.sock")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    monkeypatch.setenv("DOCKER_HOST", server.host)
    monkeypatch.setenv("DOCKER_CONFIG", str(folder))
    yield server
    server.shutdown()
    thread.join()
    server.server_close()
    shutil.rmtree(folder)


@pytest.fixture
def shop(engine: Engine, tmp_path: Path) -> Engine:
    """An engine that has the image `shop`."""
    diff_ids = [f"sha256:{hashlib.sha256(layer_tar(files)).hexdigest()}" for _, files in STEPS]
    inspected = {
        "Id": IDENTITY,
        "Architecture": "amd64",
        "Os": "linux",
        "Config": {"User": "nobody"},
        "RootFS": {"Type": "layers", "Layers": diff_ids},
    }
    history = [{"CreatedBy": made_by, "Comment": "", "Size": 1} for made_by, _ in reversed(STEPS)]
    saved = docker_archive(tmp_path / "saved.tar", STEPS, User="root").read_bytes()
    engine.replies |= {
        "/images/shop/json": json_reply(inspected),
        f"/images/{IDENTITY}/history": json_reply(history),
        f"/images/{IDENTITY}/get": reply(saved),
    }
    return engine


def read(limits: Limits | None = None, platform: str | None = None) -> tuple[str, list[str | None]]:
    """The image's user, and what made each layer."""
    limits = limits or Limits()
    with open_image("docker:shop", limits=limits, platform=platform) as image:
        assert [list(index.entries) for index in scan(image, wants, limits)] == [["a"], ["b"]]
        return image.config.user, [layer.created_by for layer in layer_ids(image.config)]


def refused(limits: Limits | None = None, platform: str | None = None) -> DriftscanError:
    with pytest.raises(DriftscanError) as caught:
        read(limits, platform)
    return caught.value


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
    assert str(error) == f"the Docker daemon at {shop.host}: it answered 500 disk is gone"


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


@pytest.fixture
def store(shop: Engine, tmp_path: Path) -> Path:
    """The folder of the engine, which sends no image, but stores it where it says."""
    inspected = docker_store(tmp_path / "docker", STEPS, User="store")
    shop.replies["/images/shop/json"] = json_reply(inspected)
    shop.replies[f"/images/{inspected['Id']}/history"] = shop.replies[f"/images/{IDENTITY}/history"]
    return tmp_path / "docker"


def sends_it_too(shop: Engine, tmp_path: Path) -> None:
    """Let the engine send the image that it stores."""
    identity = str(docker_store(tmp_path / "same", STEPS, User="store")["Id"])
    shop.replies[f"/images/{identity}/get"] = shop.replies[f"/images/{IDENTITY}/get"]


def test_layers_of_a_store_that_can_be_read_are_not_sent(store: Path) -> None:
    assert read() == ("store", ["RUN touch /a", "RUN touch /b"])


@pytest.mark.parametrize("path", ["overlay2/cache0/diff/a", "overlay2/cache1/diff/b"])
def test_layers_that_the_store_has_no_more_as_they_were_are_sent(
    shop: Engine, store: Path, tmp_path: Path, path: str
) -> None:
    (store / path).write_text("x")
    error = refused()
    assert isinstance(error, NotFoundError)
    sends_it_too(shop, tmp_path)
    assert read() == ("store", ["RUN touch /a", "RUN touch /b"])


def test_what_is_too_large_in_the_store_is_not_sent(store: Path) -> None:
    assert isinstance(refused(Limits(layer_size=512)), LimitError)


@pytest.mark.parametrize(
    "path",
    [
        "image/overlay2/imagedb/content/sha256/*",
        "image/overlay2/layerdb/sha256/*/cache-id",
        "image/overlay2/layerdb/sha256/*/tar-split.json.gz",
        "overlay2/cache1/diff/b",
    ],
)
def test_an_image_whose_store_lacks_something_is_sent(shop: Engine, store: Path, tmp_path: Path, path: str) -> None:
    for each in store.glob(path):
        each.unlink()
    sends_it_too(shop, tmp_path)
    assert read() == ("store", ["RUN touch /a", "RUN touch /b"])


def test_a_configuration_in_the_store_that_is_another_images(shop: Engine, store: Path, tmp_path: Path) -> None:
    (config,) = store.glob("image/overlay2/imagedb/content/sha256/*")
    config.write_text(config.read_text().replace("store", "other"))
    assert read() == ("store", ["RUN touch /a", "RUN touch /b"])


@pytest.mark.parametrize("cache_id", ["../cache0", "", "cache0/../cache0", "\xe9"])
def test_a_store_that_points_elsewhere(shop: Engine, store: Path, tmp_path: Path, cache_id: str) -> None:
    for file in store.glob("image/overlay2/layerdb/sha256/*/cache-id"):
        file.write_text(cache_id)
    assert isinstance(refused(), NotFoundError)


def test_a_daemon_that_is_elsewhere_may_name_a_folder_of_this_machine(
    shop: Engine, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Client, "is_here", False)
    assert isinstance(refused(), NotFoundError)


@pytest.mark.parametrize(
    "driver",
    [
        None,
        [],
        {},
        {"Name": "overlayfs", "Data": None},
        {"Data": {"UpperDir": None}},
        {"Data": {"UpperDir": "overlay2/x/diff"}},
        {"Data": {"UpperDir": "/var/lib/docker/overlay2/x/../../diff"}},
        {"Data": {"UpperDir": "/var/lib/docker/btrfs/subvolumes/x"}},
    ],
)
def test_other_storage_drivers(driver: object) -> None:
    assert storage_root({"GraphDriver": driver}) is None


def test_podmans_store(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONTAINER_HOST", engine.host)
    layers = [layer_tar(files) for _, files in STEPS]
    names = ["a" * 64, "b" * 64]
    folders = [tmp_path / "overlay" / name / "diff" for name in names]
    splits = [tmp_path / "overlay-layers" / f"{name}.tar-split.gz" for name in names]
    for stored in zip(layers, folders, splits, strict=True):
        store_layer(*stored)
    data = {"UpperDir": str(folders[1]), "LowerDir": str(folders[0])}
    diff_ids = [f"sha256:{hashlib.sha256(layer).hexdigest()}" for layer in layers]
    inspected = {"Id": IDENTITY, "RootFS": {"Layers": diff_ids}, "GraphDriver": {"Data": data}}
    engine.replies |= {
        "/libpod/_ping": reply(b"OK"),
        "/v4.0.0/libpod/images/shop/json": json_reply(inspected),
    }

    def indexes() -> list[list[str]]:
        with open_image("podman:shop", limits=Limits()) as image:
            return [list(index.entries) for index in scan(image, wants, Limits())]

    assert indexes() == [["a"], ["b"]]
    splits[0].unlink()
    with pytest.raises(NotFoundError):
        indexes()
