"""Why a package is there, for people: each version of it with the shortest ways that lead to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from packaging.utils import canonicalize_name

from driftscan.graph.chains import Chain, Chains
from driftscan.model.dependencies import Dependencies, Kind, Node
from driftscan.model.lock import ScopeKind
from driftscan.report.graph_words import asked, link_condition, start_condition
from driftscan.report.view import Span, Style, View, wrap

_FEW = 5
"""Chains that are shown of each version, unless everything is asked for."""


def render(name: str, answers: Sequence[tuple[Dependencies, Sequence[Chains]]], view: View) -> str:
    """One block for each lock or image, in the order in which they were named."""
    blocks = [_block(name, graph, found, view) for graph, found in answers]
    return "\n\n".join("\n".join(block) for block in blocks) + "\n"


def _block(name: str, graph: Dependencies, found: Sequence[Chains], view: View) -> list[str]:
    lines = wrap([Span(graph.title, Style.STRONG)], view)
    if not found:
        return [*lines, *wrap([Span(_absent(name, graph))], view, first="  ", rest="    ")]
    for chains in found:
        node = graph.nodes[chains.target]
        facts = (Span(f"{view.separator} {fact}", Style.FAINT) for fact in _facts(node))
        lines += wrap([Span(node.title), *facts], view, first="  ", rest="    ")
        lines += _ways(graph, chains, view)
    return lines


def _absent(name: str, graph: Dependencies) -> str:
    if graph.kind is Kind.LOCKED:
        return f"{name} is not locked"
    places = graph.elsewhere(canonicalize_name(name))
    if not places:
        return f"{name} is not installed"
    return f"{name} is not in {graph.place}; it is in {', '.join(places)}, see --environment {places[0]}"


def _facts(node: Node) -> Iterator[str]:
    if node.origin:
        yield node.origin
    if node.layer is not None:
        yield f"layer {node.layer.index}: {node.layer.created_by or '(no instruction recorded)'}"


def _ways(graph: Dependencies, chains: Chains, view: View) -> list[str]:
    if not graph.has_links:
        return wrap([Span("the lock does not record what requires it", Style.FAINT)], view, first="    ", rest="    ")
    if not chains.chains:
        return wrap([Span("nothing leads to it", Style.FAINT)], view, first="    ", rest="    ")
    if all(not chain.links for chain in chains.chains):
        reason = "it is what the lock was made for" if graph.nodes[chains.target].is_member else _own(graph, chains)
        return wrap([Span(reason, Style.FAINT)], view, first="    ", rest="    ")
    shown = chains.chains if view.verbose or len(chains.chains) <= _FEW + 1 else chains.chains[:_FEW]
    lines = [line for chain in shown for line in wrap([Span(way(graph, chain))], view, first="    ", rest="      ")]
    if left := chains.total - len(shown):
        more = f"and {left} more" + ("" if view.verbose else " (-v shows more)")
        lines += wrap([Span(more, Style.FAINT)], view, first="    ", rest="    ")
    return lines


def _own(graph: Dependencies, chains: Chains) -> str:
    if graph.kind is Kind.INSTALLED:
        return "nothing that is installed requires it"
    when = start_condition(chains.chains[0].start)
    return f"nothing that is locked requires it; it was asked for itself{f' ({when})' if when else ''}"


def way(graph: Dependencies, chain: Chain) -> str:
    """`shop > pandas[performance]>=2 > numpy>=1.26 (if python_version < "3.13")`."""
    start = chain.start
    is_member = graph.nodes[start.target].is_member
    parts = [_part(asked(graph.nodes[start.target].name, start.extras, start.specifier), start_condition(start))]
    for link in chain.links:
        own = is_member and link.scope.kind is ScopeKind.EXTRA and link is chain.links[0]
        when = link_condition(link)
        shown = when.replace("extra ", "its extra ", 1) if own else when
        parts.append(_part(asked(graph.nodes[link.target].name, link.extras, link.specifier), shown))
    return " > ".join(parts)


def _part(text: str, when: str) -> str:
    return f"{text} ({when})" if when else text
