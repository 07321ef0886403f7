"""`driftscan check` from the command line to the last byte of output."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from driftscan.cli import run
from tests.builders.archives import docker_archive
from tests.builders.installed import glibc, interpreter, venv

HASH = "--hash=sha256:" + "ab" * 32
CLEAN = f"idna==3.10 {HASH}\nsix==1.16.0 {HASH}\n"
LOOSE = f"""\
# by hand
flask
idna==3.10
numpy==1.26.4 ; python_version < "3.12" {HASH}
numpy==2.1.0 ; python_version >= "3.11" {HASH}
requests>=2.31 {HASH}
"""

LOOSE_TEXT = """\
drift: 4 packages locked; 4 errors
requirements.txt

flask
  error    flask is not pinned: the lock allows any version
           LK101 unpinned · requirements.txt:2
           fix       pin it with ==, or let a locking tool write the file

idna
  error    idna 3.10 has no hash
           LK103 missing-hash · requirements.txt:3
           fix       lock with hashes (`pip-compile --generate-hashes`, `uv pip compile
                     --generate-hashes`)

numpy
  error    numpy is pinned to 1.26.4, 2.1.0 for the same target, such as CPython 3.11.1 on linux
           x86_64
           LK106 conflicting-pins · requirements.txt:5
           fix       make their markers exclude each other, or keep one

requests
  error    requests is not pinned: the lock allows >=2.31
           LK101 unpinned · requirements.txt:6
           fix       pin it with ==, or let a locking tool write the file

`driftscan explain LK101` tells more about a rule
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    (tmp_path / "requirements.txt").write_text(CLEAN)
    return tmp_path


@pytest.mark.usefixtures("project")
def test_a_clean_lock(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", "requirements.txt"]) == 0
    assert capsys.readouterr().out == "clean: 2 packages locked\nrequirements.txt\n"


def test_a_loose_lock(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "requirements.txt").write_text(LOOSE)
    assert run(["check", "requirements.txt"]) == 1
    assert capsys.readouterr().out == LOOSE_TEXT


def test_for_programs(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "requirements.txt").write_text(LOOSE)
    assert run(["check", "requirements.txt", "--format", "json", "--select", "LK103"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["summary"] == {"locked": 4, "error": 1, "warning": 0, "info": 0}
    assert list(document["inputs"]) == ["locks"]
    (finding,) = document["findings"]
    assert finding["location"] == {"path": "requirements.txt", "line": 3}


def test_for_a_named_target(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "requirements.txt").write_text(LOOSE)
    arguments = ["check", "requirements.txt", "--python", "3.10", "--python-platform", "linux", "--select", "LK106"]
    run(arguments)
    assert capsys.readouterr().out.splitlines()[1] == "for CPython 3.10 on linux"


def test_for_an_image(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wheel = "idna-3.10-cp312-cp312-manylinux_2_17_x86_64.whl"
    (project / "pylock.toml").write_text(
        'lock-version = "1.0"\ncreated-by = "test"\n[[packages]]\nname = "idna"\nversion = "3.10"\n'
        f'wheels = [{{name = "{wheel}", url = "https://files.example/{wheel}", hashes = {{sha256 = "{"ab" * 32}"}}}}]\n'
    )
    image = {**glibc(), **interpreter(), **venv()}
    docker_archive(project / "base.tar", [("ADD rootfs /", image)], Entrypoint=["/opt/venv/bin/python3"])
    assert run(["check", "pylock.toml", "--for", "base.tar"]) == 1
    assert "LK108 no-artifact-for-target · pylock.toml:3" in capsys.readouterr().out
    assert run(["check", "pylock.toml"]) == 0


def test_a_part_of_the_lock(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "uv.lock").write_text(
        'version = 1\nrequires-python = ">=3.11"\n[[package]]\nname = "app"\nversion = "1"\n'
        'source = { virtual = "." }\n[package.optional-dependencies]\nx = [{ name = "six" }]\n'
        '[[package]]\nname = "six"\nversion = "1.16"\nsource = { registry = "https://index.example/simple" }\n'
        'wheels = [{ url = "https://files.example/six-1.16-py3-none-any.whl" }]\n'
    )
    assert run(["check", "uv.lock"]) == 1
    assert "LK103" in capsys.readouterr().out
    assert run(["check", "uv.lock", "--no-default-groups"]) == 0
    assert run(["check", "uv.lock", "--extra", "x"]) == 1
