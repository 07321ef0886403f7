"""Nodes, links and starts of a dependency graph in words, the same in every format."""

from __future__ import annotations

from collections.abc import Sequence

from driftscan.model.dependencies import Dependencies, Link, Node, Start
from driftscan.model.lock import Scope, ScopeKind


def asked(name: str, extras: Sequence[str], specifier: str) -> str:
    """A requirement without its marker: `pandas[performance]>=2`."""
    brackets = f"[{','.join(extras)}]" if extras else ""
    gap = " " if specifier and specifier[0].isalnum() else ""
    return f"{name}{brackets}{gap}{specifier}"


def condition(marker: str | None, scopes: Sequence[Scope]) -> str:
    """`extra postgres, if sys_platform == 'win32'`; empty where nothing is asked."""
    parts = [f"{scope.kind} {scope.name}" for scope in scopes if scope.kind is not ScopeKind.PRODUCTION]
    if marker:
        parts.append(f"if {marker}")
    return ", ".join(parts)


def link_condition(link: Link) -> str:
    return condition(link.marker, (link.scope,))


def start_condition(start: Start) -> str:
    return condition(start.marker, start.scopes)


def keys(graph: Dependencies) -> tuple[str, ...]:
    """A name for each node that no other has: name and version, numbered where these are not enough."""
    seen: dict[str, int] = {}
    found = []
    for node in graph.nodes:
        count = seen[node.title] = seen.get(node.title, 0) + 1
        found.append(node.title if count == 1 else f"{node.title} ({count})")
    return tuple(found)


def details(node: Node) -> str:
    """Where a node comes from, if that is worth a word: another source than an index, the layer."""
    parts = [node.origin] if node.origin else []
    if node.layer is not None:
        parts.append(f"layer {node.layer.index}")
    return ", ".join(parts)
