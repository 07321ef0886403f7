"""`driftscan check`: the lock alone, or whether it can be installed on a target."""

from __future__ import annotations

from typing import Unpack

import click

from driftscan import api
from driftscan.cli.accepted import Finished, accepted
from driftscan.cli.errors import warn
from driftscan.cli.options import (
    BaselineOptions,
    IndexOptions,
    LazyOptions,
    MarkerOptions,
    OutputOptions,
    RuleOptions,
    SelectionOptions,
    TargetOptions,
    baseline_option,
    fail_on,
    index_options,
    is_narrowed,
    lazy_option,
    listed,
    marker_options,
    output_options,
    request,
    rule_options,
    selection_options,
    target_options,
)
from driftscan.cli.results import attempted, exit_code, worst, write, write_all
from driftscan.cli.unkept import warn_of_cache
from driftscan.errors import UsageError
from driftscan.finding import Report
from driftscan.report import CHECK_FORMATS
from driftscan.report.named import Named


class _Options(
    SelectionOptions,
    MarkerOptions,
    IndexOptions,
    TargetOptions,
    LazyOptions,
    RuleOptions,
    BaselineOptions,
    OutputOptions,
):
    target: str | None
    each: bool


@click.command(short_help="Check locks alone.")
@click.argument("locks", nargs=-1, metavar="LOCK...")
@click.option("--for", "target", metavar="TARGET", help="Whether they can be installed on this image.")
@click.option("--each", is_flag=True, help="Each LOCK by itself.")
@marker_options
@index_options
@selection_options
@target_options
@lazy_option
@rule_options
@baseline_option
@output_options(CHECK_FORMATS)
@click.pass_context
def check(context: click.Context, locks: tuple[str, ...], **options: Unpack[_Options]) -> None:
    """Check locks alone: pins, hashes, sources, contradictions, and whether they still agree with what they were made
    from.

    Several LOCKs are taken as one, unless --each is given. Without further options all extras and groups are looked at,
    for all Pythons and platforms that the lock's markers tell apart; --for, or --python and --python-platform, ask
    whether the lock can be installed there. --online asks the package index what a lock does not record: which projects
    its packages require that it does not pin, and which files its hashes are of. Nothing is built.

    \b
    driftscan check uv.lock
    driftscan check requirements.txt --for python-base:3.12
    driftscan check requirements.txt --online
    driftscan check --each */uv.lock
    driftscan check poetry.lock --python 3.13 --python-platform linux/arm64
    """
    if not locks:
        raise UsageError("a lock is needed", hint="driftscan check uv.lock")
    if options["target"] is not None:
        warn_of_cache(options["target"], no_cache=options["no_cache"], quiet=options["quiet"])
    found = [(lock,) for lock in locks] if options["each"] else [locks]
    finished, code = attempted(found, lambda taken: Finished(_checked(taken, options), options["baseline"]))
    reports = accepted(context, finished, options, ("LK",))
    if len(found) == 1:
        write(CHECK_FORMATS, reports[0], options, found[0][0])
    elif reports:
        write_all([Named(each.locks[0].path, each) for each in reports], options)
    context.exit(worst([code, *map(exit_code, reports)]))


def _checked(locks: tuple[str, ...], options: _Options) -> Report:
    """The report of locks that are taken as one, before anything is suppressed."""
    return api.check(
        locks,
        request=request(options) if is_narrowed(options) else None,
        target=options["target"],
        python=options["python"],
        python_platform=options["python_platform"],
        environment=options["environment"],
        platform=options["platform"],
        select=listed(options["select"]),
        ignore=listed(options["ignore"]),
        fail_on=fail_on(options),
        lock_format=options["lock_format"],
        offline=options["offline"],
        cache=not options["no_cache"],
        lazy=options["lazy"],
        online=options["online"],
        index_urls=options["index_url"],
        warn=warn,
    )
