from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from junitparser import Error, Failure, JUnitXml, Skipped

from driftscan.finding import Report, Severity
from driftscan.report import junit
from driftscan.report.escape import plain
from driftscan.report.view import View
from tests.builders import reports

Golden = Callable[[str, str], None]


def _read(report: Report) -> Any:
    """What an independent parser makes of it."""
    return JUnitXml.fromstring(junit.render(report, View()).encode())


def _cases(report: Report) -> list[Any]:
    return [case for suite in _read(report) for case in suite]


def test_golden(golden: Golden) -> None:
    golden("full.junit.xml", junit.render(reports.full(), View()))


def test_counts_are_those_of_the_cases() -> None:
    read = _read(reports.full())
    results = [result for suite in read for case in suite for result in case.result]
    assert read.tests == sum(1 for suite in read for _ in suite)
    assert read.failures == sum(isinstance(result, Failure) for result in results) == 10
    assert read.errors == sum(isinstance(result, Error) for result in results) == 2
    assert read.skipped == sum(isinstance(result, Skipped) for result in results) == 2


def test_a_finding_is_a_failure_with_all_there_is_to_say() -> None:
    (case,) = _cases(reports.report(reports.MISMATCH))
    (result,) = case.result
    assert (case.classname, case.name) == ("driftscan.DR202", "numpy: numpy 2.1.3 is locked, 2.2.0 is installed")
    assert (result.type, result.message) == (
        "DR202 version-mismatch",
        "numpy 2.1.3 is locked, 2.2.0 is installed",
    )
    assert result.text == (
        "numpy 2.1.3 is locked, 2.2.0 is installed\n"
        "uv.lock:123\n"
        "layer 6: RUN pip install -U numpy\n"
        "fix: install from the lock after every other instruction, or lock 2.2.0"
    )


@pytest.mark.parametrize(("fail_on", "failed"), [(Severity.ERROR, 1), (Severity.INFO, 2), (None, 0)])
def test_only_what_fails_the_run_fails_a_case(fail_on: Severity | None, failed: int) -> None:
    report = replace(reports.report(reports.MISMATCH, reports.UNEXPECTED), fail_on=fail_on)
    cases = _cases(report)
    assert len(cases) == 2
    assert sum(isinstance(result, Failure) for case in cases for result in case.result) == failed
    assert sum(case.system_out is not None for case in cases) == 2 - failed


def test_packages_that_nothing_was_found_about_passed() -> None:
    report = replace(reports.report(reports.MISMATCH), packages=reports.PACKAGES)
    passed = [case.name for case in _cases(report) if not case.result]
    assert passed == ["pandas 2.2.3", "python-dateutil 2.9.0.post0", "requests 2.32.3", "shop-core 1.0"]


def test_a_clean_report_is_not_empty() -> None:
    (case,) = _cases(reports.report())
    assert (case.name, case.result) == ("44 of 45 packages match", [])


def _check(text: str) -> None:
    rendered = junit.render(reports.said_everywhere(text), View())
    shape = [
        element.tag for element in ElementTree.fromstring(junit.render(reports.said_everywhere("x"), View())).iter()
    ]
    found = ElementTree.fromstring(rendered.encode())
    assert [element.tag for element in found.iter()] == shape
    messages = [element.get("message") for element in found.iter("failure")]
    assert messages == [plain(text)] * 2


@pytest.mark.parametrize("text", reports.HOSTILE)
def test_hostile_text(text: str) -> None:
    _check(text)


@settings(max_examples=30, deadline=None)
@given(st.text(alphabet=st.characters(codec=None), min_size=1))
def test_any_text(text: str) -> None:
    _check(text)
