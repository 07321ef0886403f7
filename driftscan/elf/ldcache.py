"""/etc/ld.so.cache: where glibc's loader finds libraries by name.

The form is that of `dl-cache.h`: a magic string, the number of entries, the size of the strings, and entries of flags,
key and value, the latter two as offsets from the beginning of the cache.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

_MAGIC = b"glibc-ld.so.cache1.1"
_HEADER = 48
_ENTRY = 24
_MOST = 100_000


def read(data: bytes) -> Iterator[tuple[str, str]]:
    """Pairs of a library's name and its path, in the cache's order; nothing where it is none that is known.

    Old caches have the old form in front of the one that every loader since glibc 2.2 reads.
    """
    start = data.find(_MAGIC)
    if start < 0 or len(data) < start + _HEADER:
        return
    # The byte order is the machine's own; a number of entries that fills the file tells which.
    for order in "<>":
        count, size = struct.unpack_from(f"{order}II", data, start + len(_MAGIC))
        if count <= _MOST and start + _HEADER + count * _ENTRY + size <= len(data):
            yield from _entries(data, start, count, order)
            return


def _entries(data: bytes, start: int, count: int, order: str) -> Iterator[tuple[str, str]]:
    for position in range(count):
        _, key, value = struct.unpack_from(f"{order}iII", data, start + _HEADER + position * _ENTRY)
        name, path = _string(data, start + key), _string(data, start + value)
        if name and path:
            yield name, path


def _string(data: bytes, at: int) -> str:
    end = data.find(b"\0", at, at + 4096)
    return data[at:end].decode("utf-8", "surrogateescape") if at <= end else ""
