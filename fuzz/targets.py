"""What is fuzzed: each target takes any bytes, and raises nothing but the errors that its reader documents.

A finding is any other exception, a hang, or memory without bound. `seeds` are inputs to start from; those that once
broke something are kept in `fuzz/seeds`, a folder a target, and are run by the tests.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

import zstandard

from driftscan import elf as elf_reader
from driftscan.errors import DriftscanError
from driftscan.image import entries
from driftscan.image.decompress import chunks
from driftscan.image.docker_archive import arrivals, select_image
from driftscan.image.indexfile import StoredLayer, decode, encode
from driftscan.image.layer import read_layer
from driftscan.image.lazylayer import read_layer_lazily
from driftscan.image.limits import MIB, Limits
from driftscan.image.manifest import read_config, read_manifest
from driftscan.image.pipeline import Room
from driftscan.image.registry_auth import parse_challenges
from driftscan.image.source import Parts
from driftscan.image.toc import Kind, listed
from driftscan.inventory import metadata as metadata_reader
from driftscan.inventory import probes
from driftscan.inventory.record import rows
from driftscan.model.image import Keep
from driftscan.rootfs import RootFS
from tests.builders.elves import Elf
from tests.builders.images import build, gzipped, index, saved_files, tar_of
from tests.builders.oddtars import odd_archives
from tests.builders.tocs import CHECKSUM, POSITION, File
from tests.builders.tocs import layer as layer_with_table

_FILES = (File("etc/passwd", bytes(range(256)) * 40), File("opt/a.py", b"a"), File("opt/b", type="symlink", link="a"))
_LAYER = layer_with_table("zstd:chunked", _FILES)
_START, _SIZE = map(int, _LAYER.annotations[POSITION].split(":")[:2])
_PACKED, _TOC = _LAYER.blob[:_START], zstandard.decompress(_LAYER.blob[_START : _START + _SIZE])
SEEDS = Path(__file__).parent / "seeds"
LIMITS = Limits(header=1 << 16, layer_entries=10_000, zstd_window=MIB, elf=MIB)
_ROOM = Room(LIMITS.toc)
_INFLATED = 4 * MIB
_DIFF_ID = "sha256:" + "0" * 64


class Target(NamedTuple):
    """`run` raises where the input broke something; `made` gives inputs to start from."""

    run: Callable[[bytes], None]
    made: Callable[[], Iterable[bytes]]

    def seeds(self, name: str) -> list[bytes]:
        """Inputs to start from: made ones, and those that are kept."""
        return [*self.made(), *(path.read_bytes() for path in sorted((SEEDS / name).glob("*")))]


def _wants(_: str, size: int) -> Keep | None:
    return Keep(1000, strings=True) if size % 2 else Keep(0) if size % 4 else None


def _pieces(data: bytes, size: int = 700) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


def layer(data: bytes) -> None:
    """A layer is the same with crowds as without, and the same after it was cached."""
    with suppress(DriftscanError):
        seen = []
        for crowded in (2, 1000):
            with patch.object(entries, "CROWDED", crowded):
                found = read_layer(_pieces(data), _wants, LIMITS)
            stored = StoredLayer(found, len(data))
            if decode(encode(stored, _DIFF_ID), _DIFF_ID) != stored:
                raise AssertionError("the cache changed it")
            seen.append(list(RootFS.merge([found]).walk("")))
        if seen[0] != seen[1]:
            raise AssertionError("crowds changed it")


def blob(data: bytes) -> None:
    def capped() -> Iterator[bytes]:
        left = _INFLATED
        for piece in chunks(io.BytesIO(data), hashlib.sha256(), LIMITS):
            left -= len(piece)
            yield piece
            if left < 0:
                return

    with suppress(DriftscanError):
        read_layer(capped(), _wants, LIMITS)


def toc(data: bytes) -> None:
    """A table of contents over compressed data that is always the same."""

    @contextmanager
    def opened(start: int, end: int) -> Iterator[io.BytesIO]:
        yield io.BytesIO((_PACKED + packed)[start:end])

    packed = zstandard.compress(data)
    place = f"{len(_PACKED)}:{len(packed)}:{len(data)}:1"
    annotations = {CHECKSUM: f"sha256:{hashlib.sha256(packed).hexdigest()}", POSITION: place}
    with suppress(DriftscanError):
        read_layer_lazily(Parts(opened, annotations, len(_PACKED) + len(packed)), _wants, LIMITS, lambda _: None, _ROOM)
    with suppress(DriftscanError):
        list(listed(data, Kind.ESTARGZ, LIMITS))


def archive(data: bytes) -> None:
    with suppress(DriftscanError):
        for arrival in arrivals(io.BytesIO(data), LIMITS):
            while arrival.stream.read(1 << 16):
                pass


def manifest(data: bytes) -> None:
    for read in (
        lambda: read_manifest(data, LIMITS),
        lambda: read_config(data, LIMITS),
        lambda: select_image(data, "shop", "shop.tar", LIMITS),
    ):
        with suppress(DriftscanError):
            read()


def challenge(data: bytes) -> None:
    parse_challenges(data.decode("latin-1"))


def metadata(data: bytes) -> None:
    for read in (
        metadata_reader.core_metadata,
        metadata_reader.wheel,
        metadata_reader.direct_url,
        metadata_reader.egg_requires,
        probes.facts,
    ):
        with suppress(ValueError):
            read(data)


def record(data: bytes) -> None:
    with suppress(ValueError):
        rows(data, "opt/venv/lib/python3.11/site-packages")


def elf(data: bytes) -> None:
    elf_reader.parse(data, strings=True)
    capture = elf_reader.Capture(1 << 16, strings=True)
    for piece in _pieces(data):
        capture.feed(piece)
    capture.facts()
    for probe in (probes.python, probes.libc, probes.python_paths, probes.script):
        probe(data)


def _blobs() -> Iterator[bytes]:
    layers = build().layers
    yield from layers
    yield from build(compress=bytes).layers
    yield gzipped(layers[0]) + gzipped(b"")


def _manifests() -> Iterator[bytes]:
    image = build()
    yield from (image.manifest, image.config, index(), saved_files(image)["manifest.json"])


TARGETS = {
    "layer": Target(layer, lambda: (data for data in odd_archives().values() if len(data) < 20_000)),
    "blob": Target(blob, _blobs),
    "toc": Target(toc, lambda: (_TOC,)),
    "archive": Target(archive, lambda: (tar_of(saved_files(build(), legacy=legacy)) for legacy in (False, True))),
    "manifest": Target(manifest, _manifests),
    "challenge": Target(
        challenge, lambda: (b'Bearer realm="https://a.example/t",service="a",scope="x:y:z", Basic realm=b',)
    ),
    "metadata": Target(
        metadata,
        lambda: (
            b"Metadata-Version: 2.4\nName: a\nVersion: 1\nRequires-Dist: b[c]>=1; os_name == 'x'\n\nbody",
            b"Wheel-Version: 1.0\nTag: cp311-cp311-manylinux_2_17_x86_64\nBuild: 1\n",
            b'{"url": "https://u:p@a.example/b", "vcs_info": {"vcs": "git", "commit_id": "ab"}}',
            b"a>1\n[x:os_name == 'y']\nb\n",
        ),
    ),
    "record": Target(
        record,
        lambda: (b"a/b.py,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0\n../../../bin/x,,\na/RECORD,,\n",),
    ),
    "elf": Target(elf, lambda: (Elf(needed=("libc.so.6",), code=1000).build(),)),
}
