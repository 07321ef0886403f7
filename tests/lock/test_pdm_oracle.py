"""PDM is the judge: its export of flat locks, its resolver of older ones, `pdm lock --check` of staleness."""

from __future__ import annotations

import json
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
from driftscan.lock.pdm import parse
from driftscan.model.lock import Lock, Request
from driftscan.model.target import Target
from tests.builders.files import document

DIGEST = "a" * 64
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
    "windows": {
        **LINUX,
        "os_name": "nt",
        "platform_machine": "AMD64",
        "platform_system": "Windows",
        "sys_platform": "win32",
    },
    "older": {**LINUX, "implementation_version": "3.9.18", "python_full_version": "3.9.18", "python_version": "3.9"},
}
PROJECT = """\
[project]
name = "app"
version = "1"
requires-python = ">=3.9"
dependencies = ["http[fast]>=1", "colors; sys_platform == 'win32'", "numbers"]

[project.optional-dependencies]
pg = ["driver"]
all = ["app[pg]", "extra-tool"]

[dependency-groups]
test = ["tester", "numbers>=1"]
dev = [{include-group = "test"}, "linter[x,y]"]

[tool.pdm.dev-dependencies]
Doc_s = ["writer; python_version >= '3.10'"]
"""
PACKAGES: Sequence[tuple[str, str, str, Sequence[str], str | None, Sequence[str]]] = (
    # name, version, extras, groups, marker, dependencies
    ("http", "1.0", "", ["default"], None, ["base"]),
    ("http", "1.0", "fast", ["default"], None, ["http==1.0", "speedups; platform_machine == 'x86_64'"]),
    ("speedups", "0.3", "", ["default"], 'platform_machine == "x86_64"', []),
    ("base", "2.0", "", ["default", "dev", "docs", "test"], None, ["ring"]),
    ("ring", "1.0", "", ["default", "dev", "docs", "test"], None, ["gnir"]),
    ("gnir", "1.0", "", ["default", "dev", "docs", "test"], None, ["ring"]),
    ("colors", "0.4", "", ["default"], 'sys_platform == "win32"', []),
    ("numbers", "1.0", "", ["default", "dev", "test"], 'python_version < "3.10"', []),
    ("numbers", "2.0", "", ["default", "dev", "test"], 'python_version >= "3.10"', []),
    ("driver", "3.0", "", ["all", "pg"], None, []),
    ("extra-tool", "1.0", "", ["all"], None, ["colors>=0.1; os_name == 'nt'"]),
    ("tester", "7.0", "", ["dev", "test"], None, ["base"]),
    ("linter", "1.0", "", ["dev"], None, []),
    ("linter", "1.0", "x,y", ["dev"], None, ["linter==1.0", "plug"]),
    ("plug", "1.0", "", ["dev"], None, []),
    ("writer", "4.0", "", ["docs"], 'python_version >= "3.10"', ["base"]),
)
GROUPS = ("default", "all", "dev", "doc-s", "pg", "test")


def write(*, flat: bool, groups: Sequence[str] = GROUPS, content_hash: str = "0") -> str:
    """A lock of PACKAGES; without groups and markers the older kind, which has no two versions of a package."""
    strategy = ["inherit_metadata"] if flat else ["cross_platform"]
    lines = [
        "[metadata]",
        f"groups = {json.dumps(list(groups))}",
        f"strategy = {json.dumps(strategy)}",
        f'lock_version = "{"4.5.0" if flat else "4.4"}"',
        f'content_hash = "sha256:{content_hash}"',
    ]
    lines += ["[[metadata.targets]]", 'requires_python = ">=3.9"'] if flat else []
    for name, version, extras, used, marker, dependencies in PACKAGES:
        if not flat and (name, version) == ("numbers", "1.0"):
            continue
        in_groups = ["doc-s" if group == "docs" else group for group in used]
        lines += ["", "[[package]]", f'name = "{name}"', f'version = "{version}"', 'summary = ""']
        lines += [f"extras = {json.dumps(extras.split(','))}"] if extras else []
        lines += [f"groups = {json.dumps(in_groups)}"] if flat else []
        lines += [f"marker = {json.dumps(marker)}"] if flat and marker else []
        lines += [f"dependencies = {json.dumps(list(dependencies))}"]
        lines += [f'files = [{{file = "{name}-{version}.tar.gz", hash = "sha256:{DIGEST}"}}]']
    return "\n".join(lines) + "\n"


def read(lock: str, project: str = PROJECT) -> Lock:
    return parse(document("pdm.lock", {"pdm.lock": lock, "pyproject.toml": project}))


def place(work: Path, lock: str, project: str = PROJECT) -> dict[str, str]:
    """Put the project into a folder; the environment in which PDM has no settings but its own."""
    (work / "pdm.lock").write_text(lock)
    (work / "pyproject.toml").write_text(project)
    (work / "home").mkdir()
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PDM_")}
    return {**kept, "HOME": str(work / "home"), "PDM_CHECK_UPDATE": "0", "PDM_IGNORE_SAVED_PYTHON": "1"}


def pdm() -> str:
    return shutil.which("pdm", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}") or "pdm"


def installed(lines: Sequence[str], environment: Mapping[str, str]) -> set[tuple[str, str]]:
    """Name and version of each exported requirement that applies."""
    found = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {
        (canonicalize_name(each.name), str(each.specifier).removeprefix("=="))
        for each in found
        if each.marker is None or each.marker.evaluate(dict(environment))
    }


def selected(lock: Lock, environment: Mapping[str, str], request: Request) -> set[tuple[str, str]]:
    selection = DependencyGraph.build([lock]).select(Target(markers=environment), request)
    return {(key.name, key.version or "") for key in selection.packages}


REQUESTS: Mapping[str, tuple[Sequence[str], Request]] = {
    "install": ((), Request()),
    "production": (("--prod",), Request(default_groups=False)),
    "extra": (("--prod", "-G", "pg"), Request(default_groups=False, extras=frozenset({"pg"}))),
    "extra with an extra": (("--prod", "-G", "all"), Request(default_groups=False, extras=frozenset({"all"}))),
    "one group": (
        ("--without", "dev,doc-s,pg,all"),
        Request(default_groups=False, groups=frozenset({"test"})),
    ),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_selects_what_pdm_exports(name: str, tmp_path: Path) -> None:
    arguments, request = REQUESTS[name]
    lock = write(flat=True)
    environment = place(tmp_path, lock)
    command = [pdm(), "export", "--no-hashes", "-o", "out.txt", *arguments]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, env=environment)
    lines = (tmp_path / "out.txt").read_text().splitlines()
    for markers in ENVIRONMENTS.values():
        assert selected(read(lock), markers, request) == installed(lines, markers)


RESOLVE = """
import json, sys
from pdm.cli.actions import resolve_candidates_from_lockfile
from pdm.cli.filters import GroupSelection
from pdm.core import Core
from pdm.environments.base import BaseEnvironment
from pdm.models.markers import EnvSpec
from pdm.models.python import PythonInfo

BaseEnvironment._build_session = lambda self, *args, **kwargs: None  # nothing is fetched to resolve from a lock
found = {}
for name, (python, platform) in json.loads(sys.argv[1]).items():
    project = Core().create_project(".")
    project._python = PythonInfo.from_path(sys.executable)
    groups = list(GroupSelection(project, **json.loads(sys.argv[2])))
    known = project._resolve_dependencies(list(groups))
    required = [each for group in groups for each in project.get_dependencies(group, known)]
    spec = EnvSpec.from_spec(python, platform, "cpython")
    candidates = resolve_candidates_from_lockfile(project, required, groups=groups, env_spec=spec).values()
    found[name] = sorted({(each.name.lower(), each.version) for each in candidates})
print(json.dumps(found))
"""
SPECS = {
    "linux": ("==3.11.4", "linux"),
    "windows": ("==3.11.4", "windows_amd64"),
    "older": ("==3.9.18", "linux"),
}
SELECTIONS: Mapping[str, tuple[Mapping[str, object], Request]] = {
    "install": ({}, Request()),
    "production": ({"dev": False}, Request(default_groups=False)),
    "extra": ({"dev": False, "groups": ["pg"]}, Request(default_groups=False, extras=frozenset({"pg"}))),
}


SOME_GROUPS = ("default", "dev", "test")


@pytest.mark.parametrize(
    ("name", "groups"),
    [
        ("install", GROUPS),
        ("install", SOME_GROUPS),
        ("production", GROUPS),
        ("production", SOME_GROUPS),
        ("extra", GROUPS),
    ],
    ids=["all", "some groups are locked", "production", "production of some groups", "an extra"],
)
def test_walks_to_what_pdm_resolves_from_an_older_lock(name: str, groups: Sequence[str], tmp_path: Path) -> None:
    options, request = SELECTIONS[name]
    lock = write(flat=False, groups=groups)
    environment = place(tmp_path, lock)
    command = [sys.executable, "-c", RESOLVE, json.dumps(SPECS), json.dumps(options)]
    done = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True, env=environment)
    resolved = json.loads(done.stdout.splitlines()[-1])
    for each, markers in ENVIRONMENTS.items():
        assert selected(read(lock), markers, request) == set(map(tuple, resolved[each]))


CHANGES: Mapping[str, tuple[str, str]] = {
    "nothing": ("", ""),
    "a comment": ("[dependency-groups]", "# why not\n[dependency-groups]"),
    "the project's version": ('version = "1"', 'version = "2"'),
    "a requirement": ('"numbers"]', '"numbers>=1"]'),
    "an extra": ('"extra-tool"]', '"extra-tool>0"]'),
    "a group": ('"tester", ', '"tester>0", '),
    "an older group": ('["writer;', '["writer>0;'),
    "the Python": (">=3.9", ">=3.8"),
}
SETTINGS = """
[[tool.pdm.source]]
name = "internal"
url = "https://index.example/simple"
verify_ssl = true

[tool.pdm.resolution]
respect-source-order = true

[tool.pdm.resolution.overrides]
base = ">=2"
"""


@pytest.mark.parametrize("change", CHANGES)
def test_is_as_stale_as_pdm_says(change: str, tmp_path: Path) -> None:
    project = PROJECT + SETTINGS
    command = [
        sys.executable,
        "-c",
        "from pdm.core import Core; print(Core().create_project('.').pyproject_content_hash())",
    ]
    environment = place(tmp_path, write(flat=True), project)
    done = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True, env=environment)
    lock, changed = write(flat=True, content_hash=done.stdout.split()[-1]), project.replace(*CHANGES[change])
    (tmp_path / "pdm.lock").write_text(lock)
    (tmp_path / "pyproject.toml").write_text(changed)
    checked = subprocess.run(
        [pdm(), "lock", "--check"], cwd=tmp_path, check=False, capture_output=True, env=environment
    )
    (source,) = read(lock, changed).sources
    assert (source.differences == ()) is (checked.returncode == 0)
