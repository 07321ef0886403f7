"""`poetry export` is the judge of what is selected: one export holds all environments, its markers pick one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from driftscan.graph import DependencyGraph
from driftscan.lock.document import Document
from driftscan.lock.poetry import parse
from driftscan.model.lock import Lock, Request
from driftscan.model.target import Target

DATA = Path(__file__).parents[1] / "data" / "poetry"
LINUX = {
    "implementation_name": "cpython",
    "implementation_version": "3.11.4",
    "os_name": "posix",
    "platform_machine": "x86_64",
    "platform_python_implementation": "CPython",
    "platform_release": "",
    "platform_system": "Linux",
    "platform_version": "",
    "python_full_version": "3.11.4",
    "python_version": "3.11",
    "sys_platform": "linux",
}
ENVIRONMENTS = {
    "linux": LINUX,
    "windows": {**LINUX, "os_name": "nt", "platform_system": "Windows", "sys_platform": "win32"},
    "older": {**LINUX, "python_full_version": "3.9.18", "python_version": "3.9"},
}
REQUESTS = {
    "default": Request(),
    "main": Request(default_groups=False),
    "extra": Request(extras=frozenset({"postgres"})),
    "optional group": Request(groups=frozenset({"docs"})),
    "one group and an extra": Request(extras=frozenset({"postgres"}), groups=frozenset({"docs"}), default_groups=False),
}


def read(folder: Path) -> Lock:
    pyproject = Document("pyproject.toml", (folder / "pyproject.toml").read_bytes(), lambda _: None)
    return parse(Document("poetry.lock", (folder / "poetry.lock").read_bytes(), lambda _: pyproject))


def export(folder: Path, request: Request, work: Path) -> tuple[str, ...]:
    """The lines that `poetry export` writes for a request."""
    groups = {"main"} | request.groups | ({"dev"} if request.default_groups else set())
    command: Sequence[str] = [
        shutil.which("poetry", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}") or "poetry",
        *("export", "--no-ansi", "--without-hashes", "--without-urls", "--output", "out.txt"),
        *("--only", ",".join(sorted(groups))),
        *(argument for extra in sorted(request.extras) for argument in ("--extras", extra)),
    ]
    for name in ("poetry.lock", "pyproject.toml"):
        shutil.copy(folder / name, work)
    environment = {**os.environ, "POETRY_CACHE_DIR": str(work / "cache"), "POETRY_VIRTUALENVS_CREATE": "false"}
    subprocess.run(command, cwd=work, check=True, capture_output=True, env=environment)
    return tuple((work / "out.txt").read_text().splitlines())


def installed(lines: Sequence[str], environment: Mapping[str, str]) -> set[tuple[str, str | None]]:
    """Name and version of each exported requirement that applies; repositories have no version."""
    requirements = [Requirement(line) for line in lines if line]
    return {
        (canonicalize_name(each.name), None if each.url else str(each.specifier).removeprefix("=="))
        for each in requirements
        if each.marker is None or each.marker.evaluate(dict(environment))
    }


@pytest.mark.parametrize("version", ["1.0", "1.1", "2.0", "2.1"])
@pytest.mark.parametrize("request_name", REQUESTS)
def test_selects_what_poetry_exports(version: str, request_name: str, tmp_path: Path) -> None:
    lines = export(DATA / version, REQUESTS[request_name], tmp_path)
    graph = DependencyGraph.build([read(DATA / version)])
    for environment in ENVIRONMENTS.values():
        selection = graph.select(Target(markers=environment), REQUESTS[request_name])
        selected = {(each.name, None if each.name == "gitlib" else each.version) for each in selection.packages}
        assert selected == installed(lines, environment)
