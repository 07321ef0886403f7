"""The six practices on a few lines: how each ended, and the evidence that decided it."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

from driftscan.finding import Outcome, Practice
from driftscan.report.view import Span, Style, View, wrap

_STYLES = MappingProxyType({Outcome.PASS: Style.GOOD, Outcome.FAIL: Style.BAD, Outcome.UNKNOWN: Style.DOUBTFUL})
_LINES = 2
"""Lines that a practice gets."""
_WIDTH = max(map(len, Outcome)) + 2


def lines(practices: Sequence[Practice], view: View) -> list[str]:
    """A heading, and at most two lines for each practice; all evidence with `view.verbose`."""
    if not practices:
        return []
    found = [view.paint("practices", Style.STRONG)]
    for practice in practices:
        found += _practice(practice, view)
    return found


def _practice(practice: Practice, view: View) -> list[str]:
    outcome = practice.outcome.value
    label = f"  {outcome}{' ' * (_WIDTH - len(outcome))}"
    title = Span(f"{practice.number} {practice.title}", Style.STRONG)
    rest = " " * len(label)
    if view.verbose:
        shown = wrap([title], view, first=label, rest=rest)
        for each in practice.evidence:
            source = Span(f"({each.rule}, {each.grade})", Style.FAINT)
            lead = f"{rest}{each.outcome}: "
            shown += wrap([Span(each.text), source], view, first=lead, rest=f"{rest}  ")
    else:
        shown = wrap([title, *_summary(practice, view)], view, first=label, rest=rest, most=_LINES)
    return [shown[0].replace(outcome, view.paint(outcome, _STYLES[practice.outcome]), 1), *shown[1:]]


def _summary(practice: Practice, view: View) -> list[Span]:
    """The rules that decided, where from, and the first fact."""
    deciding = [each for each in practice.evidence if each.outcome is practice.outcome]
    if not deciding:
        return []
    rules = ", ".join(dict.fromkeys(each.rule for each in deciding))
    grades = ", ".join(dict.fromkeys(each.grade for each in deciding))
    if practice.outcome is Outcome.PASS:
        return [Span(f"({grades})", Style.FAINT)]
    more = f"1 of {len(deciding)}: " if len(deciding) > 1 else ""
    return [Span(f"({rules}; {grades}) {view.separator} {more}", Style.FAINT), Span(deciding[0].text)]
