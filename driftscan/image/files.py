"""Files of this machine as entries of a layer: nothing is followed, run or changed."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from driftscan import elf
from driftscan.errors import ImageError
from driftscan.image.limits import Limits
from driftscan.model.image import Entry, EntryKind, Keep, LayerIndex, Wants

_PIECE = 1 << 20
_HOPS = 40


class Collector:
    """Entries of files below `root`, by their path there."""

    def __init__(self, root: Path, wants: Wants, limits: Limits) -> None:
        self._root = root
        self._wants = wants
        self._limits = limits
        self._entries: dict[str, Entry] = {}

    def index(self) -> LayerIndex:
        return LayerIndex(entries=self._entries)

    def add_tree(self, key: str, skip: frozenset[str] = frozenset()) -> None:
        """What is at `key` and everything below it, except the keys in `skip`."""
        self.add(key)
        pending = [key]
        while pending:
            folder = pending.pop()
            for child, entry in self._children(folder):
                if child in skip:
                    continue
                self._put(child, entry)
                if entry.kind is EntryKind.DIRECTORY:
                    pending.append(child)

    def add(self, key: str) -> None:
        """What is at `key`, with the symlinks on the way to it and those it leads to; nothing where nothing is."""
        parts = [part for part in reversed(key.split("/")) if part not in ("", ".")]
        at: list[str] = []
        hops = 0
        while parts:
            part = parts.pop()
            if part == "..":
                del at[-1:]
                continue
            at.append(part)
            place = "/".join(at)
            entry = self._entry(place)
            if entry is None:
                return
            self._put(place, entry)
            if entry.kind is EntryKind.SYMLINK and hops < _HOPS:
                hops += 1
                at = [] if entry.target.startswith("/") else at[:-1]
                parts += [part for part in reversed(entry.target.split("/")) if part not in ("", ".")]

    def note(self, key: str) -> None:
        """That something is at `key`, and where it leads; none of it is read."""
        wants, self._wants = self._wants, lambda path, size: None  # noqa: ARG005
        try:
            self.add(key)
        finally:
            self._wants = wants

    def names(self, key: str) -> list[str]:
        """Sorted names in a folder; none where there is no folder."""
        try:
            return sorted(entry.name for entry in (self._root / key).iterdir())
        except OSError:
            return []

    def _put(self, key: str, entry: Entry) -> None:
        if key not in self._entries:
            self._entries[key] = entry
            if len(self._entries) > self._limits.layer_entries:
                self._limits.check("layer_entries", len(self._entries), "the number of files", str(self._root))

    def _children(self, folder: str) -> Iterator[tuple[str, Entry]]:
        path = self._root / folder
        try:
            names = sorted(entry.name for entry in path.iterdir())
        except PermissionError as error:
            raise ImageError("the folder cannot be read: permission denied", where=str(path)) from error
        except (FileNotFoundError, NotADirectoryError):
            return
        for name in names:
            key = f"{folder}/{name}" if folder else name
            entry = self._entry(key)
            if entry is not None:
                yield key, entry

    def _entry(self, key: str) -> Entry | None:
        path = self._root / key
        try:
            status = path.lstat()
            if stat.S_ISLNK(status.st_mode):
                return Entry(EntryKind.SYMLINK, 0o777, target=str(path.readlink()))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except PermissionError as error:
            raise ImageError("it cannot be read: permission denied", where=str(path)) from error
        mode = stat.S_IMODE(status.st_mode)
        if stat.S_ISDIR(status.st_mode):
            return Entry(EntryKind.DIRECTORY, mode)
        if not stat.S_ISREG(status.st_mode):
            return Entry(EntryKind.OTHER, mode)
        keep = self._wants(key, status.st_size)
        plain = Entry(EntryKind.FILE, mode, status.st_size)
        return plain if keep is None else self._read(path, plain, keep)

    def _read(self, path: Path, entry: Entry, keep: Keep) -> Entry:
        """Digest, content and ELF facts; a file that may not be read stays without, and so unchecked."""
        digest = hashlib.sha256() if keep.hashed else None
        held: list[bytes] | None = [] if 0 < keep.limit >= entry.size else None
        capture: elf.Capture | None = None
        try:
            # A file that was swapped for a link since it was looked at is not followed.
            with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:  # noqa: PTH123  # a descriptor
                while piece := file.read(_PIECE):
                    if file.tell() == len(piece) and piece.startswith(b"\x7fELF"):
                        capture = elf.Capture(self._limits.elf, strings=keep.strings)
                    if digest is not None:
                        digest.update(piece)
                    if capture is not None:
                        capture.feed(piece)
                    if held is not None:
                        held.append(piece)
        except OSError:
            return entry
        content = None
        if held is not None:
            data = b"".join(held)
            content = keep.reduce(data) if keep.reduce is not None else data
        return entry._replace(
            sha256=digest.hexdigest() if digest else None, content=content, elf=capture.facts() if capture else None
        )
