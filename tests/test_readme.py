"""What the README tells a reader to run does what it says."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from types import CodeType

import pytest

from driftscan.cli import program

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
COMMANDS = [shlex.split(line) for line in README.splitlines() if re.match(r"driftscan (\w+) ", line)]


def test_the_first_two_commands_are_the_setup_and_the_tests() -> None:
    setup, tests = (line[2:] for line in README.splitlines() if line.startswith("$ "))
    assert setup.startswith("python3 -m venv .venv && .venv/bin/pip install ")
    assert tests == ".venv/bin/python -m pytest --quiet --numprocesses auto --dist loadgroup"


def test_the_report_shown_is_that_of_the_sample() -> None:
    assert (ROOT / "samples" / "data-science" / "expected.txt").read_text() in README


def test_there_are_commands() -> None:
    assert {command[1] for command in COMMANDS} >= {"compare", "check", "inspect"}


@pytest.mark.parametrize("command", COMMANDS, ids=[" ".join(command) for command in COMMANDS])
def test_every_command_is_one_that_the_program_has(command: list[str]) -> None:
    _, name, *arguments = command
    with program.make_context("driftscan", [name, *arguments], resilient_parsing=False) as context:
        subcommand = program.get_command(context, name)
        assert subcommand is not None
        # Parsing raises for an option that does not exist.
        subcommand.make_context(name, arguments, parent=context)


def test_the_python_example_runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ROOT)
    exec(_python_example(), {})
    assert capsys.readouterr().out.splitlines() == [
        (
            "IN401 python-dateutil layer 8 a file of python-dateutil 4.0.0 differs from its RECORD: "
            "/opt/venv/lib/python3.11/site-packages/dateutil/parser/_parser.py"
        ),
        "DR202 tabulate layer 6 tabulate 0.10.0 is locked, 0.9.0 is installed",
        "DR203 toolz layer 7 toolz 1.2.0 is installed and not locked",
        (
            "IN402 wrapt layer 9 a file of wrapt 2.5.2 is gone from the image: "
            "/opt/venv/lib/python3.11/site-packages/wrapt/signature.py"
        ),
    ]


def test_the_python_example_runs_on_findings_that_no_layer_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sample, copy = ROOT / "samples" / "data-science", tmp_path / "samples" / "data-science"
    copy.mkdir(parents=True)
    (copy / "image.tar").symlink_to(sample / "image.tar")
    locked = (sample / "requirements.txt").read_text()
    (copy / "requirements.txt").write_text(f"{locked}nowhere==1.0 --hash=sha256:{0:064}\n")
    monkeypatch.chdir(tmp_path)
    exec(_python_example(), {})
    assert "DR201 nowhere no layer nowhere 1.0 is locked and not installed\n" in capsys.readouterr().out


def _python_example() -> CodeType:
    (example,) = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    return compile(example, "README.md", "exec")
