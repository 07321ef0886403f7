"""Layers with a table of contents, eStargz and zstd:chunked, whose tables may say anything."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import zstandard

from tests.builders.tars import END, header, padded

FLAGS = {"reg": b"0", "hardlink": b"1", "symlink": b"2", "char": b"3", "block": b"4", "dir": b"5", "fifo": b"6"}
TOC_DIGEST = "containerd.io/snapshot/stargz/toc.digest"
CHECKSUM = "io.github.containers.zstd-chunked.manifest-checksum"
POSITION = "io.github.containers.zstd-chunked.manifest-position"
KINDS = ("eStargz", "zstd:chunked")
Toc = dict[str, Any]


class File(NamedTuple):
    """An entry of the layer: its name as in the archive, and what is there."""

    name: str
    data: bytes = b""
    type: str = "reg"
    mode: int = 0o644
    link: str = ""

    @property
    def header(self) -> bytes:
        mode = b"%07o\0" % self.mode
        size = len(self.data) if self.type == "reg" else 0
        return header(self.name.encode(), flag=FLAGS[self.type], size=size, link=self.link.encode(), mode=mode)


@dataclass(frozen=True)
class Layer:
    """A blob, its annotations, and the plain tar stream in it."""

    blob: bytes
    tar: bytes
    annotations: dict[str, str] = field(default_factory=dict)


def layer(
    kind: str, files: Sequence[File], change: Callable[[Toc], object] = lambda _: None, *, piece: int = 4096
) -> Layer:
    """A layer with `files`, their content in pieces of `piece` bytes, and a table of contents as `change` leaves it."""
    return (estargz if kind == "eStargz" else zstd_chunked)(files, change, piece)


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def packed(data: bytes, *, extra: bytes = b"") -> bytes:
    """A gzip member (RFC 1952)."""
    level = 0 if extra else 6
    body = zlib.compressobj(level, wbits=-15)
    head = b"\x1f\x8b\x08" + (b"\x04" if extra else b"\0") + bytes(4) + b"\0\xff"
    size = len(extra).to_bytes(2, "little") + extra if extra else b""
    # Go ends an empty stream with a stored block.
    inner = body.compress(data) + body.flush() if data else b"\x01\0\0\xff\xff"
    return head + size + inner + zlib.crc32(data).to_bytes(4, "little") + len(data).to_bytes(4, "little")


def footer(offset: int) -> bytes:
    return packed(b"", extra=b"SG\x16\0" + b"%016x" % offset + b"STARGZ")


def described(file: File) -> Toc:
    told: Toc = {"name": file.name, "type": file.type, "mode": file.mode, "modtime": "2024-01-01T00:00:00Z"}
    if file.link:
        told["linkName"] = file.link
    if file.type == "reg" and file.data:
        told |= {"size": len(file.data), "digest": digest(file.data)}
    return told


def pieces(file: File, piece: int) -> Iterator[tuple[Toc, bytes]]:
    """What a table says of each piece of a file, but where it is, and its bytes."""
    for start in range(0, len(file.data), piece):
        data = file.data[start : start + piece]
        told = {"name": file.name, "type": "chunk"} if start else described(file)
        told |= {"chunkOffset": start} if start else {}
        told |= {"chunkSize": len(data)} if len(file.data) > piece else {}
        yield told | {"chunkDigest": digest(data)}, data


def estargz(files: Sequence[File], change: Callable[[Toc], object], piece: int) -> Layer:
    blob = b""
    pending = b""
    tar = b""
    entries: list[Toc] = []

    def flush() -> None:
        nonlocal blob, pending, tar
        tar += pending
        blob += packed(pending) if pending else b""
        pending = b""

    for file in files:
        pending += file.header
        if file.type != "reg" or not file.data:
            entries.append(described(file))
            continue
        for told, data in pieces(file, piece):
            flush()
            entries.append(told | {"offset": len(blob)})
            pending = data
        pending += bytes(-len(file.data) % 512)
    flush()
    toc: Toc = {"version": 1, "entries": entries}
    change(toc)
    text = json.dumps(toc, indent="\t").encode()
    last = header(b"stargz.index.json", size=len(text)) + padded(text) + END
    return Layer(blob + packed(last) + footer(len(blob)), tar + last, {TOC_DIGEST: digest(text)})


def zstd_chunked(files: Sequence[File], change: Callable[[Toc], object], piece: int) -> Layer:
    frame = zstandard.ZstdCompressor().compress
    blob = b""
    tar = b""
    entries: list[Toc] = []
    for file in files:
        blob += frame(file.header)
        tar += file.header
        told_pieces = list(pieces(file, piece)) if file.type == "reg" else []
        first = len(entries)
        for told, data in told_pieces:
            entries.append(told | {"offset": len(blob)})
            blob += frame(data)
        if told_pieces:
            entries[first]["endOffset"] = len(blob)
            tar += padded(file.data)
            blob += frame(bytes(-len(file.data) % 512)) if len(file.data) % 512 else b""
        else:
            entries.append(described(file))
    tar += END
    blob += frame(END)
    toc: Toc = {"version": 1, "entries": entries}
    change(toc)
    text = json.dumps(toc).encode()
    table = frame(text)
    start = len(blob) + 8
    blob += skippable(table) + skippable(bytes(56) + b"GNUlInUx")
    return Layer(blob, tar, {CHECKSUM: digest(table), POSITION: f"{start}:{len(table)}:{len(text)}:1"})


def skippable(data: bytes) -> bytes:
    return b"\x50\x2a\x4d\x18" + len(data).to_bytes(4, "little") + data
