"""What is selected from locks, why the rest is not, and the way that leads to each package."""

from __future__ import annotations

from dataclasses import replace

import pytest

from driftscan.errors import LockError
from driftscan.graph import DependencyGraph, Selection
from driftscan.lock.document import Document
from driftscan.lock.requirements import parse
from driftscan.model.lock import Choice, Lock, Request, Scope, ScopeKind, SelectionMode, Unchecked
from driftscan.model.target import Target
from tests.builders.locks import LINUX, edge, key, lock, named, names, package

FLAT = SelectionMode.FLAT
WINDOWS_ONLY = "os_name == 'nt'"
POSIX_ONLY = "os_name == 'posix'"
UNTOLD = "sys_platform == 'linux'"


def select(*locks: Lock, request: Request = Request(), target: Target = LINUX) -> Selection:  # noqa: B008  # immutable
    return DependencyGraph.build(locks).select(target, request)


def project() -> Lock:
    """`app` with an extra, two groups and a chain below each."""
    return lock(
        [
            package(
                "app",
                edge("web"),
                edge("pg", extra="postgres"),
                edge("pytest", group="dev"),
                edge("sphinx", group="docs"),
                member=True,
            ),
            package("web", edge("http", extras=("h2",)), edge("colorama", marker=WINDOWS_ONLY)),
            package("http", edge("h2", extra="h2"), edge("socks", extra="socks")),
            package("h2"),
            package("socks"),
            package("colorama", edge("winapi")),
            package("winapi"),
            package("pg", edge("libpq")),
            package("libpq"),
            package("pytest", edge("pluggy")),
            package("pluggy"),
            package("sphinx", edge("pluggy")),
        ],
        [edge("app")],
        default_groups=["dev"],
    )


def test_a_walk_takes_edges_that_hold_and_extras_that_are_asked_for() -> None:
    assert named(select(project()).packages) == ["app", "web", "http", "h2", "pytest", "pluggy"]


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (Request(default_groups=False), ["app", "web", "http", "h2"]),
        (
            Request(extras=frozenset({"postgres"}), default_groups=False),
            ["app", "web", "http", "h2", "pg", "libpq"],
        ),
        (
            Request(groups=frozenset({"docs"}), default_groups=False),
            ["app", "web", "http", "h2", "pluggy", "sphinx"],
        ),
        (Request(groups=frozenset({"docs"})), ["app", "web", "http", "h2", "pytest", "pluggy", "sphinx"]),
        (
            Request(all_extras=True, default_groups=False),
            ["app", "web", "http", "h2", "pg", "libpq"],
        ),
    ],
)
def test_extras_and_groups_add_what_they_name(request_: Request, expected: list[str]) -> None:
    assert named(select(project(), request=request_).packages) == expected


def test_what_is_excluded_has_its_reason() -> None:
    assert {str(each.name): reason for each, reason in select(project()).excluded.items()} == {
        "socks": "nothing that is selected requires it",
        "colorama": f"its marker `{WINDOWS_ONLY}` does not hold",
        "winapi": f"colorama leads to it, and its marker `{WINDOWS_ONLY}` does not hold",
        "pg": "the extra 'postgres' was not asked for",
        "libpq": "pg leads to it, and the extra 'postgres' was not asked for",
        "sphinx": "the group 'docs' was not asked for",
    }


def test_a_package_that_another_edge_leads_to_is_not_excluded() -> None:
    found = select(
        lock(
            [
                package("app", edge("a", marker=WINDOWS_ONLY), edge("b"), member=True),
                package("a"),
                package("b", edge("a")),
            ],
            [edge("app")],
        )
    )
    assert named(found.packages) == ["app", "a", "b"]
    assert found.excluded == {}


def test_extras_that_were_asked_of_selected_packages() -> None:
    found = select(project(), request=Request(extras=frozenset({"postgres"})))
    assert found.extras == {key("app"): {"postgres"}, key("http"): {"h2"}}


def test_a_chain_is_a_shortest_way_from_the_project() -> None:
    found = select(
        lock(
            [
                package("app", edge("a"), edge("b"), member=True),
                package("a", edge("c")),
                package("b", edge("d")),
                package("c", edge("d")),
                package("d", edge("app")),
            ],
            [edge("app")],
        )
    )
    assert found.chain(key("d")) == ("app", "b", "d")
    assert found.chain(key("app")) == ("app",)


def test_of_two_shortest_ways_the_first_written_is_told() -> None:
    for first, second in (("a", "b"), ("b", "a")):
        found = select(
            lock(
                [
                    package("app", edge(first), edge(second), member=True),
                    package("a", edge("c")),
                    package("b", edge("c")),
                    package("c"),
                ],
                [edge("app")],
            )
        )
        assert found.chain(key("c")) == ("app", first, "c")


def test_in_a_flat_lock_root_edges_decide_alone() -> None:
    found = select(
        lock(
            [package("a", edge("b"), edge("c")), package("b", edge("d")), package("c"), package("d")],
            [edge("a"), edge("b"), edge("c", marker=WINDOWS_ONLY), edge("d", extra="x")],
            mode=FLAT,
        )
    )
    assert named(found.packages) == ["a", "b"]
    assert found.excluded == {
        key("c"): f"its marker `{WINDOWS_ONLY}` does not hold",
        key("d"): "the extra 'x' was not asked for",
    }


def test_edges_explain_a_flat_lock() -> None:
    packages = [
        package("top", edge("mid"), edge("off", marker=WINDOWS_ONLY)),
        package("mid", edge("low")),
        package("low"),
        package("off"),
        package("ring", edge("gnir")),
        package("gnir", edge("ring")),
        package("self", edge("self")),
    ]
    found = select(lock(packages, [edge(str(each.id.name)) for each in packages], mode=FLAT))
    assert [found.chain(each.id) for each in packages] == [
        ("top",),
        ("top", "mid"),
        ("top", "mid", "low"),
        ("off",),
        ("ring",),
        ("ring", "gnir"),
        ("self",),
    ]


def test_an_unknown_marker_makes_what_lies_behind_it_unknown() -> None:
    found = select(
        lock(
            [
                package("app", edge("a", marker=UNTOLD), edge("b"), member=True),
                package("a", edge("c"), edge("b")),
                package("b"),
                package("c", edge("w", marker=WINDOWS_ONLY)),
                package("w"),
            ],
            [edge("app")],
        )
    )
    assert named(found.packages) == ["app", "b"]
    assert found.unknown == {key("a"): UNTOLD, key("c"): UNTOLD}
    assert found.excluded == {key("w"): "nothing that is selected requires it"}
    assert found.unchecked == tuple(
        Unchecked(
            f"whether {name} 1 belongs on this target",
            f"the marker `{UNTOLD}` depends on what the image does not tell",
        )
        for name in ("a", "c")
    )


def test_an_extra_behind_an_unknown_marker() -> None:
    found = select(
        lock(
            [
                package("app", edge("a"), edge("a", extras=["x"], marker=UNTOLD), member=True),
                package("a", edge("b", extra="x")),
                package("b"),
            ],
            [edge("app")],
        )
    )
    assert (named(found.packages), found.unknown) == (["app", "a"], {key("b"): UNTOLD})


def test_what_another_lock_selects_is_not_unknown() -> None:
    one = lock([package("a")], [edge("a", marker=UNTOLD)], mode=FLAT)
    two = lock([package("a")], [edge("a")], mode=FLAT, path="b.lock")
    found = select(one, two)
    assert (named(found.packages), found.unknown, found.unchecked) == (["a"], {}, ())


def workspace() -> Lock:
    return lock(
        [
            package("one", edge("a"), edge("pytest", group="dev"), edge("x", extra="more"), member=True),
            package("two", edge("one"), edge("b"), edge("mypy", group="dev"), member=True),
            *(package(name) for name in ("a", "b", "pytest", "mypy", "x")),
        ],
        [edge("one"), edge("two")],
    )


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ((), ["one", "two", "a", "b", "pytest", "mypy", "x"]),
        (("one",), ["one", "a", "pytest", "x"]),
        # `one` is here as a dependency, so its own groups and extras do not count.
        (("two",), ["one", "two", "a", "b", "mypy"]),
    ],
)
def test_members_limit_a_workspace(members: tuple[str, ...], expected: list[str]) -> None:
    asked = Request(groups=frozenset({"dev"}), extras=frozenset({"more"}), packages=names(*members))
    assert named(select(workspace(), request=asked).packages) == expected


def conflicting() -> Lock:
    """`cpu` and `gpu` exclude each other, in uv's encoding."""
    cpu, gpu = "extra == 'extra-3-app-cpu'", "extra == 'extra-3-app-gpu'"
    return lock(
        [
            package(
                "app",
                edge("torch 1", extra="cpu"),
                edge("torch 2", extra="gpu"),
                edge("lib"),
                edge("seldom", marker="extra == 'project-3-app' and extra == 'group-3-app-dev'"),
                edge("pytest", group="dev"),
                member=True,
            ),
            package("lib", edge("torch 1", marker=cpu), edge("torch 2", marker=gpu)),
            package("torch 1", edge("mkl")),
            package("torch 2", edge("cuda")),
            *(package(name) for name in ("mkl", "cuda", "seldom", "pytest")),
        ],
        [edge("app")],
    )


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (Request(), ["app", "lib"]),
        (Request(extras=frozenset({"cpu"})), ["app", "lib", "torch", "mkl"]),
        (Request(extras=frozenset({"gpu"})), ["app", "lib", "torch 2", "cuda"]),
        (Request(groups=frozenset({"dev"})), ["app", "lib", "seldom", "pytest"]),
    ],
)
def test_conflict_atoms_are_known_after_a_walk(request_: Request, expected: list[str]) -> None:
    assert named(select(conflicting(), request=request_).packages) == expected


def test_markers_that_contradict_each_other_are_told() -> None:
    found = select(
        lock(
            [
                package("app", edge("a", extras=["x"], marker="extra != 'extra-1-a-x'"), member=True),
                package("a", edge("b", extra="x")),
                package("b"),
            ],
            [edge("app")],
        )
    )
    assert found.unchecked == (
        Unchecked("which packages of a.lock belong on this target", "its markers on extras contradict each other"),
    )


def test_an_edge_to_several_versions_means_the_one_that_is_there_anyway() -> None:
    packages = [
        package("app", edge("n 1", "n 2"), edge("m"), member=True),
        package("m", edge("n 2")),
        package("n 1"),
        package("n 2"),
    ]
    assert named(select(lock(packages, [edge("app")])).packages) == ["app", "m", "n 2"]


def test_an_edge_to_several_versions_means_the_first_that_fits_the_interpreter() -> None:
    packages = [
        package("app", edge("n 3", "n 2", "n 1"), member=True),
        package("n 3", requires_python=">=3.12"),
        package("n 2", requires_python="anything"),
        package("n 1"),
    ]
    assert named(select(lock(packages, [edge("app")])).packages) == ["app", "n 2"]


def test_several_locks_are_one() -> None:
    one = lock([package("a", edge("x", extra="e")), package("b"), package("x")], [edge("a", extras=["e"])], path="one")
    two = lock(
        [package("b"), package("a", edge("y", extra="f")), package("y")],
        [edge("a", extras=["f"]), edge("b")],
        path="two",
    )
    found = select(one, two)
    assert named(found.packages) == ["a", "x", "b", "y"]
    assert found.excluded == {}
    assert found.extras == {key("a"): {"e", "f"}}
    assert {str(each.name): each_lock.path for each, each_lock in found.lock_of.items()} == {
        "a": "one",
        "x": "one",
        "b": "two",
        "y": "two",
    }
    assert found.packages[key("a")] is one.packages[0]


def test_the_network_holds_every_package_and_edge() -> None:
    network = DependencyGraph.build([project()]).network
    assert sorted(str(node.name) for node in network) == sorted(str(each.id.name) for each in project().packages)
    assert sorted((str(a.name), str(b.name)) for a, b in network.edges()) == [
        ("app", "pg"),
        ("app", "pytest"),
        ("app", "sphinx"),
        ("app", "web"),
        ("colorama", "winapi"),
        ("http", "h2"),
        ("http", "socks"),
        ("pg", "libpq"),
        ("pytest", "pluggy"),
        ("sphinx", "pluggy"),
        ("web", "colorama"),
        ("web", "http"),
    ]


@pytest.mark.parametrize(
    ("request_", "message", "hint"),
    [
        (Request(extras=frozenset({"x"})), "there is no extra 'x' in it", "extras there are: h2, postgres, socks"),
        (Request(groups=frozenset({"b", "a", "dev"})), "there is no group 'a' in it", "groups there are: dev, docs"),
        (
            Request(packages=names("web")),
            "there is no workspace member 'web' in it",
            "workspace members there are: app",
        ),
    ],
)
def test_asking_for_what_no_lock_has(request_: Request, message: str, hint: str) -> None:
    with pytest.raises(LockError) as caught:
        select(project(), lock([], [], path="b.lock"), request=request_)
    error = caught.value
    assert (error.message, error.where, error.hint) == (message, "a.lock, b.lock", hint)


def test_an_empty_lock_has_no_extras_to_name() -> None:
    with pytest.raises(LockError) as caught:
        select(lock([], []), request=Request(extras=frozenset({"x"})))
    assert caught.value.hint == "extras there are: none"


def test_a_default_group_that_the_lock_does_not_have_is_no_error() -> None:
    assert named(select(lock([package("app", member=True)], [edge("app")], default_groups=["dev"])).packages) == ["app"]


def declared_conflicts() -> Lock:
    """A project whose extras `cpu` and `gpu` conflict, and whose group `dev` conflicts with `gpu`."""
    made = lock(
        [
            package(
                "app", edge("torch 1", extra="cpu"), edge("torch 2", extra="gpu"), edge("six", group="dev"), member=True
            ),
            package("torch 1"),
            package("torch 2"),
            package("six"),
        ],
        [edge("app")],
        default_groups=["dev"],
    )
    app = made.packages[0].id.name
    cpu, gpu = (Choice(app, Scope(ScopeKind.EXTRA, name)) for name in ("cpu", "gpu"))
    dev = Choice(app, Scope(ScopeKind.GROUP, "dev"))
    return replace(made, conflicts=(frozenset((cpu, gpu)), frozenset((gpu, dev))))


def test_one_of_a_conflicting_set_is_selected() -> None:
    assert named(select(declared_conflicts(), request=Request(extras=frozenset(["cpu"]))).packages) == [
        "app",
        "torch",
        "six",
    ]


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (
            Request(extras=frozenset(["cpu", "gpu"]), default_groups=False),
            "the extra 'cpu' of app and the extra 'gpu' of app conflict, so they cannot be asked for together",
        ),
        (
            Request(extras=frozenset(["gpu"])),
            "the extra 'gpu' of app and the group 'dev' of app conflict, so they cannot be asked for together",
        ),
    ],
)
def test_what_conflicts_is_not_selected_together(request_: Request, message: str) -> None:
    with pytest.raises(LockError) as caught:
        select(declared_conflicts(), request=request_)
    assert (caught.value.message, caught.value.where) == (message, "a.lock")


def test_exclusive_groups_replace_the_default_one() -> None:
    made = lock(
        [package("cpu"), package("gpu")],
        [edge("cpu", group="default"), edge("gpu", group="cuda")],
        mode=FLAT,
        default_groups=["default"],
    )
    made = replace(made, exclusive_groups=True)
    assert named(select(made).packages) == ["cpu"]
    assert named(select(made, request=Request(groups=frozenset(["cuda"]))).packages) == ["gpu"]


def test_an_entry_without_a_version_has_the_specifiers_of_the_lines_that_apply() -> None:
    data = b"""\
a<2 ; os_name == "nt"
a>=2 ; os_name == "posix"
a!=2.1 ; python_version >= "3.11"
a!=2.2 ; platform_machine == "x86_64"
b<2 ; os_name == "nt"
b ; os_name == "posix"
c==1.*
"""
    selection = select(parse(Document("requirements.txt", data)))
    assert {each.id.name: each.specifier for each in selection.packages.values()} == {
        "a": ">=2,!=2.1",
        "b": "",
        "c": "==1.*",
    }
