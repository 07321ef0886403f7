"""`driftscan compare`: does the image contain what the lock says, and nothing else?"""

from __future__ import annotations

from typing import Unpack

import click

from driftscan import api
from driftscan.cli import progress
from driftscan.cli.accepted import Finished, accepted, named
from driftscan.cli.errors import warn
from driftscan.cli.options import (
    BaselineOptions,
    LazyOptions,
    OutputOptions,
    ProofOptions,
    RuleOptions,
    SelectionOptions,
    TargetOptions,
    baseline_option,
    fail_on,
    lazy_option,
    listed,
    output_options,
    proof_options,
    request,
    rule_options,
    selection_options,
    target_options,
)
from driftscan.cli.pairs import Pair, PairOptions, pairs, target_option
from driftscan.cli.results import attempted, exit_code, worst, write, write_all
from driftscan.cli.unkept import warn_of_cache
from driftscan.finding import Report
from driftscan.report import FORMATS
from driftscan.report.named import Named

FAMILIES = ("LK", "DR", "NW", "IN", "IM543")
"""What a comparison looks for."""


class CompareOptions(
    PairOptions, SelectionOptions, TargetOptions, LazyOptions, ProofOptions, RuleOptions, BaselineOptions, OutputOptions
):
    pass


@click.command(short_help="Compare locks with an image.")
@click.argument("arguments", nargs=-1, metavar="LOCK... TARGET")
@selection_options
@target_options
@lazy_option
@proof_options
@rule_options
@baseline_option
@target_option
@output_options(FORMATS)
@click.pass_context
def compare(context: click.Context, arguments: tuple[str, ...], **options: Unpack[CompareOptions]) -> None:
    """Compare locks with an image: what is missing, what is too much, what differs, and which layer did it.

    Several LOCKs are taken as one. TARGET is an image (shop:1.4, or docker:, podman:, registry:), an archive
    (shop.tar, or docker-archive:, oci-archive:), an OCI layout (oci:), an unpacked root filesystem (dir:), a Python
    environment on this machine (env:.venv), or what was written of an image, a bill of materials (sbom:) or an
    inventory (inventory:). Without arguments, every pair of locks and image in the configuration is compared.

    \b
    driftscan compare uv.lock shop:1.4
    driftscan compare conda-linux-64.lock requirements.txt lab.tar
    driftscan compare --wheels dist uv.lock shop:1.4
    driftscan compare --target shop
    """
    found = pairs(context, arguments, options)
    finished, code = attempted(found, lambda pair: Finished(compared(pair), pair.options["baseline"], pair.section))
    reports = accepted(context, finished, options, FAMILIES)
    if len(found) == 1:
        write(FORMATS, reports[0], options, named(finished[0]))
    elif reports:
        write_all([Named(named(each), report) for each, report in zip(finished, reports, strict=True)], options)
    context.exit(worst([code, *map(exit_code, reports)]))


def compared(pair: Pair[CompareOptions]) -> Report:
    """The report of one pair, before anything is suppressed."""
    options = pair.options
    warn_of_cache(pair.image, no_cache=options["no_cache"], quiet=options["quiet"])
    with progress.layers(pair.image, quiet=options["quiet"]) as watch:
        return api.compare(
            pair.locks,
            pair.image,
            request=request(options),
            environment=options["environment"],
            platform=options["platform"],
            select=listed(options["select"]),
            ignore=listed(options["ignore"]),
            fail_on=fail_on(options),
            lock_format=options["lock_format"],
            offline=options["offline"],
            cache=not options["no_cache"],
            lazy=options["lazy"],
            progress=watch,
            proving=_proving(options),
        )


def _proving(options: ProofOptions) -> api.Proving | None:
    asked = any((options["prove"], options["download"], options["wheels"], options["index_url"]))
    if not asked:
        return None
    return api.Proving(
        wheels=options["wheels"],
        index=options["prove"],
        download=options["download"],
        index_urls=options["index_url"],
        warn=warn,
    )
