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
