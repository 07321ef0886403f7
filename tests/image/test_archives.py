"""Images from paths: OCI layouts and archives, and what `docker save` writes."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import zstandard

from driftscan.errors import ImageError, LimitError, NotFoundError
from driftscan.image import Image, Limits, open_image
from driftscan.image.docker_archive import arrivals
from driftscan.image.scan import scan
from driftscan.model.image import LayerIndex
from tests.builders.images import (
    INDEX_TYPE,
    build,
    descriptor,
    encode,
    entry,
    gzipped,
    index,
    layout,
    layout_files,
    saved_files,
    sha256,
    tar_of,
    write_files,
)
from tests.builders.tars import archive, header, member

LIMITS = Limits()
IMAGE = build()
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"
OTHER = build([("RUN other", {"a": "b"})], platform="linux/arm64")


def opened(reference: str, platform: str | None = None, limits: Limits = LIMITS) -> Image:
    with open_image(reference, platform=platform, limits=limits) as image:
        return image


def layers(image: Image) -> tuple[LayerIndex, ...]:
    return scan(image, lambda *_: None, LIMITS)


def refused(reference: str, platform: str | None = None, limits: Limits = LIMITS) -> ImageError:
    with pytest.raises(ImageError) as caught:
        layers(opened(reference, platform, limits))
    return caught.value


def archive_at(path: Path, files: Mapping[str, bytes]) -> Path:
    path.write_bytes(tar_of(files))
    return path


@pytest.fixture(params=["oci", "oci-archive"])
def stored(request: pytest.FixtureRequest, tmp_path: Path) -> object:
    """Stores the files of a layout as a folder or as an archive, and gives the reference and the place."""

    def store(files: Mapping[str, bytes]) -> tuple[str, Path]:
        if request.param == "oci":
            place = write_files(tmp_path / "layout", files)
        else:
            place = archive_at(tmp_path / "layout.tar", files)
        return f"{request.param}:{place}", place

    return store


def put(stored: object, files: Mapping[str, bytes]) -> tuple[str, Path]:
    assert callable(stored)
    reference, place = stored(files)
    return str(reference), Path(place)


def test_a_layout(stored: object) -> None:
    reference, place = put(stored, layout(IMAGE))
    found = opened(reference)

    assert (found.reference, found.source) == (str(place), reference.partition(":")[0])
    assert (found.digest, found.platform) == (sha256(IMAGE.config), "linux/amd64")
    assert [sorted(layer.entries) for layer in layers(found)] == [
        ["etc/os-release", "usr/bin/tool"],
        ["opt/app/data.json", "opt/app/gone"],
        [],
    ]


def test_another_number_of_layers_is_seen_when_it_is_opened(stored: object) -> None:
    """Layers that are known from other images are not read, so that nobody would see it later."""
    listed = [descriptor(layer, LAYER_TYPE) for layer in IMAGE.layers[:2]]
    reference, place = put(stored, layout(build(manifest={"layers": listed})))
    with pytest.raises(ImageError) as caught:
        opened(reference)
    assert str(caught.value) == f"{place}: the manifest lists 2 layers, the configuration 3"


def test_several_images_of_a_layout(stored: object) -> None:
    document = index(entry(IMAGE, "one"), entry(OTHER, "shop:2"))
    reference, place = put(stored, layout_files(document, *IMAGE.blobs, *OTHER.blobs))

    assert opened(f"{reference}:one").digest == sha256(IMAGE.config)
    assert opened(f"{reference}:shop:2").digest == sha256(OTHER.config)
    assert opened(f"{reference}:{sha256(OTHER.manifest)}").digest == sha256(OTHER.config)
    error = refused(reference)
    assert (str(error), error.hint) == (f"{place}: it holds 2 images", "name one of them behind the path: one, shop:2")
    error = refused(f"{reference}:three")
    assert isinstance(error, NotFoundError)
    assert (str(error), error.hint) == (
        f"{place}: it holds no image 'three'",
        "name one of them behind the path: one, shop:2",
    )


def test_several_platforms_of_a_layout(stored: object) -> None:
    inner = index(entry(IMAGE, platform="linux/amd64"), entry(OTHER, platform="linux/arm64"))
    document = index(descriptor(inner, INDEX_TYPE, annotations={"org.opencontainers.image.ref.name": "latest"}))
    reference, place = put(stored, layout_files(document, inner, *IMAGE.blobs, *OTHER.blobs))

    assert opened(reference, "linux/amd64").digest == sha256(IMAGE.config)
    assert opened(f"{reference}:latest", "linux/arm64").digest == sha256(OTHER.config)
    assert str(refused(reference, "linux/riscv64")) == (
        f"{place}: there is no image for linux/riscv64; it has linux/amd64, linux/arm64"
    )


def test_an_index_that_says_another_platform_than_the_configuration(stored: object) -> None:
    document = index(entry(IMAGE, platform="linux/arm64"))
    reference, place = put(stored, layout_files(document, *IMAGE.blobs))
    assert str(refused(reference, "linux/arm64")) == f"{place}: the image is for linux/amd64, not for linux/arm64"


def test_indexes_nested_too_deep(stored: object) -> None:
    blobs = [index(entry(IMAGE))]
    for _ in range(6):
        blobs.append(index(descriptor(blobs[-1], INDEX_TYPE)))
    reference, place = put(stored, layout_files(blobs[-1], *blobs, *IMAGE.blobs))
    assert str(refused(reference)) == f"{place}: its indexes are nested more than 4 deep"


@pytest.mark.parametrize("position", range(5))
def test_a_blob_that_is_missing(stored: object, position: int) -> None:
    blobs = list(IMAGE.blobs)
    gone = sha256(blobs.pop(position))
    reference, _ = put(stored, layout_files(index(entry(IMAGE)), *blobs))
    assert str(refused(reference)).endswith(f"the blob {gone} is missing")


def test_documents_that_lie_about_their_size(stored: object) -> None:
    length = len(IMAGE.manifest)
    for size, wrong in (
        (length - 1, f"the manifest is longer than the {length - 1} bytes of its descriptor"),
        (length + 1, f"the manifest has {length} bytes, its descriptor says {length + 1}"),
    ):
        document = index({**entry(IMAGE), "size": size})
        reference, place = put(stored, layout_files(document, *IMAGE.blobs))
        assert refused(reference).message == wrong
    large = index({**entry(IMAGE), "size": 5 << 20})
    reference, place = put(stored, layout_files(large, *IMAGE.blobs))
    assert refused(reference).message
    config = build(manifest={"config": {**descriptor(IMAGE.config), "size": 1 << 40}})
    reference, place = put(stored, layout(config))
    assert str(refused(reference)) == f"{place}: the image configuration passes the limit `document` of 4,194,304"


def test_an_index_that_is_none(stored: object) -> None:
    reference, place = put(stored, {**layout(IMAGE), "index.json": IMAGE.manifest})
    assert str(refused(reference)) == f"{place}: its index.json is an image manifest, not an index"
    reference, place = put(stored, {**layout(IMAGE), "index.json": index()})
    assert str(refused(reference)) == f"{place}: its index lists no image"
    reference, place = put(stored, {**layout(IMAGE), "index.json": b"{"})
    assert refused(reference).message.startswith("index.json is not valid JSON")


def test_what_is_no_layout(tmp_path: Path) -> None:
    path = archive_at(tmp_path / "x.tar", {"a": b"b"})
    assert str(refused(f"oci:{tmp_path}")) == f"{tmp_path}: there is no index.json, so this is no OCI layout"
    assert str(refused(f"oci-archive:{path}")) == f"{path}: there is no index.json, so this is no OCI archive"
    assert str(refused(f"oci:{tmp_path}/none")) == f"oci:{tmp_path}/none: there is no {tmp_path}/none"


@pytest.mark.parametrize("which", [0, 1, 4])
def test_a_blob_that_is_a_link_to_the_host(which: int, tmp_path: Path) -> None:
    place = write_files(tmp_path / "layout", layout(IMAGE))
    blob = place / "blobs" / sha256(IMAGE.blobs[which]).replace(":", "/")
    blob.rename(tmp_path / "outside")
    blob.symlink_to(tmp_path / "outside")
    assert refused(f"oci:{place}").message == f"the blob {sha256(IMAGE.blobs[which])} is a symlink"


def test_folders_of_blobs_that_are_links_to_the_host(tmp_path: Path) -> None:
    place = write_files(tmp_path / "layout", layout(IMAGE))
    (place / "blobs").rename(tmp_path / "outside")
    (place / "blobs").symlink_to(tmp_path / "outside")
    assert refused(f"oci:{place}").message.endswith("is a symlink")


@pytest.mark.parametrize("digest", ["sha256:../../../../etc/passwd", "../x", "sha512:" + "ab" * 64])
def test_digests_never_reach_a_path_unchecked(stored: object, digest: str) -> None:
    reference, _ = put(stored, layout_files(index({**entry(IMAGE), "digest": digest}), *IMAGE.blobs))
    assert "digest" in refused(reference).message


# docker save


@pytest.mark.parametrize("legacy", [False, True])
def test_a_saved_image(legacy: bool, tmp_path: Path) -> None:
    path = archive_at(tmp_path / "shop.tar", saved_files(IMAGE, legacy=legacy))
    found = opened(f"docker-archive:{path}")

    assert (found.reference, found.source, found.digest) == (str(path), "docker-archive", sha256(IMAGE.config))
    assert layers(found) == layers(opened(f"oci:{write_files(tmp_path / 'layout', layout(IMAGE))}"))


def test_several_saved_images(tmp_path: Path) -> None:
    first, second = saved_files(IMAGE, ["one:1", "index.example/one:1"]), saved_files(OTHER, ["two:latest"])
    document = first["manifest.json"][:-1] + b"," + second["manifest.json"][1:]
    path = archive_at(tmp_path / "all.tar", {**first, **second, "manifest.json": document})

    assert opened(f"docker-archive:{path}:one:1").digest == sha256(IMAGE.config)
    assert opened(f"docker-archive:{path}:two").digest == sha256(OTHER.config)
    error = refused(f"docker-archive:{path}")
    assert str(error) == f"{path}: it holds 2 images"
    assert error.hint == "name one behind the path: index.example/one:1, one:1, two:latest"
    error = refused(f"docker-archive:{path}:three")
    assert isinstance(error, NotFoundError)
    assert (str(error), error.hint) == (
        f"{path}: it holds no image 'three'",
        "name one behind the path: index.example/one:1, one:1, two:latest",
    )


def test_a_saved_image_without_a_name(tmp_path: Path) -> None:
    path = archive_at(tmp_path / "shop.tar", saved_files(IMAGE, []))
    error = refused(f"docker-archive:{path}:shop")
    assert (str(error), error.hint) == (f"{path}: it holds no image 'shop'", "it names none of its images")


def test_another_platform_of_a_saved_image(tmp_path: Path) -> None:
    """Docker saves all platforms that its containerd image store has; manifest.json names that of the daemon alone."""
    arm = build([("RUN arm", {"arm": "1"})], platform="linux/arm64")
    several = index(entry(IMAGE, platform="linux/amd64"), entry(arm, platform="linux/arm64"))
    named = {"annotations": {"io.containerd.image.name": "docker.io/library/shop:1.4"}}
    other = {"annotations": {"io.containerd.image.name": "docker.io/library/other:2"}}
    stored = layout_files(
        index({**descriptor(several, INDEX_TYPE), **named}, {**entry(OTHER), **other}),
        *IMAGE.blobs,
        *arm.blobs,
        several,
    )
    path = archive_at(tmp_path / "shop.tar", {**stored, **saved_files(IMAGE, ["shop:1.4"], legacy=False)})

    assert opened(f"docker-archive:{path}").digest == sha256(IMAGE.config)
    found = opened(f"docker-archive:{path}", platform="linux/arm64")
    assert (found.source, found.digest, found.platform) == ("docker-archive", sha256(arm.config), "linux/arm64")
    assert opened(f"docker-archive:{path}:shop:1.4", platform="linux/arm64").digest == sha256(arm.config)
    error = refused(f"docker-archive:{path}", platform="linux/s390x")
    assert str(error) == f"{path}: there is no image for linux/s390x; it has linux/amd64, linux/arm64"


def test_layers_that_are_links_to_each_other(tmp_path: Path) -> None:
    plain = build([("RUN a", {"a": "b"}), ("RUN a", {"a": "b"})], bytes)
    config = sha256(plain.config)[7:] + ".json"
    document = encode([{"Config": config, "RepoTags": None, "Layers": ["1/layer.tar", "2/layer.tar"]}])
    data = archive(
        member(config.encode(), plain.config),
        member(b"1/layer.tar", plain.layers[0]),
        header(b"2/layer.tar", flag=b"2", link=b"../1/layer.tar"),
        member(b"manifest.json", document),
    )
    path = tmp_path / "linked.tar"
    path.write_bytes(data)
    first, second = layers(opened(f"docker-archive:{path}"))
    assert first == second
    assert list(first.entries) == ["a"]


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "a/../../b", "absent/layer.tar"])
@pytest.mark.parametrize("key", ["Config", "Layers"])
def test_names_outside_of_the_archive(name: str, key: str, tmp_path: Path) -> None:
    files = saved_files(IMAGE)
    entries = {"Config": next(iter(files)), "RepoTags": ["a:1"], "Layers": list(files)[1:4]}
    entries[key] = name if key == "Config" else [name, *list(files)[2:4]]
    path = archive_at(tmp_path / "x.tar", {**files, "manifest.json": encode([entries])})
    where = "not in" if name.startswith("absent") else "outside of"
    assert (
        str(refused(f"docker-archive:{path}")) == f"{path}: manifest.json names {name!r}, which is {where} the archive"
    )


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (b"[]", "its manifest.json lists no image"),
        (b"{}", "manifest.json has no list in 'images'"),
        (b"[5]", "manifest.json has something other than an object in 'images'"),
        (b"[{}]", "manifest.json has no text in 'Config'"),
        (b'[{"Config": "x", "config": "y"}]', "manifest.json has two keys that differ only in case"),
        (b'[], "images": []', "manifest.json has a key twice"),
    ],
)
def test_manifests_that_are_none(document: bytes, message: str, tmp_path: Path) -> None:
    path = archive_at(tmp_path / "x.tar", {**saved_files(IMAGE), "manifest.json": document})
    assert refused(f"docker-archive:{path}").message == message


def test_what_is_no_saved_image(tmp_path: Path) -> None:
    path = archive_at(tmp_path / "x.tar", {"a": b"b"})
    assert str(refused(f"docker-archive:{path}")) == (
        f"{path}: there is no manifest.json, so this is no archive of `docker save`"
    )
    assert str(refused(f"docker-archive:{tmp_path}")) == f"{tmp_path}: it cannot be read (Is a directory)"
    path.write_bytes(archive(member(b"manifest.json", b"[]"))[:700])
    assert "cut off" in refused(f"docker-archive:{path}").message


def test_the_configuration_lies_under_its_digest(tmp_path: Path) -> None:
    files = saved_files(IMAGE)
    name = next(iter(files))
    path = archive_at(tmp_path / "x.tar", {**files, name: OTHER.config})
    assert str(refused(f"docker-archive:{path}")) == (
        f"{path}: the image configuration has the digest {sha256(OTHER.config)}, its name says otherwise"
    )


def test_another_platform_than_asked_for(tmp_path: Path) -> None:
    path = archive_at(tmp_path / "x.tar", saved_files(IMAGE))
    assert opened(f"docker-archive:{path}", "linux/amd64").platform == "linux/amd64"
    assert str(refused(f"docker-archive:{path}", "linux/arm64")) == (
        f"{path}: the image is for linux/amd64, not for linux/arm64"
    )


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("compress", [gzipped, zstandard.compress])
def test_a_saved_image_that_was_compressed(compress: Callable[[bytes], bytes], legacy: bool, tmp_path: Path) -> None:
    path = tmp_path / "shop.tar.gz"
    path.write_bytes(compress(tar_of(saved_files(IMAGE, legacy=legacy))))
    found = opened(f"docker-archive:{path}:shop:1.4")

    assert found.digest == sha256(IMAGE.config)
    assert len(layers(found)) == 3
    assert opened(str(path)).source == "docker-archive"


def test_a_compressed_archive_that_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "shop.tar.gz"
    data = gzipped(tar_of(saved_files(IMAGE)))
    path.write_bytes(data[:-5])
    assert str(refused(f"docker-archive:{path}")) == f"{path}: the gzip data is cut off before its end"
    path.write_bytes(gzipped(tar_of({"a": b"b"})))
    assert str(refused(f"docker-archive:{path}")) == (
        f"{path}: there is no manifest.json, so this is no archive of `docker save`"
    )
    path.write_bytes(gzipped(tar_of(layout(IMAGE))))
    error = refused(f"oci-archive:{path}")
    assert (str(error), error.hint) == (f"{path}: it is compressed", "decompress it first, for example with gunzip")


def test_limits_of_archives(tmp_path: Path) -> None:
    files = saved_files(IMAGE)
    path = archive_at(tmp_path / "x.tar", files)
    assert isinstance(refused(f"docker-archive:{path}", limits=Limits(document=10)), LimitError)
    assert isinstance(refused(f"docker-archive:{path}", limits=Limits(layer_entries=3)), LimitError)


def test_what_python_writes_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for name, data in saved_files(IMAGE).items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data), os.times().elapsed
            tar.addfile(info, io.BytesIO(data))
    assert len(layers(opened(f"docker-archive:{path}"))) == 3


def test_documents_in_a_stream_are_no_layers() -> None:
    files = {"VERSION": b"1.0" * 400, "x/json": b"{}".ljust(600), "repositories": b"{}", **saved_files(IMAGE)}
    found = [arrival.digest for arrival in arrivals(io.BytesIO(tar_of(files)), LIMITS)]
    assert found == [sha256(layer) for layer in IMAGE.layers]
