"""What suppressions and baselines make of finished reports."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import NamedTuple

import click
from click.core import ParameterSource

from driftscan import rules
from driftscan.api.configuration import read_baseline
from driftscan.cli import configured
from driftscan.cli.errors import warn
from driftscan.cli.options import RuleOptions, listed
from driftscan.finding import Report
from driftscan.settings.parse import Target
from driftscan.suppressions.apply import Judged, applied
from driftscan.suppressions.entries import FAMILY, Entry

_TOLD = f"{__name__}.missing"


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
    path = finished.baseline if finished.baseline != without else None
    baseline = _baseline(context, path) if path is not None else ()
    return (*own, *configured.of(context).configuration.entries, *baseline)


def _baseline(context: click.Context, path: str) -> tuple[Entry, ...]:
    """The entries of a baseline. One that is only configured need not be there yet: then nothing is accepted."""
    is_asked_for = context.get_parameter_source("baseline") is ParameterSource.COMMANDLINE
    if not is_asked_for and not Path(path).exists():
        told: set[str] = context.meta.setdefault(_TOLD, set())
        if path not in told:
            warn(f"there is no baseline {path} yet, so nothing is accepted by it")
        told.add(path)
        return ()
    return read_baseline(path)


def _asked(options: RuleOptions, families: tuple[str, ...]) -> Collection[str]:
    codes = rules.asked(listed(options["select"]) or None, listed(options["ignore"]))
    return frozenset(code for code in codes if code.startswith((*families, FAMILY)))
