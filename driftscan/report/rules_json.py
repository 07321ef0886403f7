"""The list of rules for programs: `driftscan.rules/1`."""

from __future__ import annotations

from collections.abc import Sequence

from driftscan.report.json import Value, dumps
from driftscan.report.view import View
from driftscan.rules.page import family
from driftscan.rules.rule import Rule

SCHEMA = "driftscan.rules/1"


def render(rules: Sequence[Rule], view: View) -> str:  # noqa: ARG001 (every format is called alike)
    return dumps({"schema": SCHEMA, "rules": [rule_object(rule) for rule in rules]})


def rule_object(rule: Rule) -> dict[str, Value]:
    return {
        "code": rule.code,
        "slug": rule.slug,
        "severity": rule.severity.value,
        "family": family(rule),
        "summary": rule.summary,
    }
