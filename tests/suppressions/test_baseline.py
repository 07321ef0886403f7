"""Baselines: written, read again, and written once more."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftscan.errors import UsageError
from driftscan.finding import Finding, Report, Severity, Suppression
from driftscan.rules import RULES
from driftscan.suppressions.apply import Judged, applied
from driftscan.suppressions.baseline import Terms, baseline, parse_baseline, render
from driftscan.suppressions.entries import Entry
from driftscan.toml.table import read

TODAY = date(2027, 1, 31)
TERMS = Terms(reason="for now", owner="web team", expires=date(2027, 4, 30))
ALL = frozenset(rule.code for rule in RULES)


def finding(package: str | None, message: str = "x", severity: Severity = Severity.ERROR) -> Finding:
    return Finding(rule="DR203", slug="unexpected", severity=severity, message=message, package=package)


def report(*findings: Finding, fail_on: Severity | None = Severity.ERROR) -> Report:
    return Report(locks=(), target=None, environment=None, locked=2, findings=findings, fail_on=fail_on)


def written(*reports: Report, before: tuple[Entry, ...] = (), terms: Terms = TERMS) -> str:
    return render(baseline(reports, before, terms, path="b.toml", today=TODAY))


def entries(text: str) -> tuple[Entry, ...]:
    return parse_baseline(read(text, "b.toml"))


def test_the_file() -> None:
    found = finding("toolz", "toolz 1.2.0 is installed and not locked")
    assert written(report(found)) == (
        "# Findings that are accepted for now, written by `driftscan baseline`. An entry holds through the day it "
        "expires on.\n"
        "# Written again, the file keeps the entries that are still needed as they are, and loses those that are not.\n"
        "\n"
        'schema = "driftscan.baseline/1"\n'
        "\n"
        "# toolz 1.2.0 is installed and not locked\n"
        "[[suppress]]\n"
        'rule = "DR203"\n'
        'package = "toolz"\n'
        'fingerprint = "9cee5e32d9e90e517832692efdfcf85b"\n'
        'reason = "for now"\n'
        'owner = "web team"\n'
        "expires = 2027-04-30\n"
    )


def test_one_without_findings_has_no_entries() -> None:
    assert entries(written(report())) == ()


def test_what_does_not_fail_or_is_suppressed_already_is_left_out() -> None:
    excused = replace(finding("a"), suppression=Suppression(source="driftscan.toml:1"))
    own = Finding(rule="SU902", slug="suppression-unused", severity=Severity.WARNING, message="m", package="b")
    note, warning = finding("c", severity=Severity.INFO), finding("d", severity=Severity.WARNING)
    assert [each.package for each in entries(written(report(excused, own, note, warning)))] == ["d"]
    strict = report(note, warning, fail_on=Severity.INFO)
    assert [each.package for each in entries(written(strict))] == ["c", "d"]


def test_the_same_finding_in_two_images_is_one_entry() -> None:
    assert len(entries(written(report(finding("toolz")), report(finding("toolz"), finding("six"))))) == 2


def test_written_again_it_keeps_terms_and_loses_what_is_gone() -> None:
    first = entries(written(report(finding("six"), finding("toolz"))))
    later = Terms(reason="later", expires=date(2028, 1, 1))
    again = baseline([report(finding("six"), finding("attrs"))], first, later, path="b.toml", today=TODAY)
    assert [(entry.package, entry.reason) for entry, _ in again.entries] == [("attrs", "later"), ("six", "for now")]
    assert (again.added, again.dropped) == (1, 1)


def test_what_has_expired_is_accepted_anew() -> None:
    first = entries(written(report(finding("six"))))
    again = baseline([report(finding("six"))], first, TERMS, path="b.toml", today=date(2027, 5, 1))
    assert (again.added, again.dropped, len(again.entries)) == (1, 1, 1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            'schema = "driftscan.baseline/2"',
            "b.toml:1: it is written in driftscan.baseline/2, and only driftscan.baseline/1 is known",
        ),
        ("\nsupress = []", "b.toml:2: there is no key of a baseline 'supress'"),
        ("[[suppress]]", "b.toml:1: a suppression has to say what it is for"),
    ],
)
def test_what_is_no_baseline(text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        entries(text)
    assert str(caught.value) == said


anything = st.text(max_size=20)


@given(st.lists(st.builds(finding, st.none() | anything, anything), max_size=5), anything.filter(str.strip), anything)
def test_a_baseline_accepts_what_it_was_written_for_whatever_it_says(
    found: list[Finding], reason: str, owner: str
) -> None:
    text = written(report(*found), terms=Terms(reason=reason, owner=owner or None, expires=TODAY))
    text.encode("utf-8")
    (after,) = applied([Judged(report(*found), entries(text))], today=TODAY, asked=ALL)
    assert len(after.suppressed) == len(found)
    assert after.active == ()
