"""What the documentation says of commands, settings and the Python API is so; tests/real runs the commands."""

from __future__ import annotations

import re
import shlex
import shutil
from datetime import date
from pathlib import Path

import pytest

import driftscan
from docs.manual import pages
from driftscan.cli import COMMANDS, program, run
from driftscan.settings.keys import SCOPED, SETTINGS

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = {path.stem: path.read_text() for path in sorted(DOCS.glob("*.md"))}
_FENCE = re.compile(r"^```[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def _commands() -> list[tuple[str, str]]:
    return [
        (page, line.removeprefix("$ "))
        for page, text in PAGES.items()
        for block in _FENCE.findall(text)
        for line in block.splitlines()
        if re.match(r"(\$ )?driftscan \w", line)
    ]


@pytest.mark.parametrize(("page", "command"), _commands())
def test_every_command_is_one_that_the_program_has(
    page: str, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dist").mkdir()
    _, name, *arguments = shlex.split(command, comments=True)
    with program.make_context("driftscan", [name, *arguments], resilient_parsing=False) as context:
        subcommand = program.get_command(context, name)
        assert subcommand is not None
        subcommand.make_context(name, arguments, parent=context)


def test_the_table_of_settings_is_the_whole_of_them() -> None:
    rows = re.findall(
        r"^\| `([\w-]+)` \| `(DRIFTSCAN_\w+)` \| `(--[\w-]+)` \| (.*) \|$", PAGES["settings"], re.MULTILINE
    )
    expected = [
        (each.key, each.variable, ", ".join(f"`{name}`" for name in each.commands) or "all")
        for each in SETTINGS.values()
    ]
    assert [(key, variable, commands) for key, variable, _, commands in rows] == expected
    options = {opt: param.name for name in COMMANDS for param in COMMANDS[name]().params for opt in param.opts}
    assert [options[option] for _, _, option, _ in rows] == [each.parameter for each in SETTINGS.values()]


def test_what_a_target_may_set_is_listed() -> None:
    listed = re.search(r"belongs to that pair:(.*?), and `\[\[target", PAGES["settings"], re.DOTALL)
    assert listed is not None
    assert set(re.findall(r"`([\w-]+)`", listed[1])) == SCOPED


def test_the_python_examples_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "samples").symlink_to(ROOT / "samples")
    monkeypatch.chdir(tmp_path)
    first, second = re.findall(r"^```python\n(.*?)^```", PAGES["python"], re.MULTILINE | re.DOTALL)
    exec(compile(first, "python.md", "exec"), {})
    assert capsys.readouterr().out.splitlines() == [
        "error IN401 python-dateutil",
        "error DR202 tabulate",
        "error DR203 toolz",
        "error IN402 wrapt",
    ]
    (command,) = (command for page, command in _commands() if page == "python")
    assert run(shlex.split(command)[1:]) == 0
    names: dict[str, object] = {}
    exec(compile(second, "python.md", "exec"), names)
    report = names["report"]
    assert isinstance(report, driftscan.Report)
    assert (len(report.findings), report.active) == (4, ())


def test_the_python_page_has_every_use_case() -> None:
    functions = {name for name in driftscan.__all__ if name.islower() and callable(getattr(driftscan, name))}
    (members,) = re.findall(r"^::: driftscan\.api\n.*?members: \[(.*?)\]", PAGES["python"], re.MULTILINE | re.DOTALL)
    assert set(members.split(", ")) == functions


def test_suppressing_from_python(tmp_path: Path) -> None:
    """An expired entry is told; that one matches nothing only the caller can know."""
    shutil.copy(ROOT / "samples" / "data-science" / "requirements.txt", tmp_path)
    baseline = tmp_path / "b.toml"
    baseline.write_text('[[suppress]]\nrule = "LK101"\nreason = "x"\nexpires = 2026-01-31\n')
    report = driftscan.check([tmp_path / "requirements.txt"])
    entries = driftscan.read_baseline(baseline)
    assert driftscan.suppress(report, entries, today=date(2026, 1, 31)).findings == ()
    (expired,) = driftscan.suppress(report, entries, today=date(2026, 2, 1)).findings
    assert expired.rule == "SU901"


def test_the_manual_pages_are_those_of_the_program() -> None:
    """`python -m docs.manual` writes them anew."""
    written = {path.name: path.read_text(encoding="utf-8") for path in (DOCS / "man").glob("*.1")}
    made = pages()
    assert sorted(written) == sorted(made)
    for name, text in made.items():
        assert written[name] == text
