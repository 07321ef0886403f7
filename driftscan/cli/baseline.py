"""`driftscan baseline`: accept what there is today, so that only what is new fails."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Unpack

import click

from driftscan.api.configuration import read_baseline
from driftscan.cli import accepted, configured, output
from driftscan.cli.accepted import Finished, entries
from driftscan.cli.compare import CompareOptions, compared
from driftscan.cli.options import lazy_option, proof_options, rule_options, selection_options, target_options
from driftscan.cli.pairs import Pair, pairs, target_option
from driftscan.errors import UsageError
from driftscan.finding import Report
from driftscan.suppressions.apply import Judged, applied
from driftscan.suppressions.baseline import Terms, Written, render
from driftscan.suppressions.baseline import baseline as written
from driftscan.toml.table import full_date

DEFAULT = "driftscan-baseline.toml"
_DAYS = re.compile(r"(\d{1,4})d", re.ASCII)
_NEVER = "never"


class _Options(CompareOptions):
    file: str | None
    reason: str
    owner: str | None
    expires: str


@click.command(short_help="Accept the findings of today, for a while.")
@click.argument("arguments", nargs=-1, metavar="[LOCK... TARGET]")
@click.option("-o", "--output", "file", metavar="FILE", help=f"[default: the configured baseline, else {DEFAULT}]")
@click.option("--reason", required=True, metavar="TEXT", help="Why the findings are accepted.")
@click.option("--owner", metavar="NAME", help="Who answers for them.")
@click.option(
    "--expires",
    default="90d",
    show_default=True,
    metavar="DATE|DAYS",
    help="The last day on which they are: 2027-01-31, 90d or never.",
)
@selection_options
@target_options
@lazy_option
@proof_options
@rule_options
@target_option
@click.option("-q", "--quiet", is_flag=True, help="No progress on stderr.")
@click.option("-v", "--verbose", is_flag=True, help="The traceback of a bug.")
@click.pass_context
def baseline(context: click.Context, arguments: tuple[str, ...], **options: Unpack[_Options]) -> None:
    """Compare as `compare` does, and write down all errors and warnings as accepted: from then on only what is new
    fails, and what is accepted as well once it has expired.

    What the configuration suppresses already is left out. Written again, a baseline keeps the entries that are still
    needed with their reasons, owners and dates, and loses the others. What could not be checked stays unchecked.

    \b
    driftscan baseline uv.lock shop:1.4 --reason "inherited with the base image" --owner web-team
    driftscan baseline --reason "until the next release" --expires 30d
    """
    today = accepted.today()
    terms = Terms(reason=_reason(options["reason"]), owner=options["owner"], expires=_expiry(options["expires"], today))
    files: dict[str, list[Report]] = {}
    for pair in pairs(context, arguments, options):
        path = options["file"] or _configured(context, pair) or DEFAULT
        files.setdefault(path, []).append(_left(context, pair, path, today))
    for path, reports in files.items():
        before = read_baseline(path) if Path(path).exists() else ()
        result = written(reports, before, terms, path=path, today=today)
        output.replace(render(result), path)
        output.note(_said(path, result, terms))
        if not _is_used(context, path):
            output.hint(f'it is used with --baseline {path}, or with baseline = "{path}" in the configuration')


def _configured(context: click.Context, pair: Pair[_Options]) -> str | None:
    value = configured.of(context).effective(pair.section).get("baseline")
    return str(value.content) if value is not None else None


def _left(context: click.Context, pair: Pair[_Options], path: str, today: date) -> Report:
    """The report of a pair without what is accepted elsewhere than in the file that is written."""
    report = compared(pair)
    finished = Finished(report, _configured(context, pair), pair.section)
    (report,) = applied([Judged(report, entries(context, finished, without=path))], today=today, asked=())
    return report


def _is_used(context: click.Context, path: str) -> bool:
    settings = configured.of(context)
    sections: Sequence[object] = (None, *settings.configuration.targets)
    found = [settings.effective(section).get("baseline") for section in (None, *settings.configuration.targets)]
    return len(sections) > 0 and any(value is not None and value.content == path for value in found)


def _reason(text: str) -> str:
    if not text.strip():
        raise UsageError("a reason is needed", hint='--reason "inherited with the base image"')
    return text


def _expiry(text: str, today: date) -> date | None:
    """The last day; UsageError where `text` is none, or where that day is over."""
    if text == _NEVER:
        return None
    days = _DAYS.fullmatch(text)
    found = today + timedelta(days=int(days[1])) if days else full_date(text)
    if found is None:
        raise UsageError(f"{text!r} is no date", hint="--expires 2027-01-31, --expires 90d or --expires never")
    if found < today:
        raise UsageError(f"{found} is over", hint=f"today is {today} (UTC)")
    return found


def _said(path: str, result: Written, terms: Terms) -> str:
    count = len(result.entries)
    until = f"through {terms.expires}" if terms.expires is not None else "for good"
    parts = [f"{result.added} new, accepted {until}"] if result.added else []
    if result.dropped:
        parts.append(f"{result.dropped} no longer needed")
    changes = f" ({'; '.join(parts)})" if parts else ""
    return f"{path} accepts {count} finding{'s' * (count != 1)}{changes}"
