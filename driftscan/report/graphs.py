"""What `graph`, `why` and `diff` can write, by the name of the format; the other commands start without these."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TypeAlias

from driftscan.graph.chains import Chains
from driftscan.model.dependencies import Dependencies
from driftscan.model.differences import Differences
from driftscan.report import (
    diff_json,
    diff_text,
    graph_dot,
    graph_html,
    graph_json,
    graph_mermaid,
    graph_tree,
    why_json,
    why_text,
)
from driftscan.report.view import View

RenderGraph: TypeAlias = Callable[[Dependencies, View, int | None], str]
RenderDiff: TypeAlias = Callable[[Differences, View], str]
RenderWhy: TypeAlias = Callable[[str, Sequence[tuple[Dependencies, Sequence[Chains]]], View], str]

GRAPH_FORMATS: Mapping[str, RenderGraph] = MappingProxyType(
    {
        "tree": graph_tree.render,
        "dot": graph_dot.render,
        "mermaid": graph_mermaid.render,
        "json": graph_json.render,
        "html": graph_html.render,
    }
)

WHY_FORMATS: Mapping[str, RenderWhy] = MappingProxyType({"text": why_text.render, "json": why_json.render})

DIFF_FORMATS: Mapping[str, RenderDiff] = MappingProxyType({"text": diff_text.render, "json": diff_json.render})
