"""`env:` reads an environment of this machine, and of the machine what its interpreter and scripts need."""

from __future__ import annotations

import sys
import venv
from pathlib import Path

import pytest

import driftscan
from driftscan.cli import run
from driftscan.model.inventory import Environment


def taken(prefix: Path) -> Environment:
    inventory = driftscan.inspect(f"env:{prefix}")
    assert inventory.default is not None
    return inventory.environments[inventory.default]


def script(prefix: Path, name: str, interpreter: str) -> None:
    """A distribution with one script, as an installer leaves it."""
    (prefix / "bin" / name).write_text(f"#!{interpreter}\nimport x\n")
    site = prefix / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    info = site / f"{name}-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
    (info / "RECORD").write_text(f"../../../bin/{name},,\n{name}-1.dist-info/METADATA,,\n")


def test_scripts_and_the_interpreters_that_they_name(tmp_path: Path) -> None:
    prefix = tmp_path / "venv"
    venv.create(prefix, with_pip=False)
    own = prefix / "bin" / "python"
    script(prefix, "shop", str(own))
    script(prefix, "moved", str(tmp_path / "elsewhere" / "bin" / "python"))
    found = taken(prefix)
    assert found.interpreter.version == ".".join(map(str, sys.version_info[:3]))
    assert [(each.path, each.expected) for each in found.problems] == [
        (str(prefix / "bin" / "moved"), str(tmp_path / "elsewhere" / "bin" / "python"))
    ]


def test_the_machine_s_libraries_are_known(tmp_path: Path) -> None:
    """Nothing is said to be missing only because it was not read."""
    prefix = tmp_path / "venv"
    venv.create(prefix, with_pip=False)
    found = taken(prefix)
    assert found.interpreter.api is not None
    assert "PyList_New" in found.interpreter.api
    assert found.unchecked == ()


def test_how_images_should_be_built_is_not_asked_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prefix = tmp_path / "venv"
    venv.create(prefix, with_pip=False)
    lock = tmp_path / "requirements.txt"
    lock.write_text("shop==1\n")
    script(prefix, "shop", str(prefix / "bin" / "python"))
    assert driftscan.compare([str(lock)], f"env:{prefix}").practices == ()
    run(["compare", str(lock), f"env:{prefix}"])
    assert "practices" not in capsys.readouterr().out
