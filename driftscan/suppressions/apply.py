"""Findings and the entries that accept them: which findings do not count, and what is wrong with the entries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import date
from typing import NamedTuple

from driftscan.finding import Finding, Report
from driftscan.fingerprint import fingerprints
from driftscan.rules import order
from driftscan.rules.rule import Draft, Rule
from driftscan.rules.suppressions import EXPIRED, UNEXPLAINED, UNUSED
from driftscan.suppressions.entries import Entry, Index


class Judged(NamedTuple):
    """A report and the entries that are for it, the first of which that matches a finding and holds is its excuse."""

    report: Report
    entries: tuple[Entry, ...]


def applied(
    judged: Sequence[Judged],
    *,
    today: date,
    asked: Collection[str],
    undecided: Collection[Entry] = frozenset(),
) -> tuple[Report, ...]:
    """The reports of one run, with what their entries accept on the day `today`.

    `asked` are the codes of the rules that were run: an entry that matches nothing is unused only if all of its rules
    were, and if it is not `undecided`, as one is that is also for targets that the run did not see. What is wrong with
    an entry stands in the reports that it matches something in; where it matches nothing at all, in the first of those
    that it is for.
    """
    runs = [_marked(each, today) for each in judged]
    said = {entry for run in runs for entry in run.matched}
    finished: list[Report] = []
    for run in runs:
        mine = [entry for entry in run.entries if entry in run.matched or entry not in said]
        said.update(mine)
        cases = [_Case(entry, run.matched[entry], entry not in undecided) for entry in mine]
        about = [finding for case in cases for finding in _about(case, today, asked) if finding.rule in asked]
        finished.append(replace(run.report, findings=tuple(sorted((*run.report.findings, *about), key=order))))
    return tuple(finished)


class _Run(NamedTuple):
    """A report with its excuses; `matched` counts what each entry matches, whether or not it still holds."""

    report: Report
    entries: tuple[Entry, ...]
    matched: Counter[Entry]


class _Case(NamedTuple):
    """An entry, the number of findings it matches, and whether it could be told to match nothing."""

    entry: Entry
    matched: int
    is_decided: bool


def _marked(judged: Judged, today: date) -> _Run:
    report, entries = judged.report, tuple(dict.fromkeys(judged.entries))
    index = Index(entries)
    matched: Counter[Entry] = Counter()
    findings: list[Finding] = []
    for finding, mark in zip(report.findings, fingerprints(report.findings), strict=True):
        matching = index.matching(finding, mark)
        matched.update(matching)
        holding = next((entry for entry in matching if entry.holds(today)), None)
        findings.append(finding if holding is None else replace(finding, suppression=holding.suppression))
    return _Run(replace(report, findings=tuple(findings)), entries, matched)


def _about(case: _Case, today: date, asked: Collection[str]) -> Iterator[Finding]:
    """What is wrong with an entry. One that has expired is not looked at further: it is to be decided anew."""
    entry = case.entry
    if not entry.holds(today):
        yield _finding(EXPIRED, entry, _expired(case))
        return
    if not case.matched and case.is_decided and all(rule.code in asked for rule in entry.rules):
        yield _finding(UNUSED, entry, f"the suppression of {entry.title} matches nothing")
    if entry.reason is None:
        yield _finding(UNEXPLAINED, entry, f"the suppression of {entry.title} has no reason")


def _expired(case: _Case) -> str:
    entry = case.entry
    noted = [part for part in (entry.reason, f"owner: {entry.owner}" if entry.owner else None) if part]
    again = f", and {case.matched} finding{'s' * (case.matched > 1)} count{'s' * (case.matched == 1)} again"
    said = f"the suppression of {entry.title} expired on {entry.expires}"
    return said + (again if case.matched else "") + (f" ({'; '.join(noted)})" if noted else "")


def _finding(rule: Rule, entry: Entry, message: str) -> Finding:
    # What it is for, and not where it stands, makes it the same entry tomorrow.
    subject = (entry.title, entry.fingerprint or "")
    return rule.finding(Draft(message=message, package=entry.package, location=entry.location, subject=subject))
