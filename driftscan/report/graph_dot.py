"""A dependency graph in the DOT language (graphviz.org/doc/info/lang.html)."""

from __future__ import annotations

from driftscan.model.dependencies import Dependencies
from driftscan.report.escape import plain
from driftscan.report.graph_words import asked, keys, link_condition
from driftscan.report.view import View


def render(graph: Dependencies, view: View, depth: int | None = None) -> str:  # noqa: ARG001 (all are called alike)
    """A digraph; starts have a bold frame, links under a condition are dashed and say it."""
    names = keys(graph)
    starts = {start.target for start in graph.starts}
    lines = [
        f"digraph {_quoted(graph.title)} {{",
        "  rankdir=LR;",
        '  node [shape=box, style=rounded, fontname="Helvetica"];',
        '  edge [fontname="Helvetica", fontsize=10];',
    ]
    for position, node in enumerate(graph.nodes):
        style = ', style="rounded,bold"' if position in starts else ""
        lines.append(f"  {_quoted(names[position])} [label={_quoted(node.title)}{style}];")
    for link in graph.links:
        label = asked("", link.extras, link.specifier).strip()
        when = link_condition(link)
        text = ", ".join(part for part in (label, when) if part)
        attributes = [*([f"label={_quoted(text)}"] if text else []), *(["style=dashed"] if when else [])]
        ends = f"{_quoted(names[link.source])} -> {_quoted(names[link.target])}"
        lines.append(f"  {ends} [{', '.join(attributes)}];" if attributes else f"  {ends};")
    return "\n".join((*lines, "}")) + "\n"


def _quoted(text: str) -> str:
    """A double-quoted identifier; a backslash would begin an escape sequence of labels."""
    return '"' + plain(text).replace("\\", "\\\\").replace('"', '\\"') + '"'
