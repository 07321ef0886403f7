"""What there is to say of the rules that a report names."""

from __future__ import annotations

from driftscan.finding import Finding, Severity
from driftscan.rules import RULES
from driftscan.rules.rule import Rule

_BY_CODE = {rule.code: rule for rule in RULES}


def of_code(code: str) -> Rule | None:
    """The rule's own documentation; None for findings that no rule of a comparison made."""
    return _BY_CODE.get(code)


def default_severity(finding: Finding) -> Severity:
    rule = of_code(finding.rule)
    return rule.severity if rule is not None else finding.severity
