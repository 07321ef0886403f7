"""A layer index as bytes, for the layer cache.

    "driftscan layer index\\n" | SHA-256 of the diff id and all that follows | zstd frame:
        length of the columns, 8 bytes big-endian | columns in JSON | kept contents, one after the other | crowds

Columns and not an object for each entry: an image has tens of thousands, most of them a path, a mode and a size.
A crowd is its blocks in UTF-8, two slashes between them, and its facts; crowds are never all in memory in this form.
"""

from __future__ import annotations

import hashlib
import json
from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypedDict

import zstandard

from driftscan.model.crowd import Crowd
from driftscan.model.image import ElfFacts, Entry, EntryKind, LayerIndex, SymbolFacts, VersionNeed, Whiteout

SCHEMA = 8
"""To be raised with every change to what an index holds: to this file's form, or to what is kept of which file."""

_MAGIC = b"driftscan layer index\n"
_DIGEST = hashlib.sha256().digest_size
_LENGTH = 8
_LEVEL = 1
_MOST = 1 << 30
"""Bytes of one part of an inflated index that are still read."""
_BETWEEN = "//"
_KINDS = tuple(EntryKind)


@dataclass(frozen=True, slots=True)
class StoredLayer:
    """A layer index, and the size in bytes of the uncompressed layer that it was made from."""

    index: LayerIndex
    inflated: int


_Symbols = tuple[list[str], list[str], list[str], list[str], str, list[str]]
_Elf = tuple[
    int,
    int,
    bool,
    str | None,
    bool,
    list[str],
    str | None,
    str | None,
    str | None,
    list[tuple[str, str, bool]],
    list[str],
    _Symbols | None,
    list[str],
]


class _Columns(TypedDict):
    """One item an entry in the first five; the others are pairs of an entry's position and what it has."""

    paths: list[str]
    kinds: list[int]
    modes: list[int]
    sizes: list[int]
    targets: list[str]
    hashes: list[tuple[int, str]]
    contents: list[tuple[int, int]]
    elf: list[tuple[int, _Elf]]
    whiteouts: list[tuple[str, bool]]
    late: list[str]
    replaced: list[str]
    repeats: bool
    crowds: list[tuple[str, list[tuple[int, int]]]]
    """Folder, and for each of its crowds the bytes of its blocks and of its facts."""
    inflated: int


def encode(layer: StoredLayer, diff_id: str) -> bytes:
    """The bytes of the index of the layer with that diff id; equal ones give equal bytes."""
    return b"".join(encoded(layer, diff_id))


def encoded(layer: StoredLayer, diff_id: str) -> list[bytes]:
    """What `encode` gives, in pieces: those of a large layer should not be in memory twice."""
    entries = layer.index.entries.values()
    columns = {
        "paths": list(layer.index.entries),
        "kinds": [entry.kind for entry in entries],
        "modes": [entry.mode for entry in entries],
        "sizes": [entry.size for entry in entries],
        "targets": [entry.target for entry in entries],
        "hashes": [(at, entry.sha256) for at, entry in enumerate(entries) if entry.sha256 is not None],
        "contents": [(at, len(entry.content)) for at, entry in enumerate(entries) if entry.content is not None],
        "elf": [(at, _packed(entry.elf)) for at, entry in enumerate(entries) if entry.elf is not None],
        "whiteouts": layer.index.whiteouts,
        "late": sorted(layer.index.late),
        "replaced": sorted(layer.index.replaced),
        "repeats": layer.index.repeats,
        "crowds": [
            (folder, [(len(_blocks(crowd)), len(crowd.facts)) for crowd in crowds])
            for folder, crowds in layer.index.crowds.items()
        ],
        "inflated": layer.inflated,
    }
    header = json.dumps(columns, separators=(",", ":")).encode("ascii")
    packer = zstandard.ZstdCompressor(level=_LEVEL).compressobj()
    parts = [packer.compress(len(header).to_bytes(_LENGTH, "big") + header)]
    parts += (packer.compress(entry.content) for entry in entries if entry.content is not None)
    for crowds in layer.index.crowds.values():
        parts += (packer.compress(part) for crowd in crowds for part in (_blocks(crowd), crowd.facts))
    parts.append(packer.flush())
    digest = hashlib.sha256(diff_id.encode())
    for part in parts:
        digest.update(part)
    return [_MAGIC, digest.digest(), *parts]


def decode(data: bytes, diff_id: str) -> StoredLayer | None:
    """What `encode` was given; None where the bytes are not whole and unchanged, or are those of another layer."""
    start = len(_MAGIC) + _DIGEST
    packed = memoryview(data)[start:]  # no copy: that of a large layer has a hundred megabytes
    digest = hashlib.sha256(diff_id.encode())
    digest.update(packed)
    if not data.startswith(_MAGIC) or digest.digest() != data[len(_MAGIC) : start]:
        return None
    body = zstandard.ZstdDecompressor().stream_reader(packed)
    columns: _Columns = json.loads(_take(body, int.from_bytes(_take(body, _LENGTH), "big")))
    contents = _take(body, sum(size for _, size in columns["contents"]))
    index = LayerIndex(
        entries=dict(zip(columns["paths"], _entries(columns, contents), strict=True)),
        whiteouts=tuple(Whiteout(*each) for each in columns["whiteouts"]),
        crowds={folder: tuple(_crowd(body, *sizes) for sizes in crowds) for folder, crowds in columns["crowds"]},
        late=frozenset(columns["late"]),
        replaced=frozenset(columns["replaced"]),
        repeats=columns["repeats"],
    )
    return StoredLayer(index, columns["inflated"])


def _take(body: zstandard.ZstdDecompressionReader, size: int) -> bytes:
    data = body.read(size) if size <= _MOST else b""
    if len(data) != size:
        raise ValueError("the index is shorter than it says")
    return data


def _blocks(crowd: Crowd) -> bytes:
    return _BETWEEN.join(crowd.blocks).encode("utf-8", "surrogatepass")


def _crowd(body: zstandard.ZstdDecompressionReader, blocks: int, facts: int) -> Crowd:
    names = _take(body, blocks).decode("utf-8", "surrogatepass").split(_BETWEEN)
    return Crowd(tuple(block.partition("/")[0] for block in names), tuple(names), _take(body, facts))


def _entries(columns: _Columns, contents: bytes) -> Sequence[Entry]:
    """Entries of which nothing is kept share one object where they are alike, as those of a layer that is read do."""
    plain: dict[tuple[int, int, int, str], Entry] = {}
    entries: list[Entry] = []
    for key in zip(columns["kinds"], columns["modes"], columns["sizes"], columns["targets"], strict=True):
        entry = plain.get(key)
        if entry is None:
            kind, mode, size, target = key
            entry = plain[key] = Entry(_KINDS[kind], mode, size, target)
        entries.append(entry)
    for position, digest in columns["hashes"]:
        entries[position] = entries[position]._replace(sha256=digest)
    for position, facts in columns["elf"]:
        entries[position] = entries[position]._replace(elf=_elf(facts))
    for position, content in _contents(columns["contents"], contents):
        entries[position] = entries[position]._replace(content=content)
    return entries


def _contents(sizes: Sequence[tuple[int, int]], body: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    for position, size in sizes:
        yield position, body[at : at + size]
        at += size


def _elf(facts: _Elf) -> ElfFacts:
    machine, bits, little_endian, interpreter, known, needed, soname, rpath, runpath, needs, defs, symbols, strings = (
        facts
    )
    return ElfFacts(
        machine=machine,
        bits=bits,
        little_endian=little_endian,
        interpreter=interpreter,
        dynamic_known=known,
        needed=tuple(needed),
        soname=soname,
        rpath=rpath,
        runpath=runpath,
        version_needs=tuple(VersionNeed(*need) for need in needs),
        version_defs=tuple(defs),
        symbols=_symbols(symbols) if symbols is not None else None,
        strings=tuple(strings),
    )


def _packed(facts: ElfFacts) -> tuple[object, ...]:
    """As JSON can hold it; named tuples become lists by themselves."""
    if facts.symbols is None:
        return facts
    return facts._replace(symbols=facts.symbols._replace(torch_exports=b64encode(facts.symbols.torch_exports).decode()))  # type: ignore[arg-type]


def _symbols(packed: _Symbols) -> SymbolFacts:
    modules, python_needs, python_exports, torch_needs, torch_exports, runtimes = packed
    return SymbolFacts(
        modules=tuple(modules),
        python_needs=tuple(python_needs),
        python_exports=tuple(python_exports),
        torch_needs=tuple(torch_needs),
        torch_exports=b64decode(torch_exports),
        runtimes=tuple(runtimes),
    )
