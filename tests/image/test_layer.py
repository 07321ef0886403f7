"""One layer's tar stream to its index, and what of it is an error."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftscan.errors import ImageError, LimitError
from driftscan.image.layer import read_layer
from driftscan.image.limits import Limits
from driftscan.model.image import Entry, EntryKind, Keep, LayerIndex, Whiteout
from tests.builders.elves import Elf
from tests.builders.tars import END, GNU, archive, header, long_name, member, old_sparse, pax


def everything(path: str, size: int) -> Keep | None:
    return Keep(1 << 20)


def nothing(path: str, size: int) -> Keep | None:
    return None


def index(
    *members: bytes,
    wants: Callable[[str, int], Keep | None] = everything,
    limits: Limits | None = None,
    piece: int = 1000,
) -> LayerIndex:
    return read_layer(pieces(archive(*members), piece), wants, limits or Limits())


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


def refused(*members: bytes, limits: Limits | None = None) -> str:
    with pytest.raises(ImageError) as caught:
        index(*members, limits=limits)
    return str(caught.value)


def file(data: bytes, mode: int = 0o644) -> Entry:
    return Entry(EntryKind.FILE, mode, len(data), sha256=hashlib.sha256(data).hexdigest(), content=data)


def test_every_kind_of_entry() -> None:
    found = index(
        header(b"usr/", flag=b"5", mode=b"0000755\0"),
        member(b"usr/a", b"hello", mode=b"0100600\0"),
        header(b"usr/b", flag=b"2", link=b"../usr/a", mode=b"0000777\0"),
        header(b"usr/c", flag=b"1", link=b"usr/a"),
        header(b"dev/null", flag=b"3"),
        header(b"dev/sda", flag=b"4"),
        header(b"run/pipe", flag=b"6"),
    )
    assert found.entries == {
        "usr": Entry(EntryKind.DIRECTORY, 0o755),
        "usr/a": file(b"hello", 0o600),
        "usr/b": Entry(EntryKind.SYMLINK, 0o777, target="../usr/a"),
        "usr/c": file(b"hello", 0o600),
        "dev/null": Entry(EntryKind.OTHER),
        "dev/sda": Entry(EntryKind.OTHER),
        "run/pipe": Entry(EntryKind.OTHER),
    }


@pytest.mark.parametrize("piece", [1, 511, 513, 1 << 16])
def test_pieces_may_end_anywhere(piece: int) -> None:
    data = bytes(range(256)) * 9
    assert index(member(b"a", data), member(b"b", data), piece=piece).entries == {"a": file(data), "b": file(data)}


def test_only_what_is_wanted_is_kept() -> None:
    def wants(path: str, size: int) -> Keep | None:
        return {"hash": Keep(0), "small": Keep(5), "large": Keep(4), "fact": Keep(9, len_of)}.get(path)

    def len_of(data: bytes) -> bytes:
        return b"%d" % len(data)

    names = (b"hash", b"small", b"large", b"fact", b"other")
    found = index(*(member(name, b"hello") for name in names), wants=wants).entries
    assert {path: entry.content for path, entry in found.items()} == {
        "hash": None,
        "small": b"hello",
        "large": None,
        "fact": b"5",
        "other": None,
    }
    assert [path for path, entry in found.items() if entry.sha256 is None] == ["other"]
    assert {entry.size for entry in found.values()} == {5}


def test_elf_files_give_their_facts() -> None:
    library = Elf(needed=("libc.so.6",), code=1 << 20).build()
    found = index(
        member(b"lib.so", library),
        member(b"skipped.so", library),
        wants=lambda path, _: None if "k" in path else Keep(0),
    ).entries

    facts = found["lib.so"].elf
    assert facts is not None
    assert (facts.needed, facts.dynamic_known) == (("libc.so.6",), True)
    assert found["lib.so"].content is None
    assert found["skipped.so"].elf is None


def test_whiteouts_and_opaque_marks() -> None:
    found = index(
        member(b"a/.wh..wh..opq"),
        member(b"a/.wh.gone", b"with a body"),
        member(b".wh.top"),
        member(b"./b/.wh..wh..opq"),
        member(b".wh..wh.plnk"),
        member(b".wh..wh..opq"),
        member(b"a/x"),
    )
    assert found == LayerIndex(
        entries={"a/x": file(b"")},
        whiteouts=(
            Whiteout("a", opaque=True),
            Whiteout("a/gone"),
            Whiteout("top"),
            Whiteout("b", opaque=True),
            Whiteout("", opaque=True),
        ),
    )


@pytest.mark.parametrize("name", [b".wh.", b"a/.wh.", b".wh..", b"a/.wh..."])
def test_a_whiteout_of_nothing_or_of_the_root(name: bytes) -> None:
    assert refused(member(name)) == f"entry {name.decode()!r}: its whiteout names nothing that could be removed"


@pytest.mark.parametrize(
    ("name", "path"),
    [
        (b"./a", "a"),
        (b"/a", "a"),
        (b"a//b", "a/b"),
        (b"a/./b", "a/b"),
        (b"a/../b", "b"),
        (b"a/b/", "a/b"),
        (b"..a", "..a"),
    ],
)
def test_names_are_normalised(name: bytes, path: str) -> None:
    assert list(index(header(name, flag=b"5")).entries) == [path]


@pytest.mark.parametrize("name", [b"..", b"../a", b"a/../../b", b"/../a"])
def test_names_that_leave_the_root(name: bytes) -> None:
    assert refused(member(name)) == f"entry {name.decode()!r}: its path leaves the root of the image"
    assert "leaves the root" in refused(header(b"a", flag=b"1", link=name))


def test_the_root_is_a_directory() -> None:
    assert index(header(b"./", flag=b"5")).entries == {"": Entry(EntryKind.DIRECTORY)}
    assert refused(member(b"./", b"x")) == (
        "entry './': it puts something other than a directory in the place of the root"
    )


def test_names_are_bytes() -> None:
    nfc, nfd = b"\xc3\xa9", b"e\xcc\x81"
    names = [b"caf\xe9", nfc, nfd, "\u202egpj".encode(), b"a\nb\x1b[31m"]
    found = index(*(member(name) for name in names)).entries
    assert [path.encode("utf-8", "surrogateescape") for path in found] == names


def test_the_last_duplicate_counts() -> None:
    found = index(member(b"a", b"1"), member(b"b"), header(b"a", flag=b"2", link=b"b"), member(b"./a", b"22"))
    assert list(found.entries.items()) == [("b", file(b"")), ("a", file(b"22"))]


def test_hardlinks_are_to_what_came_before() -> None:
    found = index(
        member(b"a", b"old"),
        header(b"b", flag=b"1", link=b"/a"),
        member(b"a", b"new"),
        header(b"c", flag=b"1", link=b"b"),
        header(b"d", flag=b"1", link=b"lower/file"),
        header(b"e", flag=b"1", link=b"d"),
        header(b"s", flag=b"2", link=b"a"),
        header(b"t", flag=b"1", link=b"s"),
    ).entries
    assert (found["a"], found["b"], found["c"]) == (file(b"new"), file(b"old"), file(b"old"))
    assert found["d"] == found["e"] == Entry(EntryKind.HARDLINK, target="lower/file")
    assert found["t"] == found["s"]


def test_a_hardlink_to_a_directory() -> None:
    assert refused(header(b"d/", flag=b"5"), header(b"a", flag=b"1", link=b"d")) == (
        "entry 'a': it is a hardlink to 'd', which is a directory"
    )


@pytest.mark.parametrize("flag", [b"7", b"D", b"V", b"M", b"Z", b"X", b"\xff"])
def test_kinds_that_no_runtime_unpacks(flag: bytes) -> None:
    assert refused(member(b"a", flag=flag)) == (
        f"entry 'a': its type {flag.decode('latin-1')!r} is none that a container runtime unpacks"
    )


def test_sparse_files_are_not_materialised() -> None:
    found = index(old_sparse(b"s", [(0, b"abc")], 12 << 30), member(b"a", b"x")).entries
    assert found == {"s": Entry(EntryKind.FILE, size=12 << 30), "a": file(b"x")}


def test_what_follows_the_end_is_not_read_as_entries() -> None:
    data = archive(member(b"a", b"x")) + archive(member(b"b")) + b"junk"
    taken: list[int] = []

    def counted() -> Iterator[bytes]:
        for piece in pieces(data, 600):
            taken.append(len(piece))
            yield piece

    assert list(read_layer(counted(), everything, Limits()).entries) == ["a"]
    assert sum(taken) == len(data)


MESSAGES = [
    ([member(b"a", checksum=b"000001\0 ")], "the header at byte 0 has a wrong checksum"),
    ([bytes(512), member(b"a")], "a lone block of zeros stands before byte 1024"),
    ([b"x" * 512], "the header at byte 0 has a wrong checksum"),
    ([pax((b"size", b"abc")), member(b"a")], "a pax header has the size b'abc'"),
    ([pax((b"size", b"1_0")), member(b"a")], "a pax header has the size b'1_0'"),
    ([pax((b"size", b"-1")), member(b"a")], "a header has a negative size"),
    ([pax((b"path", b"a\0b")), member(b"a")], "a pax record has a NUL byte where none may be"),
    ([member(b"x", b"9 path a\n", flag=b"x"), member(b"a")], "a pax header has a malformed record"),
    ([long_name(b"a"), long_name(b"b"), member(b"a")], "one entry has two GNU long names"),
    ([pax((b"path", b"a")), pax((b"path", b"b")), member(b"a")], "one entry has two pax headers"),
    ([pax((b"path", b"a"), flag=b"g"), member(b"a")], "a global pax header sets 'path'"),
]


@pytest.mark.parametrize(("members", "message"), MESSAGES)
def test_damaged_headers(members: list[bytes], message: str) -> None:
    assert refused(*members) == message


def test_an_archive_that_is_cut_off() -> None:
    data = member(b"etc/passwd", b"x" * 2000)
    for end in (100, 512, 600, 2511):
        with pytest.raises(ImageError, match=r"the archive is cut off at byte \d+$"):
            read_layer(pieces(data[:end], 100), everything, Limits())
    with pytest.raises(ImageError, match=r"^entry 'etc/passwd': the archive is cut off at byte 600$"):
        read_layer(pieces(data[:600], 100), everything, Limits())


def test_global_comments_and_empty_pax_paths_change_nothing() -> None:
    found = index(pax((b"comment", b"commit"), flag=b"g"), pax((b"path", b"")), member(b"a", b"x"))
    assert found.entries == {"a": file(b"x")}


@pytest.mark.parametrize(
    ("members", "limits", "message"),
    [
        (
            [member(b"a"), member(b"b")],
            Limits(layer_entries=1),
            "the number of entries passes the limit `layer_entries` of 1",
        ),
        (
            [pax((b"comment", b"x" * 2000)), member(b"a")],
            Limits(header=1000),
            "an extension header passes the limit `header` of 1,000",
        ),
        (
            [pax((b"comment", b"x"), flag=b"g")] * 5 + [member(b"a")],
            Limits(header=2000),
            "the extension headers before one entry passes the limit `header` of 2,000",
        ),
        ([long_name(b"n" * 5000), member(b"a")], None, f"entry {'n' * 200!r}: a path passes the limit `path` of 4,096"),
        (
            [long_name(b"l" * 5000, flag=b"K"), header(b"a", flag=b"2")],
            None,
            "entry 'a': a link's target passes the limit `path` of 4,096",
        ),
        (
            [header(b"@", size=400 << 20, flag=b"L", magic=GNU)],
            None,
            "an extension header passes the limit `header` of 1,048,576",
        ),
        (
            [member(b"a/b/c"), member(b"d/e/f")],
            Limits(names=15),
            "entry 'd/e/f': the length of all paths together passes the limit `names` of 15",
        ),
    ],
)
def test_limits_are_named(members: list[bytes], limits: Limits | None, message: str) -> None:
    with pytest.raises(LimitError) as caught:
        index(*members, limits=limits)
    assert str(caught.value) == message
    assert caught.value.hint == "no ordinary image is this large; look at where it comes from"


def test_three_thousand_chained_headers() -> None:
    assert "passes the limit `header`" in refused(*[pax((b"comment", b"x" * 300), flag=b"g")] * 3000, member(b"a"))


def test_directories_that_only_paths_speak_of_count() -> None:
    deep = [pax((b"path", b"/".join([b"%d" % number, *[b"a"] * 1500]))) + member(b"x") for number in range(20)]
    assert "passes the limit `names`" in refused(*deep, limits=Limits(names=10 << 20))
    assert len(index(*deep).entries) == 20


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=40).filter(
    lambda name: name not in (".", "..") and not name.startswith(".wh.")
)
FILES = st.dictionaries(
    st.lists(NAMES, min_size=1, max_size=8).map("/".join), st.binary(max_size=1500), min_size=1, max_size=8
)


@settings(max_examples=100, deadline=None)
@given(FILES, st.sampled_from([tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]), st.integers(1, 3000))
def test_what_tarfile_writes(files: dict[str, bytes], form: int, piece: int) -> None:
    buffer = io.BytesIO()
    written = {}
    with tarfile.open(fileobj=buffer, mode="w", format=form) as tar:
        for path, data in files.items():
            info = tarfile.TarInfo(path)
            info.size, info.mode, info.mtime = len(data), 0o750, 1.5 if form == tarfile.PAX_FORMAT else 1
            try:
                tar.addfile(info, io.BytesIO(data))
            except ValueError:
                # A name that ustar cannot hold.
                continue
            written[path] = data
    found = read_layer(pieces(buffer.getvalue(), piece), everything, Limits())
    assert found.entries == {path: file(data, 0o750) for path, data in written.items()}


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 6000), st.integers(0, 255)), max_size=8), st.integers(0, 8000))
def test_any_bytes_are_an_index_or_an_error(changes: list[tuple[int, int]], end: int) -> None:
    data = bytearray(
        archive(
            member(b"a", b"hello"),
            pax((b"path", b"b"), (b"mtime", b"1.5")),
            member(b"x"),
            long_name(b"c"),
            header(b"x", flag=b"1", link=b"a", magic=GNU),
            old_sparse(b"s", [(0, b"abc"), (1000, b"d")], 2000),
        )
    )
    for place, value in changes:
        if place < len(data):
            data[place] = value
    with suppress(ImageError):
        read_layer(pieces(bytes(data[:end]) + END, 700), everything, Limits())
