"""A small, bounded reader of ELF headers and dynamic sections (System V gABI, chapters 4 and 5).

It finds the dynamic section over the program headers, as the dynamic loader does, and never trusts a size or offset
from the file further than the bytes at hand. Symbol version needs are GNU's `.gnu.version_r`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from driftscan.model.image import ElfFacts, VersionNeed

_PT_LOAD, _PT_DYNAMIC, _PT_INTERP = 1, 2, 3
_DT_NEEDED, _DT_STRTAB, _DT_STRSZ, _DT_SONAME, _DT_RPATH, _DT_RUNPATH = 1, 5, 10, 14, 15, 29
_DT_VERNEED, _DT_VERNEEDNUM = 0x6FFFFFFE, 0x6FFFFFFF
_WEAK = 0x2
_MAX_HEADERS = 512
_MAX_TAGS = 4096
_MAX_NEEDS = 4096
_MAX_STRING = 4096


class _Segment(NamedTuple):
    kind: int
    offset: int
    address: int
    size: int


class _DamagedError(Exception):
    """What the headers promise is not in the file."""


def parse(data: bytes) -> ElfFacts | None:
    """Facts of an ELF file, or None where `data` is none or its header is cut off.

    A damaged or missing dynamic section leaves `dynamic_known` False; a file without one (static, or an object
    file) has `dynamic_known` True and needs nothing.
    """
    if len(data) < 52 or data[:4] != b"\x7fELF" or data[4] not in (1, 2) or data[5] not in (1, 2):
        return None
    reader = _Reader(data)
    facts = ElfFacts(reader.number(18, "H"), 64 if reader.wide else 32, reader.order == "<")
    try:
        segments = reader.segments()
        facts = facts._replace(interpreter=reader.interpreter(segments))
        return reader.dynamic(facts, segments)
    except _DamagedError:
        return facts


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.wide = data[4] == 2
        self.order = "<" if data[5] == 1 else ">"

    def number(self, offset: int, code: str) -> int:
        (value,) = self.unpack(offset, code)
        return value

    def unpack(self, offset: int, code: str) -> tuple[int, ...]:
        try:
            return struct.unpack_from(self.order + code, self.data, offset)
        except (struct.error, OverflowError) as error:
            raise _DamagedError from error

    def string(self, offset: int, end: int) -> str:
        stop = self.data.find(b"\0", offset, min(end, offset + _MAX_STRING))
        if offset < 0 or stop < 0:
            raise _DamagedError
        return self.data[offset:stop].decode("utf-8", "surrogateescape")

    def segments(self) -> list[_Segment]:
        table = self.number(32 if self.wide else 28, "Q" if self.wide else "I")
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
        return None if found is None else self.string(found.offset, found.offset + found.size)

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
            return self.string(start + values[tag], end) if tag in values else None

        needs: tuple[VersionNeed, ...] = ()
        if _DT_VERNEED in values:
            offset = _file_offset(segments, values[_DT_VERNEED])
            needs = tuple(self._version_needs(offset, values.get(_DT_VERNEEDNUM, 0), start, end))
        return facts._replace(
            dynamic_known=True,
            needed=tuple(self.string(start + value, end) for tag, value in tags if tag == _DT_NEEDED),
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
            name = self.string(start + library, end)
            entry = offset + first
            for _ in range(versions):
                left -= 1
                if left < 0:
                    raise _DamagedError
                _, flags, _, version, step = self.unpack(entry, "IHHII")
                yield VersionNeed(name, self.string(start + version, end), bool(flags & _WEAK))
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
