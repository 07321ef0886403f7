"""The shortest ways that lead to a package."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeAlias

from driftscan.model.dependencies import Dependencies, Link, Start
from driftscan.model.lock import ScopeKind

MOST = 25
"""Chains of one package that are listed."""

_State: TypeAlias = tuple[int, str]
"""A node, and the extra that it was reached with (empty: itself)."""


@dataclass(frozen=True, slots=True)
class Chain:
    """A way from a start over links, each of which begins where the one before it ends."""

    start: Start
    links: tuple[Link, ...]


@dataclass(frozen=True, slots=True)
class Chains:
    """All shortest ways to one node, at most `MOST` of them; `total` is how many there are."""

    target: int
    chains: tuple[Chain, ...]
    total: int


def shortest(graph: Dependencies, target: int) -> Chains:
    """The shortest chains from any start to the node with the index `target`; none where nothing leads to it.

    An extra's links count only on the way through something that asks for that extra, except for a project that the
    lock was made for.
    """
    distance, before = _search(graph)
    goal = (target, "")
    if goal not in distance:
        return Chains(target, (), 0)
    counts: dict[_State, int] = {}
    for state in sorted(distance, key=lambda each: distance[each]):
        counts[state] = len(before[state][0]) + sum(counts[came] for came, _ in before[state][1])
    return Chains(target, tuple(islice(_chains(goal, before), MOST)), counts[goal])


_Before: TypeAlias = Mapping[_State, tuple[Sequence[Start], Sequence[tuple[_State, Link]]]]


def _search(graph: Dependencies) -> tuple[Mapping[_State, int], _Before]:
    """Distances of states from the starts, and for each state how a shortest way can enter it."""
    outgoing = graph.outgoing()
    distance: dict[_State, int] = {}
    before: dict[_State, tuple[list[Start], list[tuple[_State, Link]]]] = {}
    pending: deque[_State] = deque()
    for start in graph.starts:
        for state in _entered(start.target, start.extras, _own_extras(graph, outgoing, start)):
            if state not in distance:
                distance[state] = 0
                before[state] = ([], [])
                pending.append(state)
            before[state][0].append(start)
    while pending:
        state = pending.popleft()
        for link in outgoing[state[0]]:
            if not _counts(link, state, graph):
                continue
            for entered in _entered(link.target, link.extras, ()):
                if entered not in distance:
                    distance[entered] = distance[state] + 1
                    before[entered] = ([], [])
                    pending.append(entered)
                if distance[entered] == distance[state] + 1:
                    before[entered][1].append((state, link))
    return distance, before


def _own_extras(graph: Dependencies, outgoing: Sequence[Sequence[Link]], start: Start) -> Sequence[str]:
    """Extras of a project that the lock was made for are there to be asked for."""
    if not graph.nodes[start.target].is_member:
        return ()
    return sorted({link.scope.name for link in outgoing[start.target] if link.scope.kind is ScopeKind.EXTRA})


def _entered(node: int, extras: Sequence[str], own: Sequence[str]) -> Iterator[_State]:
    yield node, ""
    for extra in dict.fromkeys((*extras, *own)):
        yield node, extra


def _counts(link: Link, state: _State, graph: Dependencies) -> bool:
    node, extra = state
    if link.scope.kind is ScopeKind.GROUP:
        return not extra and graph.nodes[node].is_member
    return link.scope.name == extra


def _chains(goal: _State, before: _Before) -> Iterator[Chain]:
    """From the goal back to the starts, the first way into each state first."""
    pending: list[tuple[_State, tuple[Link, ...]]] = [(goal, ())]
    while pending:
        state, rest = pending.pop()
        starts, links = before[state]
        for start in starts:
            yield Chain(start, rest)
        pending += [(came, (link, *rest)) for came, link in reversed(links)]
