"""What real installers leave is clean, and each way to break it is seen."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from driftscan.inventory import take
from driftscan.model.image import ImageConfig
from driftscan.model.inventory import Environment
from driftscan.rootfs import RootFS
from tests.builders.rootfs import disk_layer, layer_ids
from tests.builders.wheels import wheel

pytestmark = pytest.mark.real

EXTENSION = f"fast/_speed.cpython-{sys.version_info[0]}{sys.version_info[1]}-x86_64-linux-gnu.so"


@pytest.fixture
def wheels(tmp_path: Path) -> list[Path]:
    folder = tmp_path / "wheels"
    folder.mkdir()
    shutil.copyfile(Path(sys.executable).resolve(), tmp_path / "elf")
    tools = {
        "tools/__init__.py": b"def main() -> None: ...\n",
        "tools-1.0.data/scripts/old-tool": b"#!python\nprint('x')\n",
        "tools-1.0.data/data/share/tools/data.txt": b"data\n",
        "tools-1.0.data/headers/tools.h": b"",
    }
    fast = {"fast/__init__.py": b"", EXTENSION: (tmp_path / "elf").read_bytes()}
    tag = f"cp{sys.version_info[0]}{sys.version_info[1]}"
    return [
        wheel(folder, "tools", "1.0", tools, entry_points="[console_scripts]\ntool = tools:main\n"),
        wheel(folder, "fast", "2.0", fast, tag=f"{tag}-{tag}-linux_x86_64"),
        wheel(folder, "name-space.a", "3", {"space/a.py": b"", "ünïcode/__init__.py": "# é\n".encode()}),
    ]


def run(*command: str | Path) -> None:
    subprocess.run([str(word) for word in command], check=True, capture_output=True)


def tool(name: str) -> str:
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def with_pip(venv: Path, wheels: list[Path]) -> None:
    run(sys.executable, "-m", "venv", venv)
    run(venv / "bin/python", "-m", "pip", "install", "--no-index", "--no-deps", *wheels)


def with_pip_and_no_pip_inside(venv: Path, wheels: list[Path]) -> None:
    run(sys.executable, "-m", "venv", "--without-pip", venv)
    run(sys.executable, "-m", "pip", "--python", venv, "install", "--no-index", "--no-deps", "--no-compile", *wheels)


def with_uv(venv: Path, wheels: list[Path]) -> None:
    run(tool("uv"), "venv", "--python", sys.executable, venv)
    run(tool("uv"), "pip", "install", "--python", venv / "bin/python", "--offline", "--no-deps", *wheels)


def with_virtualenv_and_installer(venv: Path, wheels: list[Path]) -> None:
    """What Poetry does."""
    pytest.importorskip("virtualenv")
    pytest.importorskip("installer")
    run(sys.executable, "-m", "virtualenv", "--no-download", venv)
    for path in wheels:
        run(sys.executable, "-m", "installer", "--prefix", venv, path)


Install = Callable[[Path, list[Path]], None]
INSTALLERS: list[Install] = [with_pip, with_pip_and_no_pip_inside, with_uv, with_virtualenv_and_installer]


def environment(venv: Path) -> Environment:
    home = Path(sys.executable).resolve()
    prefix = home.parent.parent
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    around = [
        *Path(sys.executable).parent.glob("python*"),
        *home.parent.glob("python3*"),
        home.with_name("python3"),
        prefix / "lib" / version / "os.py",
        prefix / "lib" / f"lib{version}.so.1.0",
    ]
    image = RootFS.merge([disk_layer([str(path) for path in (venv, *around) if path.exists()])])
    inventory = take(image, ImageConfig(), layer_ids(1), prefer=str(venv))
    assert inventory.default is not None
    return inventory.environments[inventory.default]


@pytest.mark.parametrize("install", INSTALLERS)
def test_clean_and_then_broken(tmp_path: Path, wheels: list[Path], install: Install) -> None:
    venv = tmp_path / "venv"
    install(venv, wheels)
    clean = environment(venv)
    about_files = [unchecked for unchecked in clean.unchecked if not unchecked.what.startswith("the ")]
    assert (clean.problems, about_files) == ((), [])
    found = {str(item.name): item for item in clean.distributions if item.name not in ("pip", "setuptools", "wheel")}
    assert {name: item.version for name, item in found.items()} == {"tools": "1.0", "fast": "2.0", "name-space-a": "3"}
    assert all(item.has_record for item in found.values())
    assert found["fast"].built_on_the_spot is not None
    assert EXTENSION in [native.path.partition("site-packages/")[2] for native in clean.natives]

    site = Path(found["tools"].site)
    (site / "tools/__init__.py").write_text("changed")
    (site / "space/a.py").unlink()
    (venv / "bin/old-tool").write_text("#!/bin/sh\n")
    (site / "sitecustomize.py").write_text("")
    assert [(item.kind.value, item.path) for item in environment(venv).problems] == [
        ("modified", f"{venv}/bin/old-tool"),
        ("unowned", f"{site}/sitecustomize.py"),
        ("missing", f"{site}/space/a.py"),
        ("modified", f"{site}/tools/__init__.py"),
    ]
