"""LK101, LK103, LK104, LK105, LK107, LK111: what entries of a lock leave open."""

from __future__ import annotations

import pytest
from packaging.utils import canonicalize_name

from driftscan.finding import Location, Severity
from driftscan.model.lock import Artifact, Difference, Hash, Index, LockSource, Note, NoteKind, Origin, OriginKind
from tests.builders.comparisons import (
    SHA256,
    compared,
    conda_locked,
    files,
    findings,
    lock,
    locked,
    messages,
)

COMMIT = "0123456789abcdef0123456789abcdef01234567"
REPOSITORY = "https://git.example/shop"
ARCHIVE = "https://files.example/shop-1.0.zip"
UNHASHED = Artifact(filename="shop-1.0-py3-none-any.whl")


def test_a_pinned_entry_is_pinned() -> None:
    assert findings("LK101", compared(lock(locked("numpy")), None)) == []


@pytest.mark.parametrize(
    ("specifier", "message"),
    [
        (">=1,<3", "numpy is not pinned: the lock allows >=1,<3"),
        ("==1.*", "numpy is not pinned: the lock allows ==1.*"),
        ("", "numpy is not pinned: the lock allows any version"),
    ],
)
def test_an_entry_that_admits_more_than_one_version_is_not_pinned(specifier: str, message: str) -> None:
    entry = locked("NumPy", None, pinned=False, specifier=specifier, line=7, path="base.txt")
    (finding,) = findings("LK101", compared(lock(entry), None))
    assert finding.message == message
    assert finding.severity is Severity.ERROR
    assert finding.package == "numpy"
    assert finding.location == Location(path="base.txt", line=7)


def test_source_trees_and_the_project_itself_need_no_version() -> None:
    tree = locked("a", None, (), pinned=False, origin=Origin(OriginKind.VCS, REPOSITORY, COMMIT))
    member = locked("b", None, (), pinned=False, is_member=True)
    assert findings("LK101", compared(lock(tree, member), None)) == []


def test_every_file_has_a_hash() -> None:
    assert findings("LK103", compared(lock(locked("shop")), None)) == []


def test_a_pin_without_any_hash() -> None:
    (finding,) = findings("LK103", compared(lock(locked("shop", "1.0", (), line=3)), None))
    assert finding.message == "shop 1.0 has no hash"
    assert finding.location == Location(path="requirements.txt", line=3)
    assert finding.locked == ("1.0",)


def test_one_of_several_files_without_a_hash_is_named() -> None:
    shop = locked("shop", "1.0", [*files("shop-1.0.tar.gz"), UNHASHED])
    assert messages("LK103", compared(lock(shop), None)) == ["shop 1.0 has no hash for shop-1.0-py3-none-any.whl"]


def test_a_hash_that_pip_ignores_is_none_and_its_line_is_named() -> None:
    note = Note(NoteKind.ORPHANED_HASH, "`--hash=sha256:ab…` is cut off from shop by the comment before it", 9)
    (finding,) = findings("LK103", compared(lock(locked("shop", "1.0", (), line=7, notes=(note,))), None))
    assert finding.message == f"shop 1.0 has no hash: {note.text}"
    assert finding.location == Location(path="requirements.txt", line=9)


@pytest.mark.parametrize(
    "origin",
    [
        Origin(OriginKind.VCS, REPOSITORY, COMMIT),
        Origin(OriginKind.DIRECTORY, "../shop"),
        Origin(OriginKind.EDITABLE, "."),
        Origin(OriginKind.VIRTUAL, "."),
    ],
    ids=lambda origin: origin.kind,
)
def test_what_is_no_file_has_no_hash(origin: Origin) -> None:
    assert findings("LK103", compared(lock(locked("shop", "1.0", (), origin=origin)), None)) == []


def test_unpinned_entries_and_those_of_other_targets_are_not_asked_for_hashes() -> None:
    loose = locked("a", None, (), pinned=False)
    windows = locked("b", "1.0", ())
    assert findings("LK103", compared(lock(loose, windows, markers={"b": "os_name == 'nt'"}), None)) == []


def test_conda_entries_need_a_hash_too() -> None:
    assert messages("LK103", compared(lock(conda_locked("zlib", "1.3", "h1_0")), None)) == ["zlib 1.3 has no hash"]
    assert findings("LK103", compared(lock(conda_locked("zlib", "1.3", "h1_0", Hash("md5", "cd" * 16))), None)) == []


def test_a_strong_hash_beside_a_weak_one_is_enough() -> None:
    both = Artifact(hashes=(Hash("md5", "cd" * 16), SHA256))
    assert findings("LK104", compared(lock(locked("shop", "1.0", [both])), None)) == []


def test_a_weak_hash_alone() -> None:
    (finding,) = findings("LK104", compared(lock(conda_locked("zlib", "1.3", "h1_0", Hash("md5", "cd" * 16))), None))
    assert finding.message == "zlib 1.3 carries only md5"
    assert finding.severity is Severity.WARNING
    assert finding.package == "zlib"


def test_weak_hashes_of_a_whole_lock_are_one_finding() -> None:
    weak = [locked(name, "1.0", [Artifact(hashes=(Hash("sha1", "cd" * 20),))]) for name in "abcde"]
    (finding,) = findings("LK104", compared(lock(*weak), None))
    assert finding.message == "5 packages carry only sha1: a 1.0, b 1.0, c 1.0 and 2 more"
    assert finding.package is None


@pytest.mark.parametrize(
    ("origin", "message"),
    [
        (Origin(OriginKind.VCS, REPOSITORY), f"shop is locked to {REPOSITORY} without a commit"),
        (
            Origin(OriginKind.VCS, REPOSITORY, reference="main"),
            f"shop is locked to {REPOSITORY} without a commit ('main' can move)",
        ),
        (Origin(OriginKind.URL, ARCHIVE), f"shop is locked to {ARCHIVE} without a hash"),
        (Origin(OriginKind.PATH, "shop.whl"), "shop is locked to the file shop.whl without a hash"),
        (Origin(OriginKind.DIRECTORY, "../shop"), "shop is locked to the folder ../shop"),
        (Origin(OriginKind.EDITABLE, ""), "shop is locked to the folder ."),
    ],
    ids=lambda value: value.kind if isinstance(value, Origin) else None,
)
def test_a_source_that_can_change_under_the_lock(origin: Origin, message: str) -> None:
    comparison = compared(lock(locked("shop", "1.0", [UNHASHED], origin=origin, line=4)), None)
    (finding,) = findings("LK105", comparison)
    assert finding.message == message
    assert finding.severity is Severity.ERROR
    assert finding.location == Location(path="requirements.txt", line=4)
    # One cause is one finding.
    assert findings("LK103", comparison) == []


@pytest.mark.parametrize(
    "origin",
    [
        Origin(OriginKind.VCS, REPOSITORY, COMMIT, "main"),
        Origin(OriginKind.URL, ARCHIVE),
        Origin(OriginKind.PATH, "shop.whl"),
        Origin(),
        Origin(OriginKind.VIRTUAL, "."),
    ],
    ids=lambda origin: origin.kind,
)
def test_a_commit_or_a_hash_fixes_a_source(origin: Origin) -> None:
    assert findings("LK105", compared(lock(locked("shop", origin=origin)), None)) == []


def test_the_projects_that_a_lock_was_made_for_are_meant_to_change() -> None:
    member = locked("shop", "1.0", (), origin=Origin(OriginKind.EDITABLE, "."), is_member=True)
    assert findings("LK105", compared(lock(member), None)) == []
    listed = locked("shop", None, (), origin=Origin(OriginKind.EDITABLE, "."))
    assert findings("LK105", compared(lock(listed, project_name=canonicalize_name("shop")), None)) == []


def test_a_lock_that_its_source_has_outgrown() -> None:
    differences = (
        Difference("requests>=2.32 is required, and the lock has requests 2.31.0", canonicalize_name("requests"), 9),
        Difference("pyproject.toml has changed since it was locked"),
    )
    stale = lock(locked("requests", "2.31.0"), sources=(LockSource("pyproject.toml", "its content hash", differences),))
    first, second = findings("LK107", compared(stale, None))
    assert {first.message, second.message} == {difference.text for difference in differences}
    (named,) = [finding for finding in (first, second) if finding.package]
    assert (named.package, named.location) == ("requests", Location(path="pyproject.toml", line=9))
    assert named.hint == "lock again, so that requirements.txt agrees with pyproject.toml"


def test_a_lock_that_agrees_with_its_source() -> None:
    fresh = lock(locked("requests"), sources=(LockSource("pyproject.toml", "its content hash"),))
    assert findings("LK107", compared(fresh, None)) == []


DEFAULT = Index("")
INTERNAL = Index("https://index.example/internal", 2)


def test_one_index_is_no_mix() -> None:
    assert findings("LK111", compared(lock(locked("shop", "1.0", ()), indexes=(INTERNAL,)), None)) == []


def test_two_indexes_that_could_supply_a_package() -> None:
    mixed = lock(locked("shop", "1.0", ()), locked("numpy"), indexes=(DEFAULT, INTERNAL))
    (finding,) = findings("LK111", compared(mixed, None))
    assert finding.message == ("2 indexes could supply shop, numpy: the default index, https://index.example/internal")
    assert (finding.severity, finding.location) == (Severity.WARNING, Location(path="requirements.txt", line=2))


def test_where_all_files_are_hashed_a_second_index_supplies_nothing_else() -> None:
    (finding,) = findings("LK111", compared(lock(locked("shop"), indexes=(DEFAULT, INTERNAL)), None))
    assert finding.severity is Severity.INFO


def test_packages_with_an_index_of_their_own_are_not_concerned() -> None:
    own = locked("torch", "2.0", (), origin=Origin(OriginKind.INDEX, "https://index.example/cpu"))
    assert findings("LK111", compared(lock(own, indexes=(DEFAULT, INTERNAL)), None)) == []


@pytest.mark.parametrize(
    ("index", "insecure"),
    [
        (Index("http://index.example/simple"), True),
        (Index("https://index.example/simple", is_trusted=True), True),
        (Index("https://index.example/simple"), False),
        (Index("http://localhost:3141/simple"), False),
        (Index("http://127.0.0.1/simple"), False),
        (Index("http://localhost.example/simple"), True),
    ],
)
def test_an_index_that_anybody_on_the_way_can_replace(index: Index, insecure: bool) -> None:
    found = messages("LK111", compared(lock(locked("shop", "1.0", ()), indexes=(index,)), None))
    assert found == ([f"{index.location} is not secured by TLS, and could supply shop"] if insecure else [])
