"""The list of rules for people: a line each, by family."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from driftscan.finding import Severity
from driftscan.report.text import NARROW, SEVERITY_STYLES
from driftscan.report.view import Span, Style, View, wrap
from driftscan.rules.page import family
from driftscan.rules.rule import Rule

_SEVERITY = max(len(severity.value) for severity in Severity)


def render(rules: Sequence[Rule], view: View) -> str:
    slug = max((len(rule.slug) for rule in rules), default=0)
    blocks = [
        [view.paint(title, Style.STRONG), *(line for rule in found for line in _lines(rule, slug, view))]
        for title, found in groupby(rules, key=family)
    ]
    return "\n\n".join("\n".join(block) for block in blocks) + "\n"


def _lines(rule: Rule, slug: int, view: View) -> list[str]:
    severity = view.paint(rule.severity.value, SEVERITY_STYLES[rule.severity])
    if view.width < NARROW:
        summary = wrap([Span(rule.summary)], view, first="    ", rest="    ")
        return [f"  {rule.code} {rule.slug} {view.separator} {severity}", *summary]
    label = f"  {rule.code}  {rule.slug:{slug}}  {rule.severity.value:{_SEVERITY}}  "
    first, *others = wrap([Span(rule.summary)], view, first=label, rest=" " * len(label))
    return [first.replace(rule.severity.value, severity, 1), *others]
