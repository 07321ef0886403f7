"""A dependency graph as an indented tree; what was shown above is not shown again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from driftscan.model.dependencies import Dependencies, Kind, Link, Node
from driftscan.report.escape import plain
from driftscan.report.graph_words import details, link_condition, start_condition
from driftscan.report.view import Style, View

_AGAIN = "(*)"


class _Strokes(NamedTuple):
    branch: str
    last: str
    line: str
    gap: str


_UNICODE = _Strokes("├── ", "└── ", "│   ", "    ")
_ASCII = _Strokes("|-- ", "`-- ", "|   ", "    ")


def render(graph: Dependencies, view: View, depth: int | None = None) -> str:
    """The tree below each start, at most `depth` levels deep; `(*)` marks a node whose links were shown before."""
    tree = _Tree(graph, view, depth)
    lines = [view.paint(plain(graph.title), Style.STRONG), *tree.lines()]
    if not graph.has_links:
        lines += ["", view.paint("This lock does not record which package requires which.", Style.FAINT)]
    elif tree.repeated:
        lines += ["", view.paint(f"{_AGAIN} what it requires stands above", Style.FAINT)]
    return "\n".join(lines) + "\n"


class _Tree:
    def __init__(self, graph: Dependencies, view: View, depth: int | None) -> None:
        self.repeated = False
        self._graph = graph
        self._view = view
        self._depth = depth
        self._strokes = _UNICODE if view.unicode else _ASCII
        self._outgoing = graph.outgoing()
        self._shown: set[int] = set()

    def lines(self) -> list[str]:
        """Depth first without recursion: a chain can be longer than Python's stack."""
        lines: list[str] = []
        starts = self._graph.starts
        pending = [
            (start.target, self._text(start.target, "", start_condition(start)), "", position == len(starts) - 1, 0)
            for position, start in enumerate(starts)
        ]
        pending.reverse()
        while pending:
            node, text, indent, is_last, level = pending.pop()
            links = self._links(node, level)
            again = bool(links) and node in self._shown
            self.repeated = self.repeated or again
            stroke = self._strokes.last if is_last else self._strokes.branch
            lines.append(f"{self._faint(indent + stroke)}{text}{self._faint(f' {_AGAIN}') if again else ''}")
            if again:
                continue
            self._shown.add(node)
            below = indent + (self._strokes.gap if is_last else self._strokes.line)
            for position, link in reversed(list(enumerate(links))):
                described = self._text(link.target, _requirement(link), link_condition(link))
                pending.append((link.target, described, below, position == len(links) - 1, level + 1))
        return lines

    def _links(self, node: int, level: int) -> Sequence[Link]:
        return self._outgoing[node] if self._depth is None or level < self._depth else ()

    def _text(self, position: int, requirement: str, when: str) -> str:
        node = self._graph.nodes[position]
        facts = [fact for fact in (requirement, when, _facts(node, self._graph.kind)) if fact]
        shown = plain(str(node.name)) + (f" {plain(node.version)}" if node.version else "")
        return shown + (self._faint(f"  {plain(', '.join(facts))}") if facts else "")

    def _faint(self, text: str) -> str:
        return self._view.paint(text, Style.FAINT)


def _requirement(link: Link) -> str:
    brackets = f"[{','.join(link.extras)}]" if link.extras else ""
    return f"{brackets} {link.specifier}".strip()


def _facts(node: Node, kind: Kind) -> str:
    return "" if node.is_member and kind is Kind.LOCKED else details(node)
