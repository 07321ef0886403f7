"""The image of driftscan itself: built from its Dockerfile, it is what its lock says and keeps to the practices."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

import driftscan
from driftscan.api.linting import Subject, lint
from driftscan.finding import Severity, Verdict
from tests.real.daemons import Docker, tool
from tests.real.daemons import run as run_command

pytestmark = pytest.mark.real

ROOT = Path(__file__).parents[2]
TAG = "driftscan-own:latest"
LOCK = str(ROOT / "ci" / "requirements.txt")


@pytest.fixture(scope="module")
def own_image(docker: Docker, base_image: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("own")
    for name in ("Dockerfile", ".dockerignore"):
        shutil.copy(ROOT / name, folder)
    for name in ("ci", "driftscan"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    proxies = [
        part
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
        if (value := os.environ.get(name) or os.environ.get(name.lower()))
        for part in ("--build-arg", f"{name}={value}")
    ]
    docker("build", "--network", "host", "--tag", TAG, "--build-arg", f"BASE={base_image}", *proxies, folder)
    return TAG


def test_it_is_what_its_lock_says(docker: Docker, own_image: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", docker.host)
    report = driftscan.compare([LOCK], own_image)
    assert (report.verdict, report.matching, report.installed) == (Verdict.CLEAN, report.installed, report.installed)
    assert [finding.message for finding in report.findings if finding.severity is not Severity.INFO] == []
    assert report.environment is not None
    assert report.environment.path == "/opt/venv"


def test_it_keeps_to_the_practices(
    docker: Docker, own_image: str, base_image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", docker.host)
    pinned = f"{base_image}@{docker.image_id(base_image)}"
    subject = Subject(
        dockerfile=str(ROOT / "Dockerfile"), image=own_image, build_arguments={"BASE": pinned}, locks=(LOCK,)
    )
    report = lint(subject)
    assert (report.verdict, report.findings, report.unchecked) == (Verdict.CLEAN, (), ())


def test_it_runs_and_leaves_the_mounted_folder_alone(docker: Docker, own_image: str, tmp_path: Path) -> None:
    for name in ("requirements.txt", "image.tar"):
        shutil.copy(ROOT / "samples" / "data-science" / name, tmp_path)
    (tmp_path / "click.py").write_text("raise SystemExit(99)\n")
    tmp_path.chmod(0o755)
    command = ["run", "--rm", "--network", "none", "--volume", f"{tmp_path}:/work:ro", own_image]
    env = {"DOCKER_HOST": docker.host, "DOCKER_CONFIG": str(docker.folder / "config")}
    out = run_command(
        [tool("docker"), *command, "compare", "requirements.txt", "image.tar", "--fail-on", "never"], env=env
    )
    assert out.startswith("clean: 2 of 5 packages match; 4 errors\n")
