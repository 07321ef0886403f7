"""Locks and requests as hypothesis makes them: one project with extras and groups, and what it requires."""

from __future__ import annotations

from typing import TypeAlias

from hypothesis import strategies as st

from driftscan.model.lock import Dependency, Lock, Request, SelectionMode
from tests.builders.locks import edge, lock, package

Asked: TypeAlias = tuple[frozenset[str], frozenset[str], bool]
"""Extras, groups, and whether the default groups are meant."""
NAMES = ("app", "lib", "a", "b", "c", "d", "e")
MARKERS = (None, None, "os_name == 'posix'", "os_name == 'nt'", "python_version < '3.12'")
PARTS = ("x", "y")


@st.composite
def edges(draw: st.DrawFn, *, own: bool) -> Dependency:
    marker = draw(st.sampled_from((*MARKERS, "sys_platform == 'linux'")))
    extras = draw(st.frozensets(st.sampled_from(PARTS), max_size=1))
    extra = draw(st.sampled_from((None, None, *PARTS)))
    group = draw(st.sampled_from((None, None, *PARTS))) if own and extra is None else None
    return edge(draw(st.sampled_from(NAMES)), marker=marker, extras=extras, extra=extra, group=group)


@st.composite
def locks(draw: st.DrawFn) -> Lock:
    packages = [
        package(name, *draw(st.lists(edges(own=name == "app"), max_size=4)), member=name == "app") for name in NAMES
    ]
    mode = draw(st.sampled_from(SelectionMode))
    return lock(packages, [edge("app"), *draw(st.lists(edges(own=True), max_size=3))], mode=mode, default_groups=["y"])


requests: st.SearchStrategy[Asked] = st.builds(
    lambda extras, groups, default: (extras, groups, default),
    st.frozensets(st.sampled_from(PARTS)),
    st.frozensets(st.sampled_from(PARTS)),
    st.booleans(),
)


def request(subject: Lock, asked: Asked) -> Request:
    """What is asked for, as far as the lock has it."""
    extras, groups, default = asked
    return Request(extras=extras & subject.extras, groups=groups & subject.groups, default_groups=default)
