"""A dependency graph as a Mermaid flowchart (mermaid.js.org/syntax/flowchart.html)."""

from __future__ import annotations

from driftscan.model.dependencies import Dependencies
from driftscan.report.escape import plain
from driftscan.report.graph_words import asked, link_condition
from driftscan.report.view import View

_ENTITIES = str.maketrans({character: f"#{ord(character)};" for character in '"#<>&;`[](){}|\\'})
"""Mermaid's own entities: `#`, the code point in decimal, `;`."""


def render(graph: Dependencies, view: View, depth: int | None = None) -> str:  # noqa: ARG001 (all are called alike)
    """Links under a condition are dotted and say it; starts are rounded."""
    starts = {start.target for start in graph.starts}
    lines = ["flowchart LR"]
    for position, node in enumerate(graph.nodes):
        opening, closing = ('(["', '"])') if position in starts else ('["', '"]')
        lines.append(f"  n{position}{opening}{_escaped(node.title)}{closing}")
    for link in graph.links:
        when = link_condition(link)
        text = ", ".join(part for part in (asked("", link.extras, link.specifier).strip(), when) if part)
        arrow = "-.->" if when else "-->"
        label = f'|"{_escaped(text)}"|' if text else ""
        lines.append(f"  n{link.source} {arrow}{label} n{link.target}")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return plain(text).translate(_ENTITIES)
