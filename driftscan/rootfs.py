"""Layers merged into one root filesystem, in memory, as a container runtime would lay them over each other.

The semantics are those of the OCI image-spec (layer.md) as containerd applies it: whiteouts and opaque marks act on
lower layers only; a directory over a directory keeps its content, anything else replaces; hardlinks show the file that
they link to; an entry below a symlinked directory lands in that directory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from heapq import merge
from typing import NamedTuple

from driftscan.errors import ImageError
from driftscan.model.crowd import Crowd
from driftscan.model.image import Entry, EntryKind, LayerIndex, Whiteout

LINK_HOPS = 40
_IMPLICIT = Entry(EntryKind.DIRECTORY, 0o755)


class Node(NamedTuple):
    """A path of the merged root filesystem: its entry, and the 0-based index of the layer that wrote it last."""

    path: str
    entry: Entry
    layer: int


class RootFS:
    """A read-only view. Paths are accepted with or without a leading slash, and given without."""

    __slots__ = ("_tree",)

    def __init__(self, tree: _Tree) -> None:
        self._tree = tree

    @classmethod
    def merge(cls, layers: Sequence[LayerIndex]) -> RootFS:
        """Apply `layers`, lowest first.

        Raises ImageError where a layer cannot be applied: a hardlink to nothing, a file used as a directory.
        """
        merger = _Merger()
        for number, layer in enumerate(layers):
            merger.apply(number, layer)
        return cls(merger.tree)

    def lookup(self, path: str) -> Node | None:
        """The node at `path`, symlinks followed in its directories but not in its last component."""
        if (node := self._tree.nodes.get(path)) is not None:
            return node
        path = path.strip("/")
        if (node := self._tree.find(path)) is not None:
            return node  # a key never leads through a symlink
        parent, _, name = path.rpartition("/")
        folder = self.resolve(parent)
        return None if folder is None else self._tree.find(f"{folder}/{name}" if folder else name)

    def get(self, path: str) -> Node | None:
        """The node that `path` leads to, all symlinks followed inside the root; None where it leads nowhere."""
        node = self._tree.nodes.get(path)
        if node is not None and node.entry.kind is not EntryKind.SYMLINK:
            return node
        resolved = self.resolve(path)
        return None if resolved is None else self._tree.find(resolved)

    def resolve(self, path: str) -> str | None:
        """The path without symlinks that `path` leads to; None where nothing is there, or links go in circles."""
        path = path.strip("/")
        node = self._tree.find(path)
        if node is not None and node.entry.kind is not EntryKind.SYMLINK:
            return path  # its directories are no symlinks, or it would not be a key
        resolved = _resolve(self._tree.nodes, path)
        return resolved if resolved is not None and self._tree.find(resolved) is not None else None

    def read(self, path: str) -> bytes | None:
        """The kept content of the file that `path` leads to; None where there is no file or it was not kept."""
        node = self.get(path)
        return node.entry.content if node is not None else None

    def children(self, path: str) -> tuple[str, ...]:
        """Sorted names in the directory that `path` leads to; empty where there is none."""
        resolved = self.resolve(path)
        return () if resolved is None else tuple(self._tree.names(resolved))

    def walk(self, path: str) -> Iterator[Node]:
        """All nodes below the directory that `path` leads to: what is in it, sorted, then what is in its directories.

        Symlinks below it are not followed.
        """
        start = self.resolve(path)
        pending = [] if start is None else [start]
        while pending:
            below = []
            for node in self._tree.nodes_in(pending.pop()):
                yield node
                if node.path in self._tree.children:
                    below.append(node.path)
            pending += reversed(below)

    def removed_by(self, path: str) -> int | None:
        """0-based index of the layer that removed `path`; None where it is there, or never was."""
        path = path.strip("/")
        return None if self._tree.find(path) is not None else self._tree.removed_by(path)


class _Crowds:
    """The crowds of one folder, each with the number of its layer, lowest first.

    `hidden` are names that something later removed or replaced, with the number of crowds that this was about.
    """

    __slots__ = ("_hidden", "_strata")

    def __init__(self) -> None:
        self._strata: list[tuple[int, Crowd]] = []
        self._hidden: dict[str, int] = {}

    def add(self, number: int, crowd: Crowd) -> None:
        self._strata.append((number, crowd))

    def hide(self, name: str) -> None:
        self._hidden[name] = len(self._strata)

    def find(self, folder: str, name: str) -> Node | None:
        for at in range(len(self._strata) - 1, self._hidden.get(name, 0) - 1, -1):
            number, crowd = self._strata[at]
            if (entry := crowd.get(name)) is not None:
                return Node(f"{folder}/{name}" if folder else name, entry, number)
        return None

    def share_a_name(self, layer: int, others: Sequence[Crowd]) -> bool:
        """Whether a name of `others` is also in a crowd of that layer."""
        own = [crowd for number, crowd in self._strata if number == layer]
        return any(name in crowd for other in others for name in other for crowd in own)

    def nodes(self, folder: str) -> Iterator[Node]:
        """What is there, sorted by name."""
        prefix = f"{folder}/" if folder else ""
        last = ""
        for name, back, entry in merge(*(self._items(at) for at in range(len(self._strata)))):
            at = -back
            if name != last:
                last = name
                if at >= self._hidden.get(name, 0):
                    yield Node(prefix + name, entry, self._strata[at][0])

    def _items(self, at: int) -> Iterator[tuple[str, int, Entry]]:
        """Of one name, that of the highest crowd sorts first."""
        return ((name, -at, entry) for name, entry in self._strata[at][1].items())


class _Tree:
    """Nodes by path, the names in each directory, and the crowds.

    A key of `nodes` never leads through a symlink: entries are stored where their directory really is. A member of a
    crowd has no node, and is not among `children`; where there is a node all the same, that came later and counts.
    """

    __slots__ = ("_buried", "_removed", "children", "crowds", "nodes")

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {"": Node("", _IMPLICIT, 0)}
        self.children: dict[str, dict[str, None]] = {}
        self.crowds: dict[str, _Crowds] = {}
        self._removed: dict[str, int] = {}
        self._buried: dict[str, list[tuple[int, _Crowds]]] = {}

    def find(self, key: str) -> Node | None:
        node = self.nodes.get(key)
        if node is not None or not self.crowds:
            # Layers are rarely so large that there are crowds.
            return node
        folder, _, name = key.rpartition("/")
        crowds = self.crowds.get(folder)
        return crowds.find(folder, name) if crowds is not None else None

    def names(self, folder: str) -> Iterator[str]:
        """Sorted names in a directory."""
        if folder not in self.crowds:
            return iter(sorted(self.children.get(folder, ())))
        return (node.path.rpartition("/")[2] for node in self.nodes_in(folder))

    def nodes_in(self, folder: str) -> Iterator[Node]:
        """What is in a directory, sorted by name."""
        prefix = f"{folder}/" if folder else ""
        own = (self.nodes[prefix + name] for name in sorted(self.children.get(folder, ())))
        crowds = self.crowds.get(folder)
        if crowds is None:
            return own
        # Only where nothing has a node is a crowd's name visible.
        others = (node for node in crowds.nodes(folder) if node.path not in self.nodes)
        return merge(own, others, key=lambda node: node.path)

    def removed_by(self, key: str) -> int | None:
        folder, _, name = key.rpartition("/")
        found = [number for number, crowds in self._buried.get(folder, ()) if crowds.find(folder, name) is not None]
        if key in self._removed:
            found.append(self._removed[key])
        return max(found, default=None)

    def remove(self, key: str, number: int) -> EntryKind | None:
        """Take out what is at `key` and below it; returns what kind of thing it was."""
        node = self.find(key)
        if node is None:
            return None
        parent, _, name = key.rpartition("/")
        if (crowds := self.crowds.get(parent)) is not None:
            crowds.hide(name)
        if key not in self.nodes:
            self._removed[key] = number
            return node.entry.kind
        pending = [key]
        while pending:
            path = pending.pop()
            del self.nodes[path]
            self._removed[path] = number
            self.bury(path, number)
            pending += [f"{path}/{name}" for name in self.children.pop(path, ())]
        self.children[parent].pop(name, None)
        return node.entry.kind

    def bury(self, folder: str, number: int) -> None:
        """Take out the crowds of a folder."""
        if (crowds := self.crowds.pop(folder, None)) is not None:
            self._buried.setdefault(folder, []).append((number, crowds))


class _Merger:
    """Applies layers to a tree, one after the other."""

    def __init__(self) -> None:
        self.tree = _Tree()
        self._number = 0
        self._folders: dict[str, str] = {"": ""}
        self._layer = LayerIndex(entries={})
        self._aliased: set[str] = set()
        self._linked_elsewhere: dict[str, set[str]] = {}

    def apply(self, number: int, layer: LayerIndex) -> None:
        self._number = number
        self._layer = layer
        if layer.repeats:
            # Every way of this layer is looked at anew.
            self._folders = {"": ""}
        self._aliased.clear()
        self._linked_elsewhere.clear()
        for whiteout in layer.whiteouts:
            self._take_out(whiteout)
        for path in layer.late:
            self._check_late(path)
        for path, entry in layer.entries.items():
            if path:
                self._add(path, entry)
        for path, crowds in layer.crowds.items():
            self._add_crowds(path, crowds)

    def _take_out(self, whiteout: Whiteout) -> None:
        parent, _, name = ("", "", "") if whiteout.opaque else whiteout.path.rpartition("/")
        folder = _resolve(self.tree.nodes, whiteout.path if whiteout.opaque else parent)
        if folder is None:
            return
        for each in tuple(self.tree.children.get(folder, ())) if whiteout.opaque else (name,):
            self._remove(f"{folder}/{each}" if folder else each)
        if whiteout.opaque:
            self.tree.bury(folder, self._number)

    def _add(self, path: str, entry: Entry) -> None:
        parent, _, name = path.rpartition("/")
        folder = self._folders.get(parent)
        if folder is None:
            folder = self._make_folder(parent)
        if folder != parent:
            # More than one path of this layer may lead there.
            self._aliased.add(folder)
        key = f"{folder}/{name}" if folder else name
        if entry.kind is EntryKind.HARDLINK:
            entry = self._linked(path, entry)
        tree = self.tree
        old = tree.nodes.get(key)
        if old is None and tree.crowds:
            old = tree.find(key)
        if old is not None:
            if entry.kind is EntryKind.DIRECTORY and old.entry.kind is EntryKind.DIRECTORY:
                tree.nodes[key] = Node(key, entry, self._number)
                return
            self._remove(key)
        tree.nodes[key] = Node(key, entry, self._number)
        names = tree.children.get(folder)
        if names is None:
            names = tree.children[folder] = {}
        names[name] = None
        if entry.kind is EntryKind.DIRECTORY:
            tree.children.setdefault(key, {})

    def _linked(self, path: str, entry: Entry) -> Entry:
        parent, _, name = entry.target.rpartition("/")
        folder = self._follow(parent)
        if folder is not None and folder != parent:
            self._linked_elsewhere.setdefault(folder, set()).add(name)
        target = None if folder is None else self.tree.find(f"{folder}/{name}" if folder else name)
        if target is None or target.entry.kind is EntryKind.DIRECTORY:
            raise ImageError(
                f"layer {self._number + 1} links {path!r} to {entry.target!r}, which is no file there",
                hint="the layer is damaged or was not made by a container builder; build the image again",
            )
        return target.entry

    def _make_folder(self, path: str) -> str:
        """Key of the directory that `path` leads to, made where it is missing, as runtimes do."""
        resolved = self._follow(path)
        if resolved is None:
            raise ImageError(f"layer {self._number + 1} puts files below {path!r}, whose symlinks go in circles")
        missing: list[str] = []
        folder = resolved
        while (node := self.tree.find(folder)) is None:
            missing.append(folder)
            folder = folder.rpartition("/")[0]
        if node.entry.kind is not EntryKind.DIRECTORY:
            raise ImageError(f"layer {self._number + 1} puts files below {path!r}, which is not a directory")
        for folder in reversed(missing):
            parent, _, name = folder.rpartition("/")
            self.tree.nodes[folder] = Node(folder, _IMPLICIT, self._number)
            self.tree.children.setdefault(parent, {})[name] = None
            self.tree.children.setdefault(folder, {})
        self._folders[path] = resolved
        return resolved

    def _remove(self, key: str) -> None:
        if self.tree.remove(key, self._number) in (EntryKind.DIRECTORY, EntryKind.SYMLINK):
            # What led through it may lead elsewhere now.
            self._folders = {"": ""}

    def _check_late(self, path: str) -> None:
        """Refuse a layer that put files below a path before it made that a directory, or something else, if a lower
        layer has anything but a directory there: where those files went depends on an order that is not kept.
        """
        place = _resolve(self.tree.nodes, path)
        node = self.tree.find(path)
        if place != path or (node is not None and node.entry.kind is not EntryKind.DIRECTORY):
            raise self._ambiguous(path)

    def _add_crowds(self, path: str, crowds: tuple[Crowd, ...]) -> None:
        """The crowds of one folder. Where this layer has an entry of the same path, that came later."""
        folder = self._make_folder(path)
        if folder != path and self._goes_through_own_link(path):
            raise self._ambiguous(path)
        prefix = f"{folder}/" if folder else ""
        if folder != path:
            self._aliased.add(folder)
        if any(name in crowd for name in self._linked_elsewhere.get(folder, ()) for crowd in crowds):
            raise self._ambiguous(path)
        for name in tuple(self.tree.children.get(folder, ())):
            if not any(name in crowd for crowd in crowds):
                continue
            if self.tree.nodes[prefix + name].layer != self._number:
                self._remove(prefix + name)
            elif folder in self._aliased or prefix + name not in self._layer.entries:
                raise self._ambiguous(path)
        there = self.tree.crowds.setdefault(folder, _Crowds())
        if folder in self._aliased and there.share_a_name(self._number, crowds):
            raise self._ambiguous(path)
        for crowd in reversed(crowds):
            there.add(self._number, crowd)

    def _follow(self, path: str) -> str | None:
        """As `_resolve`, for entries of this layer.

        Raises ImageError where paths that came twice leave it open where the way led when the entry was written.
        """
        if not self._layer.repeats:
            return _resolve(self.tree.nodes, path)
        passed: list[str] = []
        place = _resolve(self.tree.nodes, path, passed)
        if any(key in self._layer.replaced or self._is_own_link(key) for key in passed):
            raise self._ambiguous(path)
        return place

    def _goes_through_own_link(self, path: str) -> bool:
        passed: list[str] = []
        _resolve(self.tree.nodes, path, passed)
        return any(map(self._is_own_link, passed))

    def _is_own_link(self, key: str) -> bool:
        node = self.tree.nodes.get(key)
        return node is not None and node.entry.kind is EntryKind.SYMLINK and node.layer == self._number

    def _ambiguous(self, path: str) -> ImageError:
        return ImageError(
            f"layer {self._number + 1} puts files below {path!r}, and replaces what decides where that is",
            hint="the layer was not made by a container builder; build the image again",
        )


def _resolve(nodes: Mapping[str, Node], path: str, passed: list[str] | None = None) -> str | None:
    """Follow symlinks in all components of `path` below the root, and note all that is on the way in `passed`.

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
        place = "/".join(resolved)
        if passed is not None:
            passed.append(place)
        node = nodes.get(place)
        if node is None or node.entry.kind is not EntryKind.SYMLINK:
            continue
        hops += 1
        if hops > LINK_HOPS:
            return None
        resolved = [] if node.entry.target.startswith("/") else resolved[:-1]
        pending += [part for part in reversed(node.entry.target.split("/")) if part not in ("", ".")]
    return "/".join(resolved)
