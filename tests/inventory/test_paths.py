from __future__ import annotations

import posixpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftscan.inventory import paths

SEGMENTS = st.lists(st.sampled_from(["", ".", "..", "a", "b.c", ".d", "..e"]), max_size=8).map("/".join)


@given(base=st.sampled_from(["", "opt", "opt/venv/lib"]), path=SEGMENTS)
def test_join_is_what_posixpath_does_and_never_leaves(base: str, path: str) -> None:
    joined = paths.join(base, path)
    expected = posixpath.normpath(posixpath.join("/", base, path)).lstrip("/")
    depth = 0 if path.startswith("/") else len([part for part in base.split("/") if part])
    for part in path.split("/"):
        depth += -1 if part == ".." else part not in ("", ".")
        if depth < 0:
            assert joined is None
            return
    assert joined == expected


@pytest.mark.parametrize(
    ("path", "shown", "parent", "name"),
    [("a/b", "/a/b", "a", "b"), ("/a", "/a", "", "a"), ("a", "/a", "", "a"), ("", "/", "", "")],
)
def test_parts_of_a_path(path: str, shown: str, parent: str, name: str) -> None:
    assert (paths.shown(path), paths.parent(path), paths.name(path)) == (shown, parent, name)
