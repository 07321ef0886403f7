"""Maps of sparse files in tar archives: old GNU headers, and GNU's pax formats 0.0, 0.1 and 1.0.

A map lists the fragments of a file whose bytes are in the archive, as (offset, size) pairs in bytes. Nothing is made
of it: the fragments are counted against the body, and the holes are never materialised.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from driftscan.errors import ImageError
from driftscan.image.buffer import Buffer
from driftscan.image.limits import Limits
from driftscan.image.tarpax import integer, octal

Fragments: TypeAlias = list[tuple[int, int]]
_BLOCK = 512
_ENTRY = 24
_IN_HEADER, _IN_EXTENSION = 4, 21


class PaxSparse(NamedTuple):
    """Name of the file where the records give one, its fragments, and its size unpacked and in the archive."""

    name: bytes
    fragments: Fragments
    logical: int
    stored: int


def read_old(block: bytes, buffer: Buffer, limits: Limits) -> tuple[int, Fragments]:
    """Size when unpacked, and fragments: in the header and, where it says so, in blocks behind it."""
    logical = _number(block[483:495])
    fragments = _entries(block[386:482], _IN_HEADER)
    more = block[482]
    extended = 0
    while more:
        extended += _BLOCK
        limits.check("header", extended, "the map of a sparse file")
        extension = buffer.take(_BLOCK)
        fragments += _entries(extension, _IN_EXTENSION)
        more = extension[504]
    return logical, fragments


def _entries(table: bytes, count: int) -> Fragments:
    found: Fragments = []
    for start in range(0, _ENTRY * count, _ENTRY):
        if not table[start]:
            break
        found.append((_number(table[start : start + 12]), _number(table[start + 12 : start + 24])))
    return found


def _number(field: bytes) -> int:
    if not field[0] & 0x80:
        return octal(field, "sparse map")
    value = int.from_bytes(field, "big") & ((1 << 95) - 1)
    if value >= 1 << 63:
        raise ImageError("the map of a sparse file is malformed")
    return value


def read_pax(pax: dict[bytes, bytes], size: int, buffer: Buffer, limits: Limits) -> PaxSparse | None:
    """The map in pax records (0.0, 0.1) or at the beginning of the body of `size` bytes (1.0); None: not sparse."""
    version = pax.get(b"GNU.sparse.major", b""), pax.get(b"GNU.sparse.minor", b"")
    if version == (b"", b"") and not pax.get(b"GNU.sparse.map"):
        return None
    if version not in ((b"", b""), (b"0", b"0"), (b"0", b"1"), (b"1", b"0")):
        return None
    digits = pax.get(b"GNU.sparse.size") or pax.get(b"GNU.sparse.realsize")
    logical = integer(digits, "size of a sparse file") if digits else size
    name = pax.get(b"GNU.sparse.name", b"")
    if version == (b"1", b"0"):
        fragments, used = _map_in_body(size, buffer, limits)
        return PaxSparse(name, fragments, logical, size - used)
    return PaxSparse(name, _map_in_records(pax), logical, size)


def _map_in_records(pax: dict[bytes, bytes]) -> Fragments:
    numbers = pax[b"GNU.sparse.map"].split(b",") if pax.get(b"GNU.sparse.map") else []
    count = integer(pax.get(b"GNU.sparse.numblocks", b""), "number of sparse fragments")
    if len(numbers) != 2 * count:
        raise ImageError("the map of a sparse file is malformed")
    return _pairs(numbers)


def _map_in_body(size: int, buffer: Buffer, limits: Limits) -> tuple[Fragments, int]:
    """Fragments, and how many bytes of the body their map takes: whole blocks of lines with a number each."""
    blocks = [_map_block(0, size, buffer, limits)]
    while blocks[-1].count(b"\n") == 0:
        blocks.append(_map_block(len(blocks), size, buffer, limits))
    wanted = 1 + 2 * integer(b"".join(blocks).split(b"\n", 1)[0], "number of sparse fragments")
    if wanted < 1:
        raise ImageError("the map of a sparse file is malformed")
    lines = blocks[-1].count(b"\n")
    while lines < wanted:
        blocks.append(_map_block(len(blocks), size, buffer, limits))
        lines += blocks[-1].count(b"\n")
    return _pairs(b"".join(blocks).split(b"\n")[1:wanted]), _BLOCK * len(blocks)


def _map_block(number: int, size: int, buffer: Buffer, limits: Limits) -> bytes:
    end = _BLOCK * (number + 1)
    limits.check("header", end, "the map of a sparse file")
    if end > size:
        raise ImageError("the map of a sparse file is cut off")
    return buffer.take(_BLOCK)


def _pairs(numbers: list[bytes]) -> Fragments:
    values = [integer(number, "sparse map") for number in numbers]
    return list(zip(values[::2], values[1::2], strict=True))


def verify(fragments: Fragments, stored: int, logical: int) -> None:
    """Raise ImageError unless the fragments are in order, inside the file, and make up the `stored` bytes."""
    position = 0
    for offset, size in fragments:
        if offset < position or size < 0 or offset + size > logical:
            raise ImageError("the map of a sparse file overlaps or leaves the file")
        position = offset + size
    if logical < 0 or sum(size for _, size in fragments) != stored:
        raise ImageError("the map of a sparse file does not match its data")
