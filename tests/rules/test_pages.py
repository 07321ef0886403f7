"""The pages of the rules: each has one, its examples do what it says, and the documentation shows it as it is."""

from __future__ import annotations

import json
import os
import re
import shlex
from pathlib import Path

import pytest

from driftscan.api.explaining import explained
from driftscan.cli import run
from driftscan.report.explanations import EXPLAIN_FORMATS, RULES_FORMATS
from driftscan.report.view import View
from driftscan.rules import RULES
from driftscan.rules.page import FAMILIES, IMAGE, Example
from driftscan.rules.rule import Rule
from tests.builders.pictured import image, wheel

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "driftscan" / "rules" / "pages"
DOCS = ROOT / "docs" / "rules"

each_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DRIFTSCAN_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path


def said(folder: Path, example: Example, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What the command of an example finds in its files."""
    for name, text in example.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if name == IMAGE:
            image(folder / name, text)
        elif name.endswith(".whl"):
            wheel(folder / name, text)
        else:
            (folder / name).write_text(text)
    run([*shlex.split(example.command), "--format", "json"])
    out, err = capsys.readouterr()
    assert (out == "", err) == (False, "")
    return [f"{each['severity']} {each['rule']} {each['message']}" for each in json.loads(out)["findings"]]


def test_there_is_a_page_for_each_rule_and_no_other() -> None:
    assert {path.name for path in SOURCES.iterdir()} == {f"{rule.code}.md" for rule in RULES}


@each_rule
def test_the_bad_example_gives_what_the_page_says(rule: Rule, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = explained(rule).page.bad
    assert bad.findings
    assert {line.split(" ")[1] for line in bad.findings} == {rule.code}
    assert said(folder, bad, capsys) == list(bad.findings)


@each_rule
def test_the_good_example_gives_nothing(rule: Rule, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = explained(rule).page.good
    assert good.findings == ()
    assert said(folder, good, capsys) == []


@each_rule
def test_a_page_fits_a_terminal_of_any_kind(rule: Rule) -> None:
    source = (SOURCES / f"{rule.code}.md").read_text()
    prose = re.sub(r"^```.*?^```$", "", source, flags=re.MULTILINE | re.DOTALL)
    assert source.isascii()
    assert max(map(len, prose.splitlines())) <= 120
    assert rule.code[:2] in FAMILIES


@each_rule
def test_the_documentation_shows_the_page(rule: Rule) -> None:
    _is_written(f"{rule.code}.md", EXPLAIN_FORMATS["markdown"]([explained(rule)], View()))


def test_the_documentation_lists_all_rules() -> None:
    _is_written("README.md", RULES_FORMATS["markdown"](RULES, View()))
    assert {path.name for path in DOCS.iterdir()} == {"README.md", *(f"{rule.code}.md" for rule in RULES)}


def _is_written(name: str, text: str) -> None:
    """As for golden files: UPDATE_GOLDEN=1 writes docs/rules anew."""
    if os.environ.get("UPDATE_GOLDEN"):
        DOCS.mkdir(exist_ok=True)
        (DOCS / name).write_text(text, encoding="utf-8")
    assert (DOCS / name).read_text(encoding="utf-8") == text, "UPDATE_GOLDEN=1 pytest tests/rules writes docs/rules"
