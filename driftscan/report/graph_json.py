"""A dependency graph for programs: `driftscan.graph/1`. Keys that do not apply are absent."""

from __future__ import annotations

from driftscan.model.dependencies import Dependencies, Link, Node, Start
from driftscan.model.lock import Scope, ScopeKind
from driftscan.report.graph_words import keys
from driftscan.report.json import Value, dumps, layer_object, present, strings
from driftscan.report.view import View

SCHEMA = "driftscan.graph/1"


def render(graph: Dependencies, view: View, depth: int | None = None) -> str:  # noqa: ARG001 (all are called alike)
    names = keys(graph)
    return dumps(
        {
            "schema": SCHEMA,
            "of": {"title": graph.title, "kind": graph.kind.value, "records_links": graph.has_links},
            "nodes": [node_object(name, node) for name, node in zip(names, graph.nodes, strict=True)],
            "links": [link_object(link, names) for link in graph.links],
            "starts": [start_object(start, names) for start in graph.starts],
        }
    )


def node_object(name: str, node: Node) -> Value:
    return {
        "id": name,
        "is_member": node.is_member,
        **present(
            name=node.name,
            version=node.version,
            origin=node.origin,
            path=node.path,
            layer=layer_object(node.layer),
        ),
    }


def link_object(link: Link, names: tuple[str, ...]) -> Value:
    return present(
        source=names[link.source],
        target=names[link.target],
        specifier=link.specifier,
        extras=strings(link.extras),
        marker=link.marker,
        **_scope(link.scope),
    )


def start_object(start: Start, names: tuple[str, ...]) -> Value:
    return present(
        target=names[start.target],
        specifier=start.specifier,
        extras=strings(start.extras),
        marker=start.marker,
        scopes=[present(**_scope(scope)) for scope in start.scopes],
    )


def _scope(scope: Scope) -> dict[str, str]:
    return {scope.kind.value: scope.name} if scope.kind is not ScopeKind.PRODUCTION else {}
