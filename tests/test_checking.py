"""Locks alone: which targets and which parts of a lock a check looks at."""

from __future__ import annotations

from dataclasses import replace

import pytest

from driftscan.api.checking import Place, check, everything
from driftscan.finding import Verdict
from driftscan.model.lock import Artifact, Choice, Hash, Lock, Request, Scope, ScopeKind, Unchecked
from driftscan.platforms import target
from tests.builders.comparisons import edge as requirement
from tests.builders.comparisons import files, locked
from tests.builders.comparisons import lock as flat
from tests.builders.locks import edge, lock, package


def found(lock: Lock) -> list[str]:
    return [f"{finding.rule} {finding.message}" for finding in check([lock]).findings]


def two_pins(first: str | None, second: str | None) -> Lock:
    one, other = locked("numpy", "1.26.4", line=1), locked("numpy", "2.1.0", line=2)
    made = flat(one, other)
    roots = tuple(replace(root, marker=marker) for root, marker in zip(made.roots, (first, second), strict=True))
    return replace(made, roots=roots)


def test_a_clean_lock() -> None:
    report = check([flat(locked("idna"), locked("six"))])
    assert (report.verdict, report.locked, report.installed, report.matching) == (Verdict.CLEAN, 2, None, None)
    assert (report.target, report.environment, report.judged_for) == (None, None, None)


def test_pins_whose_markers_exclude_each_other_do_not_conflict() -> None:
    assert found(two_pins("python_version < '3.10'", "python_version >= '3.10'")) == []
    assert found(two_pins("sys_platform == 'win32'", "sys_platform != 'win32'")) == []


def test_pins_whose_markers_overlap_conflict_on_an_example() -> None:
    assert found(two_pins("python_version < '3.11'", "python_version >= '3.10'")) == [
        "LK106 numpy is pinned to 1.26.4, 2.1.0 for the same target, such as CPython 3.10.1 on linux x86_64"
    ]
    assert found(two_pins("platform_machine == 'aarch64'", "sys_platform == 'linux'")) == [
        "LK106 numpy is pinned to 1.26.4, 2.1.0 for the same target, such as CPython 3.13.5 on linux aarch64"
    ]


def test_a_named_target_is_the_only_one() -> None:
    pins = two_pins("python_version < '3.11'", "python_version >= '3.10'")
    judged = Place(target=target("3.13", "linux"), words="CPython 3.13 on linux")
    report = check([pins], judged=judged)
    assert (report.findings, report.judged_for) == ((), "CPython 3.13 on linux")


def test_a_pin_that_another_contradicts() -> None:
    six = locked("six", "1.16")
    dateutil = locked("dateutil", "2.0", (six.artifacts[0],), requirement("six", ">=1.17", six))
    assert found(flat(dateutil, six)) == ["LK112 dateutil 2.0 requires six>=1.17, and the lock pins 1.16"]


def test_what_one_of_many_targets_leaves_open_is_no_matter() -> None:
    lock_ = replace(flat(locked("idna"), markers={"idna": "platform_release == '5'"}), unchecked=(Unchecked("a", "b"),))
    report = check([lock_])
    assert report.unchecked == (Unchecked("a", "b"),)
    assert report.verdict is Verdict.INCOMPLETE


def test_everything_is_one_request_where_nothing_conflicts() -> None:
    made = lock(
        [
            package("app", edge("six", extra="x"), edge("idna", group="dev"), member=True),
            package("six"),
            package("idna"),
        ],
        [edge("app")],
    )
    (request,) = everything([made])
    assert request == Request(extras=frozenset(["x"]), groups=frozenset(["dev"]), default_groups=False)


def test_members_are_asked_for_as_well() -> None:
    made = lock([package("app", member=True), package("tool", member=True)], [edge("app")])
    first, second = everything([made])
    assert (first.packages, second.packages) == (frozenset(), frozenset(["app", "tool"]))


def test_conflicting_parts_are_asked_for_one_after_the_other() -> None:
    app = package("app", edge("torch 1", extra="cpu"), edge("torch 2", extra="gpu"), member=True)
    made = lock([app, package("torch 1"), package("torch 2")], [edge("app")])
    choices = [Choice(app.id.name, Scope(ScopeKind.EXTRA, name)) for name in ("cpu", "gpu")]
    apart = replace(made, conflicts=(frozenset(choices),))
    assert [sorted(request.extras) for request in everything([apart])] == [["cpu"], ["gpu"]]
    assert "LK106" in str(found(made))
    assert "LK106" not in str(found(apart))


def test_exclusive_groups_are_asked_for_one_after_the_other() -> None:
    made = lock([package("six"), package("idna")], [edge("six", group="default"), edge("idna", group="cuda")])
    requests = everything([replace(made, exclusive_groups=True)])
    assert [sorted(request.groups) for request in requests] == [["cuda"], ["default"]]


@pytest.mark.parametrize(
    ("python", "required", "messages"),
    [
        ("3.10", ">=3.11", ["LK110 the lock is for Python >=3.11, the target has 3.10"]),
        ("3.11", ">=3.11", []),
        ("3.11", ">=3.11.4", []),
        ("3.11.3", ">=3.11.4", ["LK110 the lock is for Python >=3.11.4, the target has 3.11.3"]),
        ("3.12", "<3.12", ["LK110 the lock is for Python <3.12, the target has 3.12"]),
        ("3.12", "==3.12.*", []),
    ],
)
def test_the_python_of_a_named_target(python: str, required: str, messages: list[str]) -> None:
    judged = Place(target=target(python, "linux"), words=python)
    report = check([flat(locked("idna"), requires_python=required)], judged=judged)
    assert [f"{finding.rule} {finding.message}" for finding in report.findings] == messages


def test_files_without_names_tell_nothing_about_a_target() -> None:
    hashed = (Artifact(hashes=(Hash("sha256", "ab" * 32),)),)
    made = flat(
        locked("idna", "3.10", hashed),
        locked("six", "1.16", hashed),
        locked("attrs", "1.0", files("attrs-1.0-py3-none-any.whl")),
    )
    assert check([made]).unchecked == ()
    assert check([made], judged=Place(target=target("3.12", "linux"))).unchecked == (
        Unchecked(
            "whether the target can install 2 packages of requirements.txt",
            "the lock names no files of theirs, only hashes",
        ),
    )
