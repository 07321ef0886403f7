"""Graphs to look at: of locks, whole or for a target, and of an environment."""

from __future__ import annotations

from dataclasses import replace

from driftscan.graph import DependencyGraph
from driftscan.graph.installed import installed
from driftscan.graph.view import selected, whole
from driftscan.model.dependencies import Dependencies, Kind
from driftscan.model.lock import Lock, Origin, OriginKind, Request, Scope, ScopeKind, SelectionMode
from tests.builders import comparisons
from tests.builders.locks import LINUX, edge, lock, package


def shown(graph: Dependencies) -> list[str]:
    names = [node.title for node in graph.nodes]
    return [f"{names[link.source]} > {names[link.target]}" for link in graph.links]


def starts(graph: Dependencies) -> list[str]:
    return [graph.nodes[start.target].title for start in graph.starts]


def shop() -> Lock:
    return lock(
        [
            package("shop", edge("web"), edge("pg", extra="postgres"), edge("pytest", group="dev"), member=True),
            package("web", edge("http", extras=["h2"]), edge("winapi", marker="os_name == 'nt'")),
            package("http", edge("h2", extra="h2")),
            package("h2"),
            package("pg"),
            package("pytest"),
            package("winapi"),
        ],
        [edge("shop")],
        default_groups=["dev"],
    )


def test_a_whole_lock() -> None:
    graph = whole(DependencyGraph.build([shop()]))
    assert (graph.title, graph.kind, graph.has_links) == ("a.lock", Kind.LOCKED, True)
    assert starts(graph) == ["shop 1"]
    assert shown(graph) == [
        "http 1 > h2 1",
        "shop 1 > web 1",
        "shop 1 > pg 1",
        "shop 1 > pytest 1",
        "web 1 > http 1",
        "web 1 > winapi 1",
    ]
    (asked,) = [link for link in graph.links if link.extras]
    assert asked.extras == ("h2",)
    assert [link.scope for link in graph.links if link.scope.kind is not ScopeKind.PRODUCTION] == [
        Scope(ScopeKind.EXTRA, "h2"),
        Scope(ScopeKind.EXTRA, "postgres"),
        Scope(ScopeKind.GROUP, "dev"),
    ]


def test_what_is_selected_for_a_target() -> None:
    built = DependencyGraph.build([shop()])
    graph = selected(built, built.select(LINUX, Request()), LINUX)
    assert [node.title for node in graph.nodes] == ["h2 1", "http 1", "pytest 1", "shop 1", "web 1"]
    assert shown(graph) == ["http 1 > h2 1", "shop 1 > web 1", "shop 1 > pytest 1", "web 1 > http 1"]


def test_a_flat_lock_starts_at_what_nothing_requires() -> None:
    made = lock(
        [package("a", edge("b")), package("b"), package("c", edge("d")), package("d", edge("c"))],
        [edge("a", marker="os_name == 'nt'"), edge("b"), edge("c", group="dev"), edge("d")],
        mode=SelectionMode.FLAT,
    )
    graph = whole(DependencyGraph.build([made]))
    assert starts(graph) == ["a 1", "c 1"]  # c and d stand in a circle
    assert graph.starts[0].marker == "os_name == 'nt'"


def test_a_lock_without_links_says_so() -> None:
    graph = whole(DependencyGraph.build([comparisons.lock(comparisons.locked("a"), comparisons.locked("b"))]))
    assert (graph.has_links, starts(graph), graph.links) == (False, ["a 1.0", "b 1.0"], ())


def test_where_a_package_comes_from() -> None:
    origin = Origin(OriginKind.VCS, "https://git.example/a", "0123456789abcdef0123456789abcdef01234567")
    graph = whole(DependencyGraph.build([comparisons.lock(comparisons.locked("a", None, origin=origin))]))
    assert graph.nodes[0].origin == "vcs https://git.example/a at 0123456789ab"


def test_an_environment() -> None:
    place = comparisons.environment(
        comparisons.installed("shop", requires=("web[fast]>=2", "nothere", "win ; sys_platform == 'win32'")),
        comparisons.installed(
            "web",
            requires=("h2 ; extra == 'fast'", "docs ; extra == 'docs'"),
            provides_extras=frozenset(["fast", "docs"]),
        ),
        comparisons.installed("h2"),
        comparisons.installed("docs"),
        comparisons.installed("win"),
    )
    graph = installed(place, "shop:1")
    assert (graph.title, graph.kind) == ("shop:1", Kind.INSTALLED)
    assert shown(graph) == ["shop 1.0 > web 1.0", "web 1.0 > h2 1.0"]
    assert [(link.specifier, link.extras) for link in graph.links] == [(">=2", ("fast",)), ("", ())]
    assert starts(graph) == ["docs 1.0", "shop 1.0", "win 1.0"]


def test_a_shadowed_distribution_is_no_node() -> None:
    twice = comparisons.installed("a", "2.0")
    place = comparisons.environment(comparisons.installed("a"), replace(twice, shadowed_by="/elsewhere"))
    assert [node.version for node in installed(place, "x").nodes] == ["1.0"]
