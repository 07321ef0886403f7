"""A finished report, to stdout, files and an exit code."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from driftscan.cli import errors, output
from driftscan.cli.options import OutputOptions
from driftscan.errors import UsageError
from driftscan.finding import Report, Verdict
from driftscan.report import FORMATS
from driftscan.report.several import JOINS, Named
from driftscan.report.view import View

_PLACE = "{target}"
_CODES = {Verdict.CLEAN: errors.CLEAN, Verdict.DRIFT: errors.DRIFT, Verdict.INCOMPLETE: errors.INCOMPLETE}


def exit_code(report: Report) -> int:
    return _CODES[report.verdict]


def worst(codes: Iterable[int]) -> int:
    """The code that says most: that something could not run, that something differs, that something is not known."""
    return max(codes, key=(errors.CLEAN, errors.INCOMPLETE, errors.DRIFT, errors.FAILED).index)


def write(formats: Mapping[str, Callable[[Report, View], str]], report: Report, options: OutputOptions) -> None:
    """The files first, all of them or none as far as reports can fail: who sees stdout can rely on them."""
    view = output.file_view(verbose=options["verbose"])
    shown = formats[options["format"]](report, output.view(verbose=options["verbose"]))
    for text, path in [(formats[name](report, view), path) for name, path in options["output"]]:
        output.save(text, path)
    if options["format"] == "github":
        output.step_summary(formats["markdown"](report, view))
    output.show(shown)


def write_all(reports: Sequence[Named], options: OutputOptions) -> None:
    """The reports of several targets: a document of all, and files of all, or of one each where `{target}` is in the
    name of the file.
    """
    shown = _joined(options["format"], reports, output.view(verbose=options["verbose"]))
    view = output.file_view(verbose=options["verbose"])
    for text, file in [pair for name, path in options["output"] for pair in _files(name, path, reports, view)]:
        output.save(text, file)
    if options["format"] == "github":
        output.step_summary(_joined("markdown", reports, view))
    output.show(shown)


def _files(name: str, path: str, reports: Sequence[Named], view: View) -> list[tuple[str, str]]:
    if _PLACE not in path:
        return [(_joined(name, reports, view), path)]
    return [(FORMATS[name](each.report, view), path.replace(_PLACE, _file_name(each.name))) for each in reports]


def _file_name(name: str) -> str:
    """A target's name without what leads to another folder."""
    return "".join(character if character.isalnum() or character in "._-" else "-" for character in name).lstrip(".")


def _joined(name: str, reports: Sequence[Named], view: View) -> str:
    if name not in JOINS:
        raise UsageError(
            f"{name} is of one image, and there are {len(reports)}",
            hint=f"choose one with --target, or write a file each: -o {name}=drift-{_PLACE}.{name}",
        )
    return JOINS[name](reports, view)
