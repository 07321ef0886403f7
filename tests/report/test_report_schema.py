"""The published schema of the JSON report, against everything that a report can hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftscan.finding import Report
from driftscan.report import json as json_report
from driftscan.report.view import View
from tests.builders import reports

SCHEMA: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "docs" / "schema" / "report-1.json").read_text(encoding="utf-8")
)


def _closed(schema: Any) -> Any:
    """The schema without room for keys that it does not name: what is written has to be documented."""
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(value) for key, value in schema.items()}
    return {**closed, "additionalProperties": False} if schema.get("type") == "object" else closed


VALIDATOR = jsonschema.Draft202012Validator(
    _closed(SCHEMA), format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
)


def _document(report: Report) -> Any:
    return json.loads(json_report.render(report, View()))


def test_it_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("report", [reports.report(), reports.many(), reports.alike(), reports.full()])
def test_reports_are_valid(report: Report) -> None:
    VALIDATOR.validate(_document(report))


def test_the_golden_file_is_valid() -> None:
    VALIDATOR.validate(json.loads((Path(__file__).parent / "golden" / "many.json").read_text()))


@pytest.mark.parametrize("text", reports.HOSTILE)
def test_reports_of_hostile_text_are_valid(text: str) -> None:
    VALIDATOR.validate(_document(reports.said_everywhere(text)))


@given(st.text(alphabet=st.characters(codec=None), min_size=1))
def test_reports_of_any_text_are_valid(text: str) -> None:
    VALIDATOR.validate(_document(reports.said_everywhere(text)))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("verdict",), "fine"),
        (("findings", 0, "fingerprint"), "x"),
        (("findings", 0, "severity"), "fatal"),
        (("summary", "error"), -1),
        (("schema",), "driftscan.report/2"),
    ],
)
def test_it_refuses_what_is_no_report(path: tuple[str | int, ...], value: object) -> None:
    document = _document(reports.full())
    at = document
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    assert not VALIDATOR.is_valid(document)


def test_every_key_of_the_schema_is_written() -> None:
    """No key is documented that no report has."""
    document = _document(reports.full())
    finding = {key for each in document["findings"] for key in each}
    assert finding == set(SCHEMA["$defs"]["finding"]["properties"])
    assert set(document) == set(SCHEMA["properties"])
