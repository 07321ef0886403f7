"""Numbers and pax records in tar headers, by the grammar of Go's archive/tar."""

from __future__ import annotations

import re

from driftscan.errors import ImageError

_INTEGER = re.compile(rb"[+-]?[0-9]+")
_TIME = re.compile(rb"([+-]?[0-9]+)(?:\.[0-9]*)?")
_WITHOUT_NUL = frozenset((b"path", b"linkpath", b"uname", b"gname"))
_NUMBERS = (b"uid", b"gid", b"size")
_TIMES = (b"atime", b"mtime", b"ctime")


def octal(field: bytes, what: str) -> int:
    """Octal digits, with blanks and NUL bytes around them; empty is 0."""
    digits = field.strip(b" \0").split(b"\0", 1)[0]
    if digits.strip(b"01234567"):
        raise ImageError(f"a header has the {what} {digits!r}, which is not octal")
    return int(digits or b"0", 8)


def integer(digits: bytes, what: str) -> int:
    """A decimal number of 64 bits, with or without a sign."""
    value = int(digits) if _INTEGER.fullmatch(digits) and len(digits.lstrip(b"+-0")) < 20 else 1 << 63
    if not -(1 << 63) <= value < 1 << 63:
        raise ImageError(f"a pax header has the {what} {digits[:40]!r}")
    return value


def records(data: bytes) -> dict[bytes, bytes]:
    """Records of `length key=value newline`; the last one of a key counts."""
    found: dict[bytes, bytes] = {}
    fragments: list[bytes] = []
    position = 0
    while position < len(data):
        key, value, position = _record(data, position)
        if key in (b"GNU.sparse.offset", b"GNU.sparse.numbytes"):
            # Version 0.0 repeats these keys for each fragment instead of listing them in one map.
            if (key == b"GNU.sparse.offset") != (len(fragments) % 2 == 0) or b"," in value:
                raise ImageError("the map of a sparse file is malformed")
            fragments.append(value)
        else:
            found[key] = value
    if fragments:
        found[b"GNU.sparse.map"] = b",".join(fragments)
    return found


def _record(data: bytes, start: int) -> tuple[bytes, bytes, int]:
    """Key, value, and where the next record starts."""
    # A length has at most 20 digits; a search further would make many records quadratic.
    space = data.find(b" ", start, start + 22)
    digits = data[start:space] if space >= 0 else b""
    length = int(digits) if digits.removeprefix(b"+").isdigit() else 0
    end = start + length
    key, equals, value = data[space + 1 : end - 1].partition(b"=")
    if length < 5 or end > len(data) or end <= space + 1 or data[end - 1] != ord("\n") or not equals or not key:
        raise ImageError("a pax header has a malformed record")
    if b"\0" in (value if key in _WITHOUT_NUL else key):
        raise ImageError("a pax record has a NUL byte where none may be")
    return key, value, end


def verify_values(found: dict[bytes, bytes]) -> None:
    """Numbers and times must be such, also those that nothing here asks for. An empty value means none."""
    if not found:
        return
    for key in _NUMBERS:
        if value := found.get(key):
            integer(value, key.decode())
    for key in _TIMES:
        if value := found.get(key):
            time = _TIME.fullmatch(value)
            if time is None:
                raise ImageError(f"a pax header has the {key.decode()} {value[:40]!r}")
            integer(time[1], key.decode())
