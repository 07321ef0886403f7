from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftscan.finding import Severity
from driftscan.report import github
from driftscan.report.escape import plain
from driftscan.report.view import View
from tests.builders import reports

VIEW = View(folder="/srv/repo/services/shop", root="/srv/repo")


def _runner(line: str) -> tuple[str, dict[str, str], str] | None:
    """What the runner reads in a line of the log (actions/runner, `ActionCommand.TryParseV2`)."""
    match = re.fullmatch(r"\s*::(?P<head>.*?)::(?P<data>.*)", line)
    if match is None:
        return None
    command, _, rest = match["head"].partition(" ")
    pairs = (pair.partition("=") for pair in rest.split(",") if "=" in pair)
    properties = {key.strip(): _decoded(value) for key, _, value in pairs}
    return command, properties, _decoded(match["data"])


def _decoded(text: str) -> str:
    for code, character in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        text = text.replace(code, character)
    return text


def test_an_annotation() -> None:
    assert github.render(reports.report(reports.MISMATCH), VIEW) == (
        "drift: 44 of 45 packages match; 1 error\n"
        "::error file=services/shop/uv.lock,line=123,title=DR202 version-mismatch::"
        "numpy 2.1.3 is locked, 2.2.0 is installed%0Alayer 6: RUN pip install -U numpy%0A"
        "fix: install from the lock after every other instruction, or lock 2.2.0\n"
    )


def test_levels_and_what_was_not_checked() -> None:
    lines = github.render(reports.full(), VIEW).splitlines()
    commands = [found[0] for line in lines if (found := _runner(line))]
    assert commands == [*["error"] * 10, *["warning"] * 3, *["notice"] * 4]
    unchecked = next(found for line in lines if (found := _runner(line)) and found[1]["title"] == "not checked")
    assert unchecked[1] == {"title": "not checked"}
    assert unchecked[2].splitlines()[1] == "marker of colorama: platform_release is not known from files"


def test_findings_at_a_line_come_first_and_the_rest_is_counted() -> None:
    without = [replace(reports.MISMATCH, location=None, message=f"m{number}") for number in range(12)]
    notes = [replace(reports.UNEXPECTED, severity=Severity.INFO)] * 11
    lines = github.render(reports.report(*without, reports.MISMATCH, *notes), VIEW).splitlines()
    assert "line=123" in lines[1]
    assert len(lines) == 1 + 10 + 10 + 1
    assert lines[-1] == "GitHub shows 10 annotations of a kind; not among them: 3 errors, 1 notice"


def test_suppressed_findings_annotate_nothing() -> None:
    suppressed = [finding for finding in reports.full().findings if finding.suppression is not None]
    assert github.render(reports.report(*suppressed), VIEW) == "clean: 44 of 45 packages match; 2 suppressed\n"


def _check(text: str) -> None:
    lines = github.render(reports.said_everywhere(text), View()).split("\n")
    assert lines.pop() == ""
    head, *commands = lines
    assert _runner(head) is None
    found = [_runner(line) for line in commands]
    assert [each[0] for each in found if each] == ["error", "error", "warning"]
    assert len(commands) == 3
    properties, message = next((each[1], each[2]) for each in found if each)
    assert set(properties) == {"file", "line", "title"}
    assert message.startswith(plain(text)[:1000])
    assert len(message) <= 2000
    assert not re.search(r"##\[|##vso\[", "\n".join(lines))


@pytest.mark.parametrize("text", reports.HOSTILE)
def test_hostile_text(text: str) -> None:
    _check(text)


@settings(max_examples=30, deadline=None)
@given(st.text(alphabet=st.characters(codec=None), min_size=1))
def test_any_text(text: str) -> None:
    _check(text)
