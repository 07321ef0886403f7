"""What one layer holds, entry by entry, wherever entries come from: paths, replaced entries, whiteouts, crowds.

Where their bodies come from is for others to know (`Bodies`): a tar stream has them between the headers, a table of
contents names their places.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol

from driftscan import elf
from driftscan.errors import ImageError
from driftscan.image.buffer import Buffer
from driftscan.image.limits import Limits
from driftscan.image.tarheader import Header
from driftscan.model.crowd import Crowd, is_plain
from driftscan.model.image import ElfFacts, Entry, EntryKind, Keep, LayerIndex, Wants, Whiteout

WHITEOUT = ".wh."
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
CROWDED = 1 << 16
"""Files of which no more is kept than a digest that have an entry each; more of them go into crowds."""


class Kept(NamedTuple):
    """What is kept of a file's body."""

    sha256: str | None
    content: bytes | None
    elf: ElfFacts | None


class Bodies(Protocol):
    """The bodies of the entries that come by, in their order: each is either passed over or read."""

    def skip(self, size: int, /) -> object:
        """Pass over the body of the entry that came by last."""

    def read(self, header: Header, keep: Keep, /) -> Kept:
        """What `keep` asks for of that body."""


class LayerEntries:
    """The entries of a layer that is being read."""

    def __init__(self, bodies: Bodies, wants: Wants, limits: Limits) -> None:
        self.entries: dict[str, Entry] = {}
        self.whiteouts: dict[Whiteout, None] = {}
        self._bodies = bodies
        self._wants = wants
        self._limits = limits
        self.crowds = _Crowds()
        self.late: set[str] = set()
        self.replaced: set[str] = set()
        self.repeats = False
        self._folders: set[str] = set()
        self._implicit = 0
        self._late: set[str] = set()
        self._replaced = 0
        self._plain_entries = 0
        self._alike: dict[tuple[int, int], Entry] = {}
        self._names = 0

    def index(self, headers: Iterable[Header]) -> LayerIndex:
        """What the layer with these entries holds.

        Raises ImageError for what a container runtime would reject, LimitError where a limit is passed.
        """
        for count, header in enumerate(headers, 1):
            if count > self._limits.layer_entries:
                self._limits.check("layer_entries", count, "the number of entries")
            try:
                self._add(header)
            except ImageError as error:
                if error.where is None:
                    error.where = f"entry {shown(header.name)}"
                raise
        return LayerIndex(
            entries=self.entries,
            whiteouts=tuple(self.whiteouts),
            crowds=self.crowds.by_folder,
            late=frozenset(self.late),
            replaced=frozenset(self.replaced),
            repeats=self.repeats,
        )

    def _add(self, header: Header) -> None:
        path = normalised(header.name, self._limits)
        parent, _, name = path.rpartition("/")
        if name.startswith(WHITEOUT):
            self._whiteout(parent, name)
            self._bodies.skip(header.size)
            return
        kind = _KINDS.get(header.flag)
        if kind is None:
            raise ImageError(f"its type {chr(header.flag)!r} is none that a container runtime unpacks")
        if not path and kind is not EntryKind.DIRECTORY:
            raise ImageError("it puts something other than a directory in the place of the root")
        self._note_folders(parent)
        entry = self._entry(path, kind, header)
        if path in self._folders:
            self._replace_folder(path, entry)
        elif path in self.entries:
            self._replace(path, entry)
        elif kind is EntryKind.DIRECTORY and self.crowds.find(path) is not None:
            self.whiteouts[Whiteout(path)] = None
        self.entries[path] = entry
        self._count(path, entry)

    def _note_folders(self, parent: str) -> None:
        """Note the directories above an entry; they come into being even if no entry of their own speaks of them."""
        while parent and parent not in self._folders:
            if parent not in self.entries:
                if self.crowds.find(parent) is not None:
                    raise ImageError(f"it is below {parent!r}, which is a file of the same layer")
                self._implicit += 1
                self._names += len(parent)
            self._folders.add(parent)
            parent = parent.rpartition("/")[0]

    def _count(self, path: str, entry: Entry) -> None:
        """Hold what is kept to the limits; plain files count until they are in a crowd, where they take little."""
        self._names += len(path)
        if is_plain(entry):
            self._plain_entries += 1
            if self._plain_entries >= CROWDED:
                self._crowd()
        held = len(self.entries) + self._implicit
        if held > self._limits.held_entries:
            self._limits.check("held_entries", held, "the number of entries other than plain files")
        if self._names > self._limits.names:
            self._limits.check("names", self._names, "the length of all paths together")

    def _crowd(self) -> None:
        """Move the plain files, if nothing is below them, out of the entries."""
        held: dict[str, Entry] = {}
        groups: dict[str, dict[str, Entry]] = {}
        for path, entry in self.entries.items():
            folder, _, name = path.rpartition("/")
            if (
                not is_plain(entry)
                or path in self._folders
                or (folder not in groups and not self._is_settled(folder, held))
            ):
                held[path] = entry
            else:
                groups.setdefault(folder, {})[name] = entry
                self._names -= len(path) - len(name)
        self.entries = held
        self._plain_entries = 0
        for folder, files in groups.items():
            self.crowds.add(folder, Crowd.of(files))

    def _is_settled(self, folder: str, before: Mapping[str, Entry]) -> bool:
        """Whether files of `folder` may leave the order of the entries, of which those in `before` came earlier.

        Directories above them that got their entry later are noted as late.
        """
        while folder:
            if folder not in before and (above := self.entries.get(folder)) is not None:
                if above.kind is not EntryKind.DIRECTORY:
                    return False
                self.late.add(folder)
            folder = folder.rpartition("/")[0]
        return True

    def _replace(self, path: str, entry: Entry) -> None:
        """Make way for an entry whose path this layer has had before: the last one wins.

        What comes later must see it in its new place of the order.
        """
        old = self._repeated(path)
        if old.kind in (EntryKind.DIRECTORY, EntryKind.SYMLINK):
            self.replaced.add(path)
        elif entry.kind is EntryKind.DIRECTORY:
            # What took its place before has removed a directory of a lower layer.
            self.whiteouts[Whiteout(path)] = None
        del self.entries[path]

    def _replace_folder(self, path: str, entry: Entry) -> None:
        """Make way for an entry at a path below which this layer has put others before.

        A directory stays in its place of the order, so that what is below it comes after it. Where it was implicit, a
        lower layer may have a link there through which those others went elsewhere, which only the merge can tell.
        """
        if path not in self.entries:
            self._late.add(path)
            if path in self.crowds.folders:
                self.late.add(path)
            if entry.kind is not EntryKind.DIRECTORY:
                self.crowds.remove(path)
        elif self._repeated(path).kind is not EntryKind.DIRECTORY:
            raise ImageError("it replaces what the same layer has put files below")
        elif entry.kind is not EntryKind.DIRECTORY:
            self._replaced += 1
            self._limits.check("replaced_folders", self._replaced, "the number of directories that are replaced again")
            self.crowds.remove(path)
            self._empty(path)

    def _repeated(self, path: str) -> Entry:
        """The entry that this layer had at `path` before."""
        self.repeats = True
        above = path
        while self._late and (above := above.rpartition("/")[0]):
            if above in self._late:
                raise ImageError(f"it comes again, and {above!r} came in between")
        return self.entries[path]

    def _empty(self, folder: str) -> None:
        """Forget what was put into a directory since it has an entry."""
        below = f"{folder}/"
        kept: dict[str, Entry] = {}
        before = False
        for path, entry in self.entries.items():
            if not path.startswith(below) or folder not in kept:
                kept[path] = entry
                before = before or path.startswith(below)
        self.entries = kept
        if not before:
            self._folders = {path for path in self._folders if path != folder and not path.startswith(below)}

    def _whiteout(self, parent: str, name: str) -> None:
        if name == _OPAQUE:
            self.whiteouts[Whiteout(parent, opaque=True)] = None
            return
        if name.startswith(_AUFS_META):
            return
        removed = name.removeprefix(WHITEOUT)
        if removed in ("", ".", ".."):
            raise ImageError("its whiteout names nothing that could be removed")
        self.whiteouts[Whiteout(f"{parent}/{removed}" if parent else removed)] = None

    def _entry(self, path: str, kind: EntryKind, header: Header) -> Entry:
        if kind is EntryKind.FILE:
            return self._file(path, header)
        if kind is EntryKind.SYMLINK:
            self._limits.check("path", len(header.link), "a link's target")
            return Entry(kind, header.mode, target=header.link.decode("utf-8", "surrogateescape"))
        if kind is EntryKind.HARDLINK:
            target = normalised(header.link, self._limits)
            linked = self.entries.get(target) or self.crowds.find(target)
            if linked is None:
                return Entry(kind, header.mode, target=target)
            if linked.kind is EntryKind.DIRECTORY:
                raise ImageError(f"it is a hardlink to {shown(header.link)}, which is a directory")
            # Resolved now, since a later entry of this layer may take the target's name.
            return linked
        return Entry(kind, header.mode)

    def _file(self, path: str, header: Header) -> Entry:
        keep = self._wants(path, header.logical_size)
        if keep is None or header.sparse:
            self._bodies.skip(header.size)
            return self._plain(header.mode, header.logical_size)
        return Entry(EntryKind.FILE, header.mode, header.size, "", *self._bodies.read(header, keep))

    def _plain(self, mode: int, size: int) -> Entry:
        """The entry of a file of which nothing is kept; files that are alike share one."""
        entry = self._alike.get((mode, size))
        if entry is None:
            entry = Entry(EntryKind.FILE, mode, size)
            if len(self._alike) < _ALIKE:
                self._alike[mode, size] = entry
        return entry


class _Crowds:
    """The crowds of one layer. `folders` are the directories that have some and those above, with what is in them."""

    def __init__(self) -> None:
        self.by_folder: dict[str, tuple[Crowd, ...]] = {}
        self.folders: dict[str, list[str]] = {}

    def add(self, folder: str, crowd: Crowd) -> None:
        self.by_folder[folder] = (crowd, *self.by_folder.get(folder, ()))
        below: list[str] = []
        while folder and folder not in self.folders:
            self.folders[folder] = below
            below = [folder]
            folder = folder.rpartition("/")[0]
        if folder:
            self.folders[folder] += below

    def find(self, path: str) -> Entry | None:
        folder, _, name = path.rpartition("/")
        found = (crowd.get(name) for crowd in self.by_folder.get(folder, ()))
        return next((entry for entry in found if entry is not None), None)

    def remove(self, folder: str) -> None:
        """Forget the crowds in and below a directory that is replaced."""
        pending = [folder]
        while pending:
            folder = pending.pop()
            pending += self.folders.pop(folder, ())
            self.by_folder.pop(folder, None)


def normalised(name: bytes, limits: Limits) -> str:
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


def shown(name: bytes) -> str:
    return repr(name[:200].decode("utf-8", "backslashreplace"))


def read_body(buffer: Buffer, size: int, keep: Keep, limits: Limits) -> Kept:
    """What is kept of the next `size` bytes; no more of them in memory than that asks for."""
    digest = hashlib.sha256() if keep.hashed else None
    kept: list[bytes] | None = [] if 0 < keep.limit >= size else None
    is_elf = size >= len(_ELF_MAGIC) and buffer.peek(len(_ELF_MAGIC)) == _ELF_MAGIC
    capture = elf.Capture(limits.elf, strings=keep.strings) if is_elf else None
    for piece in buffer.views(size):
        if digest is not None:
            digest.update(piece)
        if kept is not None:
            kept.append(bytes(piece))
        if capture is not None:
            capture.feed(piece)
    content = None
    if kept is not None:
        data = b"".join(kept)
        content = keep.reduce(data) if keep.reduce is not None else data
    return Kept(digest.hexdigest() if digest else None, content, capture.facts() if capture is not None else None)
