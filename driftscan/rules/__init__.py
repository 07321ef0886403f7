"""The rules: which there are, and how they are run."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from driftscan.compare import Comparison
from driftscan.errors import UsageError
from driftscan.finding import Finding
from driftscan.rules import drift, integrity, lock, native
from driftscan.rules.rule import Rule

RULES: tuple[Rule, ...] = (*lock.RULES, *drift.RULES, *native.RULES, *integrity.RULES)
"""All rules, in the order of their codes."""


def chosen(select: Sequence[str] = (), ignore: Sequence[str] = ()) -> tuple[Rule, ...]:
    """The rules that `select` and `ignore` leave: codes or their beginnings (`DR`, `IN4`, `DR202`), or slugs.

    No selection means all, and `ignore` wins. Raises UsageError for a name that means no rule.
    """
    for name in (*select, *ignore):
        if not any(_is_called(rule, name) for rule in RULES):
            raise UsageError(f"there is no rule {name!r}", hint=_hint(name))
    return tuple(
        rule
        for rule in RULES
        if (not select or any(_is_called(rule, name) for name in select))
        and not any(_is_called(rule, name) for name in ignore)
    )


def run(comparison: Comparison, rules: Sequence[Rule] = RULES) -> tuple[Finding, ...]:
    """Findings of `rules`, worst first; the same comparison gives the same findings in the same order."""
    return tuple(sorted((finding for rule in rules for finding in rule.findings(comparison)), key=_order))


def _is_called(rule: Rule, name: str) -> bool:
    return rule.slug == name.lower() or rule.code.startswith(name.upper())


def _hint(name: str) -> str:
    close = difflib.get_close_matches(name.upper(), [rule.code for rule in RULES], n=1) or difflib.get_close_matches(
        name.lower(), [rule.slug for rule in RULES], n=1
    )
    families = sorted({rule.code[:2] for rule in RULES})
    return f"did you mean {close[0]}?" if close else f"the families are {', '.join(families)}"


def _order(finding: Finding) -> tuple[int, str, str, str, str]:
    return (finding.severity.rank, finding.package or "", finding.rule, finding.message, finding.path or "")
