"""A finished report, to stdout, files and an exit code."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from driftscan.cli import errors, output
from driftscan.cli.options import OutputOptions
from driftscan.errors import DriftscanError, UsageError
from driftscan.finding import Report, Verdict
from driftscan.report import FORMATS
from driftscan.report.named import Named
from driftscan.report.view import View

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

_PLACE = "{target}"
"""Stands for the name of a target in the name of a file."""
_CODES = {Verdict.CLEAN: errors.CLEAN, Verdict.DRIFT: errors.DRIFT, Verdict.INCOMPLETE: errors.INCOMPLETE}


def exit_code(report: Report) -> int:
    return _CODES[report.verdict]


def worst(codes: Iterable[int]) -> int:
    """The code that says most: that something could not run, that something differs, that something is not known."""
    return max(codes, key=(errors.CLEAN, errors.INCOMPLETE, errors.DRIFT, errors.FAILED).index)


def attempted(items: Sequence[_Item], judge: Callable[[_Item], _Result]) -> tuple[list[_Result], int]:
    """What `judge` makes of the items, and an exit code: of several, one that cannot be read is told on stderr and
    keeps no other from being looked at.
    """
    if len(items) == 1:
        return [judge(items[0])], errors.CLEAN
    results: list[_Result] = []
    code = errors.CLEAN
    for item in items:
        try:
            results.append(judge(item))
        except DriftscanError as error:
            code = errors.handle(error, ())
    return results, code


def write(
    formats: Mapping[str, Callable[[Report, View], str]], report: Report, options: OutputOptions, name: str = ""
) -> None:
    """The files first, all of them or none as far as reports can fail: who sees stdout can rely on them.

    `{target}` in the name of a file is the `name` of what the report is about.
    """
    view = output.file_view(verbose=options["verbose"])
    shown = formats[options["format"]](report, output.view(verbose=options["verbose"]))
    for text, path in [(formats[each](report, view), path) for each, path in options["output"]]:
        output.save(text, path.replace(_PLACE, _file_name(name)))
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
    paths = [path.replace(_PLACE, _file_name(each.name)) for each in reports]
    if same := {each for each in paths if paths.count(each) > 1}:
        raise UsageError(f"two targets would be written to {min(same)}", hint="give them names that differ")
    return [(FORMATS[name](each.report, view), own) for each, own in zip(reports, paths, strict=True)]


def _file_name(name: str) -> str:
    """A target's name without what leads to another folder."""
    return "".join(character if character.isalnum() or character in "._-" else "-" for character in name).lstrip(".")


def _joined(name: str, reports: Sequence[Named], view: View) -> str:
    from driftscan.report.several import JOINS

    if name not in JOINS:
        raise UsageError(
            f"{name} is of one image, and there are {len(reports)}",
            hint=f"choose one with --target, or write a file each: -o {name}=drift-{_PLACE}.{name}",
        )
    return JOINS[name](reports, view)
