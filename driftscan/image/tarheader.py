"""Tar headers as container runtimes read them: POSIX ustar and pax (IEEE Std 1003.1), GNU, star and V7.

The reference is Go's archive/tar, which containerd and Docker unpack with: what it rejects is an error here, so that
a layer never reads as something else than what a container would see.
"""

from __future__ import annotations

import re
import zlib
from typing import NamedTuple, TypeVar

from driftscan.errors import ImageError
from driftscan.image import tarsparse
from driftscan.image.buffer import Buffer
from driftscan.image.limits import Limits
from driftscan.image.tarpax import integer, octal, records, verify_values

T = TypeVar("T")
BLOCK = 512
ZERO_BLOCK = bytes(BLOCK)
_BLANKED_CHECKSUM = b" " * 8
_BLANKED_SUM = sum(_BLANKED_CHECKSUM)
_HEADER_ONLY = frozenset(b"123456")
_NUMBERS = rb"([0-7]{7})\0(?:[0-7]{7}\0){2}([0-7]{11})\0[0-7]{11}\0"
_ORDINARY_NUMBERS = re.compile(_NUMBERS)
"""Mode, owner, group, size and time as nearly every program writes them."""
_ORDINARY_DEVICE = (b"\0" * 16, b"0000000\0" * 2)
_ORDINARY = re.compile(
    _NUMBERS + rb"([0-7]{6})\0 ([0125])(.{100})ustar(?:\0..|  \0).{64}(?:\0{16}|(?:0000000\0){2})\0.{11}\0.{150}\0",
    re.DOTALL,
)
"""Bytes 100 to 508 of a header as Go and GNU tar write it, without a prefix before the name or times in its place."""


class Header(NamedTuple):
    """One entry: type flag, name and link target as bytes, permission bits, and bytes of its body.

    `logical_size` is what the file has when unpacked; it is larger than `size` for a sparse file only, and `sparse`
    says that the body holds its data fragments alone.
    """

    flag: int
    name: bytes
    link: bytes
    mode: int
    size: int
    logical_size: int
    sparse: bool


class Headers:
    """Reads one header after the other; `Buffer` must stand behind the body of the last one, padding included."""

    def __init__(self, buffer: Buffer, limits: Limits) -> None:
        self._buffer = buffer
        self._limits = limits

    def next(self) -> Header | None:
        """The next entry, its extension headers applied; None at the end of the archive.

        Raises ImageError for anything that Go's archive/tar, and so a container runtime, would reject.
        """
        block = self._buffer.take_at_most(BLOCK)
        # Nearly all headers of a layer are of this kind, and need nothing else.
        return _ordinary(block) or self._any(block)

    def _any(self, first: bytes) -> Header | None:
        pax: dict[bytes, bytes] | None = None
        long_name: bytes | None = None
        long_link: bytes | None = None
        extended = 0
        following = first
        while (block := self._verified(following)) is not None:
            flag = block[156]
            if flag not in b"xgLK":
                return self._finish(block, pax or {}, long_name or b"", long_link or b"")
            data = self._extension(block)
            extended += BLOCK + len(data)
            self._limits.check("header", extended, "the extension headers before one entry")
            if flag == ord("g"):
                _refuse_global(data)
                # It stands as an entry of its own: what was said before it is not about the next one.
                pax = long_name = long_link = None
            elif flag == ord("x"):
                pax = _once(pax, records(data), "pax header")
            elif flag == ord("L"):
                long_name = _once(long_name, _text(data), "GNU long name")
            else:
                long_link = _once(long_link, _text(data), "GNU long link")
            following = self._buffer.take_at_most(BLOCK)
        return None

    def _verified(self, block: bytes) -> bytes | None:
        """A header block whose checksum fits; None at the end: two blocks of zeros, or nothing more at all."""
        if not block:
            return None
        if len(block) < BLOCK:
            raise ImageError(f"the archive is cut off at byte {self._buffer.position}")
        if block == ZERO_BLOCK:
            if self._buffer.take_at_most(BLOCK) not in (b"", ZERO_BLOCK):
                raise ImageError(f"a lone block of zeros stands before byte {self._buffer.position}")
            return None
        _verify_checksum(block, self._buffer.position - BLOCK)
        return block

    def _extension(self, block: bytes) -> bytes:
        _, size = _mode_and_size(block)
        _refuse_negative(size)
        self._limits.check("header", size, "an extension header")
        data = self._buffer.take(size)
        self._buffer.skip_padding(size)
        return data

    def _finish(self, block: bytes, pax: dict[bytes, bytes], name: bytes, link: bytes) -> Header:
        mode, size = _mode_and_size(block)
        verify_values(pax)
        if digits := pax.get(b"size"):
            size = integer(digits, "size")
        # The name of GNU's own extension counts before that of a pax record.
        path = name or pax.get(b"path") or _name(block)
        target = link or pax.get(b"linkpath") or _text(block[157:257])
        flag = block[156]
        if flag == 0:
            flag = ord("5") if path.endswith(b"/") else ord("0")
        if flag in _HEADER_ONLY:
            size = 0
        _refuse_negative(size)
        return self._sparse(block, Header(flag, path, target, mode, size, size, sparse=False), pax)

    def _sparse(self, block: bytes, header: Header, pax: dict[bytes, bytes]) -> Header:
        if header.flag == ord("S"):
            if _format(block) != "gnu":
                raise ImageError("a sparse file has no GNU header")
            logical, fragments = tarsparse.read_old(block, self._buffer, self._limits)
            tarsparse.verify(fragments, header.size, logical)
            return header._replace(flag=ord("0"), logical_size=logical, sparse=True)
        found = tarsparse.read_pax(pax, header.size, self._buffer, self._limits)
        if found is None:
            return header
        if header.flag in _HEADER_ONLY:
            raise ImageError("something other than a file is called sparse")
        tarsparse.verify(found.fragments, found.stored, found.logical)
        return header._replace(
            name=found.name or header.name, size=found.stored, logical_size=found.logical, sparse=True
        )


def _ordinary(block: bytes) -> Header | None:
    """The header in a block that has nothing unusual about it and is right; None for any other block.

    The sum of 512 bytes of ASCII is below 65,521, so that Adler-32 (RFC 1950) holds all of it.
    """
    match = _ORDINARY.match(block, 100)
    if match is None or not block.isascii():
        return None
    mode, size, checksum, flag, target = match.groups()
    total = (zlib.adler32(block) & 0xFFFF) - 1
    if total - sum(block[148:156]) + _BLANKED_SUM != int(checksum, 8):
        return None
    length = int(size, 8) if flag == b"0" else 0
    link = _text(target) if target[0] else b""
    return Header(flag[0], _text(block[:100]), link, int(mode, 8) & 0o7777, length, length, sparse=False)


def _once(old: T | None, new: T, what: str) -> T:
    if old is not None:
        raise ImageError(f"one entry has two {what}s")
    return new


def _refuse_negative(size: int) -> None:
    if size < 0:
        raise ImageError("a header has a negative size")


def _verify_checksum(block: bytes, position: int) -> None:
    try:
        stored = octal(block[148:156], "checksum")
    except ImageError:
        stored = -1
    blanked = block[:148] + _BLANKED_CHECKSUM + block[156:]
    unsigned = sum(blanked)
    # Old implementations summed signed characters; each byte over 127 then counts 256 less.
    if stored != unsigned and stored != unsigned - 256 * sum(byte > 127 for byte in blanked):
        raise ImageError(f"the header at byte {position} has a wrong checksum")


def _mode_and_size(block: bytes) -> tuple[int, int]:
    """Permission bits and size; the other numbers of the header must be numbers too."""
    if _format(block) != "v7" and block[329:345] not in _ORDINARY_DEVICE:
        _number(block[329:337], "device number")
        _number(block[337:345], "device number")
    ordinary = _ORDINARY_NUMBERS.match(block, 100)
    if ordinary is not None:
        return int(ordinary[1], 8) & 0o7777, int(ordinary[2], 8)
    for start, end, what in ((108, 116, "owner"), (116, 124, "group"), (136, 148, "time")):
        _number(block[start:end], what)
    return _number(block[100:108], "mode") & 0o7777, _number(block[124:136], "size")


def _format(block: bytes) -> str:
    magic = block[257:263]
    if magic == b"ustar\0":
        return "star" if block[508:512] == b"tar\0" else "ustar"
    return "gnu" if magic + block[263:265] == b"ustar  \0" else "v7"


def _number(field: bytes, what: str) -> int:
    """A numeric field: octal digits, or a two's complement number where the first bit is set (GNU's base-256)."""
    if not field[0] & 0x80:
        return octal(field, what)
    value = int.from_bytes(field, "big") & ((1 << (8 * len(field) - 1)) - 1)
    if field[0] & 0x40:
        value -= 1 << (8 * len(field) - 1)
    if not -(1 << 63) <= value < 1 << 63:
        raise ImageError(f"a header has a {what} of more than 64 bits")
    return value


def _text(field: bytes) -> bytes:
    return field.split(b"\0", 1)[0]


def _name(block: bytes) -> bytes:
    name = _text(block[:100])
    kind = _format(block)
    if kind == "ustar":
        prefix = _text(block[345:500])
    elif kind == "star":
        # It keeps times where ustar has the end of the prefix.
        for start in (476, 488):
            _number(block[start : start + 12], "time")
        prefix = _text(block[345:476])
    elif kind == "gnu":
        prefix = _misplaced_prefix(block)
    else:
        prefix = b""
    return prefix + b"/" + name if prefix else name


def _misplaced_prefix(block: bytes) -> bytes:
    """GNU headers have times in the place of the prefix; a Go before 1.8 wrote a prefix there all the same."""
    try:
        for start in (345, 357):
            if block[start]:
                _number(block[start : start + 12], "time")
    except ImageError:
        prefix = _text(block[345:500])
        return prefix if prefix.isascii() else b""
    return b""


def _refuse_global(data: bytes) -> None:
    """A global pax header may only comment: anything else would change entries that say otherwise themselves."""
    for key in records(data):
        if key != b"comment":
            raise ImageError(f"a global pax header sets {key.decode('utf-8', 'replace')!r}")
