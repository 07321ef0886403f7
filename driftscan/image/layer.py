"""One layer's tar stream to its index: entries, whiteouts, opaque marks, and what is wanted of the files' content."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import chain

from driftscan import elf
from driftscan.errors import ImageError
from driftscan.image.buffer import Buffer
from driftscan.image.limits import Limits
from driftscan.image.tarheader import Header, Headers
from driftscan.model.image import ElfFacts, Entry, EntryKind, Keep, LayerIndex, Wants

_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"
_AUFS_META = ".wh..wh."
_KINDS = {
    ord("0"): EntryKind.FILE,
    ord("1"): EntryKind.HARDLINK,
    ord("2"): EntryKind.SYMLINK,
    ord("3"): EntryKind.OTHER,
    ord("4"): EntryKind.OTHER,
    ord("5"): EntryKind.DIRECTORY,
    ord("6"): EntryKind.OTHER,
}
_ELF_MAGIC = b"\x7fELF"
_ALIKE = 1 << 16


def read_layer(pieces: Iterator[bytes], wants: Wants, limits: Limits) -> LayerIndex:
    """Read an uncompressed layer to the very end of `pieces`.

    Raises ImageError for what a container runtime would reject, LimitError where a limit is passed.
    """
    reader = _LayerReader(Buffer(pieces), wants, limits)
    reader.run()
    return LayerIndex(entries=reader.entries, whiteouts=frozenset(reader.whiteouts), opaque=frozenset(reader.opaque))


class _LayerReader:
    def __init__(self, buffer: Buffer, wants: Wants, limits: Limits) -> None:
        self.entries: dict[str, Entry] = {}
        self.whiteouts: set[str] = set()
        self.opaque: set[str] = set()
        self._buffer = buffer
        self._wants = wants
        self._limits = limits
        self._folders: set[str] = set()
        self._alike: dict[tuple[int, int], Entry] = {}
        self._names = 0

    def run(self) -> None:
        headers = Headers(self._buffer, self._limits)
        count = 0
        while (header := headers.next()) is not None:
            count += 1
            if count > self._limits.layer_entries:
                self._limits.check("layer_entries", count, "the number of entries")
            try:
                self._add(header)
            except ImageError as error:
                if error.where is None:
                    error.where = f"entry {_shown(header.name)}"
                raise
            self._buffer.skip_padding(header.size)
        self._buffer.drain()

    def _add(self, header: Header) -> None:
        path = _path(header.name, self._limits)
        parent, _, name = path.rpartition("/")
        if name.startswith(_WHITEOUT):
            self._whiteout(parent, name)
            self._buffer.skip(header.size)
            return
        kind = _KINDS.get(header.flag)
        if kind is None:
            raise ImageError(f"its type {chr(header.flag)!r} is none that a container runtime unpacks")
        if not path and kind is not EntryKind.DIRECTORY:
            raise ImageError("it puts something other than a directory in the place of the root")
        self._count(path, parent)
        entry = self._entry(path, kind, header)
        # Last one wins, and what comes later must see it in its new place of the order.
        self.entries.pop(path, None)
        self.entries[path] = entry

    def _count(self, path: str, parent: str) -> None:
        """Count the length of all paths that come into being, also of directories without an entry of their own."""
        self._names += len(path)
        while parent and parent not in self.entries and parent not in self._folders:
            self._folders.add(parent)
            self._names += len(parent)
            parent = parent.rpartition("/")[0]
        count = len(self.entries) + len(self._folders)
        if count > self._limits.layer_entries:
            self._limits.check("layer_entries", count, "the number of entries")
        if self._names > self._limits.names:
            self._limits.check("names", self._names, "the length of all paths together")

    def _whiteout(self, parent: str, name: str) -> None:
        if name == _OPAQUE:
            self.opaque.add(parent)
            return
        if name.startswith(_AUFS_META):
            return
        removed = name.removeprefix(_WHITEOUT)
        if removed in ("", ".", ".."):
            raise ImageError("its whiteout names nothing that could be removed")
        self.whiteouts.add(f"{parent}/{removed}" if parent else removed)

    def _entry(self, path: str, kind: EntryKind, header: Header) -> Entry:
        if kind is EntryKind.FILE:
            return self._file(path, header)
        if kind is EntryKind.SYMLINK:
            self._limits.check("path", len(header.link), "a link's target")
            return Entry(kind, header.mode, target=header.link.decode("utf-8", "surrogateescape"))
        if kind is EntryKind.HARDLINK:
            target = _path(header.link, self._limits)
            linked = self.entries.get(target)
            if linked is None:
                return Entry(kind, header.mode, target=target)
            if linked.kind is EntryKind.DIRECTORY:
                raise ImageError(f"it is a hardlink to {_shown(header.link)}, which is a directory")
            # Resolved now, since a later entry of this layer may take the target's name.
            return linked
        return Entry(kind, header.mode)

    def _file(self, path: str, header: Header) -> Entry:
        keep = self._wants(path, header.logical_size)
        if keep is None or header.sparse:
            self._buffer.skip(header.size)
            return self._plain(header.mode, header.logical_size)
        digest, content, facts = self._body(header.size, keep)
        return Entry(EntryKind.FILE, header.mode, header.size, "", digest, content, facts)

    def _plain(self, mode: int, size: int) -> Entry:
        """The entry of a file of which nothing is kept; files that are alike share one."""
        entry = self._alike.get((mode, size))
        if entry is None:
            entry = Entry(EntryKind.FILE, mode, size)
            if len(self._alike) < _ALIKE:
                self._alike[mode, size] = entry
        return entry

    def _body(self, size: int, keep: Keep) -> tuple[str | None, bytes | None, ElfFacts | None]:
        """Digest, kept content and ELF facts of a body; no more of it in memory than these ask for."""
        digest = hashlib.sha256() if keep.hashed else None
        head = self._buffer.take(min(size, len(_ELF_MAGIC)))
        capture = elf.Capture(self._limits.elf, strings=keep.strings) if head == _ELF_MAGIC else None
        kept: list[bytes] | None = [] if size <= keep.limit else None
        for piece in chain((head,), self._buffer.pieces(size - len(head))):
            if digest is not None:
                digest.update(piece)
            if kept is not None:
                kept.append(piece)
            if capture is not None:
                capture.feed(piece)
        content = None
        if kept is not None:
            data = b"".join(kept)
            content = keep.reduce(data) if keep.reduce is not None else data
        return digest.hexdigest() if digest else None, content, capture.facts() if capture is not None else None


def _path(name: bytes, limits: Limits) -> str:
    """A member's name as a key: without leading and doubled slashes, `.` and `..`, which must not leave the root."""
    limits.check("path", len(name), "a path")
    path = name.decode("utf-8", "surrogateescape")
    if path and path[0] not in "./" and path[-1] != "/" and "//" not in path and "/." not in path:
        return path
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            if not parts:
                raise ImageError("its path leaves the root of the image")
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


def _shown(name: bytes) -> str:
    return repr(name[:200].decode("utf-8", "backslashreplace"))
