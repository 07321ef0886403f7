"""Program headers and the dynamic section, as the dynamic loader reads them (System V gABI, chapter 5).

Symbol versions are GNU's `.gnu.version_r` and `.gnu.version_d` (Linux Standard Base, symbol versioning).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from driftscan.elf.fragments import DamagedError, Fragments
from driftscan.elf.symbols import Tables, read_symbols
from driftscan.model.image import ElfFacts, SymbolFacts, VersionNeed

PT_LOAD, PT_DYNAMIC, PT_INTERP = 1, 2, 3
PF_X = 1
_DT_NEEDED, _DT_STRTAB, _DT_STRSZ, _DT_SONAME, _DT_RPATH, _DT_RUNPATH = 1, 5, 10, 14, 15, 29
_DT_HASH, _DT_SYMTAB, _DT_GNU_HASH = 4, 6, 0x6FFFFEF5
_DT_VERDEF, _DT_VERDEFNUM, _DT_VERNEED, _DT_VERNEEDNUM = 0x6FFFFFFC, 0x6FFFFFFD, 0x6FFFFFFE, 0x6FFFFFFF
_WEAK, _BASE = 0x2, 0x1
_HEADER, _WIDE_HEADER = 32, 56
_MAX_HEADERS = 512
_MAX_TAGS = 4096
_MAX_NEEDS = 4096


class Segment(NamedTuple):
    """A program header: its type and flags, and place and size of its bytes in the file."""

    kind: int
    flags: int
    offset: int
    address: int
    size: int


def reader(head: bytes, fragments: Fragments) -> Reader:
    """The reader of a file that begins with `head`."""
    return Reader(fragments, wide=head[4] == 2, order="<" if head[5] == 1 else ">")


class Reader:
    """A file of one class (`wide`: 64 bits) and byte order (`<` or `>`)."""

    def __init__(self, fragments: Fragments, *, wide: bool, order: str) -> None:
        self._fragments = fragments
        self._string = fragments.string
        self.wide = wide
        self.order = order

    def unpack(self, offset: int, code: str) -> tuple[int, ...]:
        return self._fragments.unpack(offset, self.order + code)

    def segments(self) -> list[Segment]:
        (table,) = self.unpack(32, "Q") if self.wide else self.unpack(28, "I")
        size, count = self.unpack(54 if self.wide else 42, "HH")
        # Loaders refuse headers of another size, which would hide what they hold.
        if count > _MAX_HEADERS or (count and size != (_WIDE_HEADER if self.wide else _HEADER)):
            raise DamagedError
        return [self._segment(table + position * size) for position in range(count)]

    def _segment(self, offset: int) -> Segment:
        if self.wide:
            kind, flags, start, address, _, size = self.unpack(offset, "IIQQQQ")
        else:
            kind, start, address, _, size, _, flags = self.unpack(offset, "IIIIIII")
        return Segment(kind, flags, start, address, size)

    def interpreter(self, segments: Sequence[Segment]) -> str | None:
        found = next((segment for segment in segments if segment.kind == PT_INTERP), None)
        return None if found is None else self._string(found.offset, found.offset + found.size)

    def dynamic(self, facts: ElfFacts, segments: Sequence[Segment]) -> ElfFacts:
        found = next((segment for segment in segments if segment.kind == PT_DYNAMIC), None)
        if found is None or found.size == 0:
            return facts._replace(dynamic_known=True)
        tags = list(self._tags(found))
        values = dict(tags)
        if _DT_STRTAB not in values or _DT_STRSZ not in values:
            raise DamagedError
        start = _file_offset(segments, values[_DT_STRTAB])
        end = start + values[_DT_STRSZ]

        def text(tag: int) -> str | None:
            return self._string(start + values[tag], end) if tag in values else None

        return facts._replace(
            dynamic_known=True,
            needed=(needed := tuple(self._string(start + value, end) for tag, value in tags if tag == _DT_NEEDED)),
            soname=(soname := text(_DT_SONAME)),
            rpath=text(_DT_RPATH),
            runpath=text(_DT_RUNPATH),
            version_needs=tuple(self._versions(segments, values, start, end)),
            version_defs=tuple(self._definitions(segments, values, start, end)),
            symbols=self._symbols(segments, values, soname, needed),
        )

    def _versions(
        self, segments: Sequence[Segment], values: Mapping[int, int], start: int, end: int
    ) -> Iterator[VersionNeed]:
        if _DT_VERNEED in values:
            offset = _file_offset(segments, values[_DT_VERNEED])
            yield from self._version_needs(offset, values.get(_DT_VERNEEDNUM, 0), start, end)

    def _definitions(
        self, segments: Sequence[Segment], values: Mapping[int, int], start: int, end: int
    ) -> Iterator[str]:
        """Names of the versions that the file defines; the first entry is the file's own name."""
        if _DT_VERDEF not in values:
            return
        offset = _file_offset(segments, values[_DT_VERDEF])
        for _ in range(min(values.get(_DT_VERDEFNUM, 0), _MAX_NEEDS)):
            _, flags, _, count, _, names, following = self.unpack(offset, "HHHHIII")
            if count and not flags & _BASE:
                yield self._string(start + self.unpack(offset + names, "I")[0], end)
            if not following:
                return
            offset += following

    def _symbols(
        self, segments: Sequence[Segment], values: Mapping[int, int], soname: str | None, needed: tuple[str, ...]
    ) -> SymbolFacts | None:
        """None where the symbol table was not at hand: then only what needs symbols stays unknown."""
        if _DT_SYMTAB not in values:
            return None

        def place(tag: int) -> int | None:
            return _file_offset(segments, values[tag]) if tag in values else None

        try:
            tables = Tables(
                symbols=_file_offset(segments, values[_DT_SYMTAB]),
                strings=_file_offset(segments, values[_DT_STRTAB]),
                strings_size=values[_DT_STRSZ],
                hash=place(_DT_HASH),
                gnu_hash=place(_DT_GNU_HASH),
            )
            return read_symbols(self._fragments, tables, soname, needed, wide=self.wide, order=self.order)
        except DamagedError:
            return None

    def _tags(self, segment: Segment) -> Iterator[tuple[int, int]]:
        code, width = ("QQ", 16) if self.wide else ("II", 8)
        count = min(segment.size // width, _MAX_TAGS)
        left = count
        for tag, value in self._fragments.table(segment.offset, self.order + code, count):
            if tag == 0:
                return
            left -= 1
            yield tag, value
        if left:
            raise DamagedError

    def _version_needs(self, offset: int, count: int, start: int, end: int) -> Iterator[VersionNeed]:
        left = _MAX_NEEDS
        for _ in range(min(count, _MAX_NEEDS)):
            _, versions, library, first, following = self.unpack(offset, "HHIII")
            name = self._string(start + library, end)
            entry = offset + first
            for _ in range(versions):
                left -= 1
                if left < 0:
                    raise DamagedError
                _, flags, _, version, step = self.unpack(entry, "IHHII")
                yield VersionNeed(name, self._string(start + version, end), bool(flags & _WEAK))
                if not step:
                    break
                entry += step
            if not following:
                return
            offset += following


def _file_offset(segments: Sequence[Segment], address: int) -> int:
    for segment in segments:
        if segment.kind == PT_LOAD and segment.address <= address < segment.address + segment.size:
            return segment.offset + address - segment.address
    raise DamagedError
