"""Reports of several targets in one document."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import junitparser
import pytest
from referencing import Registry, Resource

from driftscan.finding import Finding, Report, Severity, Verdict
from driftscan.report.github import MOST
from driftscan.report.markdown import LIMIT
from driftscan.report.named import Named
from driftscan.report.several import JOINS, worst
from driftscan.report.view import View
from tests.builders import reports

SCHEMAS = Path(__file__).parents[2] / "docs" / "schema"
ONE, ALL = (json.loads((SCHEMAS / f"{name}-1.json").read_text()) for name in ("report", "reports"))
VALIDATOR = jsonschema.Draft202012Validator(
    ALL, registry=Registry().with_resource("report-1.json", Resource.from_contents(ONE))
)
BOTH = [Named("shop", reports.report()), Named("lab", reports.many())]


def crowded(number: int) -> Report:
    """A report with that many errors."""
    finding = Finding(rule="IN401", slug="modified-file", severity=Severity.ERROR, message="x" * 200, package="p")
    found = tuple(replace(finding, message=f"{finding.message} {index}") for index in range(number))
    return replace(reports.report(), findings=found)


def test_the_document_is_what_the_schema_says() -> None:
    jsonschema.Draft202012Validator.check_schema(ALL)
    document = json.loads(JOINS["json"](BOTH, View()))
    VALIDATOR.validate(document)
    assert [each["name"] for each in document["reports"]] == ["shop", "lab"]
    del document["reports"][0]["report"]["verdict"]
    assert not VALIDATOR.is_valid(document)


def test_the_worst_verdict_is_that_of_all() -> None:
    clean = Named("clean", replace(reports.report(), findings=(), unchecked=()))
    drifted = Named("drift", crowded(1))
    incomplete = Named("incomplete", replace(reports.many(), findings=()))
    assert worst([clean, incomplete]) is Verdict.INCOMPLETE
    assert worst([clean, incomplete, drifted]) is Verdict.DRIFT
    assert worst([clean]) is Verdict.CLEAN


def test_github_keeps_its_limit_over_all_targets() -> None:
    text = JOINS["github"]([Named("a", crowded(7)), Named("b", crowded(7))], View())
    assert text.count("\n::error ") == MOST
    assert text.endswith(f"\nGitHub shows {MOST} annotations of a kind; 4 more are left out\n")


def test_markdown_keeps_its_limit_over_all_targets() -> None:
    text = JOINS["markdown"]([Named("a", crowded(900)), Named("b", crowded(900)), Named("c", crowded(1))], View())
    assert len(text.encode()) <= LIMIT
    assert "## b\n\ndrift; there is no room for its findings here\n" in text
    assert "\n## c\n\n### " in text


def test_fingerprints_of_two_targets_differ() -> None:
    issues = json.loads(JOINS["gitlab"]([Named("a", reports.many()), Named("b", reports.many())], View()))
    marks = [issue["fingerprint"] for issue in issues]
    assert len(marks) == len(set(marks))


def test_another_parser_reads_the_suites() -> None:
    text = JOINS["junit"]([Named("a", crowded(2)), Named("b", crowded(3))], View())
    suites = junitparser.JUnitXml.fromstring(text.encode())
    assert [(suite.name, suite.failures) for suite in suites] == [("a", 2), ("b", 3)]
    assert ElementTree.fromstring(text).get("failures") == "5"


@pytest.mark.parametrize("name", JOINS)
@pytest.mark.parametrize("hostile", ["\x1b[31m", "::error::x", "\u202e", "a\nb", "\udcff", "<script>", "[x](http://x)"])
def test_names_are_harmless(name: str, hostile: str) -> None:
    text = JOINS[name]([Named(hostile, reports.report()), Named("b", reports.report())], View())
    text.encode("utf-8")
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert not any(line.startswith("::error::x") for line in text.splitlines())
