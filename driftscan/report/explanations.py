"""The formats in which rules are explained and listed, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TypeAlias

from driftscan.report import explain_json, explain_markdown, explain_text, rules_json, rules_markdown, rules_text
from driftscan.report.view import View
from driftscan.rules.page import Explained
from driftscan.rules.rule import Rule

RenderPages: TypeAlias = Callable[[Sequence[Explained], View], str]
RenderRules: TypeAlias = Callable[[Sequence[Rule], View], str]

EXPLAIN_FORMATS: Mapping[str, RenderPages] = MappingProxyType(
    {"text": explain_text.render, "json": explain_json.render, "markdown": explain_markdown.render}
)
"""What `explain` can write."""

RULES_FORMATS: Mapping[str, RenderRules] = MappingProxyType(
    {"text": rules_text.render, "json": rules_json.render, "markdown": rules_markdown.render}
)
"""What `rules` can write."""
