"""Fixtures of the tests that need real container tools. One set of daemons a worker, started by the first test
that asks; `DRIFTSCAN_TEST_CACHE` names a folder that keeps the base system from run to run.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.real.base import import_base
from tests.real.daemons import Docker, Podman, Registry, docker_daemon, podman_service, unmount_below
from tests.real.daemons import registry as registry_service
from tests.real.installs import PIP, uv_project
from tests.real.natives import EXTRAS, WHEELS


@pytest.fixture(scope="session")
def daemon_folder() -> Iterator[Path]:
    """A folder with a short path: that of a unix socket may have no more than 107 bytes."""
    folder = Path(tempfile.mkdtemp(prefix="driftscan-"))
    yield folder
    unmount_below(folder)
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of this run share."""
    if configured := os.environ.get("DRIFTSCAN_TEST_CACHE"):
        return Path(configured)
    base = tmp_path_factory.getbasetemp()
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "driftscan-cache"


def _folder(parent: Path, name: str) -> Path:
    folder = parent / name
    folder.mkdir()
    return folder


@pytest.fixture(scope="session")
def docker(daemon_folder: Path) -> Iterator[Docker]:
    with docker_daemon(_folder(daemon_folder, "docker")) as daemon:
        yield daemon


@pytest.fixture(scope="session")
def base_image(docker: Docker, shared_cache: Path) -> str:
    """Tag of a minimal Debian or Ubuntu with python3, venv and this machine's certificates and package index."""
    return import_base(docker, shared_cache)


@pytest.fixture(scope="session")
def older_image(docker: Docker, shared_cache: Path) -> str:
    """Tag of the same on an older release, with an older C library and an older Python."""
    return import_base(docker, shared_cache, "driftscan-older:latest", older=True)


@pytest.fixture(scope="session")
def podman(daemon_folder: Path) -> Iterator[Podman]:
    with podman_service(_folder(daemon_folder, "podman")) as service:
        yield service


@pytest.fixture(scope="session")
def registry(daemon_folder: Path) -> Iterator[Registry]:
    with registry_service(_folder(daemon_folder, "open")) as service:
        yield service


@pytest.fixture(scope="session")
def registry_url(registry: Registry) -> str:
    """`127.0.0.1:PORT` of a registry that asks for no credentials."""
    return registry.url


@pytest.fixture(scope="session")
def private_registry(daemon_folder: Path) -> Iterator[Registry]:
    with registry_service(_folder(daemon_folder, "private"), private=True) as service:
        yield service


@pytest.fixture
def shared_layers(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Layers that several images of a run stand on need be read only once."""
    monkeypatch.setenv("DRIFTSCAN_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "layers"))


@pytest.fixture(scope="session")
def science(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the uv.lock and the requirements.txt of a project of compiled wheels."""
    folder = tmp_path_factory.mktemp("science")
    uv_project(folder, WHEELS, EXTRAS)
    return folder


@pytest.fixture(scope="session")
def science_image(docker: Docker, base_image: str, science: Path) -> str:
    """Tag of an image in which pip has installed that project, without extras, in /opt/venv."""
    return docker.build(PIP.format(base=base_image), {"requirements.txt": (science / "requirements.txt").read_text()})
