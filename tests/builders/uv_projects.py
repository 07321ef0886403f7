"""Projects that uv locks against an index of wheels in a folder, and what it exports of them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from packaging.requirements import Requirement

from driftscan.lock.uv import parse
from driftscan.model.lock import Lock, Request
from tests.builders.files import document
from tests.builders.locks import names

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
ENVIRONMENTS = (
    LINUX,
    {**LINUX, "os_name": "nt", "platform_system": "Windows", "sys_platform": "win32"},
    {**LINUX, "platform_system": "Darwin", "sys_platform": "darwin", "platform_machine": "arm64"},
    {**LINUX, "python_full_version": "3.13.1", "python_version": "3.13"},
)
WHEELS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("base", "1.0", ()),
    ("base", "2.0", ()),
    ("colors", "1.0", ("base>=1; sys_platform == 'win32'",)),
    ("fast", "1.0", ()),
    ("http", "1.0", ("colors", "fast; extra == 'speed'", "http[speed]; extra == 'all'", "trace; extra == 'all'")),
    ("lib", "1.0", ("base<2; extra == 'old'", "base>=2; extra == 'new'", "ring")),
    ("numbers", "1.0", ()),
    ("numbers", "2.0", ("base>=2",)),
    ("ring", "1.0", ("gnir",)),
    ("gnir", "1.0", ("ring",)),
    ("tests", "1.0", ("colors",)),
    ("trace", "1.0", ()),
)
PROJECT = '[project]\nname = "{name}"\nversion = "0.1"\nrequires-python = ">=3.11"\n'
PROJECTS: Mapping[str, Mapping[str, str]] = {
    "extras and groups": {
        "pyproject.toml": PROJECT.format(name="app")
        + """\
dependencies = ["http", "ring ; sys_platform != 'darwin'"]
[project.optional-dependencies]
all = ["http[all]", "app[docs]"]
docs = ["trace ; python_version >= '3.12'"]
empty = []
[dependency-groups]
dev = ["tests", { include-group = "lint" }]
lint = ["fast"]
nothing = []
"""
    },
    "forks": {
        "pyproject.toml": PROJECT.format(name="app")
        + """\
dependencies = ["numbers<2 ; python_version < '3.12'", "numbers>=2 ; python_version >= '3.12'", "lib"]
[project.optional-dependencies]
win = ["colors ; sys_platform == 'win32'"]
"""
    },
    "conflicts": {
        "pyproject.toml": PROJECT.format(name="app")
        + """\
dependencies = ["ring"]
[project.optional-dependencies]
old = ["lib[old]"]
new = ["lib[new]", "numbers"]
[dependency-groups]
dev = ["numbers<2"]
two = ["numbers>=2"]
[tool.uv]
conflicts = [
    [{ extra = "old" }, { extra = "new" }],
    [{ group = "dev" }, { group = "two" }],
    [{ extra = "old" }, { group = "two" }],
    [{ extra = "new" }, { group = "dev" }],
]
"""
    },
    "workspace": {
        "pyproject.toml": PROJECT.format(name="app")
        + """\
dependencies = ["one[more]"]
[dependency-groups]
dev = ["fast"]
[tool.uv.sources]
one = { workspace = true }
[tool.uv.workspace]
members = ["libs/*"]
""",
        "libs/one/pyproject.toml": PROJECT.format(name="one")
        + """\
dependencies = ["base<2"]
[project.optional-dependencies]
more = ["http[speed]"]
[dependency-groups]
dev = ["tests"]
""",
        "libs/two/pyproject.toml": PROJECT.format(name="two") + 'dependencies = ["trace"]\n',
    },
    "workspace without a root": {
        "pyproject.toml": """\
[tool.uv.workspace]
members = ["libs/*"]
[dependency-groups]
dev = ["fast"]
""",
        "libs/one/pyproject.toml": PROJECT.format(name="one") + 'dependencies = ["ring"]\n',
        "libs/two/pyproject.toml": PROJECT.format(name="two")
        + 'dependencies = ["trace"]\n[project.optional-dependencies]\nx = ["tests"]\n',
    },
    "overrides": {
        "pyproject.toml": PROJECT.format(name="app")
        + """\
dependencies = ["http", "numbers>=2"]
[tool.uv]
override-dependencies = ["base==1.0"]
exclude-dependencies = ["colors"]
"""
    },
}
REQUESTS: Mapping[str, Sequence[Request]] = {
    "extras and groups": (
        Request(),
        Request(default_groups=False),
        Request(extras=frozenset({"all"})),
        Request(extras=frozenset({"docs", "empty"}), default_groups=False),
        Request(groups=frozenset({"lint", "nothing"}), default_groups=False),
        Request(all_extras=True),
    ),
    "forks": (Request(), Request(extras=frozenset({"win"}))),
    "conflicts": (
        Request(default_groups=False),
        Request(extras=frozenset({"old"}), default_groups=False),
        Request(extras=frozenset({"new"}), default_groups=False),
        Request(groups=frozenset({"dev"})),
        Request(groups=frozenset({"two"}), default_groups=False),
        Request(extras=frozenset({"old"}), groups=frozenset({"dev"})),
        Request(extras=frozenset({"new"}), groups=frozenset({"two"}), default_groups=False),
    ),
    "workspace": (
        Request(),
        Request(default_groups=False),
        Request(packages=names("one")),
        Request(packages=names("one"), extras=frozenset({"more"}), default_groups=False),
        Request(packages=names("one", "two")),
    ),
    "workspace without a root": (Request(), Request(packages=names("two"), all_extras=True)),
    "overrides": (Request(),),
}


def write_wheel(folder: Path, name: str, version: str, requires: Sequence[str]) -> None:
    info = f"{name}-{version}.dist-info"
    extras = sorted({part.split("'")[1] for part in requires if "extra ==" in part})
    metadata = [
        "Metadata-Version: 2.1",
        f"Name: {name}",
        f"Version: {version}",
        *(f"Requires-Dist: {each}" for each in requires),
        *(f"Provides-Extra: {each}" for each in extras),
    ]
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        archive.writestr(f"{info}/METADATA", "\n".join(metadata) + "\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")


def write_index(folder: Path) -> None:
    """All wheels that the projects can need."""
    for name, version, requires in WHEELS:
        write_wheel(folder, name, version, requires)


def uv(folder: Path, index: Path, *arguments: str) -> str:
    program = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}") or "uv"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("UV_")}
    environment |= {
        "HOME": str(index),
        "UV_CACHE_DIR": str(index / "cache"),
        "UV_FIND_LINKS": str(index),
        "UV_NO_INDEX": "1",
        "UV_OFFLINE": "1",
        "UV_PYTHON": sys.executable,
        "UV_PYTHON_DOWNLOADS": "never",
    }
    command = [program, *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, env=environment).stdout


def locked(folder: Path, index: Path, files: Mapping[str, str]) -> Lock:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    uv(folder, index, "lock")
    return parse(document("uv.lock", {**files, "uv.lock": (folder / "uv.lock").read_bytes()}))


def exported(folder: Path, index: Path, request: Request) -> list[Requirement]:
    """What `uv export` writes for a request, the workspace's own projects left out."""
    arguments = [
        *(f"--extra={each}" for each in sorted(request.extras)),
        *(f"--group={each}" for each in sorted(request.groups)),
        *(f"--package={each}" for each in sorted(request.packages)),
        *(["--all-extras"] if request.all_extras else []),
        *([] if request.default_groups else ["--no-default-groups"]),
    ]
    plain = ("--no-hashes", "--no-annotate", "--no-header", "--no-emit-workspace", "--format=requirements-txt")
    return [Requirement(line) for line in uv(folder, index, "export", "--frozen", *plain, *arguments).splitlines()]
