"""Where a layer's table of contents is, and the table itself once its digest agreed with the layer's descriptor."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from hashlib import sha256
from io import BytesIO
from typing import NamedTuple

from driftscan.errors import ImageError
from driftscan.image.buffer import Buffer
from driftscan.image.decompress import inflated, read_up_to
from driftscan.image.limits import Limits
from driftscan.image.source import Parts
from driftscan.image.tarheader import Headers
from driftscan.image.toc import Kind

_STARGZ_DIGEST = "containerd.io/snapshot/stargz/toc.digest"
_CHUNKED = ("io.github.containers.zstd-chunked.", "io.containers.zstd-chunked.")
"""What the names of zstd:chunked's annotations begin with; the second is that of its first versions."""
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}", re.ASCII)
_POSITION = re.compile(r"(\d{1,19}):(\d{1,19}):(\d{1,19}):1", re.ASCII)
"""Offset, length, length when inflated, and the one type of table that there is."""
_FOOTER = re.compile(rb"\x1f\x8b\x08.{7}\x1a\x00SG\x16\x00([0-9a-f]{16})STARGZ\x01\x00\x00\xff\xff\x00{8}", re.DOTALL)
_FOOTER_SIZE = 51
_NAME = b"stargz.index.json"


class Table(NamedTuple):
    """A table of contents (JSON), and where in the blob the compressed data that it speaks of ends."""

    kind: Kind
    data: bytes
    end: int


class _Place(NamedTuple):
    """Where a table is announced to be; `digest` is what its descriptor promises."""

    kind: Kind
    digest: str
    position: tuple[int, int, int] | None = None


def has_table(annotations: Mapping[str, object]) -> bool:
    """Whether a layer with these annotations says that it has a table of contents."""
    return _announced(annotations) is not None


def read_table(parts: Parts, limits: Limits, hold: Callable[[int], None]) -> Table | None:
    """The table of contents that a layer's annotations promise; None where there is none at the place for it.

    `hold` is told its size in bytes before it is in memory. Raises ImageError where what is there is not what was
    promised, LimitError where it is too large.
    """
    place = _announced(parts.annotations)
    if place is None:
        return None
    read = _stargz if place.position is None else _chunked
    return read(parts, place, limits, hold)


def _announced(annotations: Mapping[str, object]) -> _Place | None:
    """A layer that announces two tables is none that all readers would read alike."""
    found = [_Place(Kind.ESTARGZ, digest)] if (digest := _sha256(annotations.get(_STARGZ_DIGEST))) else []
    for prefix in _CHUNKED:
        digest = _sha256(annotations.get(f"{prefix}manifest-checksum"))
        position = annotations.get(f"{prefix}manifest-position")
        match = _POSITION.fullmatch(position) if isinstance(position, str) else None
        if digest and match:
            found.append(_Place(Kind.ZSTD_CHUNKED, digest, (int(match[1]), int(match[2]), int(match[3]))))
    return found[0] if len(found) == 1 else None


def _sha256(value: object) -> str | None:
    return value if isinstance(value, str) and _DIGEST.fullmatch(value) else None


def _chunked(parts: Parts, place: _Place, limits: Limits, hold: Callable[[int], None]) -> Table | None:
    """zstd:chunked: a zstd frame inside of a skippable one, whose compressed bytes have the digest."""
    start, packed, size = place.position or (0, 0, 0)
    if not packed or start + packed > parts.size:
        return None
    limits.check("toc", max(packed, size), "the table of contents")
    hold(size)
    with parts.open(start, start + packed) as stream:
        data = read_up_to(stream, packed)
    _verify(data, place.digest)
    table = bytearray()
    for piece in inflated(BytesIO(data), limits):
        table += piece
        if len(table) > size:
            break
    if len(table) != size:
        raise ImageError(f"the table of contents does not have the {size} bytes that the layer's annotation says")
    return Table(place.kind, bytes(table), start)


def _stargz(parts: Parts, place: _Place, limits: Limits, hold: Callable[[int], None]) -> Table | None:
    """eStargz: the last file of the tar stream, compressed by itself, whose place stands in the blob's last bytes."""
    end = parts.size - _FOOTER_SIZE
    if end <= 0:
        return None
    with parts.open(end, parts.size) as stream:
        match = _FOOTER.fullmatch(read_up_to(stream, _FOOTER_SIZE))
    start = int(match[1], 16) if match else end
    if start >= end:
        return None
    limits.check("toc", end - start, "the table of contents")
    with parts.open(start, end) as stream:
        buffer = Buffer(inflated(stream, limits))
        header = Headers(buffer, limits).next()
        if header is None or header.name != _NAME:
            raise ImageError("the table of contents is not where the layer's last bytes say")
        limits.check("toc", header.size, "the table of contents")
        hold(header.size)
        data = buffer.take(header.size)
    _verify(data, place.digest)
    return Table(place.kind, data, start)


def _verify(data: bytes, promised: str) -> None:
    actual = f"sha256:{sha256(data).hexdigest()}"
    if actual != promised:
        raise ImageError(f"the table of contents has the digest {actual}, the manifest says {promised}")
