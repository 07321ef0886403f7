"""Small ELF shared objects made in code: 32 or 64 bits, either byte order, only what a dynamic loader looks at."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

PT_LOAD, PT_DYNAMIC, PT_INTERP = 1, 2, 3
_HEAD = 0x400
"""Where the dynamic section starts; strings and version needs follow, and code lies between if there is any."""
_BASE = 0x10000


@dataclass(frozen=True, kw_only=True)
class Elf:
    """`versions` are (library, ((version, weak), ...)). `code` bytes stand between headers and dynamic section."""

    machine: int = 62
    wide: bool = True
    order: str = "<"
    needed: Sequence[str] = ()
    soname: str | None = None
    rpath: str | None = None
    runpath: str | None = None
    interpreter: str | None = None
    versions: Sequence[tuple[str, Sequence[tuple[str, bool]]]] = ()
    code: int = 0
    dynamic: bool = True

    def build(self) -> bytes:
        strings = _Strings()
        needs = self._version_needs(strings)
        names = [(1, name) for name in self.needed]
        names += [
            (tag, name) for tag, name in ((14, self.soname), (15, self.rpath), (29, self.runpath)) if name is not None
        ]
        tags = [(tag, strings.add(name)) for tag, name in names]
        start = _HEAD + self.code
        word = "Q" if self.wide else "I"
        width = 2 * struct.calcsize(self.order + word)
        table = start + width * (len(tags) + 5)
        tags += [(5, _BASE + table), (10, len(strings.data))]
        if self.versions:
            tags += [(0x6FFFFFFE, _BASE + table + len(strings.data)), (0x6FFFFFFF, len(self.versions))]
        section = b"".join(struct.pack(self.order + 2 * word, tag, value) for tag, value in [*tags, (0, 0)])
        tail = section.ljust(table - start, b"\0") + strings.data + needs
        head = self._headers(start, len(section), len(tail))
        return head + b"\x90" * self.code + tail

    def _version_needs(self, strings: _Strings) -> bytes:
        data = b""
        for position, (library, versions) in enumerate(self.versions):
            entries = b""
            for place, (version, weak) in enumerate(versions):
                step = 16 if place + 1 < len(versions) else 0
                entries += struct.pack(self.order + "IHHII", 0, 2 * weak, 2, strings.add(version), step)
            step = 16 + len(entries) if position + 1 < len(self.versions) else 0
            data += struct.pack(self.order + "HHIII", 1, len(versions), strings.add(library), 16, step) + entries
        return data

    def _headers(self, start: int, size: int, tail: int) -> bytes:
        path = (self.interpreter or "").encode() + b"\0"
        segments = [(PT_LOAD, 0, _HEAD), (PT_LOAD, start, tail)]
        if self.code:
            segments.append((PT_LOAD, _HEAD, self.code))
        if self.dynamic:
            segments.append((PT_DYNAMIC, start, size))
        if self.interpreter is not None:
            segments.append((PT_INTERP, 0x300, len(path)))
        ident = b"\x7fELF" + bytes([2 if self.wide else 1, 1 if self.order == "<" else 2, 1]) + bytes(9)
        sizes = (64, 56) if self.wide else (52, 32)
        code = "HHIQQQIHHHHHH" if self.wide else "HHIIIIIHHHHHH"
        counts = (sizes[0], sizes[1], len(segments), 0, 0, 0)
        head = ident + struct.pack(self.order + code, 3, self.machine, 1, 0, sizes[0], 0, 0, *counts)
        for kind, offset, length in segments:
            if self.wide:
                fields = (kind, 4, offset, _BASE + offset, 0, length, length, 8)
                head += struct.pack(self.order + "IIQQQQQQ", *fields)
            else:
                head += struct.pack(self.order + "IIIIIIII", kind, offset, _BASE + offset, 0, length, length, 4, 8)
        assert len(head) <= 0x300
        return (head.ljust(0x300, b"\0") + path).ljust(_HEAD, b"\0")


class _Strings:
    def __init__(self) -> None:
        self.data = b"\0"

    def add(self, text: str) -> int:
        place = len(self.data)
        self.data += text.encode() + b"\0"
        return place
