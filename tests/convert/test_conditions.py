"""`driftscan.convert.conditions`: markers that select on every target what a walk for that target selects."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given, settings
from packaging.utils import canonicalize_name

from driftscan import markers
from driftscan.convert.conditions import Condition, conditions, supports
from driftscan.errors import LockError
from driftscan.graph import DependencyGraph
from driftscan.model.lock import Lock, PackageId, Request, SelectionMode
from driftscan.model.target import Target
from driftscan.platforms import target
from tests.builders.generated import Asked, locks, request, requests
from tests.builders.locks import edge, lock, package

PLACES = [target(python, system) for python, system in product(("3.11.4", "3.13.1"), ("linux", "macos", "windows"))]


def installed(found: dict[PackageId, Condition], place: Target, asked: Request, subject: Lock) -> set[PackageId]:
    groups = asked.groups | (subject.default_groups if asked.default_groups else frozenset())
    extras = frozenset(map(canonicalize_name, asked.extras))
    return {
        key
        for key, condition in found.items()
        if markers.evaluate(condition.marker, place.markers, extras=extras, groups=groups)
    }


def selected(subject: Lock, place: Target, asked: Request) -> set[PackageId]:
    return set(DependencyGraph.build([subject]).select(place, asked).packages)


@given(locks(), requests)
@settings(max_examples=60)
def test_conditions_of_a_request_select_what_a_walk_selects(subject: Lock, asked: Asked) -> None:
    wanted = request(subject, asked)
    found = dict(conditions(subject, wanted))
    for place in PLACES:
        assert installed(found, place, Request(), subject) == selected(subject, place, wanted)
    assert list(found) == [each.id for each in subject.packages if each.id in found]


@given(locks(), requests)
@settings(max_examples=60)
def test_open_conditions_select_what_a_walk_selects_for_any_request(subject: Lock, asked: Asked) -> None:
    found = dict(conditions(subject, None))
    wanted = request(subject, asked)
    for place in PLACES:
        assert installed(found, place, wanted, subject) == selected(subject, place, wanted)


@given(locks(), requests)
@settings(max_examples=40)
def test_within_an_environment(subject: Lock, asked: Asked) -> None:
    wanted = request(subject, asked)
    within = "python_version < '3.12' and sys_platform == 'linux'"
    found = dict(conditions(subject, wanted, within))
    assert installed(found, PLACES[0], Request(), subject) == selected(subject, PLACES[0], wanted)
    texts = " ".join(condition.marker or "" for condition in found.values())
    assert "python_full_version" not in texts
    assert "sys_platform" not in texts


@given(locks(), requests)
@settings(max_examples=40)
def test_extras_are_those_that_are_asked_for_whenever_the_package_is_there(subject: Lock, asked: Asked) -> None:
    wanted = request(subject, asked)
    graph = DependencyGraph.build([subject])
    for key, condition in conditions(subject, wanted).items():
        for place in PLACES:
            selection = graph.select(place, wanted)
            if key in selection.packages:
                assert condition.extras <= selection.extras.get(key, frozenset())


def written(subject: Lock, asked: Request | None = None) -> dict[str, str | None]:
    return {key.name: condition.marker for key, condition in conditions(subject, asked).items()}


def test_conditions_are_joined_along_the_way() -> None:
    subject = lock(
        [
            package("app", edge("a", marker="sys_platform == 'win32'"), edge("b"), member=True),
            package("a", edge("c", marker="python_version < '3.12'")),
            package("b", edge("c", marker="sys_platform == 'win32'")),
            package("c"),
            package("unreached"),
        ],
        [edge("app")],
    )
    assert written(subject) == {"app": None, "a": "sys_platform == 'win32'", "b": None, "c": "sys_platform == 'win32'"}


def test_what_the_lock_does_not_support_is_not_asked() -> None:
    subject = lock(
        [package("app", edge("a", marker="python_version < '3.9'"), edge("b", marker="python_version >= '3.9'"))],
        [edge("app"), edge("c", marker="sys_platform == 'win32'")],
    )
    subject = replace(
        subject,
        packages=(*subject.packages, package("a"), package("b"), package("c")),
        requires_python=">=3.10",
        environments=("sys_platform == 'linux'", "sys_platform == 'darwin'"),
    )
    assert written(subject) == {"app": None, "b": None}


def test_extras_of_uv_that_exclude_each_other() -> None:
    """uv writes which of several versions an extra means as a marker on the extra."""
    subject = lock(
        [
            package(
                "app",
                edge("a 1", marker="extra == 'extra-3-app-old'", extra="old"),
                edge("a 2", marker="extra == 'extra-3-app-new' and extra != 'extra-3-app-old'", extra="new"),
                edge("b", marker="extra == 'group-3-app-dev' or extra == 'project-5-other'"),
                edge("b", group="dev"),
                member=True,
            ),
            package("a 1"),
            package("a 2"),
            package("b"),
        ],
        [edge("app")],
    )
    found = {str(key): condition.marker for key, condition in conditions(subject, None).items()}
    assert found == {
        "app 1": None,
        "a 1": "'old' in extras",
        "a 2": "'new' in extras and 'old' not in extras",
        "b 1": "'dev' in dependency_groups",
    }


def test_an_edge_that_can_mean_several_packages() -> None:
    subject = lock([package("a 1"), package("a 2")], [edge("a 1", "a 2")])
    with pytest.raises(LockError) as refused:
        conditions(subject, None)
    assert str(refused.value) == "a.lock: whether a means a 1 or a 2 depends on the target"
    assert refused.value.hint == "convert it for one target: --python 3.12 --python-platform linux"


def test_a_condition_that_no_marker_can_say() -> None:
    subject = lock([package("a")], [edge("a", marker="platform_release ~= '5.1'")], mode=SelectionMode.FLAT)
    assert written(subject) == {"a": "platform_release ~= '5.1'"}
    subject = lock(
        [package("app", edge("a", marker="extra != 'extra-3-lib-x'"), member=True), package("a"), package("lib")],
        [edge("app"), edge("lib", extras=["x"], marker="platform_release ~= '5.1'")],
    )
    with pytest.raises(LockError) as refused:
        conditions(subject, Request())
    assert str(refused.value) == "a.lock: no marker says the opposite of `platform_release ~= '5.1'`"


def test_markers_that_contradict_themselves() -> None:
    subject = lock(
        [package("app", edge("a", extras=["x"], marker="extra != 'extra-1-a-x'"), member=True), package("a")],
        [edge("app")],
    )
    with pytest.raises(LockError) as refused:
        conditions(subject, Request())
    assert str(refused.value) == "a.lock: its markers on extras contradict each other"


@pytest.mark.parametrize(
    ("requires_python", "environments", "supported"),
    [
        (None, (), True),
        (">=3.12", (), True),
        (">=3.13", (), False),
        ("==3.12.4", (), True),
        ("<3.12", (), False),
        (">=3.9", ("sys_platform == 'darwin'",), False),
        (">=3.9", ("sys_platform == 'darwin'", "sys_platform == 'linux'"), True),
        ("nonsense", (), True),
    ],
)
def test_whether_a_lock_is_for_an_environment(
    requires_python: str | None, environments: tuple[str, ...], supported: bool
) -> None:
    subject = replace(lock([], []), requires_python=requires_python, environments=environments)
    place = "python_full_version >= '3.12' and python_full_version < '3.13' and sys_platform == 'linux'"
    assert supports(subject, place) is supported
