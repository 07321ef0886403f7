"""`driftscan config`: which settings are in force, and where each comes from."""

from __future__ import annotations

from typing import Unpack

import click

from driftscan.cli import configured, output
from driftscan.cli.options import OutputOptions, output_options
from driftscan.report.settings import SETTINGS_FORMATS


@click.command(short_help="Show the settings in force.")
@output_options(SETTINGS_FORMATS)
@click.pass_context
def config(context: click.Context, **options: Unpack[OutputOptions]) -> None:
    """Show every setting with its value, and where it comes from: a file with its line, an environment variable, or the
    default; and the targets and suppressions of the configuration.

    The command line wins over DRIFTSCAN_* variables, these over what a target sets, and that over the rest of the file:
    driftscan.toml, or [tool.driftscan] in pyproject.toml, in this folder or the next one above up to the top of the
    repository.
    """
    settings = configured.of(context)
    for name, path in options["output"]:
        output.save(
            SETTINGS_FORMATS[name](
                settings.configuration, settings.variables, output.file_view(verbose=options["verbose"])
            ),
            path,
        )
    shown = SETTINGS_FORMATS[options["format"]](
        settings.configuration, settings.variables, output.view(verbose=options["verbose"])
    )
    output.show(shown)
