"""An index on loopback, a project folder, and a machine whose user has set up nothing."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from driftscan.cli import run
from tests.builders.indexes import PackageIndex, package_index

ENGINES = pytest.mark.parametrize("engine", ["uv", "pip-tools"])
UV_AT_FIRST = pytest.mark.parametrize("engine", ["uv", pytest.param("pip-tools", marks=pytest.mark.real)])
"""pip-tools takes a second each time: what only repeats what other tests show of it runs with the slow ones."""
Outcome = tuple[int, str, str]
"""Exit code, stdout and stderr; the address of the index is INDEX in both."""
Lock = Callable[..., Outcome]


@pytest.fixture(scope="session")
def engine_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("engine-cache")


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch, engine_cache: Path) -> Iterator[PackageIndex]:
    for name in list(os.environ):
        if name.startswith(("PIP_", "UV_")) and name != "PIP_CERT":
            monkeypatch.delenv(name)
    monkeypatch.setenv("UV_CACHE_DIR", str(engine_cache / "uv"))
    monkeypatch.setenv("PIP_CACHE_DIR", str(engine_cache / "pip"))
    with package_index() as running:
        monkeypatch.setenv("PIP_INDEX_URL", running.simple)
        yield running


@pytest.fixture
def project_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("NETRC", raising=False)
    monkeypatch.setenv("NO_COLOR", "1")
    return folder


@pytest.fixture
def lock(index: PackageIndex, project_folder: Path, capsys: pytest.CaptureFixture[str]) -> Lock:
    """Runs `driftscan lock` with the arguments, in the project."""

    def lock(*arguments: str) -> Outcome:
        code = run(["lock", *arguments])
        out, err = capsys.readouterr()
        return code, out.replace(index.simple, "INDEX"), err.replace(index.simple, "INDEX")

    return lock


@pytest.fixture
def project(project_folder: Path) -> Path:
    """The folder that `lock` runs in."""
    return project_folder
