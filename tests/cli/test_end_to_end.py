"""The main job on images made in code, from the command line to the last byte of output."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

import driftscan
from driftscan.cli import run
from tests.builders.archives import Step, docker_archive, oci_layout
from tests.builders.installed import distribution, glibc, interpreter, venv
from tests.builders.rootfs import Content, Removed

SITE = "opt/venv/lib/python3.11/site-packages"
HASH = "--hash=sha256:" + "ab" * 32
LOCK = f"idna==3.10 {HASH}\nsix==1.16.0 {HASH}\n"

BASE: Step = ("/bin/sh -c #(nop) ADD file:0 in / ", {**glibc(), **interpreter(), **venv()})
INSTALL: Step = (
    "RUN /bin/sh -c pip install --require-hashes -r requirements.txt # buildkit",
    {**distribution("idna", "3.10"), **distribution("six", "1.16.0")},
)
UPGRADE: Step = (
    "RUN /bin/sh -c pip install -U six # buildkit",
    {f"{SITE}/six-1.16.0.dist-info": Removed(), **distribution("six", "1.17.0")},
)
ENTRYPOINT = {"Entrypoint": ["/opt/venv/bin/python3", "-m", "six"]}

Compare = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the current one, with a lock, and no container daemon that could answer."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no-docker")
    monkeypatch.setenv("CONTAINER_HOST", f"unix://{tmp_path}/no-podman")
    (tmp_path / "requirements.txt").write_text(LOCK)
    return tmp_path


@pytest.fixture
def report(project: Path, capsys: pytest.CaptureFixture[str]) -> Compare:
    def compare(*arguments: str) -> tuple[int, dict[str, Any]]:
        code = run(["compare", "requirements.txt", *arguments, "--format", "json"])
        return code, json.loads(capsys.readouterr().out)

    return compare


def test_an_image_that_is_what_the_lock_says(project: Path, report: Compare) -> None:
    docker_archive(project / "shop.tar", [BASE, INSTALL], **ENTRYPOINT)
    code, document = report("shop.tar")
    assert (code, document["verdict"], document["findings"], document["unchecked"]) == (0, "clean", [], [])
    assert document["summary"] == {"locked": 2, "installed": 2, "matching": 2, "error": 0, "warning": 0, "info": 0}
    assert document["environment"]["path"] == "/opt/venv"
    assert document["environment"]["python"] == "3.11.9"
    assert document["environment"]["libc"] == "glibc 2.36"
    assert document["inputs"]["target"]["source"] == "docker-archive"


def test_the_layer_that_changed_a_version(project: Path, report: Compare) -> None:
    docker_archive(project / "shop.tar", [BASE, INSTALL, UPGRADE], **ENTRYPOINT)
    code, document = report("shop.tar")
    assert (code, document["verdict"]) == (1, "drift")
    found = {finding["rule"]: finding for finding in document["findings"]}
    mismatch = found["DR202"]
    assert (mismatch["package"], mismatch["locked"], mismatch["installed"]) == ("six", ["1.16.0"], ["1.17.0"])
    assert (mismatch["layer"]["index"], mismatch["layer"]["created_by"]) == (3, "RUN pip install -U six")
    assert mismatch["path"] == f"/{SITE}/six-1.17.0.dist-info"


def test_the_text_names_package_versions_and_instruction(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    oci_layout(project / "layout", [BASE, INSTALL, UPGRADE], **ENTRYPOINT)
    assert run(["compare", "requirements.txt", "oci:layout"]) == 1
    shown = capsys.readouterr().out
    assert shown.startswith("drift: 1 of 2 packages match; 1 error")
    for expected in ("six", "1.16.0", "1.17.0", "layer 3   RUN pip install -U six", "requirements.txt:2", "DR202"):
        assert expected in shown


def test_every_source_gives_the_same_findings(project: Path, report: Compare) -> None:
    steps = [BASE, INSTALL, UPGRADE]
    docker_archive(project / "shop.tar", steps, **ENTRYPOINT)
    oci_layout(project / "layout", steps, **ENTRYPOINT)
    results = [report(target) for target in ("shop.tar", "docker-archive:shop.tar", "layout", "oci:layout")]
    for code, document in results:
        del document["inputs"]["target"]["reference"], document["inputs"]["target"]["source"]
        # The layouts hold the same configuration, so it has the same digest.
        assert (code, document) == results[0]


def test_the_same_bytes_every_time(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    docker_archive(project / "shop.tar", [BASE, INSTALL, UPGRADE], **ENTRYPOINT)
    shown = set()
    for _ in range(2):
        run(["compare", "requirements.txt", "shop.tar", "--format", "json"])
        shown.add(capsys.readouterr().out)
    assert len(shown) == 1


@pytest.mark.parametrize(
    ("options", "code"),
    [(["--fail-on", "never"], 0), (["--ignore", "DR202"], 0), (["--select", "LK"], 0), (["--select", "DR202"], 1)],
)
def test_what_counts(options: list[str], code: int, project: Path, report: Compare) -> None:
    docker_archive(project / "shop.tar", [BASE, INSTALL, UPGRADE], **ENTRYPOINT)
    assert report("shop.tar", *options)[0] == code


def test_what_cannot_be_checked_is_never_clean(project: Path, report: Compare) -> None:
    broken: Step = ("COPY broken /", {f"{SITE}/six-1.16.0.dist-info/RECORD": b'"\xff'})
    docker_archive(project / "shop.tar", [BASE, INSTALL, broken], **ENTRYPOINT)
    code, document = report("shop.tar")
    assert code in (1, 3)
    assert document["verdict"] != "clean"


@pytest.mark.parametrize(
    ("content", "target", "said"),
    [
        (b"not a tar", "shop.tar", "shop.tar"),
        (b"\0" * 2048, "shop.tar", "shop.tar"),
        (b"", "docker-archive:shop.tar", "shop.tar"),
    ],
)
def test_archives_that_are_none(
    content: bytes, target: str, said: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "shop.tar").write_bytes(content)
    assert run(["compare", "requirements.txt", target]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("driftscan: error: ")
    assert said in captured.err
    assert "bug" not in captured.err


def test_every_cut_of_an_archive_is_an_error(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = docker_archive(project / "shop.tar", [BASE, INSTALL], **ENTRYPOINT).read_bytes()
    for size in range(0, len(whole) - 10240, len(whole) // 40):
        (project / "shop.tar").write_bytes(whole[:size])
        assert run(["compare", "requirements.txt", "docker-archive:shop.tar"]) == 2, size
        captured = capsys.readouterr()
        assert captured.out == ""
        assert "bug" not in captured.err


def test_no_python_in_the_image(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    docker_archive(project / "shop.tar", [("ADD rootfs", glibc())])
    assert run(["compare", "requirements.txt", "shop.tar"]) == 2
    assert capsys.readouterr().err == (
        "driftscan: error: shop.tar: no Python environment was found in it\n"
        "hint: `driftscan inspect shop.tar` shows what it contains\n"
    )


def test_an_environment_that_is_not_there(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    docker_archive(project / "shop.tar", [BASE], **ENTRYPOINT)
    assert run(["compare", "requirements.txt", "shop.tar", "--environment", "/srv/venv"]) == 2
    assert capsys.readouterr().err == (
        "driftscan: error: shop.tar: there is no Python environment at /srv/venv\n"
        "hint: the image holds /opt/venv, /usr/local\n"
    )


@pytest.mark.parametrize(
    ("lock", "said"),
    [
        ("version = 1\n[[package]\n", "uv.lock:2: it is not valid TOML"),
        ("version = 99\nrevision = 1\n", "uv.lock"),
        ("", "uv.lock: it is empty"),
        ("<<<<<<< HEAD\nversion = 1\n", "uv.lock:1: a merge conflict was left in it"),
    ],
)
def test_broken_locks(lock: str, said: str, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "uv.lock").write_text(lock)
    assert run(["compare", "uv.lock", "shop:1.4", "--offline"]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith(f"driftscan: error: {said}")
    assert captured.out == ""


def test_an_image_that_nobody_has(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["compare", "requirements.txt", "shop:1.4", "--offline"]) == 2
    captured = capsys.readouterr().err
    assert captured.startswith("driftscan: error: shop:1.4: ")
    assert "hint: " in captured


def test_inspect(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    docker_archive(project / "shop.tar", [BASE, INSTALL], **ENTRYPOINT)
    assert run(["inspect", "shop.tar"]) == 0
    shown = capsys.readouterr().out
    assert "/opt/venv default: " in shown
    assert "  six   1.16.0   pip        2" in shown
    assert run(["inspect", "shop.tar", "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "driftscan.inventory/1"
    assert [found["name"] for found in document["environments"][0]["distributions"]] == ["idna", "six"]


def test_from_python(project: Path) -> None:
    docker_archive(project / "shop.tar", [BASE, INSTALL, UPGRADE], **ENTRYPOINT)
    report = driftscan.compare([project / "requirements.txt"], project / "shop.tar")
    assert report.verdict is driftscan.Verdict.DRIFT
    assert "DR202" in [finding.rule for finding in report.findings]
    assert driftscan.read_lock("requirements.txt").format == "requirements"
    inventory = driftscan.inspect("shop.tar", environment="/usr/local")
    assert inventory.environments[inventory.default or 0].path == "/usr/local"
    with driftscan.open_target("shop.tar") as image:
        assert image.source == "docker-archive"


def test_hostile_names_stay_on_their_lines(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files: Mapping[str, Content] = distribution("evil", "1.0\x1b[31m")
    docker_archive(
        project / "shop.tar", [BASE, INSTALL, ("RUN echo \x1b]0;x\x07\u202e\n::add-mask::x", files)], **ENTRYPOINT
    )
    run(["compare", "requirements.txt", "shop.tar", "-v"])
    shown = capsys.readouterr().out
    assert all(character == "\n" or character.isprintable() for character in shown)
