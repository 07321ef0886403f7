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
    """`versions` are (library, ((version, weak), ...)). `code` bytes stand between headers and dynamic section.

    `exports` and `needs` are dynamic symbols that are defined and undefined; `definitions` are symbol versions that the
    library has. `data` stands at the end of what is loaded, `debug` behind it.
    """

    machine: int = 62
    wide: bool = True
    order: str = "<"
    needed: Sequence[str] = ()
    soname: str | None = None
    rpath: str | None = None
    runpath: str | None = None
    interpreter: str | None = None
    versions: Sequence[tuple[str, Sequence[tuple[str, bool]]]] = ()
    exports: Sequence[str] = ()
    needs: Sequence[str] = ()
    weak_needs: Sequence[str] = ()
    definitions: Sequence[str] = ()
    gnu_hash: bool = False
    data: bytes = b""
    debug: bytes = b""
    code: int = 0
    dynamic: bool = True

    def build(self) -> bytes:
        strings = _Strings()
        needs = self._version_needs(strings)
        definitions = self._version_definitions(strings)
        symbols, hashes = self._symbols(strings)
        names = [(1, name) for name in self.needed]
        names += [
            (tag, name) for tag, name in ((14, self.soname), (15, self.rpath), (29, self.runpath)) if name is not None
        ]
        tags = [(tag, strings.add(name)) for tag, name in names]
        start = _HEAD + self.code
        word = "Q" if self.wide else "I"
        width = 2 * struct.calcsize(self.order + word)
        table = start + width * (len(tags) + 9)
        tags += [(5, _BASE + table), (10, len(strings.data))]
        place = table + len(strings.data)
        if self.versions:
            tags += [(0x6FFFFFFE, _BASE + place), (0x6FFFFFFF, len(self.versions))]
        place += len(needs)
        if self.definitions:
            tags += [(0x6FFFFFFC, _BASE + place), (0x6FFFFFFD, len(self.definitions) + 1)]
        place += len(definitions)
        if symbols:
            tags += [(6, _BASE + place), (0x6FFFFEF5 if self.gnu_hash else 4, _BASE + place + len(symbols))]
        section = b"".join(struct.pack(self.order + 2 * word, tag, value) for tag, value in [*tags, (0, 0)])
        tail = section.ljust(table - start, b"\0") + strings.data + needs + definitions + symbols + hashes + self.data
        head = self._headers(start, len(section), len(tail))
        return head + b"\x90" * self.code + tail + self.debug

    def _symbols(self, strings: _Strings) -> tuple[bytes, bytes]:
        """.dynsym, and a hash table of one bucket; undefined symbols come first, as the GNU form has it."""
        if not (self.exports or self.needs or self.weak_needs):
            return b"", b""
        entries = [(0, 0, 0)]
        entries += [(strings.add(name), 1 << 4, 0) for name in self.needs]
        entries += [(strings.add(name), 2 << 4, 0) for name in self.weak_needs]
        first = len(entries)
        entries += [(strings.add(name), 1 << 4, 7) for name in self.exports]
        code = "IBxH16x" if self.wide else "I8xBxH"
        table = b"".join(struct.pack(self.order + code, *entry) for entry in entries)
        if not self.gnu_hash:
            chains = [0, *range(len(entries) - 1)]
            return table, struct.pack(f"{self.order}{3 + len(entries)}I", 1, len(entries), len(entries) - 1, *chains)
        count = len(entries) - first
        bloom = struct.pack(self.order + ("Q" if self.wide else "I"), 0)
        chain = [2] * (count - 1) + [3] if count else []
        header = struct.pack(self.order + "IIII", 1, first, 1, 0)
        return table, header + bloom + struct.pack(f"{self.order}{1 + count}I", first if count else 0, *chain)

    def _version_definitions(self, strings: _Strings) -> bytes:
        """.gnu.version_d, whose first entry is the file's own name."""
        if not self.definitions:
            return b""
        names = [self.soname or "base", *self.definitions]
        data = b""
        for position, name in enumerate(names):
            step = 28 if position + 1 < len(names) else 0
            data += struct.pack(self.order + "HHHHIII", 1, 0 if position else 1, position + 1, 1, 0, 20, step)
            data += struct.pack(self.order + "II", strings.add(name), 0)
        return data

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
