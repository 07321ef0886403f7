"""Very many plain files of one folder, in a few bytes each.

A layer may hold millions of files of which no more is kept than name, mode, size and digest. Objects for them would
take hundreds of bytes each; here a file takes its name and 42 bytes.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Self

from driftscan.model.image import Entry, EntryKind

_BLOCK = 128
"""Names that are looked through one after the other."""
_FACTS = struct.Struct("<HQ32s")
_NO_DIGEST = bytes(32)


@dataclass(frozen=True, slots=True)
class Crowd:
    """Plain files by name, sorted. `blocks` are names with a slash between them, `heads` the first name of each block,
    `facts` mode (2 bytes), size (8 bytes) and SHA-256 (32 bytes, zeros for none) of each file, little-endian."""

    heads: tuple[str, ...]
    blocks: tuple[str, ...]
    facts: bytes

    @classmethod
    def of(cls, files: Mapping[str, Entry]) -> Self:
        """The crowd of `files`, each a regular file without content and ELF facts."""
        names = sorted(files)
        starts = range(0, len(names), _BLOCK)
        return cls(
            heads=tuple(names[start] for start in starts),
            blocks=tuple("/".join(names[start : start + _BLOCK]) for start in starts),
            facts=b"".join(_packed(files[name]) for name in names),
        )

    def __len__(self) -> int:
        return len(self.facts) // _FACTS.size

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.get(name) is not None

    def get(self, name: str) -> Entry | None:
        at = bisect_right(self.heads, name) - 1
        # Most names that are asked for are not there, and a search in one string is quicker than taking it apart.
        if at < 0 or name not in self.blocks[at]:
            return None
        names = self.blocks[at].split("/")
        return self._entry(at * _BLOCK + names.index(name)) if name in names else None

    def __iter__(self) -> Iterator[str]:
        for block in self.blocks:
            yield from block.split("/")

    def items(self) -> Iterator[tuple[str, Entry]]:
        """Names, sorted, with their entries."""
        return ((name, self._entry(at)) for at, name in enumerate(self))

    def _entry(self, at: int) -> Entry:
        mode, size, digest = _FACTS.unpack_from(self.facts, at * _FACTS.size)
        return Entry(EntryKind.FILE, mode, size, sha256=None if digest == _NO_DIGEST else digest.hex())


def is_plain(entry: Entry) -> bool:
    """Whether a crowd can hold it."""
    return entry.kind is EntryKind.FILE and entry.content is None and entry.elf is None


def _packed(entry: Entry) -> bytes:
    return _FACTS.pack(entry.mode, entry.size, bytes.fromhex(entry.sha256) if entry.sha256 else _NO_DIGEST)
