"""What suppressions make of reports, and what is said of the suppressions."""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from driftscan.finding import Finding, Location, Report, Severity, Verdict
from driftscan.fingerprint import fingerprints
from driftscan.rules import RULES
from driftscan.suppressions.apply import Judged, applied
from driftscan.suppressions.entries import Entry

TODAY = date(2027, 1, 31)
ALL = frozenset(rule.code for rule in RULES)


def finding(package: str, rule: str = "DR202", severity: Severity = Severity.ERROR) -> Finding:
    return Finding(rule=rule, slug="x", severity=severity, message=f"{rule} of {package}", package=package)


def report(*findings: Finding) -> Report:
    return Report(locks=(), target=None, environment=None, locked=2, findings=findings)


def entry(
    line: int,
    package: str = "six",
    rule: str | None = "DR202",
    expires: date | None = None,
    reason: str | None = "for now",
    owner: str | None = None,
) -> Entry:
    location = Location(path="driftscan.toml", line=line)
    return Entry(location=location, rule=rule, package=package, expires=expires, reason=reason, owner=owner)


def judged(found: Report, *entries: Entry, asked: frozenset[str] = ALL) -> Report:
    (result,) = applied([Judged(found, entries)], today=TODAY, asked=asked)
    return result


def said(found: Report) -> list[tuple[str, str]]:
    return [(each.rule, each.message) for each in found.findings if each.rule.startswith("SU")]


def test_what_is_suppressed_is_there_and_does_not_count() -> None:
    result = judged(report(finding("six")), entry(3, expires=TODAY, owner="web team"))
    (one,) = result.findings
    assert one.suppression == entry(3, expires=TODAY, owner="web team").suppression
    assert one.suppression is not None
    assert one.suppression.source == "driftscan.toml:3"
    assert (result.verdict, result.suppressed) == (Verdict.CLEAN, (one,))


def test_the_day_after_its_last_it_counts_again_and_the_report_says_why() -> None:
    result = judged(report(finding("six")), entry(3, expires=TODAY - timedelta(1), owner="web team"))
    assert result.verdict is Verdict.DRIFT
    assert result.suppressed == ()
    expired = next(each for each in result.findings if each.rule == "SU901")
    assert expired.message == (
        "the suppression of DR202 for six expired on 2027-01-30, and 1 finding counts again (for now; owner: web team)"
    )
    assert (expired.severity, expired.package) == (Severity.ERROR, "six")
    assert expired.location == Location(path="driftscan.toml", line=3)
    assert expired.hint == "fix what it was for and take the entry out, or give it a new `expires`"


def test_one_that_expired_is_told_although_it_matches_nothing() -> None:
    result = judged(report(), entry(3, expires=date(2020, 1, 1), reason=None))
    assert said(result) == [("SU901", "the suppression of DR202 for six expired on 2020-01-01")]


def test_one_that_matches_nothing_is_unused() -> None:
    result = judged(report(finding("idna")), entry(3))
    assert said(result) == [("SU902", "the suppression of DR202 for six matches nothing")]
    assert result.findings[-1].severity is Severity.WARNING


def test_one_whose_rules_were_not_all_asked_is_not_called_unused() -> None:
    locks_only = frozenset(code for code in ALL if code[:2] in ("LK", "SU"))
    assert said(judged(report(), entry(3), asked=locks_only)) == []
    assert said(judged(report(), entry(3, rule=None), asked=locks_only)) == []
    assert said(judged(report(), entry(3, rule="LK"), asked=locks_only)) != []
    assert said(judged(report(), entry(3, rule=None))) != []


def test_one_without_a_reason() -> None:
    result = judged(report(finding("six")), entry(3, reason=None))
    assert said(result) == [("SU903", "the suppression of DR202 for six has no reason")]
    assert len(result.suppressed) == 1


def test_rules_about_suppressions_can_be_left_out() -> None:
    without = ALL - {"SU902"}
    assert said(judged(report(), entry(3), asked=without)) == []


def test_of_several_entries_the_first_that_holds_is_the_excuse_and_all_are_used() -> None:
    entries = [entry(1, expires=date(2020, 1, 1)), entry(2, rule="DR"), entry(3)]
    result = judged(report(finding("six")), *entries)
    suppressed = result.suppressed[0].suppression
    assert suppressed is not None
    assert suppressed.source == "driftscan.toml:2"
    assert [rule for rule, _ in said(result)] == ["SU901"]


def test_what_is_wrong_with_an_entry_stands_where_it_matches_or_else_once() -> None:
    old, idle = entry(1, expires=date(2020, 1, 1)), entry(2, package="toolz")
    own = entry(3, package="attrs")
    first, second, third = applied(
        [
            Judged(report(finding("idna")), (old, idle)),
            Judged(report(finding("six")), (old, idle)),
            Judged(report(), (own, old, idle)),
        ],
        today=TODAY,
        asked=ALL,
    )
    assert [rule for rule, _ in said(first)] == ["SU902"]
    assert [rule for rule, _ in said(second)] == ["SU901"]
    assert said(third) == [("SU902", "the suppression of DR202 for attrs matches nothing")]


def test_what_other_targets_may_have_is_not_called_unused() -> None:
    shared, own = entry(1), entry(2, package="attrs")
    (result,) = applied([Judged(report(), (own, shared))], today=TODAY, asked=ALL, undecided={shared})
    assert said(result) == [("SU902", "the suppression of DR202 for attrs matches nothing")]


findings = st.lists(
    st.builds(finding, st.sampled_from(["six", "idna", "toolz"]), st.sampled_from(["DR202", "DR203", "LK101"])),
    max_size=6,
)
days = st.none() | st.integers(-2, 2).map(lambda days: TODAY + timedelta(days))
entries = st.lists(
    st.builds(
        entry,
        st.integers(1, 9),
        st.sampled_from(["six", "idna", "attrs"]),
        st.sampled_from([None, "DR", "DR202", "LK101"]),
        days,
    ),
    max_size=5,
)


@given(findings, entries)
def test_a_finding_is_suppressed_just_where_an_entry_matches_and_holds(
    found: list[Finding], given: list[Entry]
) -> None:
    before = report(*found)
    after = judged(before, *given)
    expected = {
        (each.rule, each.package)
        for each, mark in zip(found, fingerprints(found), strict=True)
        if any(one.matches(each, mark) and one.holds(TODAY) for one in given)
    }
    assert {(each.rule, each.package) for each in after.suppressed} == expected
    kept = [each for each in after.findings if not each.rule.startswith("SU")]
    assert sorted(each.message for each in kept) == sorted(each.message for each in found)


@given(findings, entries)
def test_no_entry_makes_a_report_worse_than_its_date_does(found: list[Finding], given: list[Entry]) -> None:
    """Without dates that are over, suppressing never turns a clean report into one with errors."""
    holding = [each for each in given if each.holds(TODAY)]
    assert judged(report(*found), *holding).count(Severity.ERROR) <= report(*found).count(Severity.ERROR)
