"""Several reports of one run: where they go, and where they are shown."""

from __future__ import annotations

import json
import os
import stat
import threading
from pathlib import Path

import pytest

from driftscan.cli import output, run
from tests.builders.archives import Step, docker_archive
from tests.builders.installed import distribution, glibc, interpreter, venv

LOCK = "idna==3.10 --hash=sha256:" + "ab" * 32 + "\n"
BASE: Step = ("ADD rootfs.tar /", {**glibc(), **interpreter(), **venv()})
INSTALL: Step = ("RUN pip install idna==3.9", {**distribution("idna", "3.9")})
COMPARE = ["compare", "requirements.txt", "shop.tar", "-q"]
FORMATS = ("text", "json", "markdown", "html", "sarif", "junit", "github", "gitlab", "cyclonedx")


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of a repository with a lock and an image that drifted, which is the current one."""
    folder = tmp_path / "repo" / "services" / "shop"
    folder.mkdir(parents=True)
    (tmp_path / "repo" / ".git").mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("NO_COLOR", "1")
    for variable in ("GITHUB_STEP_SUMMARY", "GITHUB_WORKSPACE", "CI_PROJECT_DIR"):
        monkeypatch.delenv(variable, raising=False)
    (folder / "requirements.txt").write_text(LOCK)
    docker_archive(folder / "shop.tar", [BASE, INSTALL], Entrypoint=["/opt/venv/bin/python3", "-m", "idna"])
    return folder


def test_all_formats_at_once(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = [part for name in FORMATS for part in ("-o", f"{name}=drift.{name}")]
    assert run([*COMPARE, *asked]) == 1
    shown = capsys.readouterr().out
    assert (project / "drift.text").read_text() == shown
    assert json.loads((project / "drift.json").read_text())["verdict"] == "drift"
    assert (project / "drift.markdown").read_text().startswith("### ❌ drift: 0 of 1 package matches; 1 error\n")
    assert (project / "drift.html").read_text().startswith("<!doctype html>")
    assert json.loads((project / "drift.sarif").read_text())["version"] == "2.1.0"
    assert (project / "drift.junit").read_text().startswith("<?xml")
    assert json.loads((project / "drift.gitlab").read_text())[0]["check_name"] == "DR202 version-mismatch"
    assert json.loads((project / "drift.cyclonedx").read_text())["bomFormat"] == "CycloneDX"
    assert sorted(path.name for path in project.iterdir()) == sorted(
        ["requirements.txt", "shop.tar", *(f"drift.{name}" for name in FORMATS)]
    )


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_on_stdout(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*COMPARE, "-f", name]) == 1
    assert "3.9" in capsys.readouterr().out


def test_annotations_and_the_step_summary(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    summary = project / "summary.md"
    summary.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    assert run([*COMPARE, "-f", "github"]) == 1
    assert (
        capsys.readouterr()
        .out.splitlines()[1]
        .startswith(
            "::error file=services/shop/requirements.txt,line=1,title=DR202 version-mismatch::"
            "idna 3.10 is locked, 3.9 is installed%0A"
        )
    )
    assert summary.read_text().startswith("before\n### ❌ drift: 0 of 1 package matches; 1 error\n")


def test_a_summary_is_written_for_annotations_on_stdout_only(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(project / "summary.md"))
    assert run([*COMPARE, "-o", "github=annotations"]) == 1
    assert not (project / "summary.md").exists()


def test_a_summary_that_is_full(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    summary = project / "summary.md"
    summary.write_bytes(b"x" * (output.SUMMARY_LIMIT - 10))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    assert run([*COMPARE, "-f", "github"]) == 1
    assert summary.stat().st_size == output.SUMMARY_LIMIT - 10
    assert capsys.readouterr().err == "the summary of this step is full, and the report is not in it\n"


def test_a_summary_that_cannot_be_written(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(project))
    assert run([*COMPARE, "-f", "github"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == f"driftscan: error: {project}: the step summary cannot be written: Is a directory\n"


@pytest.mark.parametrize(
    ("variable", "root", "path"),
    [
        ("GITHUB_WORKSPACE", "..", "shop/requirements.txt"),
        ("CI_PROJECT_DIR", ".", "requirements.txt"),
        ("GITHUB_WORKSPACE", "/elsewhere", "services/shop/requirements.txt"),
    ],
)
def test_the_top_of_the_repository(
    project: Path, monkeypatch: pytest.MonkeyPatch, variable: str, root: str, path: str
) -> None:
    monkeypatch.setenv(variable, str((project / root).resolve()))
    assert run([*COMPARE, "-o", "gitlab=quality.json"]) == 1
    assert json.loads((project / "quality.json").read_text())[0]["location"]["path"] == path


def test_outside_of_a_repository_paths_are_as_they_were_named(project: Path, tmp_path: Path) -> None:
    (tmp_path / "repo" / ".git").rmdir()
    assert run([*COMPARE, "-o", "gitlab=quality.json"]) == 1
    assert json.loads((project / "quality.json").read_text())[0]["location"]["path"] == "requirements.txt"


def test_a_file_that_is_there_keeps_its_permissions_and_its_symlink(project: Path) -> None:
    (project / "real.json").write_text("old")
    (project / "real.json").chmod(0o640)
    (project / "drift.json").symlink_to("real.json")
    assert run([*COMPARE, "-o", "json=drift.json"]) == 1
    assert (project / "drift.json").is_symlink()
    assert json.loads((project / "real.json").read_text())["verdict"] == "drift"
    assert stat.S_IMODE((project / "real.json").stat().st_mode) == 0o640


def test_a_pipe_gets_the_report_and_stays_a_pipe(project: Path) -> None:
    os.mkfifo(project / "pipe")
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append((project / "pipe").read_text()))
    reader.start()
    assert run([*COMPARE, "-o", "json=pipe"]) == 1
    reader.join()
    assert json.loads(read[0])["verdict"] == "drift"
    assert (project / "pipe").is_fifo()


def test_a_disk_that_fails_leaves_the_old_report(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "drift.json").write_text("old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert run([*COMPARE, "-o", "json=drift.json"]) == 2
    assert capsys.readouterr().err == (
        "driftscan: error: drift.json: the result cannot be written: No space left on device\n"
    )
    assert (project / "drift.json").read_text() == "old"
    assert sorted(path.name for path in project.iterdir()) == ["drift.json", "requirements.txt", "shop.tar"]


def test_two_formats_in_one_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*COMPARE, "-o", "json=a", "-o", "html=a"]) == 2
    assert capsys.readouterr().err == (
        "driftscan: error: Invalid value for '-o' / '--output': a is named twice\n"
        "hint: `driftscan compare --help` shows how it is used\n"
    )


def test_a_check_of_locks_is_no_bill_of_materials(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", "requirements.txt", "-f", "cyclonedx"]) == 2
    assert "'cyclonedx' is not one of 'text', 'json', 'markdown', 'html'," in capsys.readouterr().err


@pytest.mark.parametrize("name", FORMATS[:-1])
def test_each_format_of_a_check(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("requirements.txt").write_text("idna\n")
    assert run(["check", "requirements.txt", "-f", name]) == 1
    assert "idna" in capsys.readouterr().out


def test_what_an_image_holds_as_a_bill_of_materials(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["inspect", "shop.tar", "-q", "-f", "cyclonedx"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [each["purl"] for each in document["components"]] == ["pkg:pypi/idna@3.9", "pkg:generic/python@3.11.9"]
