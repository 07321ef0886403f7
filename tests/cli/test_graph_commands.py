"""`driftscan graph` and `driftscan why` from the command line to the last byte of output."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from driftscan.cli import run
from tests.builders.archives import docker_archive
from tests.builders.installed import distribution, glibc, interpreter, venv

LOCK = """\
version = 1
requires-python = ">=3.11"

[[package]]
name = "shop"
version = "1"
source = { virtual = "." }
dependencies = [{ name = "six" }]

[package.optional-dependencies]
x = [{ name = "idna", marker = "sys_platform == 'win32'" }]

[[package]]
name = "six"
version = "1.16"
source = { registry = "https://index.example/simple" }

[[package]]
name = "idna"
version = "3.10"
source = { registry = "https://index.example/simple" }
"""


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    (tmp_path / "uv.lock").write_text(LOCK)
    steps = [
        ("ADD rootfs /", {**glibc(), **interpreter(), **venv()}),
        ("RUN pip install six", distribution("six", "1.17")),
    ]
    docker_archive(tmp_path / "shop.tar", steps, Entrypoint=["/opt/venv/bin/python3"])
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    assert run(arguments) == code
    captured = capsys.readouterr()
    return captured.out + captured.err


def test_a_lock_whole_and_for_one_target(capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "graph", "uv.lock") == (
        "uv.lock\n└── shop 1\n    ├── six 1.16\n    └── idna 3.10  extra x, if sys_platform == 'win32'\n"
    )
    assert said(capsys, "graph", "uv.lock", "--python", "3.12", "--python-platform", "linux", "--all-extras") == (
        "uv.lock\n└── shop 1\n    └── six 1.16\n"
    )


def test_an_image(capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "graph", "shop.tar") == "shop.tar\n└── six 1.17  layer 2\n"


def test_several_formats_at_once(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = said(capsys, "graph", "uv.lock", "-f", "json", "-o", "html=graph.html", "-o", "dot=graph.dot")
    assert json.loads(shown)["schema"] == "driftscan.graph/1"
    assert (project / "graph.html").read_text().startswith("<!doctype html>")
    assert (project / "graph.dot").read_text().startswith('digraph "uv.lock" {')


def test_why_side_by_side(capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "why", "Six", "uv.lock", "shop.tar") == (
        "uv.lock\n  six 1.16\n    shop > six\n\n"
        "shop.tar\n  six 1.17 · layer 2: RUN pip install six\n    nothing that is installed requires it\n"
    )


def test_why_what_is_in_another_environment(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tools = "opt/tools/lib/python3.11/site-packages"
    steps = [
        ("ADD rootfs /", {**glibc(), **interpreter(), **venv(), **venv("opt/tools")}),
        ("RUN pip install", {**distribution("six", "1.17"), **distribution("sixx", "1", tools)}),
    ]
    docker_archive(project / "two.tar", steps, Entrypoint=["/opt/venv/bin/python3"])
    assert said(capsys, "why", "Sixx", "two.tar", code=1) == (
        "two.tar\n  sixx is not in /opt/venv; it is in /opt/tools, see --environment /opt/tools\n"
    )
    (answer,) = json.loads(said(capsys, "why", "sixx", "two.tar", "-f", "json", code=1))["answers"]
    assert (answer["found"], answer["elsewhere"]) == ([], ["/opt/tools"])
    assert said(capsys, "why", "sixx", "two.tar", "--environment", "/opt/tools") == (
        "two.tar\n  sixx 1 · layer 2: RUN pip install\n    nothing that is installed requires it\n"
    )
    assert said(capsys, "why", "idna", "two.tar", code=1) == "two.tar\n  idna is not installed\n"


def test_why_what_is_nowhere(capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "why", "sixx", "uv.lock", code=1) == "uv.lock\n  sixx is not locked\nhint: did you mean six?\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["graph"], "a lock or an image is needed\nhint: driftscan graph uv.lock\n"),
        (["graph", "uv.lock", "shop.tar"], "one graph is of locks or of an image, and shop.tar is no lock\n"),
        (["graph", "shop.tar", "shop.tar"], "a graph is of one image\n"),
        (["why"], "a package and a lock or an image are needed\nhint: driftscan why numpy uv.lock shop:1.4\n"),
        (["why", "six"], "a package and a lock or an image are needed\n"),
        (["graph", "uv.lock", "--extra", "y"], "there is no extra 'y'\nhint: it has x\n"),
        (["graph", "uv.lock", "--depth", "0"], "Invalid value for '--depth'"),
    ],
)
def test_mistakes(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert message in said(capsys, *arguments, code=2)
