"""`driftscan inspect`: what an image contains."""

from __future__ import annotations

from typing import Unpack

import click

from driftscan import api
from driftscan.cli import output, progress
from driftscan.cli.options import LazyOptions, OutputOptions, TargetOptions, lazy_option, output_options, target_options
from driftscan.cli.unkept import warn_of_cache
from driftscan.report import INVENTORY_FORMATS


class _Options(TargetOptions, LazyOptions, OutputOptions):
    pass


@click.command(short_help="Show what an image contains.")
@click.argument("target")
@target_options
@lazy_option
@output_options(INVENTORY_FORMATS)
def inspect(target: str, **options: Unpack[_Options]) -> None:
    """Show what an image contains: interpreters, environments, distributions, conda and OS packages, layers."""
    warn_of_cache(target, no_cache=options["no_cache"], quiet=options["quiet"])
    with progress.layers(target, quiet=options["quiet"]) as watch:
        found, image = api.survey(
            target,
            environment=options["environment"],
            platform=options["platform"],
            offline=options["offline"],
            cache=not options["no_cache"],
            lazy=options["lazy"],
            progress=watch,
        )
    for name, path in options["output"]:
        output.save(INVENTORY_FORMATS[name](found, image, output.file_view(verbose=options["verbose"])), path)
    output.show(INVENTORY_FORMATS[options["format"]](found, image, output.view(verbose=options["verbose"])))
