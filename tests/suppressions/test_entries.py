"""What an entry says, and which findings it means."""

from __future__ import annotations

from datetime import date

import pytest

from driftscan.errors import UsageError
from driftscan.finding import Finding, Location, Severity, Suppression
from driftscan.suppressions.entries import Entry, parse
from driftscan.toml.table import read

MARK = "0123456789abcdef" * 2
MISMATCH = Finding(
    rule="DR202",
    slug="version-mismatch",
    severity=Severity.ERROR,
    message="six 1.16.0 is locked, 1.17.0 is installed",
    package="six",
    locked=("1.16.0",),
    installed=("1.17.0",),
    path="/opt/venv/lib/python3.11/site-packages/six-1.17.0.dist-info",
    location=Location(path="requirements.txt", line=2),
)


def entry(text: str) -> Entry:
    (table,) = read(f"[[suppress]]\n{text}\n", "driftscan.toml").tables("suppress")
    return parse(table)


def test_everything_that_an_entry_can_say() -> None:
    found = entry(
        f'rule = "version-mismatch"\npackage = "Six"\nversions = "<2"\npath = "/opt/**"\nfingerprint = "{MARK}"\n'
        'reason = "for now"\nowner = "web team"\nexpires = 2027-01-31'
    )
    assert (found.rule, found.package, found.path, found.fingerprint) == ("version-mismatch", "six", "/opt/**", MARK)
    assert found.suppression == Suppression(
        source="driftscan.toml:1", reason="for now", owner="web team", expires=date(2027, 1, 31)
    )
    assert [rule.code for rule in found.rules] == ["DR202"]
    assert found.title == "version-mismatch for six <2 in /opt/**"
    assert found.matches(MISMATCH, MARK)
    assert not found.matches(MISMATCH, MARK[::-1])


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ('rule = "DR"', "DR"),
        ('package = "six"', "all rules for six"),
        ('package = "six"\nversions = ">=1"', "all rules for six >=1"),
        ('path = "/opt/**"\nversions = ">=1"', "all rules for versions >=1 in /opt/**"),
        (f'rule = "DR202"\nfingerprint = "{MARK}"', f"DR202 with the fingerprint {MARK}"),
    ],
)
def test_what_an_entry_is_called(text: str, title: str) -> None:
    assert entry(text).title == title


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ('rule = "DR202"', True),
        ('rule = "dr202"', True),
        ('rule = "DR"', True),
        ('rule = "version-mismatch"', True),
        ('rule = "DR203"', False),
        ('package = "six"', True),
        ('package = "s_i.x"', False),
        ('package = "six"\nversions = "==1.17.*"', True),
        ('package = "six"\nversions = "<1.17"', False),
        ('path = "/opt/venv/lib/python3.11/site-packages/six-1.17.0.dist-info"', True),
        ('path = "/opt/**"', True),
        ('path = "/opt/**/six-*"', True),
        ('path = "/opt/*"', False),
        ('path = "/opt/venv/lib/python3.1?/site-packages/six-*"', True),
        ('path = "requirements.txt"', False),
        ('rule = "DR202"\npackage = "idna"', False),
    ],
)
def test_what_an_entry_matches(text: str, matches: bool) -> None:
    assert entry(text).matches(MISMATCH, MARK) is matches


def test_a_finding_without_a_path_is_in_its_lock() -> None:
    unpinned = Finding(
        rule="LK101",
        slug="unpinned",
        severity=Severity.ERROR,
        message="six is not pinned",
        package="six",
        location=Location(path="apps/shop/requirements.txt", line=2),
    )
    assert entry('path = "apps/*/requirements.txt"').matches(unpinned, MARK)
    assert not entry('path = "apps/*"').matches(unpinned, MARK)


def test_versions_that_are_no_versions_are_in_no_range() -> None:
    odd = Finding(rule="DR209", slug="x", severity=Severity.ERROR, message="x", package="six", installed=("1.0 py_0",))
    assert not entry('package = "six"\nversions = ">=0"').matches(odd, MARK)


def test_a_locked_version_counts_where_none_is_installed() -> None:
    missing = Finding(rule="DR201", slug="x", severity=Severity.ERROR, message="x", package="six", locked=("1.16rc1",))
    assert entry('package = "six"\nversions = "<2"').matches(missing, MARK)
    assert not entry('package = "six"\nversions = ">2"').matches(missing, MARK)


def test_the_last_day_counts() -> None:
    found = entry('rule = "DR202"\nexpires = "2027-01-31"')
    assert found.holds(date(2027, 1, 31))
    assert not found.holds(date(2027, 2, 1))
    assert entry('rule = "DR202"').holds(date(9999, 12, 31))


def test_an_empty_reason_is_none() -> None:
    assert entry('rule = "DR202"\nreason = " "\nowner = ""').suppression == Suppression(source="driftscan.toml:1")


@pytest.mark.parametrize(
    ("text", "said", "hint"),
    [
        (
            'reason = "x"',
            "driftscan.toml:1: a suppression has to say what it is for",
            "by rule, package, path, fingerprint",
        ),
        (
            'versions = "<2"',
            "driftscan.toml:1: a suppression has to say what it is for",
            "by rule, package, path, fingerprint",
        ),
        ('rule = "DR2002"', "driftscan.toml:2: there is no rule 'DR2002'", "did you mean DR202?"),
        (
            'rule = "version-missmatch"',
            "driftscan.toml:2: there is no rule 'version-missmatch'",
            "did you mean version-mismatch?",
        ),
        ('rule = "QQ"', "driftscan.toml:2: there is no rule 'QQ'", "`driftscan rules` lists them"),
        (
            'rule = "SU901"',
            "driftscan.toml:2: findings about suppressions cannot be suppressed",
            'a rule that is not wanted is left out with `ignore = ["SU901"]`',
        ),
        (
            'package = "six"\nexpire = 2027-01-01',
            "driftscan.toml:3: there is no key of a suppression 'expire'",
            "did you mean expires?",
        ),
        (
            'package = "six"\nversions = "2 or so"',
            'driftscan.toml:3: "versions" has to be a range of versions such as ">=1.2,<2"',
            None,
        ),
        (
            'fingerprint = "ABC"',
            'driftscan.toml:2: "fingerprint" has to be 32 hexadecimal digits in lower case, as a JSON report has them',
            None,
        ),
        ('package = "six"\nreason = 1', 'driftscan.toml:3: "reason" has to be a string that is not empty', None),
    ],
)
def test_what_is_no_entry(text: str, said: str, hint: str | None) -> None:
    with pytest.raises(UsageError) as caught:
        entry(text)
    assert (str(caught.value), caught.value.hint) == (said, hint)
