"""A small, bounded reader of ELF headers, dynamic sections and symbols (System V gABI, chapters 4 and 5).

It finds the dynamic section over the program headers, as the dynamic loader does, and never trusts a size or offset
from the file further than the bytes at hand.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from driftscan.elf.dynamic import PF_X, PT_DYNAMIC, PT_INTERP, PT_LOAD, reader
from driftscan.elf.fragments import DamagedError, Fragments
from driftscan.elf.strings import Strings
from driftscan.model.image import ElfFacts

_HEAD = 1 << 16


class _Range(NamedTuple):
    """Bytes of the file from `start` up to `end`."""

    start: int
    end: int


class _Searched(NamedTuple):
    """Bytes of the file that are looked through for strings."""

    start: int
    end: int
    loaded: bool


def parse(data: bytes, *, strings: bool = False) -> ElfFacts | None:
    """Facts of an ELF file, or None where `data` is none or its header is cut off.

    A damaged or missing dynamic section leaves `dynamic_known` False; a file without one (static, or an object
    file) has `dynamic_known` True and needs nothing. With `strings` the telling ones are looked for as well.
    """
    facts = _facts(data, Fragments([(0, data)]))
    if facts is None or not strings:
        return facts
    found = Strings()
    for part in _searched(data[:_HEAD]):
        found.feed(data[part.start : part.end], loaded=part.loaded)
    return facts._replace(strings=found.found())


class Capture:
    """Takes an ELF file piece by piece, and keeps of it what the facts need, at most about `limit` bytes.

    A dynamic section and its strings may be anywhere in a file of gigabytes. The program headers at its beginning
    say where: kept are the interpreter's name, the dynamic section, and of the loaded segments the smallest first,
    since what describes a library lies apart from its code. Segments of nothing but code are passed over.
    """

    def __init__(self, limit: int, *, strings: bool = False) -> None:
        self._limit = limit
        self._strings = Strings() if strings else None
        self._searched: list[_Searched] = []
        self._head = bytearray()
        self._ranges: list[_Range] | None = None
        self._kept: list[bytearray] = []
        self._position = 0

    def feed(self, piece: bytes | memoryview) -> None:
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
            return parse(bytes(self._head), strings=self._strings is not None)
        facts = self._facts()
        return facts._replace(strings=self._strings.found()) if facts is not None and self._strings else facts

    def _facts(self) -> ElfFacts | None:
        starts = (wanted.start for wanted in self._ranges or ())
        return _facts(bytes(self._kept[0][:_HEAD]), Fragments(list(zip(starts, self._kept, strict=True))))

    def _plan(self) -> None:
        head, self._head = bytes(self._head), bytearray()
        self._ranges = _needed(head, self._limit)
        self._searched = _searched(head) if self._strings is not None else []
        self._kept = [bytearray() for _ in self._ranges]
        self._keep(head)

    def _keep(self, piece: bytes | memoryview) -> None:
        view = memoryview(piece)
        start, end = self._position, self._position + len(view)
        self._position = end
        for wanted, kept in zip(self._ranges or (), self._kept, strict=True):
            if wanted.start < end and start < wanted.end:
                kept += view[max(wanted.start - start, 0) : wanted.end - start]
        for part in self._searched:
            if self._strings is not None and part.start < end and start < part.end:
                self._strings.feed(bytes(view[max(part.start - start, 0) : part.end - start]), loaded=part.loaded)


def _searched(head: bytes) -> list[_Searched]:
    """Where strings can be: in what is loaded and not executed, and in what is not loaded at all."""
    try:
        segments = [each for each in reader(head, Fragments([(0, head)])).segments() if each.kind == PT_LOAD]
    except (DamagedError, IndexError):
        return []
    end = max((segment.offset + segment.size for segment in segments), default=0)
    # Old linkers make two segments, the first of which holds constants and code.
    data = [segment for segment in segments if len(segments) <= 2 or not segment.flags & PF_X]
    return [*(_Searched(each.offset, each.offset + each.size, True) for each in data), _Searched(end, 1 << 62, False)]


def _needed(head: bytes, limit: int) -> list[_Range]:
    """Which parts of the file that begins with `head` to keep: sorted, apart from each other, the head the first."""
    chosen = [_Range(0, len(head))]
    try:
        segments = reader(head, Fragments([(0, head)])).segments()
    except DamagedError:
        return [_Range(0, max(limit, len(head)))]
    small = [segment for segment in segments if segment.kind in (PT_DYNAMIC, PT_INTERP)]
    # Linkers put what describes a file behind its headers, be it that code follows in the same segment, or to its data.
    loaded = [each for each in segments if each.kind == PT_LOAD and (each.offset == 0 or not each.flags & PF_X)]
    loaded.sort(key=lambda segment: segment.size)
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


def _facts(head: bytes, fragments: Fragments) -> ElfFacts | None:
    if len(head) < 52 or head[:4] != b"\x7fELF" or head[4] not in (1, 2) or head[5] not in (1, 2):
        return None
    opened = reader(head, fragments)
    (machine,) = opened.unpack(18, "H")
    facts = ElfFacts(machine, 64 if opened.wide else 32, opened.order == "<")
    try:
        segments = opened.segments()
        facts = facts._replace(interpreter=opened.interpreter(segments))
        return opened.dynamic(facts, segments)
    except DamagedError:
        return facts
