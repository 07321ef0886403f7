"""The rules: which there are, and how they are run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import attrgetter

from driftscan.compare import Comparison
from driftscan.finding import Finding, Severity
from driftscan.rules import (
    drift,
    integrity,
    linkage,
    lock,
    native,
    practices,
    resolution,
    runtimes,
    sources,
    suppressions,
)
from driftscan.rules.rule import Rule

_INSTALLED = ("DR", "NW", "IN")
"""Families of rules about what is installed."""
_BY_CODE = attrgetter("code")

RULES: tuple[Rule, ...] = (
    *sorted((*lock.RULES, *resolution.RULES), key=_BY_CODE),
    *sorted((*drift.RULES, *sources.RULES), key=_BY_CODE),
    *native.RULES,
    *linkage.RULES,
    *runtimes.RULES,
    *integrity.RULES,
    *practices.RULES,
    *suppressions.RULES,
)
"""All rules: those about the lock first, then those about what is installed, as the documentation lists them."""


def run(
    comparison: Comparison,
    *,
    select: Sequence[str] | None = None,
    ignore: Sequence[str] = (),
    family: str | tuple[str, ...] = "",
) -> tuple[Finding, ...]:
    """Findings of the rules that `select` and `ignore` leave, worst first; the same comparison gives the same order.

    Both hold codes or their beginnings (`DR`, `IN4`, `DR202`) or slugs; None selects all, and `ignore` wins. Of all
    rules only those whose code begins with `family` are asked.
    """
    found = [
        finding
        for rule in RULES
        if rule.code.startswith(family)
        and (select is None or _is_called(rule, select))
        and not _is_called(rule, ignore)
        for finding in rule.findings(comparison)
    ]
    return tuple(sorted(found, key=order))


def wrong(findings: Iterable[Finding]) -> frozenset[str]:
    """Projects that are not installed as they are locked, whatever their versions say."""
    return frozenset(
        finding.package
        for finding in findings
        if finding.package is not None and finding.severity is Severity.ERROR and finding.rule.startswith(_INSTALLED)
    )


def asked(select: Sequence[str] | None, ignore: Sequence[str]) -> tuple[str, ...]:
    """Codes of the rules that `select` and `ignore` leave, as `run` takes them."""
    return tuple(
        rule.code for rule in RULES if (select is None or _is_called(rule, select)) and not _is_called(rule, ignore)
    )


def named(name: str) -> tuple[Rule, ...]:
    """Rules of this code, beginning of a code, or slug, in upper or lower case."""
    return tuple(rule for rule in RULES if _is_called(rule, (name,)))


def _is_called(rule: Rule, names: Sequence[str]) -> bool:
    return any(rule.slug == name.lower() or rule.code.startswith(name.upper()) for name in names)


def order(finding: Finding) -> tuple[int, str, str, str, str]:
    """The order of findings in a report."""
    return (finding.severity.rank, finding.package or "", finding.rule, finding.message, finding.path or "")
