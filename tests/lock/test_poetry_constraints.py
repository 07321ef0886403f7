from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from poetry.core.constraints.version import Version as PoetryVersion
from poetry.core.constraints.version import parse_constraint

from driftscan.lock.poetry_constraints import parse, platform_marker


@pytest.mark.parametrize(
    ("written", "specifier"),
    [
        ("*", ""),
        ("", ""),
        ("x.x", ""),
        ("^1.2.3", "<2,>=1.2.3"),
        ("^0.2.3", "<0.3,>=0.2.3"),
        ("^0.0.3", "<0.0.4,>=0.0.3"),
        ("^0.0", "<0.1,>=0.0"),
        ("^0", "<1,>=0"),
        ("^1!2.0", "<1!3,>=1!2.0"),
        ("~1.2.3", "<1.3,>=1.2.3"),
        ("~1.2", "<1.3,>=1.2"),
        ("~1", "<2,>=1"),
        ("~=1.4.2", "~=1.4.2"),
        ("~=1", "<2,>=1"),
        ("1.2.*", "==1.2.*"),
        ("1.*.*", "==1.*"),
        ("!=1.2.*", "!=1.2.*"),
        (">=1.2.*", ">=1.2"),
        ("1.2.3", "==1.2.3"),
        ("=1.2.3", "==1.2.3"),
        ("v1.2.3", "==1.2.3"),
        (">= 1.2, < 2", "<2,>=1.2"),
        (">=1.2 <2", "<2,>=1.2"),
        (">=1.2,<2,", "<2,>=1.2"),
    ],
)
def test_one_alternative_becomes_one_specifier_set(written: str, specifier: str) -> None:
    constraint = parse(written)
    assert constraint is not None
    assert constraint.specifier == specifier


def test_union_has_no_specifier_and_allows_each_alternative() -> None:
    constraint = parse("~2.7 || ^3.4")
    assert constraint is not None
    assert constraint.specifier == ""
    assert [constraint.allows(version) for version in ("2.7.18", "3.0", "3.12.1", "4.0")] == [True, False, True, False]


def test_prereleases_are_allowed_because_the_lock_has_chosen_them() -> None:
    constraint = parse("^2.0")
    assert constraint is not None
    assert constraint.allows("2.1rc1")
    assert not constraint.allows("3.0rc1")


@pytest.mark.parametrize("written", ["banana", ">=", "1.0 - 2.0", "<>1", "^1.*", ">=*", "1 || banana", "1" * 3000])
def test_what_is_no_constraint_is_none(written: str) -> None:
    assert parse(written) is None


@pytest.mark.parametrize(
    ("written", "marker"),
    [
        ("*", None),
        ("<3.9", '(python_full_version < "3.9")'),
        ("^3.8", '(python_full_version < "4" and python_full_version >= "3.8")'),
        ("3.6", '(python_full_version == "3.6.*")'),
        ("3.6.1", '(python_full_version == "3.6.1")'),
        (
            "~2.7 || >=3.5.0",
            '(python_full_version < "2.8" and python_full_version >= "2.7") or (python_full_version >= "3.5.0")',
        ),
    ],
)
def test_python_constraint_becomes_a_marker(written: str, marker: str | None) -> None:
    constraint = parse(written)
    assert constraint is not None
    assert constraint.python_marker == marker


@pytest.mark.parametrize(
    ("written", "marker"),
    [
        ("win32", '(sys_platform == "win32")'),
        ("!=win32", '(sys_platform != "win32")'),
        ("linux || darwin", '(sys_platform == "linux") or (sys_platform == "darwin")'),
        ("!=win32,!=cygwin", '(sys_platform != "win32" and sys_platform != "cygwin")'),
        ('win"32', None),
    ],
)
def test_platform_constraint_becomes_a_marker(written: str, marker: str | None) -> None:
    assert platform_marker(written) == marker


_RELEASE = st.lists(st.integers(0, 3), min_size=1, max_size=4).map(lambda parts: ".".join(map(str, parts)))
_VERSION = st.tuples(_RELEASE, st.sampled_from(["", "", "", "rc1", ".dev0", "+local"])).map("".join)
_COMPARISON = st.tuples(st.sampled_from(["", "^", "~", "~=", "==", "!=", "<", ">", "<=", ">="]), _VERSION).map("".join)
_WILDCARD = st.tuples(st.sampled_from(["", "==", "!="]), st.from_regex(r"[0-3](\.[0-3]){0,2}\.\*", fullmatch=True))
_SINGLE = st.one_of(_COMPARISON, _WILDCARD.map("".join)).filter(lambda text: "+" not in text or text[0] not in "<>~^")


@given(st.lists(_SINGLE, min_size=1, max_size=3), st.sampled_from([",", ", ", " ", " || "]), _VERSION)
def test_agrees_with_poetry(comparisons: list[str], separator: str, version: str) -> None:
    written = separator.join(comparisons)
    constraint = parse(written)
    assert constraint is not None
    assert constraint.allows(version) == parse_constraint(written).allows(PoetryVersion.parse(version))
