"""Images in the storage of an engine of this machine, which sends them where that cannot be read."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from driftscan.errors import LimitError, NotFoundError
from driftscan.image import Limits, open_image
from driftscan.image.daemon import Client
from driftscan.image.docker import known_digest
from driftscan.image.docker_storage import storage_root
from driftscan.image.scan import scan
from driftscan.inventory import wants
from tests.builders.archives import layer_tar, oci_layout
from tests.builders.engine import IDENTITY, STEPS, Engine, json_reply, read, refused, reply
from tests.builders.stored import docker_store, store_layer


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


def test_an_image_that_neither_its_store_nor_the_daemon_has_as_it_was(shop: Engine, store: Path) -> None:
    (store / "overlay2/cache1/diff/b").write_text("longer")
    (config,) = store.glob("image/overlay2/imagedb/content/sha256/*")
    shop.replies[f"/images/sha256:{config.name}/get"] = json_reply({"message": "file integrity checksum failed"}, 500)
    error = refused()
    assert str(error) == (
        f"docker:shop, the Docker daemon at {shop.host}: it answered 500 file integrity checksum failed "
        f"(in its storage, shop, layer 2, {store}/overlay2/cache1/diff: "
        "the file 'b' is not the one that the layer came with)"
    )
    assert error.hint == "if its storage was changed or damaged: remove the image, and pull or build it again"


def test_a_daemon_is_not_asked_for_what_would_make_it_wait_forever(shop: Engine, store: Path, tmp_path: Path) -> None:
    file = store / "overlay2/cache1/diff/b"
    file.unlink()
    os.mkfifo(file)
    sends_it_too(shop, tmp_path)
    error = refused()
    assert str(error) == f"shop, layer 2, {file.parent}: in the place of the file 'b' is a pipe or a device"
    assert error.hint == "the storage was changed by hand: remove the image, and pull or build it again"


@pytest.mark.parametrize(
    "path", ["image/overlay2/imagedb/content/sha256/*", "image/overlay2/layerdb/sha256/*/cache-id"]
)
def test_a_store_with_pipes_in_place_of_its_files(shop: Engine, store: Path, tmp_path: Path, path: str) -> None:
    for file in list((store / "image/overlay2").glob(path)):
        file.unlink()
        os.mkfifo(file)
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
    assert isinstance(refused(), NotFoundError)
    sends_it_too(shop, tmp_path)
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


CONTENT = "containerd/daemon/io.containerd.content.v1.content"


def containerd_store(shop: Engine, tmp_path: Path, content: str = f"docker/{CONTENT}") -> Path:
    """The content store of an engine that keeps `shop` there, and does not send it; its blobs are returned."""
    layout = oci_layout(tmp_path / content, STEPS, User="store")
    (target,) = json.loads((layout / "index.json").read_bytes())["manifests"]
    diff_ids = [f"sha256:{hashlib.sha256(layer_tar(files)).hexdigest()}" for _, files in STEPS]
    described = {"Architecture": "amd64", "Os": "linux", "Config": {"User": "sent"}, "RootFS": {"Layers": diff_ids}}
    shop.replies |= {
        "/images/shop/json": json_reply({"Id": target["digest"], "Descriptor": target, **described}),
        "/info": json_reply({"Driver": "overlayfs", "DockerRootDir": str(tmp_path / "docker")}),
        f"/images/{target['digest']}/history": shop.replies[f"/images/{IDENTITY}/history"],
    }
    return layout / "blobs/sha256"


def documents(blobs: Path) -> tuple[Path, Path, list[Path]]:
    """Manifest, configuration and layers among the blobs."""
    found = {path: path.read_bytes() for path in blobs.iterdir()}
    (manifest,) = (path for path, data in found.items() if b'"schemaVersion"' in data)
    (config,) = (path for path, data in found.items() if b'"rootfs"' in data)
    return manifest, config, [path for path in found if path not in (manifest, config)]


def test_blobs_of_containerd_are_not_sent(shop: Engine, tmp_path: Path) -> None:
    containerd_store(shop, tmp_path)
    assert read() == ("store", ["RUN touch /a", "RUN touch /b"])


def test_blobs_of_the_systems_containerd(shop: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    containerd_store(shop, tmp_path, "system/io.containerd.content.v1.content")
    monkeypatch.setattr("driftscan.image.containerd_storage._SYSTEM", tmp_path / "system")
    assert read()[0] == "store"


@pytest.mark.parametrize("info", [{}, {"DockerRootDir": None}, {"DockerRootDir": "docker"}, None])
def test_a_daemon_that_does_not_say_where_its_folder_is(
    shop: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, info: object
) -> None:
    """Proxies in front of a daemon may let only some questions through."""
    containerd_store(shop, tmp_path)
    monkeypatch.chdir(tmp_path)
    shop.replies["/info"] = json_reply(info) if info is not None else json_reply({"message": "no"}, 403)
    manifest = json.loads((tmp_path / "docker" / CONTENT / "index.json").read_bytes())["manifests"][0]["digest"]
    assert isinstance(refused(), NotFoundError)
    shop.replies[f"/images/{manifest}/get"] = shop.replies[f"/images/{IDENTITY}/get"]
    assert read()[0] == "sent"


@pytest.mark.parametrize("how", ["missing", "changed", "longer", "linked"])
@pytest.mark.parametrize(("kind", "user"), [("manifest", "sent"), ("config", "sent"), ("layer", "store")])
def test_what_containerd_does_not_have_as_it_should_is_sent(
    shop: Engine, tmp_path: Path, how: str, kind: str, user: str
) -> None:
    manifest, config, layers = documents(containerd_store(shop, tmp_path))
    blob = {"manifest": manifest, "config": config, "layer": layers[0]}[kind]
    data = blob.read_bytes()
    blob.unlink()
    if how == "changed":
        blob.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    elif how == "longer":
        blob.write_bytes(data + b" ")
    elif how == "linked":
        (tmp_path / "elsewhere").write_bytes(data)
        blob.symlink_to(tmp_path / "elsewhere")
    error = refused()
    assert str(error) == "docker:shop: the Docker daemon does not have all of its content"
    shop.replies[f"/images/sha256:{manifest.name}/get"] = shop.replies[f"/images/{IDENTITY}/get"]
    assert read() == (user, ["RUN touch /a", "RUN touch /b"])


def test_a_configuration_of_containerd_past_its_limit(shop: Engine, tmp_path: Path) -> None:
    _, config, _ = documents(containerd_store(shop, tmp_path))
    assert isinstance(refused(Limits(document=config.stat().st_size - 1)), LimitError)


def test_another_platform_than_containerd_has(shop: Engine, tmp_path: Path) -> None:
    containerd_store(shop, tmp_path)
    expected = "docker:shop: the image is for linux/amd64, not for linux/arm64"
    assert str(refused(platform="linux/arm64")) == expected


def test_the_containerd_of_another_machine(shop: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    containerd_store(shop, tmp_path)
    monkeypatch.setattr(Client, "is_here", False)
    assert isinstance(refused(), NotFoundError)


def test_digests_that_containerd_has_for_every_name(shop: Engine, tmp_path: Path) -> None:
    """They are no proof that a registry knows them: of an imported image there is one as well."""
    known = "sha256:" + "d" * 64
    shop.replies["/images/shop/json"] = json_reply({"RepoDigests": [f"shop@{known}"]})
    assert known_digest("shop", Limits()) == known
    shop.replies["/images/shop/json"] = json_reply({"RepoDigests": [f"shop@{known}"], "Descriptor": {"digest": known}})
    assert known_digest("shop", Limits()) is None


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
