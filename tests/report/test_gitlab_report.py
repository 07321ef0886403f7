from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftscan.finding import Report
from driftscan.fingerprint import fingerprints
from driftscan.report import gitlab
from driftscan.report.view import View
from tests.builders import reports

VIEW = View(folder="/srv/repo/services/shop", root="/srv/repo")


def _read(report: Report, view: View = VIEW) -> Any:
    return json.loads(gitlab.render(report, view))


def test_a_finding() -> None:
    (mark,) = fingerprints([reports.MISMATCH])
    assert _read(reports.report(reports.MISMATCH)) == [
        {
            "description": "numpy 2.1.3 is locked, 2.2.0 is installed (layer 6: RUN pip install -U numpy)",
            "check_name": "DR202 version-mismatch",
            "fingerprint": mark,
            "severity": "critical",
            "location": {"path": "services/shop/uv.lock", "lines": {"begin": 123}},
        }
    ]


def test_nothing_is_an_empty_list() -> None:
    assert gitlab.render(reports.report(), VIEW) == "[]\n"


def test_severities_suppressions_and_what_was_not_checked() -> None:
    found = _read(reports.full())
    assert [each["severity"] for each in found] == (
        ["critical"] * 2 + ["info"] * 2 + ["critical"] * 8 + ["major"] * 2 + ["info"] * 4 + ["minor"] * 2
    )
    assert found[2]["description"].startswith(
        "suppressed (vendored until 2.3, shop team, until 2027-01-31, pyproject.toml): "
    )
    assert found[-1]["description"] == ("not checked: marker of colorama: platform_release is not known from files")
    assert len({each["fingerprint"] for each in found}) == len(found)


def _check(text: str) -> None:
    rendered = gitlab.render(reports.said_everywhere(text), View())
    assert rendered.isascii()
    found = json.loads(rendered)
    assert len(found) == 4
    for each in found:
        assert set(each) == {"description", "check_name", "fingerprint", "severity", "location"}
        assert each["description"].isprintable()
        assert each["location"]["path"].isprintable()


@pytest.mark.parametrize("text", reports.HOSTILE)
def test_hostile_text(text: str) -> None:
    _check(text)


@settings(max_examples=30, deadline=None)
@given(st.text(alphabet=st.characters(codec=None), min_size=1))
def test_any_text(text: str) -> None:
    _check(text)
