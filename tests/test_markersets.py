"""`driftscan.markersets`: sets of environments are combined exactly and written as short markers again."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftscan import markers
from driftscan.errors import MarkerError
from driftscan.markersets import EVERYWHERE, NOWHERE, Diagrams
from driftscan.platforms import target

PLACES = [
    target(f"3.{minor}.{patch}", system).markers
    for minor, patch, system in product((8, 9, 10, 11, 12, 13), (0, 1, 4, 9), ("linux", "macos", "windows"))
]
ATOMS = (
    *(f"python_version {operator} '3.{minor}'" for operator in ("<", "<=", ">", ">=", "==", "!=") for minor in (9, 12)),
    *(f"python_full_version {operator} '3.{minor}'" for operator in ("<", ">=") for minor in (9, 10)),
    *(f"python_full_version {operator} '3.9.4'" for operator in ("<", "<=", ">", ">=", "==", "!=", "~=")),
    "python_full_version == '3.10.*'",
    "python_full_version != '3.10.*'",
    "python_version ~= '3.10'",
    "python_version in '3.8, 3.9'",
    "python_version not in '3.8, 3.9'",
    "'3.9' <= python_version",
    *(f"sys_platform {operator} '{name}'" for operator in ("==", "!=") for name in ("linux", "darwin", "win32")),
    "'win' in sys_platform",
    "'win' not in sys_platform",
    "platform_machine in 'x86_64 amd64'",
    "implementation_name == 'cpython'",
    "platform_python_implementation == 'PyPy'",
)


def joined(parts: list[str], word: str) -> str:
    return f" {word} ".join(f"({part})" for part in parts)


TEXTS = st.recursive(
    st.sampled_from(ATOMS),
    lambda inner: st.builds(joined, st.lists(inner, min_size=2, max_size=3), st.sampled_from(("and", "or"))),
    max_leaves=8,
)


def holding(text: str | None) -> list[bool]:
    found = [markers.evaluate(text, place) for place in PLACES]
    assert None not in found
    return [bool(each) for each in found]


@given(TEXTS)
def test_what_is_written_holds_where_the_marker_held(text: str) -> None:
    diagrams = Diagrams([text])
    found = diagrams.marker(text)
    if diagrams.is_possible(found):
        assert holding(diagrams.written(found)) == holding(text)
    else:
        assert not any(holding(text))


@given(TEXTS, TEXTS)
def test_combinations(one: str, other: str) -> None:
    diagrams = Diagrams([one, other])
    first, second = diagrams.marker(one), diagrams.marker(other)
    for found, expected in (
        (diagrams.all_of(first, second), f"({one}) and ({other})"),
        (diagrams.any_of(first, second), f"({one}) or ({other})"),
    ):
        assert found == diagrams.marker(expected)
        if diagrams.is_possible(found):
            assert holding(diagrams.written(found)) == holding(expected)
    assert diagrams.any_of(first, diagrams.negated(first)) == EVERYWHERE
    assert diagrams.all_of(first, diagrams.negated(first)) == NOWHERE
    assert diagrams.negated(diagrams.negated(first)) == first


@given(TEXTS, TEXTS)
def test_only_the_environments_that_matter_count(text: str, within: str) -> None:
    diagrams = Diagrams([text, within])
    care = diagrams.marker(within)
    both = diagrams.all_of(diagrams.marker(text), care)
    if diagrams.is_possible(both):
        written = holding(diagrams.written(both, care))
        assert [a for a, b in zip(written, holding(within), strict=True) if b] == [
            a for a, b in zip(holding(text), holding(within), strict=True) if b
        ]


@given(st.lists(st.sampled_from(ATOMS), min_size=1, max_size=4))
def test_the_order_in_which_markers_are_known_does_not_matter(texts: list[str]) -> None:
    one, two = Diagrams(texts), Diagrams(reversed(texts))
    text = joined(texts, "or")
    found = one.marker(text)
    assert found == two.marker(text)
    if one.is_possible(found):
        assert one.written(found) == two.written(found)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("python_version < '3.12' and python_version < '3.9'", "python_full_version < '3.9'"),
        ("python_version < '3.12' or python_version < '3.9'", "python_full_version < '3.12'"),
        ("python_version > '3.11'", "python_full_version >= '3.12'"),
        ("python_version <= '3.11'", "python_full_version < '3.12'"),
        ("python_version == '3.11'", "python_full_version >= '3.11' and python_full_version < '3.12'"),
        ("python_full_version == '3.11.*'", "python_full_version >= '3.11' and python_full_version < '3.12'"),
        ("python_version ~= '3.11'", "python_full_version >= '3.11' and python_full_version < '4'"),
        ("python_full_version < '3.11.0'", "python_full_version < '3.11'"),
        ("'3.9' > python_version", "python_full_version < '3.9'"),
        ("python_version < '3.9' or python_version >= '3.9'", None),
        ("sys_platform == 'win32' or sys_platform != 'win32'", None),
        ("sys_platform == 'win32' and sys_platform != 'linux'", "sys_platform == 'win32'"),
        (
            "sys_platform != 'linux' and sys_platform != 'darwin'",
            "sys_platform != 'darwin' and sys_platform != 'linux'",
        ),
        (
            "(os_name == 'nt' and python_version < '3.9') or (os_name == 'nt' and python_version >= '3.9')",
            "os_name == 'nt'",
        ),
        (
            "sys_platform == 'win32' or (python_version < '3.9' and platform_machine == 'arm64')",
            "(python_full_version < '3.9' and platform_machine == 'arm64') or sys_platform == 'win32'",
        ),
        ("'win' in sys_platform", "'win' in sys_platform"),
        ('platform_version == "it\'s"', 'platform_version == "it\'s"'),
        ("'x' in extras and 'd' not in dependency_groups", "'d' not in dependency_groups and 'x' in extras"),
    ],
)
def test_markers_become_short(text: str, written: str | None) -> None:
    diagrams = Diagrams([text])
    assert diagrams.written(diagrams.marker(text)) == written


def test_a_platform_is_not_two_at_once() -> None:
    diagrams = Diagrams(["sys_platform == 'win32'", "sys_platform == 'linux'"])
    both = diagrams.marker("sys_platform == 'win32' and sys_platform == 'linux'")
    assert both != NOWHERE
    assert not diagrams.is_possible(both)
    with pytest.raises(ValueError, match="the marker never holds"):
        diagrams.written(both)


def test_equal_sets_have_equal_numbers() -> None:
    diagrams = Diagrams(["python_version < '3.9'", "sys_platform == 'win32'"])
    one = diagrams.marker("python_version < '3.9' and sys_platform == 'win32'")
    assert one == diagrams.marker("sys_platform == 'win32' and (python_full_version < '3.9' or python_version < '3.9')")
    assert diagrams.marker(None) == EVERYWHERE


def test_a_comparison_can_stand_for_something_else() -> None:
    diagrams = Diagrams(["extra == 'x' or os_name == 'nt'", "'x' in extras"])
    meant = diagrams.marker("'x' in extras")
    found = diagrams.marker("extra != 'x' or os_name == 'nt'", lambda atom: meant if atom.variable == "extra" else None)
    assert diagrams.written(found) == "'x' not in extras or os_name == 'nt'"


def test_what_has_no_opposite() -> None:
    diagrams = Diagrams(["platform_release ~= '5.1'"])
    found = diagrams.negated(diagrams.marker("platform_release ~= '5.1'"))
    with pytest.raises(MarkerError, match=r"no marker says the opposite of `platform_release ~= '5\.1'`"):
        diagrams.written(found)


def test_markers_that_are_too_many_to_be_real() -> None:
    texts = [f"platform_version == '{number}'" for number in range(301)]
    with pytest.raises(MarkerError, match="its markers compare with more than 300 values"):
        Diagrams(texts)


def test_markers_that_explode() -> None:
    """Pairs that are ordered apart make a diagram of their disjunction grow without bounds."""
    texts = [f"'{number}' in platform_release and '{number}' in platform_version" for number in range(30)]
    with pytest.raises(MarkerError, match="its markers combine in too many ways"):
        Diagrams(texts).marker(joined(texts, "or"))
