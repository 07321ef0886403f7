from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.markers import Marker
from packaging.utils import canonicalize_name

from driftscan.errors import LockError
from driftscan.lock.poetry_markers import checked, extras_named, given_extras

FILE = canonicalize_name("file")


def test_names_the_extras_that_are_asked_for() -> None:
    assert extras_named(None) == set()
    assert extras_named("extra == 'A_b' or os_name == 'nt' and extra==\"c\" or extra != 'd'") == {"a-b", "c"}


@pytest.mark.parametrize(
    ("marker", "left"),
    [
        (None, None),
        ("extra == 'file'", True),
        ("extra == 'other'", False),
        ("extra != 'file'", False),
        ("os_name == 'nt'", 'os_name == "nt"'),
        ("'nt' in os_name and 'file' == extra", '"nt" in os_name'),
        ("os_name == 'n\"t' and extra == 'file'", "os_name == 'n\"t'"),
        ("os_name == 'nt' or extra == 'file'", True),
        ("(extra == 'other' or extra == 'FILE') and os_name not in 'nt, os2'", 'os_name not in "nt, os2"'),
        ("os_name == 'nt' and (extra == 'file') and os_name == 'posix'", '(os_name == "nt") and (os_name == "posix")'),
        ("os_name == 'nt' and extra == 'file' or extra == 'other'", 'os_name == "nt"'),
    ],
)
def test_takes_the_extra_out(marker: str | None, left: str | bool | None) -> None:
    assert given_extras(marker, {FILE}) == left


@pytest.mark.parametrize("marker", ["os_name ==", "(os_name == 'nt'", "(" * 5000, "colour == 'red'"])
def test_what_is_no_marker_is_named_with_its_place(marker: str) -> None:
    with pytest.raises(LockError) as caught:
        checked(marker, "poetry.lock:12")
    assert str(caught.value).startswith("poetry.lock:12: ")


_ATOM = st.sampled_from(
    ["extra == 'file'", "extra == 'other'", "os_name == 'nt'", "sys_platform == 'linux'", "python_version > '3.9'"]
)
_MARKER = st.recursive(
    _ATOM,
    lambda inner: (
        st.builds("({0}) {1} ({2})".format, inner, st.sampled_from(["and", "or"]), inner)
        | st.builds("{0} {1} {2}".format, inner, st.sampled_from(["and", "or"]), inner)
    ),
    max_leaves=8,
)


@given(_MARKER, st.sampled_from(["nt", "posix"]), st.sampled_from(["linux", "darwin"]))
def test_what_is_left_is_worth_the_same(marker: str, os_name: str, platform: str) -> None:
    environment = {"os_name": os_name, "sys_platform": platform, "python_version": "3.11", "extra": "file"}
    left = given_extras(marker, {FILE})
    worth = left if isinstance(left, bool) or left is None else evaluate(left, environment)
    assert worth == evaluate(marker, environment)


def evaluate(marker: str, environment: Mapping[str, str]) -> bool:
    return Marker(marker).evaluate(dict(environment))
