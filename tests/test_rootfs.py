"""Layers over each other: examples of each rule, and any layers against a naive tree of dictionaries."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftscan.errors import ImageError
from driftscan.model.image import Entry, EntryKind, LayerIndex, Whiteout
from driftscan.rootfs import LINK_HOPS, RootFS
from tests.builders.rootfs import Link, Removed, rootfs


def file(name: str = "") -> Entry:
    return Entry(EntryKind.FILE, content=name.encode())


def link(target: str) -> Entry:
    return Entry(EntryKind.SYMLINK, target=target)


def hardlink(target: str) -> Entry:
    return Entry(EntryKind.HARDLINK, target=target)


FOLDER = Entry(EntryKind.DIRECTORY, 0o755)


def merged(*layers: dict[str, Entry]) -> RootFS:
    return RootFS.merge([LayerIndex(entries=entries) for entries in layers])


def paths(fs: RootFS, path: str = "") -> list[str]:
    return sorted(node.path for node in fs.walk(path))


def test_a_later_layer_replaces_a_file_and_owns_it() -> None:
    fs = rootfs({"etc/motd": "one", "etc/hosts": "h"}, {"etc/motd": "two"})

    node = fs.get("/etc/motd")
    assert node is not None
    assert node.layer == 1
    assert fs.lookup("etc/hosts") == fs.get("/etc/hosts/")
    assert fs.children("/etc") == ("hosts", "motd")
    assert fs.removed_by("etc/motd") is None


def test_directories_keep_their_content_and_get_the_new_mode() -> None:
    fs = merged({"a": FOLDER, "a/x": file()}, {"a": Entry(EntryKind.DIRECTORY, 0o700), "a/y": file()})

    node = fs.get("a")
    assert node is not None
    assert (node.entry.mode, node.layer) == (0o700, 1)
    assert paths(fs) == ["a", "a/x", "a/y"]


def test_a_file_replaces_a_directory_and_back() -> None:
    layers: list[dict[str, Entry]] = [{"a": FOLDER, "a/x": file()}, {"a": file()}, {"a": FOLDER, "a/z": file()}]

    assert paths(merged(*layers[:2])) == ["a"]
    assert paths(merged(*layers)) == ["a", "a/z"]
    assert merged(*layers).removed_by("a/x") == 1


def test_a_directory_replaces_a_link_to_a_directory() -> None:
    fs = merged({"real": FOLDER, "real/x": file(), "a": link("real")}, {"a": FOLDER, "a/y": file()})

    assert paths(fs) == ["a", "a/y", "real", "real/x"]


def test_whiteouts_remove_what_lower_layers_brought() -> None:
    fs = rootfs({"a/b/c": "1", "a/d": "2"}, {"a/b": Removed()}, {"a/b/e": "3"})

    assert paths(fs) == ["a", "a/b", "a/b/e", "a/d"]
    assert fs.removed_by("a/b/c") == 1
    assert fs.removed_by("a/b") is None
    assert fs.removed_by("never") is None


@pytest.mark.parametrize("order", [1, -1])
def test_whiteouts_and_opaque_marks_leave_their_own_layer_alone(order: int) -> None:
    base = LayerIndex(entries={"a": FOLDER, "a/old": file(), "b": file("old")})
    own = {"a": FOLDER, "a/new": file(), "b": file("new")}
    whiteouts = (Whiteout("b"), Whiteout("a", opaque=True), Whiteout("nowhere", opaque=True))
    upper = LayerIndex(entries=dict(list(own.items())[::order]), whiteouts=whiteouts[::order])
    fs = RootFS.merge([base, upper])

    assert paths(fs) == ["a", "a/new", "b"]
    assert fs.read("b") == b"new"
    assert fs.removed_by("a/old") == 1


def test_an_opaque_root_empties_everything_below() -> None:
    fs = RootFS.merge(
        [
            LayerIndex(entries={"a": file(), "b/c": file()}),
            LayerIndex(entries={"d": file()}, whiteouts=(Whiteout("", opaque=True),)),
        ]
    )
    assert paths(fs) == ["d"]


def test_a_whiteout_reaches_through_a_link() -> None:
    fs = RootFS.merge(
        [
            LayerIndex(entries={"usr/lib/x": file(), "usr/lib/y": file(), "lib": link("usr/lib")}),
            LayerIndex(entries={}, whiteouts=(Whiteout("lib/x"),)),
        ]
    )
    assert paths(fs) == ["lib", "usr", "usr/lib", "usr/lib/y"]


@pytest.mark.parametrize(("order", "left"), [(1, ["a"]), (-1, [])])
def test_a_whiteout_of_the_link_that_leads_to_another(order: int, left: list[str]) -> None:
    """As umoci unpacks them: one after the other."""
    base = LayerIndex(entries={"a": file(), "b": link(".")})
    assert (
        paths(RootFS.merge([base, LayerIndex(entries={}, whiteouts=(Whiteout("b"), Whiteout("b/a"))[::order])])) == left
    )


def test_an_entry_below_a_link_lands_where_it_leads() -> None:
    fs = merged({"usr/lib": FOLDER, "lib": link("/usr/lib")}, {"lib/x": file(), "lib": link("/usr/lib")})

    assert paths(fs) == ["lib", "usr", "usr/lib", "usr/lib/x"]
    assert merged({"lib": link("made/late")}, {"lib/x": file()}).get("made/late/x") is not None


def test_links_are_followed_inside_the_root() -> None:
    fs = rootfs(
        {
            "opt/py/bin/python3.11": "binary",
            "opt/py/bin/python3": Link("python3.11"),
            "usr/bin/python": Link("../../../../opt/py/bin/python3"),
            "venv/bin/python": Link("/usr/bin/python"),
            "venv/lib64": Link("lib"),
            "venv/lib/x": "x",
        }
    )
    assert fs.resolve("/venv/bin/python") == "opt/py/bin/python3.11"
    assert fs.resolve("venv/lib64/x") == "venv/lib/x"
    assert fs.resolve("venv/lib64/../bin/../lib/x") == "venv/lib/x"
    node = fs.lookup("venv/bin/python")
    assert node is not None
    assert node.entry.target == "/usr/bin/python"
    assert fs.children("venv/lib64") == ("x",)
    assert fs.resolve("venv/lib64/none") is None
    assert fs.resolve("") == ""


def test_links_in_circles_and_long_chains_lead_nowhere() -> None:
    chain = {f"l{number}": link(f"l{number + 1}") for number in range(LINK_HOPS + 1)}
    end = {f"l{LINK_HOPS + 1}": file()}
    fs = merged({"a": link("b"), "b": link("a"), "self": link("self/x"), **chain, **end})

    assert [fs.resolve(path) for path in ("a", "self", "a/x", "l0")] == [None] * 4
    assert fs.resolve("l1") == f"l{LINK_HOPS + 1}"


def test_hardlinks_show_what_they_link_to() -> None:
    fs = merged({"a": file("same"), "d/s": link("x")}, {"b": hardlink("a"), "c": hardlink("b"), "t": hardlink("d/s")})

    assert [fs.read(path) for path in "abc"] == [b"same"] * 3
    node = fs.lookup("b")
    assert node is not None
    assert (node.entry.kind, node.layer) == (EntryKind.FILE, 1)
    linked = fs.lookup("t")
    assert linked is not None
    assert linked.entry == link("x")


def test_a_hardlink_keeps_the_content_of_a_file_that_goes() -> None:
    fs = RootFS.merge(
        [
            LayerIndex(entries={"a": file("old")}),
            LayerIndex(entries={"b": hardlink("a")}),
            LayerIndex(entries={"a": file("new")}),
            LayerIndex(entries={}, whiteouts=(Whiteout("a"),)),
        ]
    )
    assert fs.read("b") == b"old"


@pytest.mark.parametrize("target", ["nowhere", "folder", ""])
def test_a_hardlink_to_no_file_is_an_error(target: str) -> None:
    with pytest.raises(ImageError) as caught:
        merged({"folder": FOLDER}, {"b": hardlink(target)})
    assert str(caught.value) == f"layer 2 links 'b' to {target!r}, which is no file there"


def test_a_file_cannot_hold_files() -> None:
    with pytest.raises(ImageError) as caught:
        merged({"a": file()}, {"a/b": file()})
    assert str(caught.value) == "layer 2 puts files below 'a', which is not a directory"

    with pytest.raises(ImageError, match="not a directory"):
        merged({"a": file()}, {"a/b/c/d": file()})


def test_a_circle_of_links_cannot_hold_files() -> None:
    with pytest.raises(ImageError) as caught:
        merged({"a": link("b"), "b": link("a")}, {"a/x": file()})
    assert str(caught.value) == "layer 2 puts files below 'a', whose symlinks go in circles"


def test_paths_as_deep_as_names_allow() -> None:
    deep = "/".join("a" * 2000)
    fs = merged({deep: file("bottom")})

    assert fs.read(deep) == b"bottom"
    assert sum(1 for _ in fs.walk("")) == 2000


def test_walks_are_in_order_and_do_not_follow_links() -> None:
    fs = rootfs({"b/z": "", "b/a/x": "", "b-c": "", "a": Link("b"), "b/up": Link("..")})

    def walked(path: str) -> list[str]:
        return [node.path for node in fs.walk(path)]

    assert walked("") == ["a", "b", "b-c", "b/a", "b/up", "b/z", "b/a/x"]
    assert walked("/a") == ["b/a", "b/up", "b/z", "b/a/x"]
    assert walked("nowhere") == []


# A naive model: nested dictionaries, changed in place.

Leaf: TypeAlias = tuple[EntryKind, str, int]
"""Kind, content or target, and the layer that wrote it."""
NAMES = st.sampled_from("abc")
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
TARGETS = st.one_of(
    PATHS,
    PATHS.map("/{}".format),
    st.sampled_from([".", "/", "..", "../a", "../../b", "a/../b", "./c", "../../../a/b"]),
)
ENTRIES = st.one_of(
    st.text("xyz", max_size=2).map(file), st.just(FOLDER), TARGETS.map(link), PATHS.map(hardlink), st.just(FOLDER)
)
LAYERS = st.builds(
    lambda entries, whiteouts: LayerIndex(entries=entries, whiteouts=tuple(whiteouts)),
    st.dictionaries(PATHS, ENTRIES, max_size=6),
    st.lists(st.builds(Whiteout, PATHS, st.booleans()), max_size=3),
)


class ImpossibleError(Exception):
    pass


@dataclass
class Folder:
    layer: int
    names: dict[str, Folder | Leaf]


class Model:
    def __init__(self) -> None:
        self.root = Folder(0, {})

    def at(self, place: Sequence[str]) -> Folder | Leaf | None:
        found: Folder | Leaf | None = self.root
        for name in place:
            found = found.names.get(name) if isinstance(found, Folder) else None
        return found

    def follow(self, path: str, hops: int = 0) -> list[str]:
        place: list[str] = []
        parts = path.split("/")
        for position, part in enumerate(parts):
            if part in ("", "."):
                continue
            if part == "..":
                place = place[:-1]
                continue
            found = self.at([*place, part])
            if isinstance(found, tuple) and found[0] is EntryKind.SYMLINK:
                if hops == LINK_HOPS:
                    raise ImpossibleError
                start = "" if found[1].startswith("/") else "/".join(place)
                return self.follow("/".join([start, found[1], *parts[position + 1 :]]), hops + 1)
            place.append(part)
        return place

    def remove(self, path: str) -> None:
        above, _, name = path.rpartition("/")
        try:
            found = self.at(self.follow(above))
        except ImpossibleError:
            return
        if isinstance(found, Folder):
            found.names.pop(name, None)

    def clear(self, path: str) -> None:
        try:
            found = self.at(self.follow(path))
        except ImpossibleError:
            return
        if isinstance(found, Folder):
            found.names.clear()

    def make(self, place: Sequence[str], number: int) -> Folder:
        found = self.root
        for name in place:
            below = found.names.setdefault(name, Folder(number, {}))
            if not isinstance(below, Folder):
                raise ImpossibleError
            found = below
        return found

    def add(self, path: str, entry: Entry, number: int) -> None:
        above, _, name = path.rpartition("/")
        folder = self.make(self.follow(above), number)
        old = folder.names.get(name)
        if entry.kind is EntryKind.DIRECTORY:
            folder.names[name] = Folder(number, old.names if isinstance(old, Folder) else {})
        elif entry.kind is EntryKind.HARDLINK:
            above, _, target = entry.target.rpartition("/")
            found = self.at([*self.follow(above), target])
            if not isinstance(found, tuple):
                raise ImpossibleError
            folder.names[name] = (found[0], found[1], number)
        else:
            folder.names[name] = (entry.kind, entry.target or (entry.content or b"").decode(), number)

    def apply(self, number: int, layer: LayerIndex) -> None:
        for whiteout in layer.whiteouts:
            if whiteout.opaque:
                self.clear(whiteout.path)
            else:
                self.remove(whiteout.path)
        for path, entry in layer.entries.items():
            self.add(path, entry, number)


def flat(folder: Folder, prefix: str = "") -> Iterator[tuple[str, EntryKind, str, int]]:
    for name, below in folder.names.items():
        if isinstance(below, Folder):
            yield prefix + name, EntryKind.DIRECTORY, "", below.layer
            yield from flat(below, f"{prefix}{name}/")
        else:
            yield prefix + name, *below


def seen(fs: RootFS) -> set[tuple[str, EntryKind, str, int]]:
    return {
        (node.path, node.entry.kind, node.entry.target or (node.entry.content or b"").decode(), node.layer)
        for node in fs.walk("")
    }


@settings(max_examples=400, deadline=None)
@given(st.lists(LAYERS, min_size=1, max_size=4), TARGETS)
def test_any_layers_are_like_a_naive_tree(layers: list[LayerIndex], question: str) -> None:
    model = Model()
    try:
        for number, layer in enumerate(layers):
            model.apply(number, layer)
    except ImpossibleError:
        with pytest.raises(ImageError):
            RootFS.merge(layers)
        return
    fs = RootFS.merge(layers)
    assert seen(fs) == set(flat(model.root))
    try:
        place = model.follow(question)
    except ImpossibleError:
        assert fs.resolve(question) is None
        return
    assert fs.resolve(question) == ("/".join(place) if model.at(place) is not None else None)


@given(st.lists(LAYERS, min_size=1, max_size=4))
def test_what_is_removed_has_a_layer_that_removed_it(layers: list[LayerIndex]) -> None:
    try:
        fs = RootFS.merge(layers)
        below = [RootFS.merge(layers[: count + 1]) for count in range(len(layers))]
    except ImageError:
        return
    there = {node.path for node in fs.walk("")}
    for number, part in enumerate(below):
        for node in part.walk(""):
            removed = fs.removed_by(node.path)
            assert (removed is None) == (node.path in there)
            assert removed is None or removed > number
