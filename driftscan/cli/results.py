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
    """The files first, all of them or none as far as reports can fail: who sees stdout can rely on them."""
    view = output.file_view(verbose=options["verbose"])
    shown = formats[options["format"]](report, output.view(verbose=options["verbose"]))
    for text, path in [(formats[name](report, view), path) for name, path in options["output"]]:
        output.save(text, path)
    if options["format"] == "github":
        output.step_summary(formats["markdown"](report, view))
    output.show(shown)
