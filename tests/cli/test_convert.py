"""`driftscan convert` from the command line to the file that it writes."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

import driftscan
from driftscan.cli import run
from tests.builders.archives import docker_archive
from tests.builders.installed import distribution, glibc, interpreter, venv

SIX = "a" * 64
COLOR = "b" * 64
LOCK = f"""\
version = 1
requires-python = ">=3.11"

[[package]]
name = "shop"
version = "1"
source = {{ editable = "." }}
dependencies = [{{ name = "six" }}, {{ name = "colorama", marker = "sys_platform == 'win32'" }}]

[[package]]
name = "colorama"
version = "0.4.6"
source = {{ registry = "https://index.example/simple" }}
wheels = [{{ url = "https://files.example/colorama-0.4.6-py3-none-any.whl", hash = "sha256:{COLOR}" }}]

[[package]]
name = "six"
version = "1.16"
source = {{ registry = "https://index.example/simple" }}
wheels = [{{ url = "https://files.example/six-1.16-py3-none-any.whl", hash = "sha256:{SIX}", size = 3 }}]

[[package]]
name = "tree"
version = "1"
source = {{ directory = "libs/tree" }}
"""
REQUIREMENTS = f"""\
--index-url https://index.example/simple
colorama==0.4.6 ; sys_platform == 'win32' \\
    --hash=sha256:{COLOR}
    # via shop
six==1.16 \\
    --hash=sha256:{SIX}
    # via shop
"""
LEFT_OUT = "shop is left out, built from sources: install with `pip install --no-deps`\n"


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    (tmp_path / "uv.lock").write_text(LOCK)
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> tuple[str, str]:
    assert run(arguments) == code
    captured = capsys.readouterr()
    return captured.out, captured.err


def test_to_a_file_whose_name_tells_the_format(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, err = said(capsys, "convert", "uv.lock", "-o", "requirements.txt")
    assert (out, err) == ("", LEFT_OUT + "2 entries written to requirements.txt\n")
    written = (project / "requirements.txt").read_text()
    assert written.startswith("# Made by driftscan convert from uv.lock (sha256:")
    assert written.endswith(f").\n# For Python >=3.11.\n\n{REQUIREMENTS}")
    said(capsys, "convert", "uv.lock", "-o", "pylock.shop.toml")
    assert [each.id.name for each in driftscan.read_lock(project / "pylock.shop.toml").packages] == ["colorama", "six"]
    assert said(capsys, "check", "pylock.shop.toml")[0].splitlines()[0] == "clean: 2 packages locked"


def test_to_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    out, err = said(capsys, "convert", "uv.lock", "--to", "requirements")
    assert out.endswith(REQUIREMENTS)
    assert err == LEFT_OUT
    assert said(capsys, "convert", "uv.lock", "--to", "requirements", "-q") == (out, "")


def test_for_one_target(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    steps = [
        ("ADD rootfs /", {**glibc(), **interpreter(), **venv()}),
        ("RUN pip install six", distribution("six", "1.16")),
    ]
    docker_archive(project / "shop.tar", steps, Entrypoint=["/opt/venv/bin/python3"])
    named, _ = said(capsys, "convert", "uv.lock", "--to=requirements", "--python=3.11", "--python-platform=linux")
    assert "# For CPython 3.11 on linux.\n" in named
    assert "colorama" not in named
    image, _ = said(capsys, "convert", "uv.lock", "--to=requirements", "--for=shop.tar")
    assert "# For CPython 3.11.9 on linux x86_64.\n" in image
    assert image.splitlines()[2:] == named.splitlines()[2:]
    (project / "requirements.txt").write_text(image)
    assert "clean: 1 of 1 package matches" in said(capsys, "compare", "requirements.txt", "shop.tar")[0]


def test_paths_are_those_from_the_new_file(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = LOCK.replace('{ name = "six" }', '{ name = "six" }, { name = "tree" }')
    (project / "app").mkdir()
    (project / "deploy").mkdir()
    (project / "app" / "uv.lock").write_text(text)
    said(capsys, "convert", "app/uv.lock", "-o", "deploy/requirements.txt")
    assert "\n../app/libs/tree\n" in (project / "deploy" / "requirements.txt").read_text()
    said(capsys, "convert", "app/uv.lock", "-o", "pylock.toml")
    assert 'directory = {path = "app/libs/tree"}' in (project / "pylock.toml").read_text()


def test_a_file_is_replaced_as_a_whole_or_not_at_all(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = project / "requirements.txt"
    place.write_text("six==1.15\n")
    place.chmod(0o640)

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        _, err = said(capsys, "convert", "uv.lock", "-o", "requirements.txt", code=2)
    assert err == "driftscan: error: requirements.txt: the result cannot be written: No space left on device\n"
    assert place.read_text() == "six==1.15\n"
    assert sorted(path.name for path in project.iterdir()) == ["requirements.txt", "uv.lock"]
    said(capsys, "convert", "uv.lock", "-o", "requirements.txt")
    assert place.read_text().endswith(REQUIREMENTS)
    assert place.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        ((), "Missing argument 'LOCK'.", None),
        (("uv.lock",), "which format is wanted is not clear", "--to requirements or --to pylock"),
        (("uv.lock", "-o", "a.lock"), "the name a.lock does not tell the format", "--to requirements or --to pylock"),
        (("uv.lock", "-o", "no/pylock.toml"), "there is no folder no", None),
        (
            ("uv.lock", "-o", "./uv.lock", "--to", "pylock"),
            "the lock would be replaced by what is made from it",
            "name another file with -o",
        ),
        (
            ("uv.lock", "-o", "a.txt", "--extra", "x"),
            "uv.lock: there is no extra 'x'",
            "it has no extra at all",
        ),
        (
            ("uv.lock", "-o", "a.txt", "--python", "3.10", "--python-platform", "linux"),
            "uv.lock: it is made for Python >=3.11, not for CPython 3.10 on linux",
            None,
        ),
        (
            ("uv.lock", "-o", "a.txt", "--python", "3.12", "--for", "shop.tar"),
            "an image says itself which Python and platform it has",
            "leave --python or --for out",
        ),
    ],
)
def test_mistakes(
    project: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str, hint: str | None
) -> None:
    out, err = said(capsys, "convert", *arguments, code=2)
    assert out == ""
    first, *rest = err.splitlines()
    assert first == f"driftscan: error: {message}"
    assert hint is None or rest == [f"hint: {hint}"]
    assert sorted(path.name for path in project.iterdir()) == ["uv.lock"]
