"""What docs/reports.md tells a reader to run works, and what it says of formats is so."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from driftscan.cli import run
from driftscan.report import CHECK_FORMATS, FORMATS, INVENTORY_FORMATS

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs" / "reports.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^driftscan (.*)$", TEXT, re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_runs(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "samples").symlink_to(ROOT / "samples")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    assert run(shlex.split(command)) == (0 if command.startswith("inspect") else 1)
    for name in re.findall(r"-o \w+=(\S+)", command):
        assert (tmp_path / name).stat().st_size > 1000


def test_every_format_is_described() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \|.*\| ([^|]*) \|$", TEXT, re.MULTILINE))
    assert list(rows) == list(FORMATS)
    assert [name for name, by in rows.items() if by == "all" or "`check`" in by] == list(CHECK_FORMATS)
    assert [name for name, by in rows.items() if by == "all" or "`inspect`" in by] == list(INVENTORY_FORMATS)
