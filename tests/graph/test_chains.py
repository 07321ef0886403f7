"""Shortest chains: real ways, all of them, none longer than needed."""

from __future__ import annotations

import networkx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.utils import canonicalize_name

from driftscan.graph import DependencyGraph
from driftscan.graph.chains import MOST, shortest
from driftscan.graph.view import whole
from driftscan.model.dependencies import Dependencies, Kind, Link, Node, Start
from driftscan.model.lock import Scope, ScopeKind
from driftscan.report.why_text import way
from tests.builders.locks import edge, lock, package


def ways(graph: Dependencies, name: str) -> list[str]:
    (node,) = graph.find(canonicalize_name(name))
    return [way(graph, chain) for chain in shortest(graph, node).chains]


def test_all_shortest_ways_with_their_conditions() -> None:
    made = lock(
        [
            package("shop", edge("web"), edge("data", extra="x"), edge("far"), member=True),
            package("web", edge("idna", marker="os_name == 'nt'")),
            package("data", edge("idna")),
            package("far", edge("further")),
            package("further", edge("idna")),
            package("idna"),
        ],
        [edge("shop")],
    )
    assert ways(whole(DependencyGraph.build([made])), "idna") == [
        "shop > web > idna (if os_name == 'nt')",
        "shop > data (its extra x) > idna",
    ]


def test_an_extra_counts_only_where_it_is_asked_for() -> None:
    packages = [
        package("shop", edge("http"), edge("web"), member=True),
        package("web", edge("http", extras=["h2"])),
        package("http", edge("h2", extra="h2")),
        package("h2"),
    ]
    graph = whole(DependencyGraph.build([lock(packages, [edge("shop")])]))
    assert ways(graph, "h2") == ["shop > web > http[h2] > h2 (extra h2)"]
    assert ways(graph, "http") == ["shop > http"]


def test_a_start_has_a_chain_without_links() -> None:
    graph = whole(DependencyGraph.build([lock([package("shop", member=True)], [edge("shop")])]))
    assert ways(graph, "shop") == ["shop"]


def test_only_so_many_are_listed_and_all_are_counted() -> None:
    middle = [package(f"m{number}", edge("goal")) for number in range(40)]
    roots = package("shop", *(edge(f"m{number}") for number in range(40)), member=True)
    graph = whole(DependencyGraph.build([lock([roots, *middle, package("goal")], [edge("shop")])]))
    (goal,) = graph.find(canonicalize_name("goal"))
    found = shortest(graph, goal)
    assert (len(found.chains), found.total) == (MOST, 40)


def test_long_chains_do_not_exhaust_the_stack() -> None:
    packages = [package(f"p{number}", edge(f"p{number + 1}")) for number in range(3000)]
    graph = whole(DependencyGraph.build([lock([*packages, package("p3000")], [edge("p0")])]))
    (goal,) = graph.find(canonicalize_name("p3000"))
    assert len(shortest(graph, goal).chains[0].links) == 3000


PAIRS = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=20, unique=True)


@pytest.mark.parametrize("goal", [0, 7])
@given(pairs=PAIRS, roots=st.frozensets(st.integers(0, 7), min_size=1, max_size=3))
def test_they_are_those_that_networkx_finds(goal: int, pairs: list[tuple[int, int]], roots: frozenset[int]) -> None:
    graph = Dependencies(
        title="t",
        kind=Kind.LOCKED,
        nodes=tuple(Node(name=canonicalize_name(f"n{number}"), version="1") for number in range(8)),
        links=tuple(Link(source=a, target=b) for a, b in sorted(pairs) if a != b),
        starts=tuple(Start(target=root) for root in sorted(roots)),
    )
    network: networkx.DiGraph[object] = networkx.DiGraph()
    network.add_nodes_from(range(8))
    network.add_edges_from(pairs)
    network.add_edges_from(("root", root) for root in roots)
    expected = {
        tuple(path[1:])
        for path in (
            networkx.all_shortest_paths(network, "root", goal) if networkx.has_path(network, "root", goal) else []
        )
    }
    found = shortest(graph, goal)
    assert found.total == len(expected)
    paths = [(chain.start.target, *(link.target for link in chain.links)) for chain in found.chains]
    assert len(set(paths)) == len(paths)
    assert set(paths) <= expected
    assert len(paths) == min(len(expected), MOST)


def test_groups_count_for_projects_of_the_lock_only() -> None:
    packages = [
        package("shop", edge("tool", group="dev"), edge("lib"), member=True),
        package("lib", edge("secret", group="dev")),
        package("tool"),
        package("secret"),
    ]
    graph = whole(DependencyGraph.build([lock(packages, [edge("shop")])]))
    assert ways(graph, "tool") == ["shop > tool (group dev)"]
    assert ways(graph, "secret") == []
    assert [link.scope for link in graph.links if link.scope != Scope()] == [Scope(ScopeKind.GROUP, "dev")] * 2
