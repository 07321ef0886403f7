"""The GitHub action and the GitLab template: their own scripts are run, as a runner would."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from tests.builders.archives import docker_archive
from tests.cli.test_settings import BASE, ENTRYPOINT, INSTALL, LOCK, UPGRADE

pytestmark = pytest.mark.real

ROOT = Path(__file__).parents[2]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text())
_EXPRESSION = re.compile(r"\$\{\{ *([a-z_.-]+) *\}\}")
_SHELL = ("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c")
"""What a runner starts for `shell: bash` (docs.github.com, workflow syntax)."""


class Ran(NamedTuple):
    code: int
    out: str
    outputs: Mapping[str, str]
    summary: str


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A checkout with a lock, an image that has drifted, and the interpreter that the first step installs."""
    folder = tmp_path / "workspace"
    folder.mkdir()
    (folder / "requirements.txt").write_text(LOCK)
    docker_archive(folder / "lab.tar", [BASE, INSTALL, UPGRADE], **ENTRYPOINT)
    docker_archive(folder / "shop.tar", [BASE, INSTALL], **ENTRYPOINT)
    program = tmp_path / "temp" / "driftscan" / "bin" / "python"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    program.chmod(0o755)
    return folder


def step(name: str) -> dict[str, Any]:
    (found,) = [each for each in ACTION["runs"]["steps"] if each["name"] == name]
    return dict(found)


def resolved(text: str, values: Mapping[str, str]) -> str:
    return _EXPRESSION.sub(lambda found: values[found[1]], text)


def stepped(name: str, workspace: Path, **inputs: str) -> Ran:
    """Run one step of the action as a runner does, with `inputs` over its defaults."""
    values = {f"inputs.{key}": str(each.get("default", "")) for key, each in ACTION["inputs"].items()}
    values |= {f"inputs.{key.replace('_', '-')}": value for key, value in inputs.items()}
    values |= {"github.action_path": str(ROOT), "runner.temp": str(workspace.parent / "temp")}
    asked = step(name)
    assert asked["shell"] == "bash"
    files = {key: workspace.parent / key.lower() for key in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    for file in files.values():
        file.write_text("")
    done = subprocess.run(
        [*_SHELL, asked["run"]],
        cwd=workspace / resolved(asked.get("working-directory", "."), values),
        env={
            **{key: value for key, value in os.environ.items() if not key.startswith("GITHUB_")},
            **{key: str(file) for key, file in files.items()},
            **{key: resolved(value, values) for key, value in asked["env"].items()},
            "GITHUB_WORKSPACE": str(workspace),
        },
        capture_output=True,
        text=True,
    )
    outputs = dict(line.split("=", 1) for line in files["GITHUB_OUTPUT"].read_text().splitlines())
    return Ran(done.returncode, done.stdout + done.stderr, outputs, files["GITHUB_STEP_SUMMARY"].read_text())


def test_the_installed_program_runs(workspace: Path) -> None:
    """The first step installs from the lock, with hashes; the second runs what it has installed."""
    (workspace.parent / "temp" / "driftscan" / "bin" / "python").unlink()
    installed = stepped("Install driftscan", workspace, python=sys.executable)
    assert (installed.code, installed.outputs) == (0, {})
    ran = stepped("Run driftscan", workspace, locks="requirements.txt", target="shop.tar")
    assert (ran.code, ran.outputs["verdict"]) == (0, "clean")


def test_drift_is_annotated_on_the_line_of_the_lock(workspace: Path) -> None:
    ran = stepped("Run driftscan", workspace, locks="requirements.txt", target="lab.tar", html="drift.html")
    assert (ran.code, ran.outputs) == (1, {"exit-code": "1", "verdict": "drift", "sarif": "./driftscan.sarif"})
    assert "::error file=requirements.txt,line=2,title=DR202 version-mismatch::six 1.16.0 is locked, 1.17.0" in ran.out
    assert ran.summary.startswith("### ❌ drift: 1 of 2 packages match; 1 error\n")
    sarif = json.loads((workspace / "driftscan.sarif").read_text())
    place = sarif["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    assert (place["artifactLocation"]["uri"], place["region"]["startLine"]) == ("requirements.txt", 2)
    assert (workspace / "drift.html").exists()


def test_a_clean_image(workspace: Path) -> None:
    ran = stepped("Run driftscan", workspace, locks="requirements.txt", target="shop.tar", sarif="")
    assert (ran.code, ran.outputs) == (0, {"exit-code": "0", "verdict": "clean"})


def test_the_pairs_of_the_configuration(workspace: Path) -> None:
    (workspace / "driftscan.toml").write_text('[[target]]\nlocks = ["requirements.txt"]\ntarget = "shop.tar"\n')
    assert stepped("Run driftscan", workspace).outputs["verdict"] == "clean"


def test_paths_of_annotations_start_at_the_top(workspace: Path) -> None:
    (workspace / "apps").mkdir()
    (workspace / "requirements.txt").rename(workspace / "apps" / "requirements.txt")
    ran = stepped("Run driftscan", workspace, locks="requirements.txt", target="../lab.tar", working_directory="apps")
    assert (ran.code, ran.outputs["sarif"]) == (1, "apps/driftscan.sarif")
    assert "::error file=apps/requirements.txt,line=2," in ran.out


def test_what_could_not_be_checked_fails_unless_it_is_allowed(workspace: Path) -> None:
    (workspace / "requirements.txt").write_text(LOCK.replace("six==1.16.0", "six==1.16.0; platform_release > '5'"))
    inputs = {"locks": "requirements.txt", "target": "shop.tar"}
    ran = stepped("Run driftscan", workspace, **inputs)
    assert (ran.code, ran.outputs["verdict"]) == (3, "incomplete")
    ran = stepped("Run driftscan", workspace, **inputs, allow_unchecked="true")
    assert (ran.code, ran.outputs["exit-code"]) == (0, "3")


def test_check_and_lint(workspace: Path) -> None:
    ran = stepped("Run driftscan", workspace, command="check", locks="requirements.txt\n")
    assert (ran.code, ran.outputs["verdict"]) == (0, "clean")
    (workspace / "Dockerfile").write_text("FROM python:3.12\n")
    ran = stepped("Run driftscan", workspace, command="lint", target="Dockerfile", locks="requirements.txt")
    assert ran.code == 1
    assert "title=IM511 base-not-pinned" in ran.out


@pytest.mark.parametrize(
    "inputs",
    [
        {"locks": "requirements.txt", "target": "$(touch pwned)"},
        {"locks": "`touch pwned`", "target": "shop.tar"},
        {"locks": "requirements.txt", "target": "shop.tar", "options": '--ignore=DR"; touch pwned; "'},
        {"locks": "requirements.txt", "target": "shop.tar", "sarif": "'; touch pwned; '"},
        {"command": "compare; touch pwned", "locks": "requirements.txt", "target": "shop.tar"},
        {"command": "cache"},
        {"locks": "--config=evil.toml", "target": "shop.tar"},
    ],
)
def test_inputs_are_arguments_and_nothing_else(workspace: Path, inputs: dict[str, str]) -> None:
    ran = stepped("Run driftscan", workspace, **inputs)
    assert not list(workspace.rglob("pwned"))
    assert ran.code == (0 if "sarif" in inputs else 2)


def test_modules_in_the_checkout_are_not_imported(workspace: Path) -> None:
    for name in ("click", "json", "driftscan"):
        (workspace / f"{name}.py").write_text("raise SystemExit(99)\n")
    assert stepped("Run driftscan", workspace, locks="requirements.txt", target="shop.tar").code == 0


def test_the_gitlab_job(workspace: Path) -> None:
    template = yaml.safe_load((ROOT / "ci" / "gitlab.yml").read_text())["driftscan"]
    (workspace / "driftscan.toml").write_text(
        '[[target]]\nname = "lab"\nlocks = ["requirements.txt"]\ntarget = "lab.tar"\n'
    )
    (command,) = template["script"]
    done = subprocess.run(
        ["bash", "-c", command.replace("python3", sys.executable)], cwd=workspace, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (1, "")
    reports = template["artifacts"]["reports"]
    (issue,) = json.loads((workspace / reports["codequality"]).read_text())
    assert issue["location"] == {"path": "requirements.txt", "lines": {"begin": 2}}
    assert (workspace / reports["junit"]).exists()
    assert [path.name for path in workspace.glob(template["artifacts"]["paths"][0])] == ["driftscan-lab.html"]
