"""Real compiled wheels in real images, by pip, uv and Poetry: where all fits there is nothing to report.

What driftscan says from files alone is held against the dynamic loader (`ldd`) and the interpreter, which the tests
run in containers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from driftscan.finding import Verdict
from tests.real.daemons import Docker
from tests.real.installs import PIP, POETRY, UV, poetry_project
from tests.real.natives import WHEELS, compared, environment, said, serious, wanted

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("shared_layers")]

_INSTALLED = {"pip": PIP, "uv": UV}


def _assert_silent(docker: Docker, tag: str, lock: Path) -> None:
    report = compared(docker, tag, lock, request=wanted())
    assert serious(report) == []
    assert report.unchecked == ()
    assert report.verdict is Verdict.CLEAN
    assert report.matching == report.locked == len(WHEELS)
    assert report.environment is not None
    assert sum(each.is_module for each in report.environment.natives) > 150


@pytest.mark.parametrize("installer", _INSTALLED)
def test_wheels_are_silent(installer: str, docker: Docker, base_image: str, science: Path) -> None:
    files = {name: (science / name).read_text() for name in ("pyproject.toml", "uv.lock", "requirements.txt")}
    tag = docker.build(_INSTALLED[installer].format(base=base_image), files)
    _assert_silent(docker, tag, science / "uv.lock")


def test_wheels_are_silent_when_poetry_installs_them(
    docker: Docker, base_image: str, science: Path, tmp_path: Path
) -> None:
    registry = re.search(r'registry = "([^"]+)"', (science / "uv.lock").read_text())
    assert registry is not None
    context = poetry_project(tmp_path, registry[1] + "/", WHEELS)
    tag = docker.build(POETRY.format(base=base_image), context)
    _assert_silent(docker, tag, tmp_path / "poetry.lock")


LDD = """\
import json, os, re, subprocess
found = {}
for path in json.loads('''PATHS'''):
    text = subprocess.run(["ldd", path], capture_output=True, text=True).stdout
    lines = re.finditer(r"^\\s*(\\S+) => (not found|/\\S+)", text, re.M)
    found[path] = {match[1]: os.path.realpath(match[2]) for match in lines}
print(json.dumps(found))
"""


def test_libraries_are_those_that_the_dynamic_loader_finds(docker: Docker, science_image: str) -> None:
    found = environment(docker, science_image)
    modules = {each.path: each.linkage for each in found.natives if each.is_module}
    assert len(modules) > 150
    listed: Mapping[str, Mapping[str, str]] = json.loads(
        said(docker, science_image, LDD.replace("PATHS", json.dumps([*modules])))
    )
    for path, linkage in modules.items():
        assert linkage is not None
        ours = {each.name: each.path for each in linkage.libraries}
        theirs = {name: place for name, place in listed[path].items() if name in ours}
        assert ours == theirs, path
        assert set(listed[path]) >= set(ours)


EXPORTED = """\
import ctypes, json
print(json.dumps([name for name in json.loads('''NAMES''') if hasattr(ctypes.pythonapi, name)]))
"""


def test_the_api_of_python_is_what_its_binary_exports(docker: Docker, science_image: str) -> None:
    api = environment(docker, science_image).interpreter.api
    assert api is not None
    names = [*sorted(api), "PyUnicode_AsUnicodeAndSizeX", "_PyNever_Was"]
    assert json.loads(said(docker, science_image, EXPORTED.replace("NAMES", json.dumps(names)))) == sorted(api)
