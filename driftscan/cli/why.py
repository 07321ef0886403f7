"""`driftscan why`: what leads to a package."""

from __future__ import annotations

from typing import Unpack

import click
from packaging.utils import canonicalize_name

from driftscan.api import graphs
from driftscan.cli import errors, output
from driftscan.cli.options import (
    MarkerOptions,
    OutputOptions,
    SelectionOptions,
    TargetOptions,
    marker_options,
    output_options,
    selection_options,
    target_options,
)
from driftscan.cli.scope import scope
from driftscan.cli.unkept import warn_of_caches
from driftscan.errors import UsageError
from driftscan.report.graphs import WHY_FORMATS


class _Options(SelectionOptions, MarkerOptions, TargetOptions, OutputOptions):
    pass


@click.command(short_help="Show what leads to a package.")
@click.argument("project", metavar="PACKAGE", required=False)
@click.argument("arguments", nargs=-1, metavar="LOCK|TARGET...")
@marker_options
@selection_options
@target_options
@output_options(WHY_FORMATS)
@click.pass_context
def why(context: click.Context, project: str | None, arguments: tuple[str, ...], **options: Unpack[_Options]) -> None:
    """Show every shortest way that leads to PACKAGE, in locks and in images, and the layer that installed it.

    Exits with 1 where none of them has the package.

    \b
    driftscan why numpy uv.lock
    driftscan why numpy uv.lock shop:1.4
    """
    if project is None or not arguments:
        raise UsageError("a package and a lock or an image are needed", hint="driftscan why numpy uv.lock shop:1.4")
    warn_of_caches(arguments, no_cache=options["no_cache"], quiet=options["quiet"], lock_format=options["lock_format"])
    answers = graphs.why(project, arguments, scope(options))
    name = str(canonicalize_name(project))
    for format_name, path in options["output"]:
        view = output.file_view(verbose=options["verbose"])
        output.save(WHY_FORMATS[format_name](name, answers, view), path)
    output.show(WHY_FORMATS[options["format"]](name, answers, output.view(verbose=options["verbose"])))
    if not any(answer.found for answer in answers):
        if close := graphs.alike(name, answers):
            output.hint(f"did you mean {close}?")
        context.exit(errors.DRIFT)
