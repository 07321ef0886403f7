"""The sample Dockerfiles give the reports beside them."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from driftscan.cli import program

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("name", "code"), [("good", 0), ("bad", 1)])
def test_sample(name: str, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    result = CliRunner().invoke(program, ["lint", f"samples/dockerfiles/{name}.Dockerfile"])
    assert (result.stdout, result.stderr) == ((ROOT / f"samples/dockerfiles/{name}.txt").read_text(), "")
    assert result.exit_code == code
    assert max(map(len, result.stdout.splitlines())) <= 100


def test_the_bad_one_breaks_all_practices_and_the_good_one_none() -> None:
    bad, good = ((ROOT / f"samples/dockerfiles/{name}.txt").read_text() for name in ("bad", "good"))
    assert ("0 of 6 practices hold" in bad, "6 of 6 practices hold" in good) == (True, True)
