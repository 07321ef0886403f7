"""What fits driftscan into other things: the action's script, hooks, and the image and the lock of driftscan itself."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from driftscan.cli import run

ROOT = Path(__file__).parent.parent
ACTION = yaml.safe_load((ROOT / "action.yml").read_text())
_EXPRESSION = re.compile(r"\$\{\{ *([a-z_.-]+) *\}\}")


def test_no_input_is_written_into_a_script() -> None:
    for each in ACTION["runs"]["steps"]:
        assert _EXPRESSION.search(each["run"]) is None
    used = {name for each in ACTION["runs"]["steps"] for name in _EXPRESSION.findall(json.dumps(each))}
    assert {name.removeprefix("inputs.") for name in used if name.startswith("inputs.")} == set(ACTION["inputs"])
    assert set(_EXPRESSION.findall(json.dumps(ACTION["outputs"]))) == {
        f"steps.run.outputs.{name}" for name in ACTION["outputs"]
    }


def test_the_lock_of_driftscan_itself_is_fresh_and_complete(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the image and the action install; `driftscan lock` makes it from pyproject.toml."""
    monkeypatch.chdir(ROOT)
    code = run(["check", "ci/requirements.txt", "--fail-on", "info", "--format", "json"])
    document = json.loads(capsys.readouterr().out)
    assert (code, document["findings"], document["unchecked"]) == (0, [], [])


def test_the_dockerfile_keeps_to_the_practices(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    base = f"BASE=python:3.12-slim-bookworm@sha256:{'ab' * 32}"
    run(["lint", "Dockerfile", "--build-arg", base, "--lock", "ci/requirements.txt", "--format", "json"])
    document = json.loads(capsys.readouterr().out)
    assert document["findings"] == []


def test_every_hook_is_a_command(monkeypatch: pytest.MonkeyPatch) -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert [(each["id"], each["entry"]) for each in hooks] == [
        ("driftscan-check", "driftscan check --each"),
        ("driftscan-lock-check", "driftscan lock --check"),
        ("driftscan-lint", "driftscan lint"),
    ]
    locks = re.compile(hooks[0]["files"])
    found = ["requirements.txt", "a/requirements-dev.txt", "uv.lock", "pylock.web.toml", "b/conda-lock.yml"]
    assert all(map(locks.search, found))
    assert not any(map(locks.search, ["requirements.in", "xuv.lock", "notes.txt"]))
    dockerfiles = re.compile(hooks[2]["files"])
    assert all(map(dockerfiles.search, ["Dockerfile", "docker/Dockerfile.web", "web.Dockerfile", "Containerfile"]))
    assert not dockerfiles.search("Dockerfiles/readme")
