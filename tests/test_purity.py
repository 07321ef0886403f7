"""The shape of the house, where import contracts cannot see it: no IO in pure rooms, nothing left unregistered."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

import driftscan
from driftscan import image, lock, report
from driftscan.report import explanations, graphs, settings

PACKAGE = Path(driftscan.__file__).parent
IMPURE = {"api", "cli", "image", "index", "reading.py", "resolve", "store.py", "__init__.py", "__main__.py"}
BANNED_MODULES = {
    "click",
    "http",
    "io",
    "logging",
    "os",
    "pathlib",
    "random",
    "shutil",
    "socket",
    "subprocess",
    "sys",
    "tarfile",
    "tempfile",
    "time",
    "urllib.request",
    "zipfile",
}
BANNED_CALLS = {"open", "print", "input", "eval", "exec", "__import__"}


def _modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if path.relative_to(PACKAGE).parts[0] not in IMPURE)


def _imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _calls(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield node.func.id


@pytest.mark.parametrize("path", _modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_pure_rooms_do_no_io(path: Path) -> None:
    tree = ast.parse(path.read_text())
    imported = {name for name in _imports(tree) if {name, name.partition(".")[0]} & BANNED_MODULES}
    assert (imported, set(_calls(tree)) & BANNED_CALLS) == (set(), set())


def _defining(room: str, *names: str) -> set[str]:
    """Modules of a room that define functions of all these names."""
    return {
        path.stem
        for path in (PACKAGE / room).glob("*.py")
        if set(names) <= {node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)}
        and path.stem != "__init__"
    }


def test_every_lock_format_is_registered() -> None:
    assert {form.module for form in lock.FORMATS} == _defining("lock", "matches", "parse")


def test_every_image_source_is_registered() -> None:
    """A source is a function of what stands behind its scheme, a platform and limits, that opens an image."""
    openers = {
        f"driftscan.image.{path.stem}.{node.name}"
        for path in (PACKAGE / "image").glob("*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
        if ast.unparse(node.returns or ast.Constant(None)) == "Image"
        and [argument.arg for argument in node.args.args][1:] == ["platform", "limits"]
    }
    assert {f"{opener.__module__}.{opener.__name__}" for opener in image.SOURCES.values()} == openers


def test_every_report_format_is_registered() -> None:
    tables = (
        *(report.FORMATS, report.INVENTORY_FORMATS, graphs.GRAPH_FORMATS, graphs.WHY_FORMATS, graphs.DIFF_FORMATS),
        *(explanations.EXPLAIN_FORMATS, explanations.RULES_FORMATS),
        settings.SETTINGS_FORMATS,
    )
    functions = [function for table in tables for function in table.values()]
    assert {function.__module__.rpartition(".")[2] for function in functions} == _defining("report", "render")


def test_every_format_that_locks_are_converted_to_is_registered() -> None:
    writers = import_module("driftscan.convert").WRITERS
    assert {function.__module__.rpartition(".")[2] for function in writers.values()} == _defining("convert", "write")


def test_every_rule_is_registered() -> None:
    rules = import_module("driftscan.rules")
    found = {
        rule.code
        for path in (PACKAGE / "rules").glob("*.py")
        for rule in vars(
            import_module(f"driftscan.rules.{path.stem}" if path.stem != "__init__" else "driftscan.rules")
        ).values()
        if isinstance(rule, rules.Rule)
    }
    codes = [rule.code for rule in rules.RULES]
    assert sorted(codes) == sorted(set(codes))
    assert set(codes) >= found
    assert codes


def test_the_public_names_are_there() -> None:
    assert [name for name in driftscan.__all__ if not hasattr(driftscan, name)] == []
    assert set(driftscan.__all__) <= set(dir(driftscan))
    with pytest.raises(AttributeError, match="module 'driftscan' has no attribute 'nonsense'"):
        driftscan.nonsense  # type: ignore[attr-defined]  # noqa: B018


@pytest.mark.parametrize("before", ["", "import driftscan.api", "import driftscan.compare, driftscan.convert"])
@pytest.mark.parametrize("name", ["compare", "convert"])
def test_a_name_is_the_use_case_whatever_was_imported_before(name: str, before: str) -> None:
    code = f"import driftscan\n{before}\nfor _ in 'ab': assert driftscan.{name}.__module__ == 'driftscan.api'"
    subprocess.run([sys.executable, "-c", code], check=True)
