"""A small, bounded reader of ELF headers and dynamic sections (System V gABI, chapters 4 and 5).

It finds the dynamic section over the program headers, as the dynamic loader does, and never trusts a size or offset
from the file further than the bytes at hand. Symbol version needs are GNU's `.gnu.version_r`.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from driftscan.model.image import ElfFacts, VersionNeed

_PT_LOAD, _PT_DYNAMIC, _PT_INTERP = 1, 2, 3
_DT_NEEDED, _DT_STRTAB, _DT_STRSZ, _DT_SONAME, _DT_RPATH, _DT_RUNPATH = 1, 5, 10, 14, 15, 29
_DT_VERNEED, _DT_VERNEEDNUM = 0x6FFFFFFE, 0x6FFFFFFF
_WEAK = 0x2
_HEAD = 1 << 16
_MAX_HEADERS = 512
_MAX_TAGS = 4096
_MAX_NEEDS = 4096
_MAX_STRING = 4096


class _Segment(NamedTuple):
    kind: int
    offset: int
    address: int
    size: int


class _Range(NamedTuple):
    """Bytes of the file from `start` up to `end`."""

    start: int
    end: int


class _DamagedError(Exception):
    """What the headers promise is not in the file, or not in what was kept of it."""


def parse(data: bytes) -> ElfFacts | None:
    """Facts of an ELF file, or None where `data` is none or its header is cut off.

    A damaged or missing dynamic section leaves `dynamic_known` False; a file without one (static, or an object
    file) has `dynamic_known` True and needs nothing.
    """
    return _facts(data, _Fragments([(0, data)]))


class Capture:
    """Takes an ELF file piece by piece, and keeps of it what the facts need, at most about `limit` bytes.

    A dynamic section and its strings may be anywhere in a file of gigabytes. The program headers at its beginning
    say where: kept are the interpreter's name, the dynamic section, and of the loaded segments the smallest first,
    since what describes a library lies apart from its code.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._head = bytearray()
        self._ranges: list[_Range] | None = None
        self._kept: list[bytearray] = []
        self._position = 0

    def feed(self, piece: bytes) -> None:
        """The next bytes of the file."""
        if self._ranges is not None:
            self._keep(piece)
            return
        self._head += piece
        if len(self._head) >= _HEAD:
            self._plan()

    def facts(self) -> ElfFacts | None:
        """As `parse` has them, once the whole file was fed."""
        if self._ranges is None:
            return parse(bytes(self._head))
        starts = (wanted.start for wanted in self._ranges)
        return _facts(bytes(self._kept[0][:_HEAD]), _Fragments(list(zip(starts, self._kept, strict=True))))

    def _plan(self) -> None:
        head, self._head = bytes(self._head), bytearray()
        self._ranges = _needed(head, self._limit)
        self._kept = [bytearray() for _ in self._ranges]
        self._keep(head)

    def _keep(self, piece: bytes) -> None:
        start, end = self._position, self._position + len(piece)
        self._position = end
        for wanted, kept in zip(self._ranges or (), self._kept, strict=True):
            if wanted.start < end and start < wanted.end:
                kept += piece[max(wanted.start - start, 0) : wanted.end - start]


def _needed(head: bytes, limit: int) -> list[_Range]:
    """Which parts of the file that begins with `head` to keep: sorted, apart from each other, the head the first."""
    chosen = [_Range(0, len(head))]
    try:
        segments = _reader(head, _Fragments([(0, head)])).segments()
    except _DamagedError:
        return [_Range(0, max(limit, len(head)))]
    small = [segment for segment in segments if segment.kind in (_PT_DYNAMIC, _PT_INTERP)]
    loaded = sorted((segment for segment in segments if segment.kind == _PT_LOAD), key=lambda segment: segment.size)
    left = limit
    for segment in (*small, *loaded):
        size = min(segment.size, left)
        left -= size
        chosen.append(_Range(segment.offset, segment.offset + size))
    return _merged(chosen)


def _merged(ranges: Iterable[_Range]) -> list[_Range]:
    merged: list[_Range] = []
    for start, end in sorted(ranges):
        if merged and start <= merged[-1].end:
            merged[-1] = _Range(merged[-1].start, max(end, merged[-1].end))
        elif start < end:
            merged.append(_Range(start, end))
    return merged


class _Fragments:
    """The parts of a file that are at hand."""

    def __init__(self, parts: Sequence[tuple[int, bytes | bytearray]]) -> None:
        self._starts = [start for start, _ in parts]
        self._data = [data for _, data in parts]

    def unpack(self, offset: int, code: str) -> tuple[int, ...]:
        data, place = self._find(offset)
        try:
            return struct.unpack_from(code, data, place)
        except struct.error as error:
            raise _DamagedError from error

    def string(self, offset: int, end: int) -> str:
        """The string at `offset`, whose NUL byte lies before `end`."""
        data, place = self._find(offset)
        stop = data.find(b"\0", place, min(place + end - offset, place + _MAX_STRING))
        if stop < 0:
            raise _DamagedError
        return data[place:stop].decode("utf-8", "surrogateescape")

    def _find(self, offset: int) -> tuple[bytes | bytearray, int]:
        position = bisect_right(self._starts, offset) - 1
        place = offset - self._starts[position]
        if position < 0 or place >= len(self._data[position]):
            raise _DamagedError
        return self._data[position], place


def _facts(head: bytes, fragments: _Fragments) -> ElfFacts | None:
    if len(head) < 52 or head[:4] != b"\x7fELF" or head[4] not in (1, 2) or head[5] not in (1, 2):
        return None
    reader = _reader(head, fragments)
    (machine,) = reader.unpack(18, "H")
    facts = ElfFacts(machine, 64 if reader.wide else 32, reader.order == "<")
    try:
        segments = reader.segments()
        facts = facts._replace(interpreter=reader.interpreter(segments))
        return reader.dynamic(facts, segments)
    except _DamagedError:
        return facts


def _reader(head: bytes, fragments: _Fragments) -> _Reader:
    return _Reader(fragments, wide=head[4] == 2, order="<" if head[5] == 1 else ">")


class _Reader:
    def __init__(self, fragments: _Fragments, *, wide: bool, order: str) -> None:
        self._fragments = fragments
        self._string = fragments.string
        self.wide = wide
        self.order = order

    def unpack(self, offset: int, code: str) -> tuple[int, ...]:
        return self._fragments.unpack(offset, self.order + code)

    def segments(self) -> list[_Segment]:
        (table,) = self.unpack(32, "Q") if self.wide else self.unpack(28, "I")
        size, count = self.unpack(54 if self.wide else 42, "HH")
        if count > _MAX_HEADERS:
            raise _DamagedError
        return [self._segment(table + position * size) for position in range(count)]

    def _segment(self, offset: int) -> _Segment:
        if self.wide:
            kind, _, start, address, _, size = self.unpack(offset, "IIQQQQ")
        else:
            kind, start, address, _, size = self.unpack(offset, "IIIII")
        return _Segment(kind, start, address, size)

    def interpreter(self, segments: list[_Segment]) -> str | None:
        found = next((segment for segment in segments if segment.kind == _PT_INTERP), None)
        return None if found is None else self._string(found.offset, found.offset + found.size)

    def dynamic(self, facts: ElfFacts, segments: list[_Segment]) -> ElfFacts:
        found = next((segment for segment in segments if segment.kind == _PT_DYNAMIC), None)
        if found is None or found.size == 0:
            return facts._replace(dynamic_known=True)
        tags = list(self._tags(found))
        values = dict(tags)
        if _DT_STRTAB not in values or _DT_STRSZ not in values:
            raise _DamagedError
        start = _file_offset(segments, values[_DT_STRTAB])
        end = start + values[_DT_STRSZ]

        def text(tag: int) -> str | None:
            return self._string(start + values[tag], end) if tag in values else None

        needs: tuple[VersionNeed, ...] = ()
        if _DT_VERNEED in values:
            offset = _file_offset(segments, values[_DT_VERNEED])
            needs = tuple(self._version_needs(offset, values.get(_DT_VERNEEDNUM, 0), start, end))
        return facts._replace(
            dynamic_known=True,
            needed=tuple(self._string(start + value, end) for tag, value in tags if tag == _DT_NEEDED),
            soname=text(_DT_SONAME),
            rpath=text(_DT_RPATH),
            runpath=text(_DT_RUNPATH),
            version_needs=needs,
        )

    def _tags(self, segment: _Segment) -> Iterator[tuple[int, int]]:
        code, width = ("QQ", 16) if self.wide else ("II", 8)
        for position in range(min(segment.size // width, _MAX_TAGS)):
            tag, value = self.unpack(segment.offset + position * width, code)
            if tag == 0:
                return
            yield tag, value

    def _version_needs(self, offset: int, count: int, start: int, end: int) -> Iterator[VersionNeed]:
        left = _MAX_NEEDS
        for _ in range(min(count, _MAX_NEEDS)):
            _, versions, library, first, following = self.unpack(offset, "HHIII")
            name = self._string(start + library, end)
            entry = offset + first
            for _ in range(versions):
                left -= 1
                if left < 0:
                    raise _DamagedError
                _, flags, _, version, step = self.unpack(entry, "IHHII")
                yield VersionNeed(name, self._string(start + version, end), bool(flags & _WEAK))
                if not step:
                    break
                entry += step
            if not following:
                return
            offset += following


def _file_offset(segments: list[_Segment], address: int) -> int:
    for segment in segments:
        if segment.kind == _PT_LOAD and segment.address <= address < segment.address + segment.size:
            return segment.offset + address - segment.address
    raise _DamagedError
