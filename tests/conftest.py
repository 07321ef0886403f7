"""Settings of all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.builders.uv_projects import write_index

# Tests are never timed, and in CI a property either holds for the same examples as yesterday or it does not.
settings.register_profile(
    "driftscan",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=os.environ.get("CI") == "true",
)
settings.load_profile("driftscan")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where tests are spread over processes, those of one file with real daemons stay together and come first."""
    for item in items:
        if item.get_closest_marker("real"):
            item.add_marker(pytest.mark.xdist_group(item.path.name))
    items.sort(key=lambda item: item.get_closest_marker("real") is None)


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A layer cache of its own for each test: nothing of the user's is read or written, and no test helps another."""
    folder = tmp_path_factory.getbasetemp() / "caches" / os.urandom(8).hex()
    monkeypatch.setenv("DRIFTSCAN_CACHE_DIR", str(folder))
    return folder


@pytest.fixture(scope="session")
def uv_index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheels that the projects of `tests.builders.uv_projects` are locked against."""
    folder = tmp_path_factory.mktemp("index")
    write_index(folder)
    return folder
