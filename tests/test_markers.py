"""Markers: packaging is the judge wherever it has an answer, Kleene's tables where a variable is unknown."""

from __future__ import annotations

import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.markers import Marker, UndefinedComparison
from packaging.utils import canonicalize_name

from driftscan import markers
from driftscan.errors import MarkerError

LINUX = {
    "implementation_name": "cpython",
    "implementation_version": "3.11.4",
    "os_name": "posix",
    "platform_machine": "x86_64",
    "platform_python_implementation": "CPython",
    "platform_release": "5.15.0-91-generic",
    "platform_system": "Linux",
    "platform_version": "#101-Ubuntu SMP",
    "python_full_version": "3.11.4",
    "python_version": "3.11",
    "sys_platform": "linux",
}
VERSIONS = ("2.7", "3", "3.9", "3.10", "3.11", "3.11.4", "3.12.0rc1", "5.15", "3.*", "3.11.*", "3.9, 3.11", "later", "")
WORDS = ("linux", "win32", "cpython", "CPython", "posix", "nt", "x86_64 aarch64", "Linux", "#101-Ubuntu SMP", "")
OPERATORS = ("==", "!=", "<", "<=", ">", ">=", "~=", "===", "in", "not in")
EXTRAS = ("foo", "Foo_Bar", "baz.qux")

environments = st.fixed_dictionaries(
    {
        **{name: st.sampled_from((value, "", "other")) for name, value in LINUX.items()},
        "python_version": st.sampled_from(("2.7", "3.9", "3.10", "3.11", "3.12")),
        "python_full_version": st.sampled_from(("3.9.18", "3.10.0", "3.11.4", "3.12.0rc1", "3.13.0a2+")),
        "implementation_version": st.sampled_from(("3.11.4", "7.3.12")),
        "platform_release": st.sampled_from(("5.15.0-91-generic", "6.1", "")),
    }
)
quotes = st.sampled_from(("'", '"'))


@st.composite
def comparisons(draw: st.DrawFn) -> str:
    name = draw(st.sampled_from(sorted(LINUX)))
    quote = draw(quotes)
    literal = f"{quote}{draw(st.sampled_from(VERSIONS + WORDS))}{quote}"
    operator = draw(st.sampled_from(OPERATORS))
    left, right = draw(st.permutations((name, literal)))
    return f"{left} {operator} {right}"


@st.composite
def extra_comparisons(draw: st.DrawFn) -> str:
    value = draw(st.sampled_from((*EXTRAS, "foo-bar", "")))
    left, right = draw(st.permutations(("extra", f"'{value}'")))
    return f"{left} {draw(st.sampled_from(('==', '!=')))} {right}"


def compounds(leaves: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.recursive(
        leaves,
        lambda parts: st.tuples(st.lists(parts, min_size=2, max_size=4), st.sampled_from((" and ", " or "))).flatmap(
            lambda drawn: st.sampled_from((drawn[1].join(drawn[0]), f"({drawn[1].join(drawn[0])})"))
        ),
        max_leaves=8,
    )


@given(comparisons(), environments)
def test_a_comparison_is_decided_as_packaging_decides_it(text: str, environment: dict[str, str]) -> None:
    try:
        expected: bool | None = Marker(text).evaluate(environment)
    except UndefinedComparison:
        # packaging gives up on these where a side is no version.
        match = re.fullmatch(r"(\w+|'.*'|\".*\") (~=|===) (\w+|'.*'|\".*\")", text)
        assert match is not None
        left, right = (environment.get(side, side.strip("'\"")) for side in (match[1], match[3]))
        expected = left == right if match[2] == "===" else None
    assert markers.evaluate(text, environment) is expected


@given(compounds(comparisons().filter(lambda text: "~=" not in text and "===" not in text)), environments)
def test_and_or_and_parentheses_nest_as_in_packaging(text: str, environment: dict[str, str]) -> None:
    assert markers.evaluate(text, environment) is Marker(text).evaluate(environment)


@given(compounds(extra_comparisons()), st.sampled_from((*EXTRAS, "")))
def test_one_extra_means_what_it_means_to_packaging(text: str, extra: str) -> None:
    asked = frozenset((extra.lower().replace("_", "-").replace(".", "-"),)) if extra else frozenset[str]()
    # packaging before 26.3 forgets to normalise names that stand in parentheses.
    judged = re.sub(r"'(.*?)'", lambda match: f"'{canonicalize_name(match[1])}'", text)
    assert markers.evaluate(text, LINUX, extras=asked) is Marker(judged).evaluate({**LINUX, "extra": extra})


@given(
    compounds(
        st.sampled_from(("extras", "dependency_groups")).flatmap(
            lambda name: st.sampled_from((f"'foo' in {name}", f"'Foo_Bar' not in {name}"))
        )
    ),
    st.frozensets(st.sampled_from(("foo", "foo-bar"))),
    st.frozensets(st.sampled_from(("foo", "foo-bar"))),
)
def test_sets_of_lock_files_are_those_of_packaging(text: str, extras: frozenset[str], groups: frozenset[str]) -> None:
    expected = Marker(text).evaluate({"extras": extras, "dependency_groups": groups}, context="lock_file")
    assert markers.evaluate(text, LINUX, extras=extras, groups=groups) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("python_full_version == '3.13.0a2'", True),
        ("'3.13.0a2' == python_full_version", False),
        ("'3.*' != python_full_version", False),
        ("python_full_version < '3.13'", False),
        ("python_full_version <= '3.13.0a2'", True),
        ("python_full_version in '3.13.0a2+'", False),
    ],
)
def test_a_python_built_from_a_checkout_has_a_local_version(text: str, expected: bool) -> None:
    """As it has for installers: `3.13.0a2+` alone is no version."""
    environment = {**LINUX, "python_full_version": "3.13.0a2+"}
    assert markers.evaluate(text, environment) is Marker(text).evaluate(environment) is expected


KNOWN, NOT, UNKNOWN = "os_name == 'posix'", "os_name == 'nt'", "sys_platform == 'linux'"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (UNKNOWN, None),
        ("'linux' == sys_platform", None),
        ("sys_platform in 'linux darwin'", None),
        ("python_version >= '3.8'", None),
        (f"{UNKNOWN} and {KNOWN}", None),
        (f"{UNKNOWN} and {NOT}", False),
        (f"{NOT} and {UNKNOWN}", False),
        (f"{UNKNOWN} or {KNOWN}", True),
        (f"{KNOWN} or {UNKNOWN}", True),
        (f"{UNKNOWN} or {NOT}", None),
        (f"({UNKNOWN} or {KNOWN}) and {KNOWN}", True),
        (f"({UNKNOWN} and {NOT}) or {UNKNOWN}", None),
        ("os_name == sys_platform", None),
        (f"extra == 'a' and {UNKNOWN}", False),
    ],
)
def test_what_depends_on_an_absent_variable_is_unknown(text: str, expected: bool | None) -> None:
    assert markers.evaluate(text, {"os_name": "posix"}) is expected


@given(compounds(comparisons()), environments, st.frozensets(st.sampled_from(sorted(LINUX))))
def test_knowing_more_never_reverses_an_answer(text: str, environment: dict[str, str], absent: frozenset[str]) -> None:
    # One of the two tells something of the other.
    environment["python_version"] = ".".join(environment["python_full_version"].split(".")[:2])
    partial = {name: value for name, value in environment.items() if name not in absent}
    answer = markers.evaluate(text, partial)
    assert answer is None or answer is markers.evaluate(text, environment)


def test_no_marker_always_holds() -> None:
    assert markers.evaluate(None, {}) is True


@pytest.mark.parametrize(
    ("text", "extras", "expected"),
    [
        ("extra == 'a' and extra == 'b'", {"a", "b"}, True),
        ("extra == 'a' and extra == 'b'", {"a"}, False),
        ("extra == 'extra-3-foo-a' and extra == 'group-3-foo-b'", {"extra-3-foo-a", "group-3-foo-b"}, True),
        ("extra != 'a'", {"a", "b"}, False),
        ("extra in 'a b'", {"b"}, True),
        ("extra not in 'a b'", {"b"}, False),
        ("extra == ''", set(), True),
        ("extra != ''", set(), False),
        ("extra == ''", {"a"}, False),
        ("'A_b' in extras", {"a-b"}, True),
        ("extra == 'A_b'", {"a-b"}, True),
        ("('A_b' != extra)", {"a-b"}, False),
    ],
)
def test_extras_are_a_set(text: str, extras: set[str], expected: bool) -> None:
    assert markers.evaluate(text, {}, extras=extras) is expected


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("os.name", "os_name"),
        ("sys.platform", "sys_platform"),
        ("platform.version", "platform_version"),
        ("platform.machine", "platform_machine"),
        ("platform.python_implementation", "platform_python_implementation"),
        ("python_implementation", "platform_python_implementation"),
    ],
)
def test_old_names_of_variables(old: str, new: str) -> None:
    assert markers.parse(f"{old} == 'x'") == markers.parse(f"{new} == 'x'")


def test_a_marker_of_the_greatest_nesting_is_read() -> None:
    depth = markers.MAX_NESTING
    assert markers.evaluate("(" * depth + KNOWN + ")" * depth, LINUX) is True


DEEP = "(" * 65 + KNOWN + ")" * 65


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "it ends too early"),
        ("   ", "it ends too early"),
        ("os_name", "it ends too early"),
        ("os_name ==", "it ends too early"),
        ("os_name == 'posix' and", "it ends too early"),
        ("os_name == 'posix", "a quote is not closed: 'posix"),
        ("os_name == \"posix'", "a quote is not closed: \"posix'"),
        ("os_name = 'posix'", "unexpected = 'posix'"),
        ("os_name == 'posix' or or", "or is no environment variable of markers"),
        ("(os_name == 'posix'", "a parenthesis is not closed"),
        ("os_name == 'posix')", "unexpected )"),
        ("os_name is 'posix'", "is is no comparison"),
        ("os_name not 'posix'", "not is no comparison"),
        ("hostname == 'x'", "hostname is no environment variable of markers"),
        ("'a' == 'b'", "it compares two literals"),
        ("extra < 'b'", "extra is a set, and < compares by order"),
        ("extra == os_name", "extra is compared with a variable"),
        ("os_name == 'posix' os_name", "unexpected os_name"),
        (DEEP, "it is nested more than 64 levels deep"),
    ],
)
def test_what_does_not_parse_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(MarkerError) as caught:
        markers.parse(text)
    assert caught.value.message == f"the marker `{text}` does not parse: {reason}"


def test_a_long_marker_is_shown_in_part() -> None:
    with pytest.raises(MarkerError) as caught:
        markers.parse("x" * 300)
    assert caught.value.message.startswith(f"the marker `{'x' * 200}…` does not parse: ")


def test_a_marker_of_absurd_length_is_refused() -> None:
    with pytest.raises(MarkerError, match=r"^a marker of 70,000 characters is too long to be real$"):
        markers.parse(" " * 70_000)


@pytest.mark.parametrize("text", ["python_version >= '{}'", "'{}' <= platform_release"])
def test_a_version_of_5000_digits_is_refused_where_it_is_read(text: str) -> None:
    with pytest.raises(MarkerError, match=r"does not parse: 99999999999999999999… is too long to be a version$"):
        markers.parse(text.format("9" * 5000))


@pytest.mark.parametrize("text", ["python_version >= '3.8'", "'3.8' <= python_version"])
def test_a_target_with_a_version_of_5000_digits_is_not_taken_for_a_version(text: str) -> None:
    assert markers.evaluate(text, {"python_version": "9" * 5000}) is False


@given(st.text(alphabet="()'\"<>=!~ andornotiexsympl_38.,\n\\", max_size=60))
def test_any_text_is_a_marker_or_an_error(text: str) -> None:
    with contextlib.suppress(MarkerError):
        markers.evaluate(text, LINUX)
