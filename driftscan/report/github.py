"""The report of a comparison as annotations of a GitHub Actions step: workflow commands, one a line.

GitHub keeps ten errors, ten warnings and ten notices of a step and drops the rest without a word, so the worst ones
are written, those with a place in a lock first, and what is left out is counted. The step summary is the Markdown
report, which the command line appends to the file that GITHUB_STEP_SUMMARY names.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from driftscan.finding import Finding, Report, Severity
from driftscan.report.escape import plain
from driftscan.report.view import View
from driftscan.report.words import Anchors, counted, headline, instruction, repository_path

MOST = 10
"""Annotations of each kind in a step (docs.github.com, workflow commands)."""
_LONGEST = 2000
"""Characters of a message that are shown."""
_COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}


class _Annotation(NamedTuple):
    """A workflow command; `lines` are shown below each other."""

    command: str
    lines: tuple[str, ...]
    title: str
    path: str | None = None
    line: int | None = None


def render(report: Report, view: View) -> str:
    found = list(_annotations(report))
    lines = [plain(f"{report.verdict}: {headline(report)}")]
    left: list[str] = []
    for command in _COMMANDS.values():
        same = [each for each in found if each.command == command]
        lines += [_command(each, view) for each in same[:MOST]]
        if len(same) > MOST:
            left.append(counted(len(same) - MOST, command))
    if left:
        lines.append(f"GitHub shows {MOST} annotations of a kind; not among them: {', '.join(left)}")
    return "\n".join(lines) + "\n"


def _annotations(report: Report) -> Iterator[_Annotation]:
    """The worst first, and of these the ones that a reviewer can see beside a line."""
    ordered = sorted(report.active, key=lambda finding: (finding.severity.rank, finding.location is None))
    anchors = Anchors(report)
    for finding in ordered:
        place = anchors.of(finding)
        yield _Annotation(
            _COMMANDS[finding.severity],
            tuple(_message(finding)),
            f"{finding.rule} {finding.slug}",
            place.path if place is not None else None,
            place.line if place is not None else None,
        )
    if report.unchecked:
        # All of it in one annotation, since there is room for few.
        lines = tuple(f"{what}: {why}" for what, why in report.unchecked)
        yield _Annotation("warning", lines, "not checked")


def _message(finding: Finding) -> Iterator[str]:
    yield finding.message
    if finding.layer is not None:
        yield f"layer {finding.layer.index}: {instruction(finding.layer)}"
    if finding.hint:
        yield f"fix: {finding.hint}"


def _command(annotation: _Annotation, view: View) -> str:
    properties = [f"title={_property(annotation.title)}"]
    if annotation.path is not None:
        place = [f"file={_property(repository_path(annotation.path, view))}"]
        properties = [*place, *([f"line={annotation.line}"] if annotation.line else []), *properties]
    return f"::{annotation.command} {','.join(properties)}::{_data(annotation.lines)}"


def _data(lines: Sequence[str]) -> str:
    """Text of a command (actions/toolkit, `escapeData`)."""
    text = "\n".join(map(plain, lines))
    text = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
    return text.replace("%", "%25").replace("\n", "%0A")


def _property(text: str) -> str:
    return plain(text).replace("%", "%25").replace(":", "%3A").replace(",", "%2C")
