"""A finished report, to stdout, files and an exit code."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from driftscan.cli import errors, output
from driftscan.cli.options import OutputOptions
from driftscan.finding import Report, Verdict
from driftscan.report.view import View

_CODES = {Verdict.CLEAN: errors.CLEAN, Verdict.DRIFT: errors.DRIFT, Verdict.INCOMPLETE: errors.INCOMPLETE}


def exit_code(report: Report) -> int:
    return _CODES[report.verdict]


def write(formats: Mapping[str, Callable[[Report, View], str]], report: Report, options: OutputOptions) -> None:
    """The files first: who sees the result on stdout can rely on them."""
    for name, path in options["output"]:
        output.save(formats[name](report, output.file_view(verbose=options["verbose"])), path)
    output.show(formats[options["format"]](report, output.view(verbose=options["verbose"])))
