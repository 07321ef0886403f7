"""What rules mean, for programs: `driftscan.rules/1`. Texts are Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from driftscan.report.json import Value, dumps
from driftscan.report.rules_json import SCHEMA, rule_object
from driftscan.report.view import View
from driftscan.rules.page import Example, Explained


def render(explained: Sequence[Explained], view: View) -> str:  # noqa: ARG001 (every format is called alike)
    return dumps({"schema": SCHEMA, "rules": [_object(each) for each in explained]})


def _object(explained: Explained) -> dict[str, Value]:
    rule, page = explained.rule, explained.page
    return rule_object(rule) | {
        "why": f"{rule.why}\n\n{page.wrong}",
        "evidence": rule.evidence,
        "limits": page.unknown,
        "severities": page.severity,
        "remedy": f"{rule.remedy}\n\n{page.remedy}",
        "bad": _example(page.bad),
        "good": _example(page.good),
    }


def _example(example: Example) -> dict[str, Value]:
    return {
        "files": dict(example.files),
        "command": f"driftscan {example.command}",
        "findings": list(example.findings),
    }
