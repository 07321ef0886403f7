"""Wheels against installed files, without either of them."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftscan.model.inventory import CondaPackage
from driftscan.model.lock import Artifact, Hash, Origin, OriginKind
from driftscan.model.proof import Contents, Difference, DifferenceKind, Grade, InstalledFile, Proof, WheelFiles
from driftscan.proving import judged, questions
from tests.builders.comparisons import (
    SHA256,
    SITE,
    compared,
    conda_installed,
    conda_locked,
    environment,
    installed,
    lock,
    locked,
)

PREFIX = "/opt/venv"
INFO = "shop-1.0.dist-info"
ROOT = ("shop/__init__.py", "shop/a/b.py", "shop.so", f"{INFO}/METADATA", f"{INFO}/licenses/LICENSE")
DATA = {
    "shop-1.0.data/scripts/report": f"{PREFIX}/bin/report",
    "shop-1.0.data/data/share/shop/logo": f"{PREFIX}/share/shop/logo",
    "shop-1.0.data/headers/deep/shop.h": f"{PREFIX}/include/site/python3.11/shop/deep/shop.h",
    "shop-1.0.data/platlib/extra.so": f"{SITE}/extra.so",
}
PLACES = {**{name: f"{SITE}/{name}" for name in ROOT}, **DATA}
OWN = (f"{SITE}/{INFO}/RECORD", f"{SITE}/{INFO}/INSTALLER", f"{SITE}/{INFO}/uv_cache.json", f"{PREFIX}/bin/shop3.11")
FOUND = installed("shop")
NAMES = st.sets(st.sampled_from(sorted(PLACES)), min_size=1)


def digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def wheel(names: set[str], *, is_whole: bool = True) -> WheelFiles:
    files = {name: digest(name) for name in sorted(names)} | {f"{INFO}/RECORD": None}
    return WheelFiles(filename="shop-1.0-py3-none-any.whl", files=files, is_whole=is_whole)


def contents(files: dict[str, frozenset[str] | None]) -> Contents:
    known = [InstalledFile(path, digests) for path, digests in files.items()]
    known += [InstalledFile(path, frozenset({digest(path)})) for path in OWN]
    return Contents(tuple(known), frozenset({"shop"}))


def put(names: set[str]) -> dict[str, frozenset[str] | None]:
    """Where an installer puts the files of a wheel."""
    return {PLACES[name]: frozenset({digest(name)}) for name in names}


def verdict(wheel: WheelFiles, files: dict[str, frozenset[str] | None]) -> Proof:
    return judged(FOUND, contents(files), wheel, SHA256, frozenset())


@given(NAMES, st.booleans())
def test_what_an_installer_puts_is_the_wheel(names: set[str], is_whole: bool) -> None:
    proof = verdict(wheel(names, is_whole=is_whole), put(names))
    assert proof.grade is (Grade.PROVED if is_whole else Grade.EVIDENCE)
    assert proof.differences == ()
    assert (proof.filename, proof.hash) == ("shop-1.0-py3-none-any.whl", SHA256)


@given(NAMES, st.data())
def test_each_difference_is_seen(names: set[str], data: st.DataObject) -> None:
    files = put(names)
    name = data.draw(st.sampled_from(sorted(names)))
    kind = data.draw(st.sampled_from(DifferenceKind))
    if kind is DifferenceKind.CHANGED:
        files[PLACES[name]] = frozenset({digest("other")})
    elif kind is DifferenceKind.MISSING:
        files[PLACES[name]] = frozenset()
    else:
        files[f"{SITE}/shop/new.py"] = frozenset({digest("new")})
    path = f"{SITE}/shop/new.py" if kind is DifferenceKind.ADDED else PLACES[name]
    proof = verdict(wheel(names), files)
    assert proof.grade is Grade.DIFFERENT
    assert proof.differences == (Difference(kind, path),)


def test_a_file_that_is_not_even_listed_is_missing() -> None:
    (difference,) = verdict(wheel({"shop.so"}), {}).differences
    assert difference == Difference(DifferenceKind.MISSING, f"{SITE}/shop.so")


def test_files_that_cannot_be_compared() -> None:
    proof = verdict(wheel({"shop.so"}), {f"{SITE}/shop.so": None})
    assert (proof.grade, proof.why) == (Grade.CLAIMED, "1 of its files could not be compared")


def test_what_other_rules_tell_is_not_repeated() -> None:
    path = f"{SITE}/shop.so"
    changed = contents({path: frozenset({digest("other")})})
    proof = judged(FOUND, changed, wheel({"shop.so"}), SHA256, frozenset({path}))
    assert (proof.grade, proof.differences) == (Grade.DIFFERENT, ())


@pytest.mark.parametrize(
    ("package", "found", "why"),
    [
        (
            locked("shop", artifacts=(Artifact(filename="shop-1.0.tar.gz", hashes=(SHA256,)),)),
            installed("shop"),
            "the lock has only its source distribution",
        ),
        (
            locked("shop", artifacts=(Artifact(filename="shop-1.0-py3-none-any.whl"),)),
            installed("shop"),
            "the lock has no hash of it",
        ),
        (
            locked("shop", artifacts=(Artifact(hashes=(Hash("md5", "00" * 16),)),)),
            installed("shop"),
            "the lock has only weak hashes of it",
        ),
        (
            locked("shop", origin=Origin(OriginKind.VCS, "https://git.example/shop", "ab" * 20)),
            installed("shop"),
            "it is locked as a vcs source, and was built from that",
        ),
        (locked("shop"), replace(installed("shop"), has_record=False), "it has no RECORD"),
        (
            locked("shop"),
            replace(installed("shop"), owner="python3-shop"),
            "the operating system's package python3-shop installed it",
        ),
        (
            locked("shop"),
            replace(installed("shop"), built_on_the_spot="pip's own wheel cache"),
            "it was built on the spot: pip's own wheel cache",
        ),
    ],
)
def test_what_nothing_can_tell(package: object, found: object, why: str) -> None:
    comparison = compared(lock(package), environment(found))  # type: ignore[arg-type]
    (proof,) = questions(comparison)
    assert isinstance(proof, Proof)
    assert (proof.grade, proof.why) == (Grade.UNVERIFIABLE, why)


def conda(found: CondaPackage) -> Proof:
    comparison = compared(lock(conda_locked("zlib", "1.0", "py_0", SHA256)), environment(conda=(found,)))
    (proof,) = questions(comparison)
    assert isinstance(proof, Proof)
    return proof


def test_conda_packages_are_not_fetched() -> None:
    assert conda(conda_installed("zlib", sha256=SHA256.digest)).grade is Grade.CLAIMED
    assert conda(conda_installed("zlib")).grade is Grade.UNVERIFIABLE
