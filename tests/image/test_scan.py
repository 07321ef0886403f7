"""Scanning: every layer verified before anything is returned, whatever the source, the compression and the order."""

from __future__ import annotations

import gzip
import io
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
import zstandard

from driftscan.errors import DriftscanError, ImageError, LimitError
from driftscan.image import Image, Limits, open_image
from driftscan.image.decompress import Stream
from driftscan.image.docker_archive import arrivals
from driftscan.image.manifest import read_config
from driftscan.image.scan import scan
from driftscan.image.source import Arrival, Indexed, LayerBlob, RandomAccess, Sequential
from driftscan.model.image import Entry, EntryKind, Keep, LayerIndex
from driftscan.rootfs import RootFS
from tests.builders.images import (
    STEPS,
    Built,
    build,
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

COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "uncompressed": bytes,
    "gzip": gzipped,
    "zstd": zstandard.compress,
    "members": lambda data: gzipped(data[:700]) + gzipped(data[700:]),
}


def wants(path: str, size: int) -> Keep | None:
    return Keep(1000)


def blob_of(data: bytes, digest: str | None = None, size: int | None = None) -> LayerBlob:
    @contextmanager
    def opened() -> Iterator[Stream]:
        yield io.BytesIO(data)

    return LayerBlob(open=opened, digest=digest, size=size)


def random_access(image: Built) -> Image:
    blobs = tuple(blob_of(layer, sha256(layer), len(layer)) for layer in image.layers)
    return Image(
        reference="shop:1.4",
        source="test",
        config=read_config(image.config, Limits()),
        access=RandomAccess(blobs=blobs),
    )


def sequential(image: Built, files: dict[str, bytes]) -> Image:
    @contextmanager
    def stream() -> Iterator[Iterator[Arrival]]:
        yield arrivals(io.BytesIO(tar_of(files)), Limits())

    return replace(random_access(image), access=Sequential(arrivals=stream))


@pytest.fixture(scope="module")
def expected() -> tuple[LayerIndex, ...]:
    return scan(random_access(build(compress=bytes)), wants, Limits())


def test_what_the_layers_hold(expected: tuple[LayerIndex, ...]) -> None:
    merged = RootFS.merge(expected)
    assert [node.path for node in merged.walk("")] == [
        "etc",
        "opt",
        "usr",
        "etc/os-release",
        "opt/app",
        "opt/app/data.json",
        "usr/bin",
        "usr/bin/tool",
    ]
    assert merged.read("etc/os-release") == b'ID="debian"\n'
    assert merged.removed_by("opt/app/gone") == 2


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_every_access_gives_the_same(compression: str, expected: tuple[LayerIndex, ...]) -> None:
    image = build(compress=COMPRESSIONS[compression])
    saved = saved_files(image)
    backwards = dict(reversed(saved.items()))
    first, second = image.layers[:2]

    assert scan(random_access(image), wants, Limits()) == expected
    assert scan(sequential(image, saved), wants, Limits()) == expected
    assert scan(sequential(image, backwards), wants, Limits()) == expected
    assert scan(sequential(image, saved_files(image, legacy=True)), wants, Limits()) == expected
    assert scan(sequential(image, {"more": first, **saved, "again": second}), wants, Limits()) == expected


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_layers_that_are_alike_and_layers_that_are_empty(compression: str) -> None:
    image = build([*STEPS, STEPS[1], ("WORKDIR /", {}), ("WORKDIR /", {})], COMPRESSIONS[compression])
    found = scan(random_access(image), wants, Limits())

    assert found[1] == found[3]
    assert found[4] == found[5] == LayerIndex(entries={})
    assert scan(sequential(image, saved_files(image)), wants, Limits()) == found


def test_progress_tells_how_many_layers_are_done() -> None:
    told: list[tuple[int, int]] = []
    scan(random_access(build()), wants, Limits(), lambda done, total: told.append((done, total)))
    scan(sequential(build(), saved_files(build())), wants, Limits(), lambda done, total: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)] * 2


def test_a_folder_is_one_layer() -> None:
    layer = LayerIndex(entries={"a": Entry(EntryKind.FILE)})
    image = replace(random_access(build()), access=Indexed(index=lambda _: layer))
    assert scan(image, wants, Limits()) == (layer,)


def refusal(image: Image, limits: Limits | None = None) -> str:
    with pytest.raises(ImageError) as caught:
        scan(image, wants, limits or Limits())
    return str(caught.value)


def with_blob(position: int, blob: LayerBlob) -> Image:
    image = random_access(build())
    assert isinstance(image.access, RandomAccess)
    blobs = list(image.access.blobs)
    blobs[position] = blob
    return replace(image, access=RandomAccess(blobs=tuple(blobs)))


LAYER = build().layers[1]


def test_a_wrong_digest_size_or_diff_id() -> None:
    other = gzip.compress(build(compress=bytes).layers[1], 1, mtime=0)
    assert refusal(with_blob(1, blob_of(other, sha256(LAYER)))) == (
        f"shop:1.4, layer 2: the blob has the digest {sha256(other)}, the manifest says {sha256(LAYER)}"
    )
    assert refusal(with_blob(1, blob_of(LAYER, None, len(LAYER) + 1))) == (
        f"shop:1.4, layer 2: the blob has {len(LAYER)} bytes, the manifest says {len(LAYER) + 1}"
    )
    plain = build(compress=bytes).layers
    assert refusal(with_blob(1, blob_of(plain[0]))) == (
        f"shop:1.4, layer 2: its content has the diff id {sha256(plain[0])}, the configuration says {sha256(plain[1])}"
    )


def test_an_error_in_a_layer_names_it() -> None:
    assert refusal(with_blob(2, blob_of(b"x" * 600))) == (
        "shop:1.4, layer 3: the header at byte 0 has a wrong checksum"
    )
    assert refusal(with_blob(0, blob_of(LAYER[:-1]))) == ("shop:1.4, layer 1: the gzip data is cut off before its end")


def test_layers_that_are_missing() -> None:
    image = random_access(build())
    assert isinstance(image.access, RandomAccess)
    fewer = replace(image, access=RandomAccess(blobs=image.access.blobs[:2]))
    assert refusal(fewer) == "shop:1.4: the manifest lists 2 layers, the configuration 3"

    files = saved_files(build())
    del files[f"blobs/{sha256(LAYER).replace(':', '/')}"]
    missing = sha256(build(compress=bytes).layers[1])
    assert refusal(sequential(build(), files)) == f"shop:1.4: layer 2 ({missing}) is not in what was sent"


def test_blobs_of_something_else_in_a_stream(expected: tuple[LayerIndex, ...]) -> None:
    files = {"other": b"x" * 600, "damaged": gzipped(b"x" * 600)[:-1], **saved_files(build()), "wasm": b"\0asm" * 200}
    assert scan(sequential(build(), files), wants, Limits()) == expected


def test_a_stream_that_is_damaged() -> None:
    image, files = build(), saved_files(build())
    name = f"blobs/{sha256(LAYER).replace(':', '/')}"
    renamed = {**files, name: gzipped(b"other")}
    assert refusal(sequential(image, renamed)).startswith("shop:1.4, layer 2 of the stream: ")
    renamed = {**files, name: build(compress=zstandard.compress).layers[1]}
    assert "layer 2 of the stream: the blob has the digest" in refusal(sequential(image, renamed))

    data = tar_of(files)

    @contextmanager
    def cut() -> Iterator[Iterator[Arrival]]:
        yield arrivals(io.BytesIO(data[: data.index(LAYER) + 10]), Limits())

    assert "cut off" in refusal(replace(random_access(image), access=Sequential(arrivals=cut)))


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (Limits(layers=2), "shop:1.4: the number of layers (3) passes the limit `layers` of 2"),
        (Limits(layer_size=5000), "the layer, inflated, passes the limit `layer_size` of 5,000"),
        (Limits(image_size=25_000), "shop:1.4: the image, inflated, passes the limit `image_size` of 25,000"),
        (Limits(layer_entries=1), "the number of entries passes the limit `layer_entries` of 1"),
    ],
)
def test_limits(limits: Limits, message: str) -> None:
    with pytest.raises(LimitError) as caught:
        scan(random_access(build()), wants, limits)
    assert str(caught.value).endswith(message)


def test_a_failing_layer_stops_the_others() -> None:
    started = threading.Event()
    endless = threading.Event()

    class Endless:
        def read(self, size: int, /) -> bytes:
            started.set()
            endless.wait(0.001)
            return bytes(min(size, 512))

    class Waiting(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            started.wait(10)
            return super().read(size)

    @contextmanager
    def opened() -> Iterator[Stream]:
        yield Endless()

    @contextmanager
    def failing() -> Iterator[Stream]:
        yield Waiting(b"x" * 600)

    image = random_access(build())
    blobs = (LayerBlob(open=opened, size=10**9), LayerBlob(open=failing), blob_of(LAYER))
    threads = threading.active_count()
    assert "layer 2" in refusal(replace(image, access=RandomAccess(blobs=blobs)))
    assert threading.active_count() == threads


def test_a_bug_in_a_callback_is_not_lost() -> None:
    def broken(path: str, size: int) -> Keep | None:
        raise ZeroDivisionError(path)

    before = threading.active_count()
    with pytest.raises(ZeroDivisionError):
        scan(random_access(build()), broken, Limits())
    with pytest.raises(ZeroDivisionError):
        scan(sequential(build(), saved_files(build())), broken, Limits())
    assert threading.active_count() == before


# Every blob of a fixture damaged in turn.


def flipped(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "first bit": lambda data: flipped(data, 0),
    "middle bit": lambda data: flipped(data, len(data) // 2),
    "last bit": lambda data: flipped(data, len(data) - 1),
    "cut": lambda data: data[:-1],
    "longer": lambda data: data + b"\0",
    "empty": lambda data: data[:0],
    "newline": lambda data: data + b"\n",
}
MULTI = (build(), build(platform="linux/arm64"))
FIXTURES: dict[str, tuple[str, dict[str, bytes]]] = {
    "oci": ("oci", layout(build())),
    "oci uncompressed": ("oci", layout(build(compress=bytes))),
    "oci zstd": ("oci", layout(build(compress=zstandard.compress))),
    "oci-archive": ("oci-archive", layout(build())),
    "docker-archive": ("docker-archive", saved_files(build())),
    "docker-archive legacy": ("docker-archive", saved_files(build(compress=bytes), legacy=True)),
    "nested": (
        "oci",
        layout_files(
            index(
                {
                    "mediaType": "application/vnd.oci.image.index.v1+json",
                    "size": len(inner := index(entry(MULTI[0]))),
                    "digest": sha256(inner),
                }
            ),
            inner,
            *MULTI[0].blobs,
        ),
    ),
}
CASES = [
    (fixture, name, damage)
    for fixture, (_, files) in FIXTURES.items()
    for name in files
    for damage in DAMAGE
    if name not in ("oci-layout", "index.json", "manifest.json")
]


def read(scheme: str, files: dict[str, bytes], folder: Path) -> tuple[LayerIndex, ...]:
    if scheme == "oci":
        path = write_files(folder / "layout", files)
    else:
        path = folder / "image.tar"
        path.write_bytes(tar_of(files))
    with open_image(f"{scheme}:{path}", limits=Limits()) as image:
        return scan(image, wants, Limits())


@pytest.mark.parametrize("fixture", FIXTURES)
def test_the_fixtures_are_whole(fixture: str, expected: tuple[LayerIndex, ...], tmp_path: Path) -> None:
    assert read(*FIXTURES[fixture], tmp_path) == expected


@pytest.mark.parametrize(("fixture", "name", "damage"), CASES)
def test_each_blob_damaged_in_turn(fixture: str, name: str, damage: str, tmp_path: Path) -> None:
    scheme, files = FIXTURES[fixture]
    with pytest.raises(ImageError) as caught:
        read(scheme, {**files, name: DAMAGE[damage](files[name])}, tmp_path)
    assert caught.value.where


@pytest.mark.parametrize("fixture", FIXTURES)
@pytest.mark.parametrize("name", ["index.json", "manifest.json"])
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_entry_point_is_an_error_or_harmless(
    fixture: str, name: str, damage: str, expected: tuple[LayerIndex, ...], tmp_path: Path
) -> None:
    scheme, files = FIXTURES[fixture]
    if name not in files:
        return
    with suppress(DriftscanError):
        assert read(scheme, {**files, name: DAMAGE[damage](files[name])}, tmp_path) == expected
