"""SU9xx: suppressions themselves. What they are held against is not a comparison but entries, findings and a day."""

from __future__ import annotations

from driftscan.finding import Severity
from driftscan.rules.rule import Rule, elsewhere

EXPIRED = Rule(
    code="SU901",
    slug="suppression-expired",
    severity=Severity.ERROR,
    summary="a suppression is past its date",
    why="What was accepted for a while is still there, and nobody has looked at it again.",
    evidence="the date of the entry and the day of the run (UTC)",
    remedy="fix what it was for and take the entry out, or give it a new `expires`",
    check=elsewhere,
)

UNUSED = Rule(
    code="SU902",
    slug="suppression-unused",
    severity=Severity.WARNING,
    summary="a suppression matches nothing",
    why="It would hide the next finding that it happens to match.",
    evidence="all findings of the run, where every rule that the entry is for was asked of every target",
    remedy="take the entry out",
    check=elsewhere,
)

UNEXPLAINED = Rule(
    code="SU903",
    slug="suppression-unexplained",
    severity=Severity.WARNING,
    summary="a suppression has no reason",
    why="Nobody can tell later whether it may go.",
    evidence="the entry",
    remedy="add a `reason`",
    check=elsewhere,
)

RULES = (EXPIRED, UNUSED, UNEXPLAINED)
