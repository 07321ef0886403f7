"""Tar headers as container runtimes read them: POSIX ustar and pax (IEEE Std 1003.1), GNU, star and V7.

The reference is Go's archive/tar, which containerd and Docker unpack with: what it rejects is an error here, so that
a layer never reads as something else than what a container would see.
"""

from __future__ import annotations

from typing import NamedTuple, TypeVar

from driftscan.errors import ImageError
from driftscan.image.buffer import Buffer
from driftscan.image.limits import Limits

T = TypeVar("T")
BLOCK = 512
ZERO_BLOCK = bytes(BLOCK)
_BLANKED_CHECKSUM = b" " * 8
_MAX_SIZE = 1 << 62
_HEADER_ONLY = frozenset(b"123456")
_SPARSE_IN_HEADER, _SPARSE_IN_EXTENSION = 4, 21


class Header(NamedTuple):
    """One entry: type flag, name and link target as bytes, mode, and bytes of its body.

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
        pax: dict[bytes, bytes] | None = None
        long_name: bytes | None = None
        long_link: bytes | None = None
        extended = 0
        while (block := self._block()) is not None:
            flag = block[156]
            if flag not in b"xgLK":
                return self._finish(block, pax or {}, long_name, long_link)
            data = self._extension(block)
            extended += BLOCK + len(data)
            self._limits.check("header", extended, "the extension headers before one entry")
            if flag == ord("g"):
                _refuse_global(data)
            elif flag == ord("x"):
                pax = _once(pax, _pax_records(data), "pax header")
            elif flag == ord("L"):
                long_name = _once(long_name, _text(data), "GNU long name")
            else:
                long_link = _once(long_link, _text(data), "GNU long link")
        if extended:
            raise ImageError("the archive ends behind an extension header")
        return None

    def _block(self) -> bytes | None:
        block = self._buffer.take_at_most(BLOCK)
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
        size = _number(block[124:136], "size")
        self._limits.check("header", size, "an extension header")
        data = self._buffer.take(size)
        self._buffer.skip(-size % BLOCK)
        return data

    def _finish(self, block: bytes, pax: dict[bytes, bytes], name: bytes | None, link: bytes | None) -> Header:
        flag = block[156] or ord("0")
        size = _number(block[124:136], "size")
        if b"size" in pax:
            size = _decimal(pax[b"size"], "size")
        if flag in _HEADER_ONLY:
            size = 0
        # GNU tar's own extensions come before pax records of the same entry.
        path = pax.get(b"path") or (name if name is not None else _name(block))
        target = pax.get(b"linkpath") or (link if link is not None else _text(block[157:257]))
        if block[156] == 0 and path.endswith(b"/"):
            flag = ord("5")
        header = Header(flag, path, target, _number(block[100:108], "mode"), size, size, sparse=False)
        if flag == ord("S"):
            return self._old_sparse(block, header)
        return _pax_sparse(header, pax)

    def _old_sparse(self, block: bytes, header: Header) -> Header:
        """Old GNU sparse: the map stands in the header and, where it says so, in blocks behind it."""
        if block[257:265] != b"ustar  \0":
            raise ImageError("a sparse file has no GNU header")
        fragments, more = block[386:482], block[482]
        entries = [fragments[start : start + 24] for start in range(0, 24 * _SPARSE_IN_HEADER, 24)]
        extended = 0
        while more:
            extended += BLOCK
            self._limits.check("header", extended, "the map of a sparse file")
            extension = self._buffer.take(BLOCK)
            entries += [extension[start : start + 24] for start in range(0, 24 * _SPARSE_IN_EXTENSION, 24)]
            more = extension[504]
        logical = _number(block[483:495], "size of a sparse file")
        pairs = [(_number(entry[:12], "offset"), _number(entry[12:], "size")) for entry in entries if entry[0]]
        _verify_sparse(pairs, header.size, logical)
        return header._replace(flag=ord("0"), logical_size=logical, sparse=True)


def _once(old: T | None, new: T, what: str) -> T:
    if old is not None:
        raise ImageError(f"one entry has two {what}s")
    return new


def _verify_checksum(block: bytes, position: int) -> None:
    stored = _number(block[148:156], "checksum")
    blanked = block[:148] + _BLANKED_CHECKSUM + block[156:]
    total = sum(blanked)
    # Old implementations summed signed characters; each byte over 127 then counts 256 less.
    if stored != total and stored != total - 256 * sum(byte > 127 for byte in blanked):
        raise ImageError(f"the header at byte {position} has a wrong checksum")


def _number(field: bytes, what: str) -> int:
    """A numeric field: octal digits, or base-256 where the first bit is set (GNU)."""
    if field[0] & 0x80:
        value = int.from_bytes(field, "big") & ((1 << (8 * len(field) - 1)) - 1)
        if field[0] & 0x40:
            raise ImageError(f"a header has a negative {what}")
    else:
        digits = field.strip(b" \0").split(b"\0", 1)[0]
        if digits.strip(b"01234567"):
            raise ImageError(f"a header has the {what} {digits!r}, which is not octal")
        value = int(digits or b"0", 8)
    if value > _MAX_SIZE:
        raise ImageError(f"a header has a {what} of {value}, which is past anything real")
    return value


def _decimal(digits: bytes, what: str) -> int:
    if not digits.isdigit() or len(digits) > 19 or int(digits) > _MAX_SIZE:
        raise ImageError(f"a pax header has the {what} {digits[:40]!r}")
    return int(digits)


def _text(field: bytes) -> bytes:
    return field.split(b"\0", 1)[0]


def _name(block: bytes) -> bytes:
    name = _text(block[:100])
    if block[257:263] != b"ustar\0":
        return name
    # The star format keeps times where ustar has the end of the prefix.
    prefix = _text(block[345:476] if block[508:512] == b"tar\0" else block[345:500])
    return prefix + b"/" + name if prefix else name


def _pax_records(data: bytes) -> dict[bytes, bytes]:
    """Records of `length key=value newline`; the last one of a key counts."""
    records: dict[bytes, bytes] = {}
    fragments: list[bytes] = []
    while data:
        digits, space, _ = data.partition(b" ")
        length = int(digits) if digits.isdigit() and len(digits) < 8 else 0
        record = data[len(digits) + 1 : length]
        key, equals, value = record[:-1].partition(b"=")
        if not space or length > len(data) or not record.endswith(b"\n") or not equals or not key or b"\0" in key:
            raise ImageError("a pax header has a malformed record")
        if key in (b"path", b"linkpath", b"uname", b"gname") and b"\0" in value:
            raise ImageError(f"the pax record {key.decode()} holds a NUL byte")
        if key in (b"GNU.sparse.offset", b"GNU.sparse.numbytes"):
            # Version 0.0 repeats these keys for each fragment instead of listing them in one map.
            fragments.append(value)
        records[key] = value
        data = data[length:]
    if fragments:
        records[b"GNU.sparse.map"] = b",".join(fragments)
    return records


def _refuse_global(data: bytes) -> None:
    """A global pax header may only comment: anything else would change entries that say otherwise themselves."""
    for key in _pax_records(data):
        if key != b"comment":
            raise ImageError(f"a global pax header sets {key.decode('utf-8', 'replace')!r}")


def _pax_sparse(header: Header, pax: dict[bytes, bytes]) -> Header:
    """GNU sparse files in pax format: 0.0 and 0.1 have the map in records, 1.0 at the beginning of the body."""
    major, minor = pax.get(b"GNU.sparse.major", b""), pax.get(b"GNU.sparse.minor", b"")
    if (major, minor) == (b"1", b"0"):
        logical = _decimal(pax.get(b"GNU.sparse.realsize", b""), "size of a sparse file")
    elif b"GNU.sparse.map" in pax:
        logical = _decimal(pax.get(b"GNU.sparse.size", b""), "size of a sparse file")
        numbers = [_decimal(number, "sparse map") for number in pax[b"GNU.sparse.map"].split(b",") if number]
        if len(numbers) % 2:
            raise ImageError("the map of a sparse file is malformed")
        _verify_sparse(list(zip(numbers[::2], numbers[1::2], strict=True)), header.size, logical)
    else:
        return header
    name = pax.get(b"GNU.sparse.name") or header.name
    return header._replace(name=name, logical_size=logical, sparse=True)


def _verify_sparse(fragments: list[tuple[int, int]], stored: int, logical: int) -> None:
    position = 0
    for offset, size in fragments:
        if offset < position or offset + size > logical:
            raise ImageError("the map of a sparse file overlaps or leaves the file")
        position = offset + size
    if sum(size for _, size in fragments) != stored:
        raise ImageError("the map of a sparse file does not match its data")
