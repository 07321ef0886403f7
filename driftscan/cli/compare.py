"""`driftscan compare`: does the image contain what the lock says, and nothing else?"""

from __future__ import annotations

from typing import Unpack

import click

from driftscan import api
from driftscan.api.reading import is_lock
from driftscan.cli import progress
from driftscan.cli.errors import warn
from driftscan.cli.options import (
    OutputOptions,
    ProofOptions,
    RuleOptions,
    SelectionOptions,
    TargetOptions,
    fail_on,
    listed,
    output_options,
    proof_options,
    request,
    rule_options,
    selection_options,
    target_options,
)
from driftscan.cli.results import exit_code, write
from driftscan.errors import UsageError
from driftscan.report import FORMATS


class _Options(SelectionOptions, TargetOptions, ProofOptions, RuleOptions, OutputOptions):
    pass


@click.command(short_help="Compare locks with an image.")
@click.argument("arguments", nargs=-1, metavar="LOCK... TARGET")
@selection_options
@target_options
@proof_options
@rule_options
@output_options(FORMATS)
@click.pass_context
def compare(context: click.Context, arguments: tuple[str, ...], **options: Unpack[_Options]) -> None:
    """Compare locks with an image: what is missing, what is too much, what differs, and which layer did it.

    Several LOCKs are taken as one. TARGET is an image (shop:1.4, or docker:, podman:, registry:), an archive
    (shop.tar, or docker-archive:, oci-archive:), an OCI layout (oci:), an unpacked root filesystem (dir:) or a Python
    environment on this machine (env:.venv).

    \b
    driftscan compare uv.lock shop:1.4
    driftscan compare conda-linux-64.lock requirements.txt lab.tar
    driftscan compare --wheels dist uv.lock shop:1.4
    """
    locks, target = split(arguments)
    with progress.layers(target, quiet=options["quiet"]) as watch:
        report = api.compare(
            locks,
            target,
            request=request(options),
            environment=options["environment"],
            platform=options["platform"],
            select=listed(options["select"]),
            ignore=listed(options["ignore"]),
            fail_on=fail_on(options),
            lock_format=options["lock_format"],
            offline=options["offline"],
            cache=not options["no_cache"],
            progress=watch,
            proving=_proving(options),
        )
    write(FORMATS, report, options)
    context.exit(exit_code(report))


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


def split(arguments: tuple[str, ...]) -> tuple[tuple[str, ...], str]:
    """Locks and target; UsageError that says what is missing or swapped."""
    if not arguments:
        raise UsageError("a lock and an image are needed", hint="driftscan compare uv.lock shop:1.4")
    *locks, target = arguments
    if not locks and is_lock(target):
        raise UsageError(f"{target} is a lock; the image is missing", hint=f"driftscan compare {target} shop:1.4")
    if not locks:
        raise UsageError(f"the lock to compare {target} with is missing", hint=f"driftscan compare uv.lock {target}")
    if is_lock(target):
        others = [argument for argument in locks if not is_lock(argument)]
        if len(others) != 1:
            raise UsageError(
                f"the last argument is the image, and {target} is a lock",
                hint=f"driftscan compare {' '.join(arguments)} shop:1.4",
            )
        right = [argument for argument in arguments if argument != others[0]]
        raise UsageError(
            f"the last argument is the image, and {target} is a lock",
            hint=f"the locks come first: driftscan compare {' '.join(right)} {others[0]}",
        )
    return tuple(locks), target
