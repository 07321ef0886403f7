"""A wheel with every kind of file that a wheel can have, and environments that real installers made of it."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from uv import find_uv_bin

from tests.builders.wheels import wheel

FILES = {
    "shop/__init__.py": b"def main(): ...\n",
    "shop/prices.json": b"{}\n",
    "shop-1.0.data/scripts/shop-report": b"#!python\nimport shop\n",
    "shop-1.0.data/scripts/shop.py": b"#!python\nimport shop.prices\n",
    "shop-1.0.data/scripts/shop-tool": b"\x7fno script\n",
    "shop-1.0.data/data/share/shop/logo.svg": b"<svg/>\n",
    "shop-1.0.data/headers/shop.h": b"int shop;\n",
    "shop-1.0.data/purelib/shop_extra.py": b"x = 1\n",
}
ENTRY_POINTS = "[console_scripts]\nshop = shop:main\n"


Install = Callable[[Path, Path], None]


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheels")
    wheel(folder, "shop", "1.0", FILES, entry_points=ENTRY_POINTS)
    return folder


@pytest.fixture(scope="session")
def digest(wheels: Path) -> str:
    return hashlib.sha256((wheels / "shop-1.0-py3-none-any.whl").read_bytes()).hexdigest()


def by_uv(environment: Path, wheels: Path) -> None:
    _run(find_uv_bin(), "pip", "install", "--quiet", "--offline", "--python", environment, *_from(wheels))


def by_pip(environment: Path, wheels: Path) -> None:
    pip = (sys.executable, "-m", "pip", "--python", environment / "bin/python", "--disable-pip-version-check")
    _run(*pip, "install", "--quiet", *_from(wheels))


def _from(wheels: Path) -> tuple[str | Path, ...]:
    return "--no-index", "--find-links", wheels, "shop==1.0"


@pytest.fixture
def install(request: pytest.FixtureRequest) -> Install:
    """An installer; uv where a test does not say another."""
    chosen: Install = getattr(request, "param", by_uv)
    return chosen


@pytest.fixture
def environment(install: Install, tmp_path: Path, wheels: Path) -> Path:
    """The path of a virtual environment with the wheel in it; so long a path that scripts need more than a shebang."""
    folder = tmp_path / ("long-" * 24) / "venv"
    _run(find_uv_bin(), "venv", "--quiet", "--python", sys.executable, folder)
    install(folder, wheels)
    return folder


def _run(*command: str | Path) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=120)
