from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from driftscan.finding import Report
from driftscan.report import markdown
from driftscan.report.escape import plain
from driftscan.report.view import View
from tests.builders import reports

Golden = Callable[[str, str], None]

OURS = re.compile(r"<br>|</?sub>|</?details( open)?>|<summary>\d+ [a-z ]+</summary>|\n")
MARKUP = "`*_~|[]()<>!#@&\\\n\r- 1a:/.$+={}\"'"


def _tokens(rendered: str) -> Iterator[Token]:
    """What an independent parser of the dialect makes of it."""
    for token in MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(rendered):
        yield token
        yield from token.children or ()


def test_golden(golden: Golden) -> None:
    golden("full.md", markdown.render(reports.full(), View()))


def test_it_is_a_table_and_folded_lists() -> None:
    kinds = [token.type for token in _tokens(markdown.render(reports.full(), View()))]
    assert kinds.count("table_open") == 1
    assert kinds.count("tr_open") == 1 + 12
    assert kinds.count("list_item_open") == 2 + 2 + 4 + 2


def test_a_clean_report_has_no_table() -> None:
    assert markdown.render(reports.report(), View()) == (
        "### ✅ clean: 44 of 45 packages match\n"
        "\n"
        "shop:1.4 (docker) · /opt/venv · CPython 3.11.2 · x86\\_64 glibc 2.36\n"
        "\n"
        "uv.lock · the entrypoint runs /opt/venv/bin/gunicorn\n"
    )


@pytest.mark.parametrize("number", [1, 2000])
def test_what_does_not_fit_is_counted(number: int) -> None:
    size = markdown.LIMIT // 2 if number == 1 else 100
    findings = [replace(reports.MISMATCH, message="m" * size, hint="h" * 500, chain=("c" * 500,) * 2)] * number * 3
    notes = [replace(reports.UNEXPECTED, message="n" * 500)] * 500
    report = replace(reports.report(*findings, *notes), unchecked=reports.full().unchecked)
    rendered = markdown.render(report, View())
    assert len(rendered.encode()) <= markdown.LIMIT <= 65_536
    shown = rendered.count("DR202 version-mismatch")
    noted = rendered.count("DR203 unexpected")
    assert "- files of pyyaml: its RECORD is damaged" in rendered
    last = rendered.splitlines()[-1]
    wanted = []
    if number > 1:
        wanted.append(f"{len(findings) - shown} findings")
    wanted.append(f"{len(notes) - noted} info")
    assert last == f"Left out, since this has a limit: {', '.join(wanted)}. The other reports have all."


def test_ten_thousand_findings_fit() -> None:
    report = reports.report(*[reports.MISMATCH] * 5000, *[reports.UNEXPECTED] * 5000)
    assert len(markdown.render(report, View()).encode()) <= markdown.LIMIT


def test_a_very_long_text_is_cut_in_the_middle() -> None:
    assert markdown.text("a" * 400 + "b" * 400) == f"{'a' * 300} … {'b' * 300}"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("@team", "@&#8203;team"),
        ("python@sha256:ab", "python@sha256:ab"),
        (" @sha256:ab", " @&#8203;sha256:ab"),
        ("a@b.example", "a@&#8203;b.example"),
        ("#12 and GH-7", "#&#8203;12 and GH&#8203;-7"),
        ("https://evil.example", "https:&#8203;//evil.example"),
        ("www.evil.example", "www&#8203;.evil.example"),
        ("![x](http://e/)", "!&#91;x&#93;(http:&#8203;//e/)"),
        ("a|b", "a&#124;b"),
        ("__init__.py", "\\_\\_init\\_\\_.py"),
        ("<b>&amp;", "&#60;b&#62;&#38;amp;"),
        ("a\n- b", "a&#92;n- b"),
    ],
)
def test_text_is_nothing_but_text(text: str, shown: str) -> None:
    assert markdown.text(text) == shown


def _report(text: str) -> Report:
    return reports.said_everywhere(text)


def _check(text: str) -> None:
    rendered = markdown.render(_report(text), View())
    assert len(rendered.encode()) <= markdown.LIMIT
    shape = [token.type for token in _tokens(markdown.render(_report("x"), View())) if token.type != "text"]
    found = list(_tokens(rendered))
    kinds = [token.type for token in found if token.type not in ("text", "text_special")]
    assert kinds == [kind for kind in shape if kind != "text_special"]
    for token in found:
        if token.type in ("html_inline", "html_block"):
            assert OURS.sub("", token.content) == ""
    for kind in ("link_open", "image", "code_inline", "fence", "em_open", "strong_open", "s_open"):
        assert kind not in kinds
    live = re.findall(r"(?<!\w)@[A-Za-z0-9]|https?://|www\.\w|[#!]\d|GH-\d", "".join(_pieces(found)))
    assert live == []


def _pieces(tokens: list[Token]) -> Iterator[str]:
    """Text, and an end of it wherever something else stands between."""
    for token in tokens:
        yield token.content if token.type in ("text", "text_special") else "\n"


def _visible(tokens: list[Token]) -> str:
    return "".join(token.content for token in tokens if token.type in ("text", "text_special"))


@pytest.mark.parametrize("text", reports.HOSTILE)
def test_hostile_text(text: str) -> None:
    _check(text)


@settings(max_examples=30, deadline=None)
@given(st.text(alphabet=st.one_of(st.sampled_from(MARKUP), st.characters(codec=None)), min_size=1))
def test_any_text(text: str) -> None:
    _check(text)


@given(st.text(alphabet=st.characters(codec=None), min_size=1, max_size=500).map(lambda text: f"a{text}z"))
def test_a_reader_sees_the_text(text: str) -> None:
    if len(plain(text)) > 600:
        return
    inline = list(_tokens(markdown.text(text)))
    assert _visible([token for token in inline if token.type != "inline"]).replace("\u200b", "") == plain(text)
