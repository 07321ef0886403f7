"""What suppressions and baselines make of finished reports."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, date, datetime
from typing import NamedTuple

import click

from driftscan import rules
from driftscan.api.configuration import read_baseline
from driftscan.cli import configured
from driftscan.cli.options import RuleOptions, listed
from driftscan.finding import Report
from driftscan.settings.parse import Target
from driftscan.suppressions.apply import Judged, applied
from driftscan.suppressions.entries import FAMILY, Entry


class Finished(NamedTuple):
    """A report, the baseline that is for it, and the target of the configuration that it is of."""

    report: Report
    baseline: str | None = None
    target: Target | None = None


def named(finished: Finished) -> str:
    """The name of the target in the configuration, else of the image."""
    if finished.target is not None:
        return finished.target.name
    return finished.report.target.reference if finished.report.target is not None else ""


def today() -> date:
    """The day that suppressions are held against; the same all over the world."""
    return datetime.now(UTC).date()


def accepted(
    context: click.Context,
    finished: Sequence[Finished],
    options: RuleOptions,
    families: tuple[str, ...],
) -> tuple[Report, ...]:
    """The reports with what the configuration and baselines accept. `families` are the rules that the command asks."""
    configuration = configured.of(context).configuration
    seen = {each.target.name for each in finished if each.target is not None}
    is_all = {target.name for target in configuration.targets} <= seen
    judged = [Judged(each.report, entries(context, each)) for each in finished]
    own = {entry for each in finished if each.target is not None for entry in each.target.entries}
    return applied(
        judged,
        today=today(),
        asked=_asked(options, families),
        undecided=frozenset() if is_all else {entry for each in judged for entry in each.entries} - own,
    )


def entries(context: click.Context, finished: Finished, *, without: str | None = None) -> tuple[Entry, ...]:
    """Entries for one report: its target's own, those of the file, those of the baseline unless it is `without`."""
    own = finished.target.entries if finished.target is not None else ()
    is_read = finished.baseline is not None and finished.baseline != without
    baseline = read_baseline(finished.baseline) if is_read and finished.baseline is not None else ()
    return (*own, *configured.of(context).configuration.entries, *baseline)


def _asked(options: RuleOptions, families: tuple[str, ...]) -> Collection[str]:
    codes = rules.asked(listed(options["select"]) or None, listed(options["ignore"]))
    return frozenset(code for code in codes if code.startswith((*families, FAMILY)))
