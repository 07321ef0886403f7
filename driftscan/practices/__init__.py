"""The six reproducibility practices: what a Dockerfile and an image show of each, and on which evidence."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, TypeAlias

from driftscan.compare import Comparison
from driftscan.finding import Evidence, Outcome, Practice
from driftscan.model.lock import Unchecked
from driftscan.practices import base, execution, hardware, locked, order, ospackages
from driftscan.practices.once import once
from driftscan.practices.statements import Statement

Judge: TypeAlias = Callable[[Comparison], Iterator[Statement]]


class Kind(NamedTuple):
    """One of the six: number, title, the judge, and the rules that it answers."""

    number: int
    title: str
    judge: Judge
    rules: tuple[str, ...]


PRACTICES = (
    Kind(1, "base image pinned by digest", base.judge, ("IM511", "IM512", "IM513")),
    Kind(2, "OS packages fixed, in one layer, cleaned", ospackages.judge, ("IM521", "IM522", "IM523", "IM524")),
    Kind(3, "dependencies before code", order.judge, ("IM531",)),
    Kind(4, "installed from a lock, with hashes", locked.judge, ("IM541", "IM542", "IM543")),
    Kind(5, "runs by ENTRYPOINT and CMD", execution.judge, ("IM551", "IM552", "IM553")),
    Kind(6, "hardware assumptions explicit", hardware.judge, ("HW601", "HW602", "HW603", "HW604", "HW605")),
)


def failures(comparison: Comparison, rule: str) -> Iterator[Statement]:
    """What `rule` finds."""
    for group in judged(comparison).values():
        yield from (each for each in group if each.rule == rule and each.outcome is Outcome.FAIL)


@once(2)
def judged(comparison: Comparison) -> dict[int, tuple[Statement, ...]]:
    """All that is said of each practice, by its number."""
    return {kind.number: tuple(dict.fromkeys(kind.judge(comparison))) for kind in PRACTICES}


def scorecard(said: dict[int, tuple[Statement, ...]], rules: Sequence[str]) -> tuple[Practice, ...]:
    """The practices as far as `rules` are asked for. One fails where any of its rules does, and is unknown where one
    is, or where nothing was said of it.
    """
    return tuple(
        _practice(kind, [each for each in said[kind.number] if each.rule in rules])
        for kind in PRACTICES
        if set(kind.rules) & set(rules)
    )


def _practice(kind: Kind, said: Sequence[Statement]) -> Practice:
    settled = [_settled([each for each in said if each.rule == rule]) for rule in kind.rules]
    kept = [statement for group in settled for statement in group]
    outcomes = {statement.outcome for statement in kept}
    if Outcome.FAIL in outcomes:
        outcome = Outcome.FAIL
    else:
        outcome = Outcome.UNKNOWN if Outcome.UNKNOWN in outcomes or not kept else Outcome.PASS
    evidence = tuple(
        Evidence(rule=each.rule, outcome=each.outcome, grade=each.grade.value, text=each.text) for each in kept
    )
    return Practice(number=kind.number, title=kind.title, outcome=outcome, evidence=evidence)


def _settled(said: Sequence[Statement]) -> list[Statement]:
    """What counts of a rule's statements: where any fails, that nothing else passes is no news."""
    failing = [each for each in said if each.outcome is Outcome.FAIL]
    return [each for each in said if not failing or each.outcome is not Outcome.PASS]


def unchecked(said: dict[int, tuple[Statement, ...]], rules: Sequence[str]) -> tuple[Unchecked, ...]:
    """What could not be known, with what would settle it."""
    return tuple(
        dict.fromkeys(
            Unchecked(statement.text, statement.why)
            for each in said.values()
            for statement in each
            if statement.outcome is Outcome.UNKNOWN and statement.rule in rules
        )
    )
