"""The hooks, run by pre-commit in a repository that asks for them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

pytestmark = pytest.mark.real

ROOT = Path(__file__).parents[2]
HASH = "--hash=sha256:" + "ab" * 32
PACKAGE = ("driftscan", "docs", ".pre-commit-hooks.yaml", "pyproject.toml", "README.md", "LICENSE")
CONFIGURATION = """\
repos:
  - repo: {package}
    rev: {revision}
    hooks:
      - id: driftscan-check
      - id: driftscan-lock-check
        args: [requirements.in]
      - id: driftscan-lint
"""


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=driftscan", "-c", "user.email=driftscan@localhost", "-c", "commit.gpgsign=false")
    done = subprocess.run(["git", "-C", folder, *identity, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def committed(folder: Path) -> str:
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", "all")
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with what a user of the hooks gets."""
    folder = tmp_path_factory.mktemp("package")
    for name in PACKAGE:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder)
    return folder


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pre-commit keeps what it installs."""
    return tmp_path_factory.mktemp("pre-commit")


@pytest.fixture
def project(tmp_path: Path, package: Path) -> Path:
    revision = git(package, "rev-parse", "HEAD") if (package / ".git").exists() else committed(package)
    configuration = CONFIGURATION.format(package=package, revision=revision)
    (tmp_path / ".pre-commit-config.yaml").write_text(configuration)
    return tmp_path


def hook(project: Path, home: Path, name: str, files: Mapping[str, str]) -> tuple[int, str]:
    for path, text in files.items():
        (project / path).parent.mkdir(parents=True, exist_ok=True)
        (project / path).write_text(text)
    committed(project)
    done = subprocess.run(
        [sys.executable, "-m", "pre_commit", "run", "--color", "never", "--all-files", "--verbose", name],
        cwd=project,
        env={**os.environ, "PRE_COMMIT_HOME": str(home), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout + done.stderr


def test_locks_are_checked_one_by_one(project: Path, home: Path) -> None:
    files = {"a/requirements.txt": f"six==1.16.0 {HASH}\n", "b/requirements.txt": f"six==1.17.0 {HASH}\n"}
    code, said = hook(project, home, "driftscan-check", files)
    assert code == 0, said
    code, said = hook(project, home, "driftscan-check", {"b/requirements.txt": "six==1.17.0\n"})
    assert code == 1
    assert "LK103 missing-hash · b/requirements.txt:1" in said


def test_a_stale_lock(project: Path, home: Path) -> None:
    files = {"requirements.in": "six\n", "requirements.txt": f"idna==3.10 {HASH}\n"}
    code, said = hook(project, home, "driftscan-lock-check", files)
    assert code == 1
    assert "requirements.txt" in said


def test_a_dockerfile(project: Path, home: Path) -> None:
    code, said = hook(project, home, "driftscan-lint", {"Dockerfile": "FROM python:3.12\n"})
    assert code == 1
    assert "IM511 base-not-pinned" in said
