from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftscan.finding import Report
from driftscan.fingerprint import fingerprints
from driftscan.report import html as html_report
from driftscan.report.escape import plain
from driftscan.report.view import View
from tests.builders import reports

LOADING = re.compile(r"url\(|@import|https?://(?!www\.w3\.org/2000/svg)|fetch\(|XMLHttp|innerHTML|eval\(")
"""What brings something into a page, or has it read as markup or code."""


class Page(HTMLParser):
    """Elements with the names of their attributes, and the text in each kind of element."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.shape: list[tuple[str, tuple[str, ...]]] = []
        self.attributes: list[tuple[str, str]] = []
        self.texts: dict[str, list[str]] = {}
        self._open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.shape.append((tag, tuple(name for name, _ in attrs)))
        self.attributes += [(name, value or "") for name, value in attrs]
        self.texts.setdefault(tag, []).append("")
        if tag not in ("meta", "input"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open:
            self.texts[self._open[-1]][-1] += data

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.attributes if key == name]


def _page(report: Report) -> Page:
    return Page(html_report.render(report, View()))


def _data(page: Page) -> Any:
    return json.loads(page.texts["script"][0])


def test_everything_is_in_the_page_without_a_script() -> None:
    report = reports.full()
    page = _page(report)
    text = html_report.render(report, View())
    assert page.texts["b"][0] == "drift"
    assert page.texts["h1"] == [
        " 42 of 45 packages match; 10 errors, 2 warnings, 4 info, 2 suppressed, 2 not checked",
    ]
    assert len(page.texts["details"]) == len(report.findings)
    assert page.texts["h2"] == ["Findings", "Practices", "Layers", "Graph", "Not checked"]
    for finding in report.findings:
        assert finding.message in page.texts["span"]
    assert "vendored until 2.3 · shop team · until 2027-01-31 · pyproject.toml" in text
    assert "its RECORD is damaged, so nothing says what they should be; reinstall it" in text
    assert "the locked bytes: 1 package unverifiable, 1 package different" in text


def test_parts_that_there_are_not_have_no_tab() -> None:
    assert _page(reports.report()).texts["h2"] == ["Findings", "Graph"]
    bare = replace(reports.report(), environment=None)
    assert _page(bare).texts["h2"] == ["Findings"]
    assert _page(bare).texts["p"][-1] == "Nothing was found."


def test_a_finding_has_its_fingerprint_for_an_address() -> None:
    (mark,) = fingerprints([reports.MISMATCH])
    assert f"f-{mark}" in _page(reports.report(reports.MISMATCH)).values("id")


def test_layers_tell_what_they_installed_and_what_was_found() -> None:
    text = html_report.render(reports.full(), View())
    (row,) = re.findall(r'<li class="error"><span>6</span>.*?</li>', text)
    assert "RUN pip install -U numpy" in row
    assert '<button type="button" data-layer="6"><b class="error">2 error</b> </button>' in row
    assert "<small>1 package</small>" in row


def test_nodes_of_the_graph_say_how_they_drifted() -> None:
    nodes = {node["id"]: node for node in _data(_page(reports.full()))["nodes"]}
    assert set(nodes) == {
        "numpy 2.1.3 → 2.2.0",
        "pandas 2.2.3 missing",
        "python-dateutil 2.9.0.post0 missing",
        "requests 2.32.3 missing",
        "shop-core 1.0",
    }
    assert nodes["numpy 2.1.3 → 2.2.0"]["kind"] == "error"
    assert nodes["pandas 2.2.3 missing"]["kind"] == "gone"
    assert nodes["python-dateutil 2.9.0.post0 missing"]["kind"] == "error gone"
    assert nodes["shop-core 1.0"]["kind"] == "member"
    assert nodes["numpy 2.1.3 → 2.2.0"]["facts"] == [
        "locked: 2.1.3",
        "installed: 2.2.0",
        "layer 6: RUN pip install -U numpy",
    ]
    assert [reports.full().findings[at].rule for at in nodes["numpy 2.1.3 → 2.2.0"]["findings"]] == ["DR202", "NW301"]


def test_the_policy_admits_what_is_in_the_page_and_nothing_else() -> None:
    page = _page(reports.full())

    def digest(text: str) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

    (style,) = page.texts["style"]
    _, script = page.texts["script"]
    assert page.values("content")[0] == (
        f"default-src 'none'; script-src {digest(script)}; style-src {digest(style)}; "
        "base-uri 'none'; form-action 'none'"
    )
    assert LOADING.findall(style + script) == []


def _check(text: str) -> None:
    page = _page(reports.said_everywhere(text))
    assert page.shape == _page(reports.said_everywhere("x")).shape
    names = {name for name, _ in page.attributes}
    assert not {name for name in names if name.startswith("on")}
    assert not names & {"href", "src", "srcset", "action", "formaction", "style", "background", "ping"}
    assert plain(text) in page.texts["span"]
    data = _data(page)
    assert all(each.isprintable() for node in data["nodes"] for each in [node["id"], *node["facts"]])


@pytest.mark.parametrize("text", reports.HOSTILE)
def test_hostile_text(text: str) -> None:
    _check(text)


@settings(max_examples=30)
@given(st.text(alphabet=st.one_of(st.sampled_from("<>&\"'/-!=;#x \n"), st.characters(codec=None)), min_size=1))
def test_any_text(text: str) -> None:
    _check(text)
