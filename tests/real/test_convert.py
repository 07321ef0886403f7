"""Converted locks, installed by the programs that they are for."""

from __future__ import annotations

import json
import subprocess
import venv
from pathlib import Path

import pytest

import driftscan
from driftscan.cli import run as driftscan_run
from driftscan.finding import Severity
from tests.real.daemons import run
from tests.real.installs import program, uv_project

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("uv")
    uv_project(folder)
    return folder


def test_uv_installs_from_what_was_converted_and_the_result_is_exact(project: Path, tmp_path: Path) -> None:
    uv = program("uv")
    for name in ("requirements.txt", "pylock.toml"):
        assert driftscan_run(["convert", str(project / "uv.lock"), "-o", str(tmp_path / name), "-q"]) == 0
        place = tmp_path / f"env-{name}"
        run([uv, "venv", "--quiet", "--python", "3.11", place])
        # The group `dev` is installed by default in the lock, and so it is in both files.
        run([uv, "pip", "sync", "--quiet", "--preview", "--require-hashes", "--python", place, tmp_path / name])
        for lock in (project / "uv.lock", tmp_path / name):
            report = driftscan.compare([lock], f"env:{place}")
            assert [finding for finding in report.findings if finding.severity is not Severity.INFO] == []
            assert report.matching == report.locked > 5


def test_pip_resolves_to_exactly_what_was_converted(project: Path, tmp_path: Path) -> None:
    """pip insists on hashes and on every requirement being there, so a file that it takes is complete."""
    venv.create(tmp_path / "env", with_pip=True)
    converted = tmp_path / "requirements.txt"
    assert driftscan_run(["convert", str(project / "uv.lock"), "-o", str(converted), "-q"]) == 0
    command = [tmp_path / "env" / "bin" / "python", "-m", "pip", "install", "--quiet", "--dry-run", "--require-hashes"]
    done = subprocess.run(
        [*map(str, command), "--ignore-installed", "--report", "-", "-r", str(converted)],
        check=True,
        capture_output=True,
        text=True,
    )
    found = {
        item["metadata"]["name"].lower(): item["metadata"]["version"] for item in json.loads(done.stdout)["install"]
    }
    lock = driftscan.read_lock(converted)
    assert found.items() <= {str(each.id.name): each.id.version for each in lock.packages}.items()
    assert len(found) > 5
