"""The pages of the rules: each has one, its examples do what it says, and the documentation shows it as it is."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
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
from tests.builders.registry import faulty_registry

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "driftscan" / "rules" / "pages"
DOCS = ROOT / "docs" / "rules"
REGISTRY = "localhost:5000"
"""The registry of examples: a file `localhost:5000/NAME:TAG` is a manifest in it."""

each_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DRIFTSCAN_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path


@contextmanager
def served(files: Mapping[str, str]) -> Iterator[str]:
    """The address of a registry that has the manifests among the files, if there are any."""
    if not any(name.startswith(REGISTRY) for name in files):
        yield REGISTRY
        return
    with faulty_registry() as registry:
        for name, text in files.items():
            if name.startswith(REGISTRY):
                repository, _, tag = name.removeprefix(f"{REGISTRY}/").partition(":")
                registry.add_manifest(text.encode(), tag, repository)
        yield f"127.0.0.1:{registry.port}"


def said(folder: Path, example: Example, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What the command of an example finds in its files."""
    with served(example.files) as address:
        for name, text in example.files.items():
            _write(folder / name, text.replace(REGISTRY, address))
        run([*shlex.split(example.command), "--format", "json"])
    out, err = capsys.readouterr()
    assert (out == "", err) == (False, "")
    findings = json.loads(out.replace(address, REGISTRY))["findings"]
    return [f"{each['severity']} {each['rule']} {each['message']}" for each in findings]


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.name == IMAGE:
        image(path, text)
    elif path.suffix == ".whl":
        wheel(path, text)
    else:
        path.write_text(text)


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
