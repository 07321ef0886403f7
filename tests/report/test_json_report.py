from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftscan.finding import Suppression, Verdict
from driftscan.report import json as json_report
from driftscan.report.view import View
from tests.builders import reports

Golden = Callable[[str, str], None]


def test_golden(golden: Golden) -> None:
    golden("many.json", json_report.render(reports.many(), View()))


def test_keys_that_do_not_apply_are_absent() -> None:
    report = replace(reports.report(), environment=None, target=None)
    document = json.loads(json_report.render(report, View()))
    assert document == {
        "schema": "driftscan.report/1",
        "verdict": "clean",
        "inputs": {"locks": [{"path": "uv.lock", "format": "uv", "sha256": "12" * 32}]},
        "summary": {"locked": 45, "installed": 47, "matching": 44, "error": 0, "warning": 0, "info": 0},
        "findings": [],
        "unchecked": [],
    }


def test_a_finding() -> None:
    document = json.loads(json_report.render(reports.report(reports.MISMATCH), View()))
    (finding,) = document["findings"]
    assert len(finding.pop("fingerprint")) == 32
    assert finding == {
        "rule": "DR202",
        "slug": "version-mismatch",
        "severity": "error",
        "package": "numpy",
        "message": "numpy 2.1.3 is locked, 2.2.0 is installed",
        "locked": ["2.1.3"],
        "installed": ["2.2.0"],
        "path": "/opt/venv/lib/python3.11/site-packages/numpy-2.2.0.dist-info",
        "location": {"path": "uv.lock", "line": 123},
        "layer": {"index": 6, "diff_id": f"sha256:{6:064x}", "created_by": "RUN pip install -U numpy"},
        "chain": ["pandas", "numpy"],
        "hint": "install from the lock after every other instruction, or lock 2.2.0",
    }


def test_a_suppressed_finding_stays_and_does_not_count() -> None:
    excuse = Suppression("pyproject.toml", "vendored until 2.3", "shop@example", date(2027, 1, 31))
    report = reports.report(replace(reports.MISMATCH, suppression=excuse))
    assert report.verdict is Verdict.CLEAN
    document = json.loads(json_report.render(report, View()))
    assert (document["summary"]["error"], document["summary"]["suppressed"]) == (0, 1)
    assert document["findings"][0]["suppression"] == {
        "source": "pyproject.toml",
        "reason": "vendored until 2.3",
        "owner": "shop@example",
        "expires": "2027-01-31",
        "is_baseline": False,
    }


@pytest.mark.parametrize("view", [View(), View(width=20, color=True, unicode=False, verbose=True)])
def test_it_is_the_same_in_every_view(view: View) -> None:
    assert json_report.render(reports.many(), view) == json_report.render(reports.many(), View())


def test_bytes_that_are_not_utf8() -> None:
    path = b"/opt/\xff\xed\xa0\x80\x1b".decode("utf-8", "surrogateescape")
    finding = replace(reports.MISMATCH, path=path, message=path, package="\ud800", locked=("\udcff",))
    rendered = json_report.render(reports.report(finding), View())
    assert rendered.isascii()
    (found,) = json.loads(rendered)["findings"]
    assert found["path"] == "/opt/\\xff\\xed\\xa0\\x80\x1b"
    assert found["package"] == "\\ud800"
    assert found["locked"] == ["\\xff"]


@given(st.text(alphabet=st.characters(codec=None), min_size=1))
def test_any_text_gives_json_that_encodes(untrusted: str) -> None:
    finding = replace(
        reports.MISMATCH, message=untrusted, package=untrusted, path=untrusted, locked=(untrusted,), chain=(untrusted,)
    )
    rendered = json_report.render(reports.report(finding), View())
    assert rendered.isascii()
    (shown,) = json.loads(rendered)["findings"]
    assert shown["message"].encode("utf-8")
    assert shown["message"] == shown["package"] == shown["path"] == shown["locked"][0] == shown["chain"][0]
