"""A dependency graph as one page that works by itself: no request leaves it."""

from __future__ import annotations

import html

from driftscan.model.dependencies import Dependencies, Node
from driftscan.report.escape import plain
from driftscan.report.graph_page import SCRIPT, STYLE
from driftscan.report.graph_words import asked, keys, link_condition, start_condition
from driftscan.report.page import page
from driftscan.report.view import View

_BODY = """<header><h1>{title}</h1><span>{counts}</span></header>
<nav aria-label="Packages">
<input type="search" placeholder="Search packages" aria-label="Search packages"><ul></ul></nav>
<main><svg role="img" aria-label="Dependency graph"><g></g></svg>
<div><button type="button" data-does="out" aria-label="Zoom out">-</button>
<button type="button" data-does="in" aria-label="Zoom in">+</button>
<button type="button" data-does="fit">Fit</button></div></main>
<aside aria-live="polite"></aside>"""


def render(graph: Dependencies, view: View, depth: int | None = None) -> str:  # noqa: ARG001 (all are called alike)
    counts = f"{len(graph.nodes)} packages, {len(graph.links)} requirements"
    if not graph.has_links:
        counts = f"{len(graph.nodes)} packages; the lock does not record which requires which"
    body = _BODY.format(title=html.escape(plain(graph.title)), counts=counts)
    return page(title=graph.title, style=STYLE, body=body, data=_data(graph), script=SCRIPT)


def _data(graph: Dependencies) -> object:
    return {
        "nodes": [
            {"id": plain(name), "kind": "member" if node.is_member else "", "facts": _facts(node)}
            for name, node in zip(keys(graph), graph.nodes, strict=True)
        ],
        "links": [
            {
                "source": link.source,
                "target": link.target,
                "asked": plain(asked("", link.extras, link.specifier).strip()),
                "when": plain(link_condition(link)),
            }
            for link in graph.links
        ],
        "starts": [{"target": start.target, "when": plain(start_condition(start))} for start in graph.starts],
    }


def _facts(node: Node) -> list[str]:
    facts = [node.origin] if node.origin else []
    if node.layer is not None:
        facts.append(f"layer {node.layer.index}: {node.layer.created_by or '(no instruction recorded)'}")
    if node.path:
        facts.append(node.path)
    return list(map(plain, facts))
