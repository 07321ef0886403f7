"""Every sample gives the report that lies beside it, as its README line has it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from driftscan.cli import program

ROOT = Path(__file__).parent.parent
SAMPLES = {
    "web-uv": (["uv.lock", "--no-default-groups"], 0),
    "data-science": (["requirements.txt"], 1),
    "conda-environment": (["conda-linux-64.lock"], 1),
}


def test_every_sample_is_listed() -> None:
    assert sorted(SAMPLES) == sorted(path.parent.name for path in ROOT.glob("samples/*/Dockerfile"))


@pytest.mark.parametrize("name", SAMPLES)
def test_sample(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`UPDATE_GOLDEN=1` writes the reports anew; read the difference before you commit it."""
    monkeypatch.chdir(ROOT)
    arguments, code = SAMPLES[name]
    folder = Path("samples") / name
    lock, *options = arguments
    for form, file in (("text", folder / "expected.txt"), ("json", folder / "expected.json")):
        command = ["compare", str(folder / lock), str(folder / "image.tar"), *options, "--format", form]
        result = CliRunner().invoke(program, command)
        assert (result.exit_code, result.stderr) == (code, "")
        if os.environ.get("UPDATE_GOLDEN"):
            file.write_text(result.stdout)
        assert result.stdout == file.read_text()
        if form == "json":
            assert json.loads(result.stdout)["verdict"] == ("clean" if code == 0 else "drift")


def test_the_lock_of_the_loose_requirements(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    check = ["-o", "samples/locking/requirements.txt", "--check", "--offline"]
    result = CliRunner().invoke(program, ["lock", "samples/locking/requirements.in", *check])
    assert (result.exit_code, result.stdout.splitlines()[0]) == (0, "samples/locking/requirements.txt is up to date")
    result = CliRunner().invoke(program, ["lock", "samples/locking/edited.in", *check])
    assert (result.exit_code, result.stdout.splitlines()[1:4]) == (
        1,
        [
            "inputs   samples/locking/edited.in:2 asks for markupsafe<2, and the lock has 3.0.4",
            "         samples/locking/edited.in:3 asks for rich, which the lock does not have",
            "         samples/locking/requirements.txt:182: nothing asks for tabulate 0.10.0 any more",
        ],
    )
