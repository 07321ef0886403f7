"""Nothing that an engine answers is taken on trust: what is wrong with it is found before a lock is written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from driftscan.convert import Content
from driftscan.convert import requirements as written
from driftscan.convert.content import Entry
from driftscan.lock import requirements
from driftscan.lock.document import Document
from driftscan.model.lock import Lock as Answer
from driftscan.resolve import session, writing
from driftscan.resolve.question import Question
from tests.builders.indexes import PackageIndex
from tests.resolve.conftest import Lock

PLACE = ("--python", "3.12.4", "--python-platform", "x86_64-manylinux_2_28")
WORDS = "CPython 3.12.4 on manylinux_2_28_x86_64"
FAULT = "hint: this is a fault of the engine; try the other one"


@dataclass(frozen=True)
class Careless:
    """An engine that gives the same answer whatever it is asked, and is at work when it is begun."""

    answer: str
    name: str = "careless"
    version: str = "1"

    def refusal(self, _: Question) -> None:
        return None

    def begin(self, _: Question) -> Careless:
        return self

    def result(self) -> Answer:
        return requirements.parse(Document("requirements.txt", self.answer.encode()))

    def close(self) -> None:
        """Nothing runs."""


@pytest.fixture(autouse=True)
def offered(index: PackageIndex) -> None:
    index.release("flask", "3.0", "click>=8", "colorama; sys_platform == 'win32'", 'asgiref; extra == "async"')
    index.release("click", "8.1")
    index.release("click", "7.0")
    index.release("asgiref", "3.0")
    index.release("colorama", "0.4")
    index.release("old", "1.0", entry={"yanked": "it is slow"})
    index.release("on_windows", "1.0", tag="cp312-cp312-win_amd64")
    index.release("modern", "1.0", entry={"requires-python": ">=3.13"})


@pytest.mark.parametrize(
    ("asked", "answer", "lines"),
    [
        ("flask", "click==8.1", [f"flask is asked for, and left out for {WORDS}", FAULT]),
        ("flask", "flask==3.0", [f"flask 3.0 requires click>=8, which was left out for {WORDS}", FAULT]),
        ("flask", "flask==3.0\nclick==7.0", ["flask 3.0 requires click>=8, and 7.0 was picked", FAULT]),
        ("click<8", "click==8.1", ["click<8 is asked for, and 8.1 was picked", FAULT]),
        (
            "flask[async]",
            "flask==3.0\nclick==8.1",
            [f"flask 3.0 requires asgiref, which was left out for {WORDS}", FAULT],
        ),
        ("old", "old==1.0", ["old 1.0 was yanked (it is slow)", "hint: ask for another version"]),
        ("on-windows", "on-windows==1.0", [f"on-windows 1.0 has no file for it ({WORDS})"]),
        ("modern", "modern==1.0", [f"modern 1.0 requires Python >=3.13 ({WORDS})"]),
    ],
)
def test_an_answer_that_is_none(
    project: Path, lock: Lock, monkeypatch: pytest.MonkeyPatch, asked: str, answer: str, lines: list[str]
) -> None:
    monkeypatch.setattr(session, "_engine", lambda _: Careless(answer))
    (project / "requirements.in").write_text(f"# why\n{asked}\n")
    (project / "requirements.txt").write_text("click==7.0\n")
    first, *rest = lines
    assert lock("requirements.in", *PLACE) == (
        2,
        "",
        "".join(f"{line}\n" for line in (f"driftscan: error: requirements.in:2: {first}", *rest)),
    )
    assert (project / "requirements.txt").read_text() == "click==7.0\n"


def test_a_release_that_the_index_does_not_have(project: Path, lock: Lock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "_engine", lambda _: Careless("click==9.0"))
    (project / "requirements.in").write_text("click\n")
    assert lock("requirements.in", *PLACE)[2] == (
        "driftscan: error: requirements.in: the index does not tell all that a lock needs: INDEX/click/:"
        " there is no release 9.0 of click\n"
    )


def test_what_only_another_platform_needs(project: Path, lock: Lock, monkeypatch: pytest.MonkeyPatch) -> None:
    """A universal lock is looked at on the usual platforms too, whether or not its markers mention them."""
    answer = "flask==3.0\nclick==8.1\ncolorama==0.4 ; sys_platform == 'darwin'\n"
    monkeypatch.setattr(session, "_engine", lambda _: Careless(answer))
    (project / "requirements.in").write_text("flask\n")
    assert lock("requirements.in", "--universal", "--python", "3.12")[2] == (
        "driftscan: error: requirements.in:1: flask 3.0 requires colorama, which was left out for CPython 3.12.0"
        f" on win32 AMD64\n{FAULT}\n"
    )


def without_hash(entry: Entry) -> Entry:
    return replace(entry, package=replace(entry.package, artifacts=()))


def unpinned(entry: Entry) -> Entry:
    return replace(entry, package=replace(entry.package, pinned=False, specifier=">=3"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda entries: entries[:-1],
            f"flask 3.0 is not in what was written as it was resolved for {WORDS}",
        ),
        (lambda entries: (*entries[:-1], without_hash(entries[-1])), "flask 3.0 has no hash in what was written"),
        (lambda entries: (*entries[:-1], unpinned(entries[-1])), "flask has no pin in what was written"),
    ],
)
def test_what_is_written_is_read_again(
    project: Path,
    lock: Lock,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[tuple[Entry, ...]], tuple[Entry, ...]],
    message: str,
) -> None:
    def write(content: Content) -> object:
        return written.write(replace(content, entries=change(content.entries)))

    monkeypatch.setattr(writing, "WRITERS", {"requirements": write})
    (project / "requirements.in").write_text("flask\n")
    (project / "requirements.txt").write_text("click==7.0\n")
    assert lock("requirements.in", *PLACE) == (2, "", f"driftscan: error: {message}\n")
    assert (project / "requirements.txt").read_text() == "click==7.0\n"
