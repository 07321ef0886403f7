from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftscan.finding import Location, Report
from driftscan.fingerprint import fingerprints
from driftscan.report import sarif
from driftscan.report.escape import plain
from driftscan.report.view import View
from tests.builders import reports

Golden = Callable[[str, str], None]
VIEW = View(folder="/srv/repo/services/shop", root="/srv/repo")
SCHEMA = json.loads((Path(__file__).parents[1] / "data" / "sarif" / "sarif-2.1.0-rtm.4.json").read_text())
VALIDATOR = jsonschema.Draft4Validator(SCHEMA)


def _run(report: Report, view: View = VIEW) -> Any:
    document = json.loads(sarif.render(report, view))
    VALIDATOR.validate(document)
    (run,) = document["runs"]
    return run


def _shown(message: str) -> str:
    """What a viewer makes of a message string: escapes of links and placeholders undone."""
    return re.sub(r"\\([\\\[\]])", r"\1", message.replace("{{", "{").replace("}}", "}"))


def test_golden(golden: Golden) -> None:
    golden("full.sarif", sarif.render(reports.full(), VIEW))


def test_a_result_is_at_the_line_of_the_lock_as_seen_from_the_top_of_the_repository() -> None:
    (result,) = _run(reports.report(reports.MISMATCH))["results"]
    assert result["locations"] == [
        {
            "physicalLocation": {
                "artifactLocation": {"uri": "services/shop/uv.lock", "uriBaseId": "%SRCROOT%"},
                "region": {"startLine": 123},
            },
            "logicalLocations": [{"name": "numpy", "kind": "module"}],
        }
    ]
    assert (result["ruleId"], result["level"]) == ("DR202", "error")
    assert result["message"]["text"] == (
        "numpy 2.1.3 is locked, 2.2.0 is installed\n"
        "Layer 6, made by RUN pip install -U numpy\n"
        "Fix: install from the lock after every other instruction, or lock 2.2.0"
    )
    (mark,) = fingerprints([reports.MISMATCH])
    assert result["partialFingerprints"] == {"driftscan/1": mark, "primaryLocationLineHash": f"{mark[:16]}:1"}


@pytest.mark.parametrize(
    ("path", "artifact"),
    [
        ("../../locks/uv.lock", {"uri": "locks/uv.lock", "uriBaseId": "%SRCROOT%"}),
        ("/srv/repo/uv.lock", {"uri": "uv.lock", "uriBaseId": "%SRCROOT%"}),
        ("/etc/uv lock", {"uri": "file:///etc/uv%20lock"}),
        ("a b#1?.lock", {"uri": "services/shop/a%20b%231%3F.lock", "uriBaseId": "%SRCROOT%"}),
    ],
)
def test_addresses_of_locks(path: str, artifact: dict[str, str]) -> None:
    (result,) = _run(reports.report(replace(reports.MISMATCH, location=Location(path=path, line=1))))["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"] == artifact


def test_a_finding_without_a_place_is_at_the_entry_of_its_package_or_the_beginning() -> None:
    findings = [replace(reports.MISMATCH, location=None), replace(reports.MISMATCH, location=None, package="six")]
    far = replace(reports.MISMATCH, location=None, package="six", chain=("shop-core", "requests", "six"))
    report = replace(reports.report(*findings, far), packages=reports.PACKAGES)
    lines = [result["locations"][0]["physicalLocation"]["region"]["startLine"] for result in _run(report)["results"]]
    assert lines == [123, 123, 410]
    bare = replace(report, findings=(replace(findings[1], chain=()),))
    assert _run(bare)["results"][0]["locations"][0]["physicalLocation"]["region"] == {"startLine": 1}


def test_rules_have_help_and_each_result_points_to_its_own() -> None:
    run = _run(reports.full())
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == sorted({finding.rule for finding in reports.full().findings})
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
    mismatch = next(rule for rule in rules if rule["id"] == "DR202")
    assert mismatch["name"] == "VersionMismatch"
    assert mismatch["shortDescription"]["text"] == "Locked and installed versions differ."
    assert mismatch["defaultConfiguration"] == {"level": "error"}
    assert "What was tested with the lock is not what runs." in mismatch["help"]["markdown"]


def test_a_rule_that_has_no_documentation_has_its_name() -> None:
    odd = replace(reports.MISMATCH, rule="ZZ999", slug="no-such-rule")
    (rule,) = _run(reports.report(odd))["tool"]["driver"]["rules"]
    assert rule["shortDescription"] == {"text": "no such rule"}


def test_suppressions() -> None:
    shown = [result["suppressions"] for result in _run(reports.full())["results"] if "suppressions" in result]
    assert shown == [
        [
            {
                "kind": "external",
                "properties": {
                    "source": "pyproject.toml",
                    "owner": "shop team",
                    "expires": "2027-01-31",
                    "is_baseline": False,
                },
                "justification": "vendored until 2.3",
            }
        ],
        [{"kind": "external", "properties": {"source": "driftscan-baseline.json", "is_baseline": True}}],
    ]


def test_what_was_not_checked_is_told() -> None:
    (invocation,) = _run(reports.full())["invocations"]
    assert invocation["executionSuccessful"] is True
    assert invocation["toolExecutionNotifications"][1] == {
        "level": "warning",
        "message": {"text": "not checked: marker of colorama: platform_release is not known from files"},
    }


def test_more_results_than_code_scanning_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert sarif.MOST == 25_000
    monkeypatch.setattr(sarif, "MOST", 3)
    run = _run(reports.report(*[reports.MISMATCH] * 5))
    assert len(run["results"]) == 3
    assert run["invocations"][0]["toolExecutionNotifications"][0]["message"] == {
        "text": "2 findings are left out: code scanning takes 3 of a run"
    }


def test_one_alert_is_not_taken_for_another() -> None:
    results = _run(reports.full())["results"]
    assert len({result["partialFingerprints"]["primaryLocationLineHash"] for result in results}) == len(results)


def _check(text: str) -> None:
    report = reports.said_everywhere(text)
    rendered = sarif.render(report, View())
    assert rendered.isascii()
    run = _run(report, View())
    for result in run["results"]:
        first, *rest = result["message"]["text"].split("\n")
        assert _shown(first) == plain(text)
        assert len(rest) == 2
        assert not re.search(r"(?<!\\)(?:\\\\)*[\[\]]", first)
        uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        assert re.fullmatch(r"[A-Za-z0-9._~/%:-]*", uri)
        assert "\ufffd" not in unquote(uri) or "\ufffd" in text


@pytest.mark.parametrize("text", reports.HOSTILE)
def test_hostile_text(text: str) -> None:
    _check(text)


@settings(max_examples=30, deadline=None)
@given(st.text(alphabet=st.characters(codec=None), min_size=1))
def test_any_text(text: str) -> None:
    _check(text)
