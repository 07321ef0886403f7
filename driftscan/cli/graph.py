"""`driftscan graph`: the dependency graph of a lock or an image."""

from __future__ import annotations

from typing import Unpack

import click

from driftscan.api import graphs
from driftscan.cli import output
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
from driftscan.report.graphs import GRAPH_FORMATS
from driftscan.report.view import View


class _Options(SelectionOptions, MarkerOptions, TargetOptions, OutputOptions):
    depth: int | None


@click.command(short_help="Show a dependency graph.")
@click.argument("arguments", nargs=-1, metavar="LOCK...|TARGET")
@click.option("--depth", type=click.IntRange(min=1), metavar="N", help="Of a tree, only N levels of requirements.")
@marker_options
@selection_options
@target_options
@output_options(GRAPH_FORMATS)
def graph(arguments: tuple[str, ...], **options: Unpack[_Options]) -> None:
    """Show the dependency graph of locks, taken as one, or of what is installed in an image.

    A lock is shown whole, with the conditions on its links, unless extras, groups, a Python or a platform are named.

    \b
    driftscan graph uv.lock
    driftscan graph uv.lock --python 3.12 --python-platform linux
    driftscan graph shop:1.4 -o html=graph.html
    """
    if not arguments:
        raise UsageError("a lock or an image is needed", hint="driftscan graph uv.lock")
    warn_of_caches(arguments, no_cache=options["no_cache"], quiet=options["quiet"], lock_format=options["lock_format"])
    found = graphs.graph(arguments, scope(options))

    def render(name: str, view: View) -> str:
        return GRAPH_FORMATS[name](found, view, options["depth"])

    for name, path in options["output"]:
        output.save(render(name, output.file_view(verbose=options["verbose"])), path)
    output.show(render(options["format"], output.view(verbose=options["verbose"])))
