"""`driftscan explain` and `driftscan rules`: what rules there are, and what they mean."""

from __future__ import annotations

from typing import Unpack

import click

from driftscan.api import explaining
from driftscan.cli import output
from driftscan.cli.options import OutputOptions, output_options
from driftscan.errors import UsageError
from driftscan.report.explanations import EXPLAIN_FORMATS, RULES_FORMATS
from driftscan.rules import RULES


@click.command(short_help="Show what a rule means.")
@click.argument("names", nargs=-1, metavar="RULE...")
@output_options(EXPLAIN_FORMATS)
def explain(names: tuple[str, ...], **options: Unpack[OutputOptions]) -> None:
    """Show what goes wrong where a rule finds something, on what evidence, what to do, and an example of each kind.

    RULE is a code or a name, or the letters of a family.

    \b
    driftscan explain DR202
    driftscan explain version-mismatch missing-hash
    """
    if not names:
        raise UsageError("a rule is needed", hint="`driftscan rules` lists them")
    explained = explaining.explain(names)
    for name, path in options["output"]:
        output.save(EXPLAIN_FORMATS[name](explained, output.file_view(verbose=options["verbose"])), path)
    output.show(EXPLAIN_FORMATS[options["format"]](explained, output.view(verbose=options["verbose"])))


@click.command(short_help="List the rules.")
@output_options(RULES_FORMATS)
def rules(**options: Unpack[OutputOptions]) -> None:
    """List all rules by family: code, name, severity, and when it holds.

    `driftscan explain RULE` tells more of one.
    """
    for name, path in options["output"]:
        output.save(RULES_FORMATS[name](RULES, output.file_view(verbose=options["verbose"])), path)
    output.show(RULES_FORMATS[options["format"]](RULES, output.view(verbose=options["verbose"])))
