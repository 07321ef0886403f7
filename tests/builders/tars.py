"""Tar archives made header by header, so that they may be as odd as anything that comes from outside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

BLOCK = 512
END = bytes(2 * BLOCK)
USTAR = b"ustar\x0000"
GNU = b"ustar  \0"
V7 = bytes(8)


def header(
    name: bytes,
    *,
    flag: bytes = b"0",
    size: int = 0,
    link: bytes = b"",
    mode: bytes = b"0000644\0",
    magic: bytes = USTAR,
    prefix: bytes = b"",
    fields: Mapping[int, bytes] | None = None,
    checksum: bytes | None = None,
) -> bytes:
    """A header block. `fields` are bytes to put at an offset before the checksum is made."""
    block = bytearray(BLOCK)
    parts = {0: name, 100: mode, 108: b"0000000\0", 116: b"0000000\0", 124: b"%011o\0" % size, 136: b"00000000000\0"}
    parts |= {156: flag, 157: link, 257: magic, 345: prefix}
    for offset, data in (parts | dict(fields or {})).items():
        block[offset : offset + len(data)] = data
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block) if checksum is None else checksum
    assert len(block) == BLOCK
    return bytes(block)


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % BLOCK)


def member(name: bytes, data: bytes = b"", **fields: object) -> bytes:
    """A header and its body; `fields` are as for `header`."""
    return header(name, size=len(data), **fields) + padded(data)  # type: ignore[arg-type]


def record(key: bytes, value: bytes) -> bytes:
    """One pax record, with the length that counts itself."""
    rest = b" " + key + b"=" + value + b"\n"
    length = len(rest)
    while len(b"%d" % length) + len(rest) != length:
        length = len(b"%d" % length) + len(rest)
    return b"%d" % length + rest


def pax(*pairs: tuple[bytes, bytes], flag: bytes = b"x") -> bytes:
    """A pax header with these records."""
    return pax_raw(b"".join(record(key, value) for key, value in pairs), flag=flag)


def pax_raw(data: bytes, *, flag: bytes = b"x") -> bytes:
    return member(b"PaxHeaders/x", data, flag=flag)


def long_name(name: bytes, *, flag: bytes = b"L") -> bytes:
    """GNU's long name (`L`) or long link target (`K`)."""
    return member(b"././@LongLink", name + b"\0", flag=flag, magic=GNU)


def old_sparse(name: bytes, fragments: Sequence[tuple[int, bytes]], size: int) -> bytes:
    """An old GNU sparse file: the first four fragments in the header, the others in blocks behind it."""
    entries = [b"%011o\0%011o\0" % (offset, len(data)) for offset, data in fragments]
    body = b"".join(data for _, data in fragments)
    rest = entries[4:]
    fields = {386: b"".join(entries[:4]), 482: b"\1" if rest else b"\0", 483: b"%011o\0" % size}
    blocks = header(name, flag=b"S", size=len(body), magic=GNU, fields=fields)
    while rest:
        block, rest = b"".join(rest[:21]), rest[21:]
        blocks += block.ljust(504, b"\0") + (b"\1" if rest else b"\0") + bytes(7)
    return blocks + padded(body)


def archive(*members: bytes) -> bytes:
    return b"".join(members) + END
