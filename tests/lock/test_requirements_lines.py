"""How a requirements file is cut into lines, comments and options: where naive readers go wrong."""

from __future__ import annotations

import codecs
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftscan.errors import LockError
from driftscan.lock import requirements_lines
from driftscan.lock.document import Document
from driftscan.lock.requirements import parse
from driftscan.lock.requirements_lines import Line, logical_lines
from driftscan.model.lock import Hash, Lock, NoteKind

A, B = (Hash("sha256", character * 64) for character in "ab")


def read(text: str | bytes) -> Lock:
    return parse(Document("requirements.txt", text.encode() if isinstance(text, str) else text))


def lines(text: str) -> list[Line]:
    return list(logical_lines(Document("requirements.txt", text.encode())))


def hashes(lock: Lock) -> dict[str, tuple[Hash, ...]]:
    return {
        str(package.id): tuple(value for artifact in package.artifacts for value in artifact.hashes)
        for package in lock.packages
    }


def parents(text: str) -> dict[str, list[str]]:
    """The packages that each one requires, as comments tell it."""
    return {
        str(package.id.name): [str(edge.name) for edge in package.dependencies or ()] for package in read(text).packages
    }


@pytest.mark.parametrize(
    "data",
    [
        b"a==1\r\nb==2\r\n",
        codecs.BOM_UTF8 + b"a==1\nb==2",
        codecs.BOM_UTF16_LE + "a==1\nb==2\n".encode("utf-16-le"),
        codecs.BOM_UTF16_BE + "a==1\r\nb==2\n".encode("utf-16-be"),
        codecs.BOM_UTF32_LE + "a==1\nb==2\n".encode("utf-32-le"),
        codecs.BOM_UTF32_BE + "a==1\nb==2\n".encode("utf-32-be"),
        "# coding: latin-1 \xe9\na==1\nb==2\n".encode("latin-1"),
        "\n# -*- coding=latin-1 -*- \xe9\na==1\nb==2\n".encode("latin-1"),
        b"a==1\x0cb==2",
        "a==1\u2028b==2".encode(),
        b"a==1\rb==2",
        b"  a==1  \n\n\tb==2 # c",
        b"a=\\\n=1\nb==2",
        b"a==1\nb\\\n==\\\n2\\",
    ],
)
def test_encodings_and_line_ends(data: bytes) -> None:
    assert [str(package.id) for package in read(data).packages] == ["a 1", "b 2"]


def test_lines_are_counted_as_editors_do() -> None:
    text = "# a\x0c# b\u2028# c\na==1\r\nb==\\\n2\nc==3\n"
    assert [(line.number, line.requirement) for line in lines(text)] == [(2, "a==1"), (3, "b==2"), (5, "c==3")]


def test_hashes_in_continued_lines() -> None:
    lock = read(f"a==1 \\\n    --hash={A} \\\n    --hash {B}\nb==2 --hash={B}\n")
    assert hashes(lock) == {"a 1": (A, B), "b 2": (B,)}


def test_a_hash_behind_a_comment_is_orphaned() -> None:
    lock = read(f"a==1 \\\n    # why\n    --hash={A}\nb==2 --hash={B}\n")
    package = lock.packages[0]
    assert hashes(lock) == {"a 1": (), "b 2": (B,)}
    text = f"`--hash=sha256:{'a' * 13}…` is cut off from a by the comment before it, so pip ignores it"
    assert package.notes == ((NoteKind.ORPHANED_HASH, text, 3),)


def test_a_hash_commented_out_in_the_middle_orphans_the_rest() -> None:
    lock = read(f"a==1 \\\n    --hash={A} \\\n    # --hash={A} \\\n    --hash={B}\n")
    assert hashes(lock) == {"a 1": (A,)}
    assert [(note.kind, note.line) for note in lock.packages[0].notes] == [(NoteKind.ORPHANED_HASH, 4)]


def test_a_comment_that_ends_in_a_backslash_swallows_the_next_line() -> None:
    assert hashes(read("a==1 # c \\\nb==2\nc==3\n")) == {"a 1": (), "c 3": ()}


def test_a_comment_line_that_ends_in_a_backslash_swallows_nothing() -> None:
    assert hashes(read("# c \\\nb==2\n")) == {"b 2": ()}


@pytest.mark.parametrize("text", [f"a==1 \\ \n    --hash={A}\n", f"a==1\t--hash={A}\n"])
def test_white_space_that_pip_does_not_take(text: str) -> None:
    with pytest.raises(LockError, match=r"^requirements\.txt:1: `a==1.* is no requirement"):
        read(text)


def test_a_hash_sign_inside_of_a_word_is_no_comment() -> None:
    assert lines("a @ https://files.example/a.zip#egg=a #c#d\n") == [
        Line(1, "a @ https://files.example/a.zip#egg=a", (), ("c#d",))
    ]


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("-rmore.txt", (("--requirement", "more.txt"),)),
        ("-i https://index.example", (("--index-url", "https://index.example"),)),
        ("--find-links='a b' -f c", (("--find-links", "a b"), ("--find-links", "c"))),
        ("--require-h --pre --no-index", (("--require-hashes", ""), ("--pre", ""), ("--no-index", ""))),
        (
            "--extra https://index.example --trust x",
            (("--extra-index-url", "https://index.example"), ("--trusted-host", "x")),
        ),
        ("-e ./a ; os_name == 'nt'", (("--editable", "./a ; os_name == 'nt'"),)),
        ("--pre stray words", (("--pre", ""),)),
        ("-C k=v --config-settings k=w", (("--config-settings", "k=v"), ("--config-settings", "k=w"))),
    ],
)
def test_options(text: str, options: tuple[tuple[str, str], ...]) -> None:
    assert lines(text) == [Line(1, "", options, ())]


ONE_LINE = "a==1\n    # via b\nb==1\n    # via -r requirements.in\nc==1\n    # via b, a\n"
SEVERAL = "a==1\n    # via b\nb==1\n    # via -r requirements.in\nc==1\n    # via\n    #   b\n    #   a\n"
AT_THE_END = "a==1                  # via b\nb==1                  # via -r requirements.in\nc==1   # via a, b\n"
WITH_HASHES = (
    f"a==1 \\\n    --hash={A} \\\n    --hash={B}\n    # via b\n"
    f"b==1 \\\n    --hash={A}\n    # via\n    #   -r requirements.in (line 3)\n"
    f"c==1 \\\n    --hash={A}\n    # via\n    #   -c constraints.txt\n    #   a\n    #   b[x]\n"
)
OLD = (
    f"a==1 \\\n    --hash={A} \\\n    --hash={B} \\\n    # via b\n"
    f"b==1 \\\n    --hash={A} \\\n    # via -r requirements.in\n"
    f"c==1 \\\n    --hash={A} \\\n    # via a, b\n"
)
OLDEST = f"a==1 --hash={A}  # via b\nb==1 --hash={A}\nc==1 --hash={A} # via a, b (from -r x.in)\n"
UV = (
    "# This file was autogenerated by uv via the following command:\n#    uv pip compile requirements.in\n"
    f"a==1 ; python_full_version < '3.13' \\\n    --hash={A}\n    # via b\n"
    f"b==1 \\\n    --hash={A}\n    # via project (pyproject.toml:extra)\nc==1\n    # via\n    #   a\n    #   b\n"
)


@pytest.mark.parametrize("text", [ONE_LINE, SEVERAL, AT_THE_END, WITH_HASHES, OLD, OLDEST, UV])
def test_comments_tell_who_requires_what(text: str) -> None:
    assert parents(text) == {"a": ["c"], "b": ["a", "c"], "c": []}
    assert all(not package.notes for package in read(text).packages)


def test_hashes_survive_every_placement_of_comments() -> None:
    for text in (WITH_HASHES, OLD):
        assert hashes(read(text)) == {"a 1": (A, B), "b 1": (A,), "c 1": (A,)}


def test_without_comments_nothing_is_known_of_edges() -> None:
    assert [package.dependencies for package in read("a==1\nb==1 # why\n").packages] == [None, None]


def test_the_block_of_unsafe_packages_is_not_locked() -> None:
    text = (
        "a==1\n    # via b\nb==1\n    # via -r requirements.in\n\n"
        "# The following packages are considered to be unsafe in a requirements file:\n# setuptools\n# pip\n"
    )
    assert parents(text) == {"a": [], "b": ["a"]}


def test_a_remark_below_a_list_belongs_to_nobody() -> None:
    assert parents("b==1\nc==1\nx==1\na==1\n    # via\n    #   b\n# c\n#   x\nd==1\n    # via c\n") == {
        "b": ["a"],
        "c": ["d"],
        "x": [],
        "a": [],
        "d": [],
    }


def test_a_line_of_many_spaces_takes_no_time() -> None:
    with pytest.raises(LockError, match=r"a requirement of 1,000,005 characters is too long to be real$"):
        lines("a==1" + " " * 1_000_000 + "b")


def test_a_line_of_many_brackets_takes_no_time() -> None:
    assert len(read("-e " + "[" * 200_000).packages) == 1


@given(st.text(alphabet="ab-=: \t\r\n\x0b\u00a0\\'\"#", max_size=30))
def test_words_are_those_of_a_shell(text: str) -> None:
    try:
        expected = shlex.split(text)
    except ValueError:
        return
    assert requirements_lines._words(text) == expected
