"""`driftscan diff`: what moved between two images, two locks, or a lock and an image."""

from __future__ import annotations

from typing import Unpack

import click

from driftscan.api import differing
from driftscan.cli import output, progress
from driftscan.cli.errors import CLEAN, DRIFT, INCOMPLETE
from driftscan.cli.options import (
    LazyOptions,
    OutputOptions,
    lazy_option,
    marker_options,
    output_options,
    selection_options,
    target_options,
)
from driftscan.cli.scope import ScopeOptions, scope
from driftscan.cli.unkept import warn_of_caches
from driftscan.report.graphs import DIFF_FORMATS


class _Options(ScopeOptions, LazyOptions, OutputOptions):
    pass


@click.command(short_help="Show what moved between two images or locks.")
@click.argument("before", metavar="LOCK|TARGET")
@click.argument("after", metavar="LOCK|TARGET")
@marker_options
@selection_options
@target_options
@lazy_option
@output_options(DIFF_FORMATS)
@click.pass_context
def diff(context: click.Context, before: str, after: str, **options: Unpack[_Options]) -> None:
    """Show what is different between two images, two locks, or a lock and an image, and which layer did it.

    Of images: the base, the configuration, the Python that runs, Python packages (also where only their files differ),
    conda and OS packages, and the layers. Nothing is judged. Exits with 0 where nothing differs, 1 where something
    does, and 3 where nothing does as far as it could be compared.

    \b
    driftscan diff shop:1.3 shop:1.4
    driftscan diff old/uv.lock uv.lock --python 3.12 --python-platform linux
    driftscan diff uv.lock shop:1.4
    """
    warn_of_caches((before, after), no_cache=options["no_cache"], quiet=options["quiet"])
    with progress.layers(after, quiet=options["quiet"]) as watch:
        found = differing.diff(before, after, scope(options)._replace(lazy=options["lazy"]), progress=watch)
    for name, path in options["output"]:
        output.save(DIFF_FORMATS[name](found, output.file_view(verbose=options["verbose"])), path)
    output.show(DIFF_FORMATS[options["format"]](found, output.view(verbose=options["verbose"])))
    context.exit(DRIFT if found.changes else INCOMPLETE if found.unchecked else CLEAN)
