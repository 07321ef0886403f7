"""Layers of very many files: read and merged as if each file had an entry, in a small part of the memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftscan.errors import ImageError, LimitError
from driftscan.image import entries as entries_module
from driftscan.image.layer import read_layer
from driftscan.image.limits import Limits
from driftscan.inventory.traces import read as read_traces
from driftscan.model.crowd import Crowd
from driftscan.model.image import Entry, EntryKind, ImageConfig, Keep, LayerId, LayerIndex, Whiteout
from driftscan.rootfs import RootFS
from tests.builders.tars import END, archive, header
from tests.test_rootfs import ImpossibleError, Model, flat

DIGESTS = st.none() | st.binary(min_size=32, max_size=32).filter(any).map(bytes.hex)
PLAIN = st.builds(
    lambda size, digest: Entry(EntryKind.FILE, 0o644, size, sha256=digest), st.integers(0, 2**40), DIGESTS
)
NAME = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=6)


@given(st.dictionaries(NAME, PLAIN, min_size=1, max_size=400), NAME)
def test_a_crowd_is_a_mapping(files: dict[str, Entry], other: str) -> None:
    crowd = Crowd.of(files)
    assert dict(crowd.items()) == files
    assert list(crowd) == sorted(files)
    assert len(crowd) == len(files)
    assert {name: crowd.get(name) for name in files} == files
    assert crowd.get(other) == files.get(other)
    assert (other in crowd) == (other in files)
    assert 5 not in crowd


def test_names_that_are_not_utf_8() -> None:
    names = {"\udcff\udcfe", "é", "a\n", "z" * 200}
    crowd = Crowd.of({name: Entry(EntryKind.FILE, 0o7777, 1 << 62) for name in names})
    assert set(crowd) == names
    assert crowd.get("\udcff\udcfe") == Entry(EntryKind.FILE, 0o7777, 1 << 62)


def wants(path: str, size: int) -> Keep | None:
    return Keep(100) if path.endswith("c") else None


def index(members: Sequence[bytes], crowded: int, limits: Limits | None = None) -> LayerIndex:
    with patch.object(entries_module, "CROWDED", crowded):
        return read_layer(iter((archive(*members),)), wants, limits or Limits())


def files(*paths: str) -> list[bytes]:
    return [header(path.encode()) for path in paths]


def test_files_without_content_go_into_crowds() -> None:
    found = index(files("d/a", "d/b", "d/c", "e/a", "d/a", "f"), 3)
    assert {path: list(map(list, crowds)) for path, crowds in found.crowds.items()} == {"d": [["a", "b"]], "e": [["a"]]}
    assert list(found.entries) == ["d/c", "d/a", "f"]
    assert found.count == 6
    assert [path for path in ("d/a", "d/b", "d/c", "e/a", "e/b", "g/a", "d") if found.get(path)] == [
        "d/a",
        "d/b",
        "d/c",
        "e/a",
    ]


def test_what_goes_into_crowds_is_counted_less() -> None:
    names = [f"folder-with-a-long-name/{number:04}" for number in range(1000)]
    limits = Limits(held_entries=200, names=8000)
    assert index(files(*names), 100, limits).count == 1000
    with pytest.raises(LimitError, match="`names`"):
        index(files(*names), 5000, Limits(names=8000))
    with pytest.raises(LimitError) as caught:
        index(files(*names), 5000, Limits(held_entries=200))
    assert str(caught.value) == (
        "entry 'folder-with-a-long-name/0199': the number of entries other than plain files passes the limit "
        "`held_entries` of 200"
    )


def test_a_file_below_one_in_a_crowd() -> None:
    with pytest.raises(ImageError, match=r"^entry 'd/a/x': it is below 'd/a', which is a file of the same layer$"):
        index(files("d/a", "d/a/x"), 1)


def test_a_directory_that_is_filled_and_replaced() -> None:
    folder = header(b"d", flag=b"5")
    for crowded in (1, 100):
        found = RootFS.merge([index([folder, *files("d/a", "d/c"), *files("d"), folder, *files("d/b")], crowded)])
        assert [node.path for node in found.walk("")] == ["d", "d/b"]
        with pytest.raises(LimitError) as caught:
            index([folder, *files("d/a", "d")] * 3, crowded, Limits(replaced_folders=2))
        assert str(caught.value) == (
            "entry 'd': the number of directories that are replaced again passes the limit `replaced_folders` of 2"
        )


def test_a_link_that_is_replaced_after_files_were_put_below_it() -> None:
    with pytest.raises(ImageError) as caught:
        index([header(b"s", flag=b"2", link=b"d"), *files("s/a"), header(b"s", flag=b"2", link=b"e")], 100)
    assert str(caught.value) == "entry 's': it replaces what the same layer has put files below"


def test_links_that_leave_it_open_where_a_crowd_is() -> None:
    lower = index([header(b"d", flag=b"5"), header(b"s", flag=b"2", link=b"d"), *files("d/a")], 100)
    for members in (
        [*files("s/a"), header(b"s", flag=b"5")],
        [header(b"l", flag=b"2", link=b"d"), *files("l/a")],
        [*files("s/a", "d/a", "s/a")],
        [header(b"d/b", flag=b"2", link=b"x"), *files("s/b")],
        [*files("d/b"), header(b"h", flag=b"1", link=b"s/b")],
    ):
        with pytest.raises(ImageError) as caught:
            RootFS.merge([lower, index(members, 1)])
        assert caught.value.message.startswith("layer 2 ")
    assert [node.path for node in RootFS.merge([lower, index(files("s/b"), 1)]).walk("d")] == ["d/a", "d/b"]


class Member(NamedTuple):
    path: str
    kind: EntryKind
    target: str
    size: int


PATHS = st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map("/".join)
KINDS = st.sampled_from([EntryKind.FILE] * 4 + [EntryKind.DIRECTORY] * 2 + [EntryKind.SYMLINK, EntryKind.HARDLINK])
MEMBERS = st.lists(st.builds(Member, PATHS, KINDS, PATHS, st.integers(0, 3)), max_size=8)
FLAGS = {
    EntryKind.FILE: b"0",
    EntryKind.DIRECTORY: b"5",
    EntryKind.SYMLINK: b"2",
    EntryKind.HARDLINK: b"1",
}


def written(member: Member) -> bytes:
    link = member.target.encode() if member.kind in (EntryKind.SYMLINK, EntryKind.HARDLINK) else b""
    size = member.size if member.kind is EntryKind.FILE else 0
    data = header(member.path.encode(), flag=FLAGS[member.kind], link=link, size=size)
    return data + b"x" * size + bytes(-size % 512)


def as_entry(member: Member) -> Entry:
    content = b"%d" % member.size if member.kind is EntryKind.FILE else None
    return Entry(member.kind, target="" if content else member.target, content=content)


def as_unpacked(layers: Sequence[Sequence[Member]]) -> set[tuple[str, EntryKind, str, int]] | None:
    """What a program sees that unpacks one member after the other; None where it fails."""
    model = Model()
    try:
        for number, members in enumerate(layers):
            for member in members:
                model.add(member.path, as_entry(member), number)
    except ImpossibleError:
        return None
    return set(flat(model.root))


def as_read(fs: RootFS) -> Iterator[tuple[str, EntryKind, str, int]]:
    for path, entry, number in fs.walk(""):
        file = entry.kind is EntryKind.FILE
        yield path, entry.kind, str(entry.size) if file else entry.target, number
        assert fs.lookup(path) == (path, entry, number)
        assert fs.removed_by(path) is None


@settings(max_examples=300)
@given(st.lists(MEMBERS, min_size=1, max_size=3), st.sampled_from([1, 2, 3, 100]))
def test_any_members_are_as_if_unpacked_or_an_error(layers: list[list[Member]], crowded: int) -> None:
    """An error also where no builder would write such a layer; never something else than what is unpacked, if it is."""
    try:
        fs = RootFS.merge([index([written(member) for member in members], crowded) for members in layers])
    except ImageError:
        return
    assert as_unpacked(layers) in (None, set(as_read(fs)))


@given(st.lists(MEMBERS, min_size=2, max_size=3), st.lists(st.builds(Whiteout, PATHS, st.booleans()), max_size=3))
def test_whiteouts_and_removals_are_as_without_crowds(layers: list[list[Member]], whiteouts: list[Whiteout]) -> None:
    def merged(crowded: int) -> tuple[RootFS, RootFS] | None:
        try:
            read = [index([written(member) for member in members], crowded) for members in layers]
            last = replace(read[-1], whiteouts=tuple(whiteouts))
            return RootFS.merge(read[:-1]), RootFS.merge([*read[:-1], last])
        except ImageError:
            return None

    plain, crowded = merged(100), merged(1)
    if plain is None or crowded is None:
        return
    assert set(as_read(plain[1])) == set(as_read(crowded[1]))
    for node in plain[0].walk(""):
        assert plain[1].removed_by(node.path) == crowded[1].removed_by(node.path)
        assert plain[1].children(node.path) == crowded[1].children(node.path)


def test_a_folder_in_many_crowds() -> None:
    names = [f"d/{number:05}" for number in range(20_000)]
    with patch.object(entries_module, "CROWDED", 1000):
        found = read_layer((header(name.encode()) for name in [*names, *names[:3], None] if name), wants, Limits())
    fs = RootFS.merge([found])
    assert fs.children("d") == tuple(name.removeprefix("d/") for name in names)
    assert fs.get("d/19999") is not None
    assert fs.get("d/20000") is None


@pytest.mark.parametrize("crowded", [1, 100])
def test_the_end_of_the_archive_is_still_found(crowded: int) -> None:
    with patch.object(entries_module, "CROWDED", crowded):
        assert read_layer(iter((header(b"d/a"), END)), wants, Limits()).count == 1


def test_the_database_of_packages_may_be_in_a_crowd() -> None:
    found = index(files("var/lib/rpm/rpmdb.sqlite", "var/lib/x", "usr/x"), 2)
    layer = LayerId(1, None, "RUN dnf install")
    assert "var/lib/rpm" in found.crowds
    assert read_traces(RootFS.merge([found]), [found], [layer], ImageConfig(), None).package_layers == (layer,)
