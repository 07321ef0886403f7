"""The parts of an ELF file that are at hand, and what can be read of them."""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Iterator, Sequence

_MAX_STRING = 4096


class DamagedError(Exception):
    """What the headers promise is not in the file, or not in what was kept of it."""


def occurrences(data: bytes, text: bytes) -> Iterator[int]:
    """Where `text` is in `data`. Searching for a text is many times faster than for any pattern."""
    at = data.find(text)
    while at >= 0:
        yield at
        at = data.find(text, at + 1)


class Fragments:
    """The parts of a file that are at hand."""

    def __init__(self, parts: Sequence[tuple[int, bytes | bytearray]]) -> None:
        self._starts = [start for start, _ in parts]
        self._data = [data for _, data in parts]

    def unpack(self, offset: int, code: str) -> tuple[int, ...]:
        data, place = self._find(offset)
        try:
            return struct.unpack_from(code, data, place)
        except struct.error as error:
            raise DamagedError from error

    def table(self, offset: int, code: str, count: int) -> Iterator[tuple[int, ...]]:
        """As many of `count` records in a row as are at hand in one piece."""
        record = struct.Struct(code)
        data, place = self._find(offset)
        there = min(count, (len(data) - place) // record.size)
        return record.iter_unpack(memoryview(data)[place : place + there * record.size])

    def string(self, offset: int, end: int) -> str:
        """The string at `offset`, whose NUL byte lies before `end`."""
        data, place = self._find(offset)
        stop = data.find(b"\0", place, min(place + end - offset, place + _MAX_STRING))
        if stop < 0:
            raise DamagedError
        return data[place:stop].decode("utf-8", "surrogateescape")

    def slice(self, offset: int, size: int) -> bytes:
        """`size` bytes at `offset`, all of them."""
        data, place = self._find(offset)
        if size < 0 or place + size > len(data):
            raise DamagedError
        return bytes(data[place : place + size])

    def upto(self, offset: int, size: int) -> bytes:
        """At most `size` bytes at `offset`, as many as are at hand in one piece."""
        data, place = self._find(offset)
        return bytes(data[place : place + max(size, 0)])

    def _find(self, offset: int) -> tuple[bytes | bytearray, int]:
        position = bisect_right(self._starts, offset) - 1
        place = offset - self._starts[position]
        if position < 0 or place >= len(self._data[position]):
            raise DamagedError
        return self._data[position], place
