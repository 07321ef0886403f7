"""The registry of rules, and what `run` makes of it."""

from __future__ import annotations

import re
from types import ModuleType

import pytest

from driftscan import rules
from driftscan.finding import Severity
from driftscan.listing import listed
from driftscan.rules import RULES, drift, integrity, lock, native, resolution, run, sources
from driftscan.rules.rule import Rule
from tests.builders.comparisons import compared, environment, installed, locked
from tests.builders.comparisons import lock as lock_of

FAMILIES = {
    "LK": (101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 111, 112),
    "DR": (201, 202, 203, 205, 206, 207, 208, 209),
    "NW": (301, 302, 303, 304, 305, 306, 307, 308, 309, 310, 311, 312),
    "IN": (401, 402, 403, 404, 405),
    "IM": (511, 512, 513, 521, 522, 523, 524, 531, 541, 542, 543, 551, 552, 553),
    "HW": (601, 602, 603, 604, 605),
    "SU": (901, 902, 903),
}
CODES = [f"{family}{number}" for family, numbers in FAMILIES.items() for number in numbers]
INFOS = {"NW311", "NW312", "IM524", "HW601", "HW604"}
WARNINGS = {"LK104", "LK109", "LK111", "DR208", "NW302", "IN403", "IN405"} | {
    *("IM512", "IM513", "IM521", "IM522", "IM523", "IM531", "IM542", "IM551", "IM552", "HW605", "SU902", "SU903")
}

DRIFTED = compared(
    lock_of(locked("idna", "3.6"), locked("numpy", None, pinned=False), locked("six", "1.16")),
    environment(installed("idna", "3.7"), installed("pip", "24.0"), installed("numpy"), installed("toolz")),
)


def test_the_rules_and_their_order() -> None:
    assert [rule.code for rule in RULES] == CODES
    assert len({rule.slug for rule in RULES}) == len(RULES)


@pytest.mark.parametrize("module", [lock, resolution, drift, sources, native, integrity])
def test_every_rule_of_a_family_is_registered(module: ModuleType) -> None:
    assert set(module.RULES) <= set(RULES)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_every_rule_is_documented(rule: Rule) -> None:
    assert re.fullmatch(r"[a-z]+(-[a-z]+)+|[a-z]+", rule.slug)
    usual = Severity.INFO if rule.code in INFOS else Severity.ERROR
    assert rule.severity is (Severity.WARNING if rule.code in WARNINGS else usual)
    for text in (rule.summary, rule.why, rule.evidence, rule.remedy):
        assert text.strip() == text != ""
    assert not rule.summary.endswith(".")
    assert rule.why.endswith(".")


def test_findings_come_worst_first_then_by_package() -> None:
    found = [(finding.severity, finding.package, finding.rule) for finding in run(DRIFTED)]
    assert found == [
        (Severity.ERROR, "idna", "DR202"),
        (Severity.ERROR, "numpy", "LK101"),
        (Severity.ERROR, "six", "DR201"),
        (Severity.ERROR, "toolz", "DR203"),
        (Severity.INFO, "pip", "DR203"),
    ]


def test_findings_bear_their_rule_s_name_and_a_way_out() -> None:
    for finding in run(DRIFTED):
        assert finding.slug == next(rule.slug for rule in RULES if rule.code == finding.rule)
        assert finding.hint


@pytest.mark.parametrize(
    ("select", "ignore", "expected"),
    [
        (None, [], ["DR202", "LK101", "DR201", "DR203", "DR203"]),
        (["DR"], [], ["DR202", "DR201", "DR203", "DR203"]),
        (["dr202", "unpinned"], [], ["DR202", "LK101"]),
        (["DR"], ["DR203"], ["DR202", "DR201"]),
        (["DR202"], ["DR"], []),
        (None, ["Version-Mismatch", "LK"], ["DR201", "DR203", "DR203"]),
        ([], [], []),
    ],
)
def test_rules_are_selected_by_code_family_or_slug(
    select: list[str] | None, ignore: list[str], expected: list[str]
) -> None:
    assert [finding.rule for finding in run(DRIFTED, select=select, ignore=ignore)] == expected


def test_the_same_comparison_gives_the_same_findings() -> None:
    assert run(DRIFTED) == run(DRIFTED)
    assert rules.run(compared(lock_of(), None)) == ()


def test_long_lists_are_cut() -> None:
    assert listed([]) == ""
    assert listed(["a", "b", "c"]) == "a, b, c"
    assert listed(["a", "b", "c", "d"]) == "a, b, c and 1 more"
    assert listed(["a", "b", "c"], most=1) == "a and 2 more"
