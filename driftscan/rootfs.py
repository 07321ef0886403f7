"""Layers merged into one root filesystem, in memory, as a container runtime would lay them over each other.

The semantics are those of the OCI image-spec (layer.md) as containerd applies it: whiteouts and opaque marks act on
lower layers only; a directory over a directory keeps its content, anything else replaces; hardlinks show the file that
they link to; an entry below a symlinked directory lands in that directory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from driftscan.errors import ImageError
from driftscan.model.image import Entry, EntryKind, LayerIndex

LINK_HOPS = 40
_IMPLICIT = Entry(EntryKind.DIRECTORY, 0o755)


class Node(NamedTuple):
    """A path of the merged root filesystem: its entry, and the 0-based index of the layer that wrote it last."""

    path: str
    entry: Entry
    layer: int


class RootFS:
    """A read-only view. Paths are accepted with or without a leading slash, and given without."""

    __slots__ = ("_children", "_nodes", "_removed")

    def __init__(
        self, nodes: Mapping[str, Node], children: Mapping[str, Mapping[str, None]], removed: Mapping[str, int]
    ) -> None:
        self._nodes = nodes
        self._children = children
        self._removed = removed

    @classmethod
    def merge(cls, layers: Sequence[LayerIndex]) -> RootFS:
        """Apply `layers`, lowest first.

        Raises ImageError where a layer cannot be applied: a hardlink to nothing, a file used as a directory.
        """
        merger = _Merger()
        for number, layer in enumerate(layers):
            merger.apply(number, layer)
        return cls(merger.nodes, merger.children, merger.removed)

    def lookup(self, path: str) -> Node | None:
        """The node at `path`, symlinks followed in its directories but not in its last component."""
        path = path.strip("/")
        if (node := self._nodes.get(path)) is not None:
            return node  # a key never leads through a symlink
        parent, _, name = path.rpartition("/")
        folder = self.resolve(parent)
        return None if folder is None else self._nodes.get(f"{folder}/{name}" if folder else name)

    def get(self, path: str) -> Node | None:
        """The node that `path` leads to, all symlinks followed inside the root; None where it leads nowhere."""
        resolved = self.resolve(path)
        return None if resolved is None else self._nodes.get(resolved)

    def resolve(self, path: str) -> str | None:
        """The path without symlinks that `path` leads to; None where nothing is there, or links go in circles."""
        path = path.strip("/")
        if path in self._nodes and self._plain(path):
            return path
        resolved = _resolve(self._nodes, path)
        return resolved if resolved is not None and resolved in self._nodes else None

    def _plain(self, path: str) -> bool:
        """Whether the node at this key is itself no symlink; its directories are none, or it would not be a key."""
        return self._nodes[path].entry.kind is not EntryKind.SYMLINK

    def read(self, path: str) -> bytes | None:
        """The kept content of the file that `path` leads to; None where there is no file or it was not kept."""
        node = self.get(path)
        return node.entry.content if node is not None else None

    def children(self, path: str) -> tuple[str, ...]:
        """Sorted names in the directory that `path` leads to; empty where there is none."""
        resolved = self.resolve(path)
        return () if resolved is None else tuple(sorted(self._children.get(resolved, ())))

    def walk(self, path: str) -> Iterator[Node]:
        """All nodes below the directory that `path` leads to: what is in it, sorted, then what is in its directories.

        Symlinks below it are not followed.
        """
        start = self.resolve(path)
        pending = [] if start is None else [start]
        while pending:
            folder = pending.pop()
            below = []
            for name in sorted(self._children.get(folder, ())):
                child = f"{folder}/{name}" if folder else name
                yield self._nodes[child]
                if child in self._children:
                    below.append(child)
            pending += reversed(below)

    def removed_by(self, path: str) -> int | None:
        """0-based index of the layer that removed `path`; None where it is there, or never was."""
        path = path.strip("/")
        return None if path in self._nodes else self._removed.get(path)


class _Merger:
    """The tree while layers are applied to it.

    A key of `nodes` never leads through a symlink: entries are stored where their directory really is.
    """

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {"": Node("", _IMPLICIT, 0)}
        self.children: dict[str, dict[str, None]] = {}
        self.removed: dict[str, int] = {}
        self._folders: dict[str, str] = {"": ""}

    def apply(self, number: int, layer: LayerIndex) -> None:
        for path in sorted(layer.opaque):
            folder = _resolve(self.nodes, path)
            for name in tuple(self.children.get(folder, ())) if folder is not None else ():
                self._remove(f"{folder}/{name}" if folder else name, number)
        for path in sorted(layer.whiteouts):
            parent, _, name = path.rpartition("/")
            folder = _resolve(self.nodes, parent)
            if folder is not None:
                self._remove(f"{folder}/{name}" if folder else name, number)
        for path, entry in layer.entries.items():
            if path:
                self._add(path, entry, number)

    def _add(self, path: str, entry: Entry, number: int) -> None:
        parent, _, name = path.rpartition("/")
        folder = self._folders.get(parent)
        if folder is None:
            folder = self._make_folder(parent, number)
        key = f"{folder}/{name}" if folder else name
        if entry.kind is EntryKind.HARDLINK:
            entry = self._linked(path, entry, number)
        old = self.nodes.get(key)
        if old is not None:
            if entry.kind is EntryKind.DIRECTORY and old.entry.kind is EntryKind.DIRECTORY:
                self.nodes[key] = Node(key, entry, number)
                return
            self._remove(key, number)
        self.nodes[key] = Node(key, entry, number)
        self.children.setdefault(folder, {})[name] = None
        if entry.kind is EntryKind.DIRECTORY:
            self.children.setdefault(key, {})

    def _linked(self, path: str, entry: Entry, number: int) -> Entry:
        parent, _, name = entry.target.rpartition("/")
        folder = _resolve(self.nodes, parent)
        target = None if folder is None else self.nodes.get(f"{folder}/{name}" if folder else name)
        if target is None or target.entry.kind is EntryKind.DIRECTORY:
            raise ImageError(
                f"layer {number + 1} links {path!r} to {entry.target!r}, which is no file there",
                hint="the layer is damaged or was not made by a container builder; build the image again",
            )
        return target.entry

    def _make_folder(self, path: str, number: int) -> str:
        """Key of the directory that `path` leads to, made where it is missing, as runtimes do."""
        resolved = _resolve(self.nodes, path)
        if resolved is None:
            raise ImageError(f"layer {number + 1} puts files below {path!r}, whose symlinks go in circles")
        missing: list[str] = []
        folder = resolved
        while folder not in self.nodes:
            missing.append(folder)
            folder = folder.rpartition("/")[0]
        if self.nodes[folder].entry.kind is not EntryKind.DIRECTORY:
            raise ImageError(f"layer {number + 1} puts files below {path!r}, which is not a directory")
        for folder in reversed(missing):
            parent, _, name = folder.rpartition("/")
            self.nodes[folder] = Node(folder, _IMPLICIT, number)
            self.children.setdefault(parent, {})[name] = None
            self.children.setdefault(folder, {})
        self._folders[path] = resolved
        return resolved

    def _remove(self, key: str, number: int) -> None:
        node = self.nodes.get(key)
        if node is None:
            return
        if node.entry.kind in (EntryKind.DIRECTORY, EntryKind.SYMLINK):
            # What led through it may lead elsewhere now.
            self._folders = {"": ""}
        pending = [key]
        while pending:
            path = pending.pop()
            del self.nodes[path]
            self.removed[path] = number
            pending += [f"{path}/{name}" for name in self.children.pop(path, ())]
        parent, _, name = key.rpartition("/")
        self.children[parent].pop(name, None)


def _resolve(nodes: Mapping[str, Node], path: str) -> str | None:
    """Follow symlinks in all components of `path` below the root.

    Components behind the first one that is missing are taken as they are. None: more than 40 hops.
    """
    pending = [part for part in reversed(path.split("/")) if part not in ("", ".")]
    resolved: list[str] = []
    hops = 0
    while pending:
        part = pending.pop()
        if part == "..":
            del resolved[-1:]
            continue
        resolved.append(part)
        node = nodes.get("/".join(resolved))
        if node is None or node.entry.kind is not EntryKind.SYMLINK:
            continue
        hops += 1
        if hops > LINK_HOPS:
            return None
        resolved = [] if node.entry.target.startswith("/") else resolved[:-1]
        pending += [part for part in reversed(node.entry.target.split("/")) if part not in ("", ".")]
    return "/".join(resolved)
