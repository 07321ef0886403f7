"""The graph of locks to look at: all of it, or what an installer takes from it for one target."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

from driftscan import markers
from driftscan.graph import DependencyGraph, Selection
from driftscan.model.dependencies import Dependencies, Kind, Link, Node, Start
from driftscan.model.lock import Dependency, Lock, OriginKind, Package, PackageId, ScopeKind, SelectionMode
from driftscan.model.target import Target

_Applies: TypeAlias = Callable[[PackageId | None, Dependency], bool]
"""Whether an edge counts: from the package that holds it, or (None) from the root of a lock."""
_PLAIN = (OriginKind.INDEX, OriginKind.CONDA)


def whole(graph: DependencyGraph) -> Dependencies:
    """Everything the locks hold, whatever the target; conditions stand on the links."""
    packages = {package.id: package for lock in graph.locks for package in reversed(lock.packages)}
    return _view(graph.locks, packages, lambda key, edge: True)  # noqa: ARG005  # nothing is left out


def selected(graph: DependencyGraph, selection: Selection, target: Target) -> Dependencies:
    """What `selection` holds, with the links that apply on `target`."""

    def applies(key: PackageId | None, edge: Dependency) -> bool:
        extras = selection.extras.get(key, frozenset()) if key is not None else frozenset()
        if key is not None and edge.scope.kind is ScopeKind.EXTRA and edge.scope.name not in extras:
            return False
        return markers.evaluate(edge.marker, target.markers, extras=extras) is not False

    return _view(graph.locks, selection.packages, applies)


def _view(locks: Sequence[Lock], packages: Mapping[PackageId, Package], applies: _Applies) -> Dependencies:
    keys = sorted(packages, key=_order)
    index = {key: position for position, key in enumerate(keys)}
    links = tuple(_links(keys, packages, index, applies))
    known = any(package.dependencies is not None for package in packages.values())
    return Dependencies(
        title=" ".join(lock.path for lock in locks),
        kind=Kind.LOCKED,
        nodes=tuple(_node(packages[key]) for key in keys),
        links=links,
        starts=tuple(_starts(locks, index, links, applies)),
        has_links=known,
    )


def _order(key: PackageId) -> tuple[str, str, str]:
    return key.name, key.version or "", str(key.origin)


def _node(package: Package) -> Node:
    origin = package.id.origin
    words = None if origin.kind in _PLAIN else f"{origin.kind} {origin.location or '.'}"
    if origin.commit:
        words = f"{words} at {origin.commit[:12]}"
    return Node(name=package.id.name, version=package.id.version, origin=words, is_member=package.is_member)


def _links(
    keys: Iterable[PackageId], packages: Mapping[PackageId, Package], index: Mapping[PackageId, int], applies: _Applies
) -> Iterator[Link]:
    for key in keys:
        for edge in packages[key].dependencies or ():
            for candidate in edge.candidates:
                if candidate in index and candidate != key and applies(key, edge):
                    yield Link(
                        source=index[key],
                        target=index[candidate],
                        specifier=edge.specifier,
                        extras=tuple(sorted(edge.extras)),
                        marker=edge.marker,
                        scope=edge.scope,
                    )


def _starts(
    locks: Sequence[Lock], index: Mapping[PackageId, int], links: Sequence[Link], applies: _Applies
) -> Iterator[Start]:
    """The lock's own roots; in a flat lock, where all are, those that nothing else requires.

    What cannot be reached from these stands in circles that nothing leads to; the first of each is a start as well.
    """
    required = {link.target for link in links}
    asked: dict[int, list[Dependency]] = {}
    for lock in locks:
        for root in lock.roots:
            for key in root.candidates:
                is_own = key in index and (lock.mode is SelectionMode.WALK or index[key] not in required)
                if is_own and applies(None, root):
                    asked.setdefault(index[key], []).append(root)
    following = _following(len(index), links)
    reached = _reached(asked, following)
    for position in range(len(index)):
        if position not in reached:
            asked[position] = []
            reached |= _reached([position], following)
    for position in sorted(asked):
        yield _start(position, asked[position])


def _start(position: int, edges: Sequence[Dependency]) -> Start:
    """Several root edges to one node are one start; a condition counts where all of them have it."""
    markers_ = {edge.marker for edge in edges}
    always = any(edge.scope.kind is ScopeKind.PRODUCTION for edge in edges)
    return Start(
        target=position,
        specifier=next((edge.specifier for edge in edges if edge.specifier), ""),
        extras=tuple(sorted({extra for edge in edges for extra in edge.extras})),
        marker=markers_.pop() if len(markers_) == 1 else None,
        scopes=() if always else tuple(sorted({edge.scope for edge in edges})),
    )


def _following(count: int, links: Iterable[Link]) -> list[list[int]]:
    following: list[list[int]] = [[] for _ in range(count)]
    for link in links:
        following[link.source].append(link.target)
    return following


def _reached(starts: Iterable[int], following: Sequence[Sequence[int]]) -> set[int]:
    pending = deque(starts)
    reached = set(pending)
    while pending:
        for position in following[pending.popleft()]:
            if position not in reached:
                reached.add(position)
                pending.append(position)
    return reached
