"""`uv lock --check` is the judge of whether a lock is up to date; folders need no index to be locked."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from driftscan.lock.uv import parse
from tests.builders.files import document
from tests.builders.uv_projects import PROJECTS, locked, uv

ROOT = """\
[project]
name = "App_X"
version = "1.0"
requires-python = ">=3.9"
dependencies = [
    "one",
    "plain",
    "lib[ex]>=1.0; python_version >= '3.10' and sys_platform == 'linux'",
]

[project.optional-dependencies]
more = ["lib~=1.0; os_name == 'nt'", "two"]
Empty_One = []

[dependency-groups]
dev = ["plain", { include-group = "test-tools" }]
test-tools = ["two"]
none = []

[tool.uv]
constraint-dependencies = ["two<3"]
override-dependencies = ["plain"]
conflicts = [[{ extra = "more" }, { group = "none" }]]

[tool.uv.sources]
lib = { path = "lib" }
plain = { path = "vendor/plain", editable = true }
two = { path = "vendor/two" }
one = { workspace = true }

[tool.uv.workspace]
members = ["packages/*"]
"""
ONE = """\
[project]
name = "one"
version = "2.0"
requires-python = ">=3.8"
dependencies = ["lib"]

[dependency-groups]
dev = ["plain"]
"""
LIB = """\
[project]
name = "lib"
version = "1.5"
requires-python = ">=3.8"
dependencies = []

[project.optional-dependencies]
ex = []
"""
PLAIN = '[project]\nname = "plain"\nversion = "1"\nrequires-python = ">=3.8"\n'
FILES = {
    "pyproject.toml": ROOT,
    "packages/one/pyproject.toml": ONE,
    "lib/pyproject.toml": LIB,
    "vendor/plain/pyproject.toml": PLAIN,
    "vendor/two/pyproject.toml": PLAIN.replace("plain", "two"),
    "vendor/other/pyproject.toml": PLAIN.replace("plain", "two"),
}
VIRTUAL = """\
[dependency-groups]
dev = ["one", "plain"]

[tool.uv.sources]
one = { workspace = true }
plain = { path = "vendor/plain" }

[tool.uv.workspace]
members = ["packages/*"]
"""
WITHOUT_ROOT = {**FILES, "pyproject.toml": VIRTUAL, "packages/one/pyproject.toml": ONE.replace('"lib"', "")}

CHANGES: Mapping[str, tuple[str, str, str]] = {
    "nothing": ("pyproject.toml", "", ""),
    "a comment": ("pyproject.toml", "[tool.uv.sources]", "# why not\n[tool.uv.sources]"),
    "the order": ("pyproject.toml", '    "one",\n    "plain",\n', '    "plain",\n    "one",\n'),
    "twice": ("pyproject.toml", '    "one",\n', '    "one",\n    "one",\n'),
    "a name's spelling": ("pyproject.toml", '    "plain"', '    "Plain"'),
    "the project's spelling": ("pyproject.toml", "App_X", "app-x"),
    "the project's name": ("pyproject.toml", "App_X", "app-y"),
    "the project's version": ("pyproject.toml", 'version = "1.0"', 'version = "1.1"'),
    "the version's spelling": ("pyproject.toml", 'version = "1.0"', 'version = "1.0.0"'),
    "a new requirement": ("pyproject.toml", '    "one",\n', '    "one",\n    "two",\n'),
    "a removed requirement": ("pyproject.toml", '    "plain",\n', ""),
    "a version of a folder": ("pyproject.toml", ">=1.0", ">=1.1"),
    "a marker's spelling": ("pyproject.toml", "python_version >= '3.10'", "python_full_version>='3.10.0'"),
    "a marker that always holds": ("pyproject.toml", '    "plain"', "    \"plain; python_version >= '3.9'\""),
    "a marker that never holds": ("pyproject.toml", '    "one",\n', '    "one", "two; python_version < \'3\'",\n'),
    "a marker that holds in part": ("pyproject.toml", '    "plain"', "    \"plain; python_version >= '3.11'\""),
    "a marker": ("pyproject.toml", "sys_platform == 'linux'", "sys_platform == 'darwin'"),
    "an extra of a requirement": ("pyproject.toml", "lib[ex]", "lib"),
    "an extra's spelling": ("pyproject.toml", "lib[ex]", "lib[EX]"),
    "an extra's requirement": ("pyproject.toml", ', "two"]', "]"),
    "an extra's marker": ("pyproject.toml", "os_name == 'nt'", "os_name == 'posix'"),
    "a new extra": ("pyproject.toml", "Empty_One = []", "Empty_One = []\nnew = []"),
    "a removed extra": ("pyproject.toml", "Empty_One = []", ""),
    "a renamed extra": ("pyproject.toml", "Empty_One = []", '"empty.one" = []'),
    "a group's requirement": ("pyproject.toml", 'test-tools = ["two"]', 'test-tools = ["two", "one"]'),
    "an included group": ("pyproject.toml", ', { include-group = "test-tools" }]', "]"),
    "an included group written out": ("pyproject.toml", '{ include-group = "test-tools" }', '"two"'),
    "a group's spelling": ("pyproject.toml", "test-tools = [", '"Test.Tools" = ['),
    "a new group": ("pyproject.toml", "none = []", 'none = []\nnew = ["two"]'),
    "a constraint": ("pyproject.toml", "two<3", "one<3"),
    "no constraint": ("pyproject.toml", '"two<3"', ""),
    "an override": ("pyproject.toml", 'override-dependencies = ["plain"]', 'override-dependencies = ["one"]'),
    "a conflict": ("pyproject.toml", '{ group = "none" }', '{ group = "test-tools" }'),
    "no conflict": ("pyproject.toml", 'conflicts = [[{ extra = "more" }, { group = "none" }]]', ""),
    "a source": ("pyproject.toml", "vendor/two", "vendor/other"),
    "a source's spelling": ("pyproject.toml", "vendor/two", "./vendor/two/"),
    "a source for some": ("pyproject.toml", '{ path = "vendor/two" }', '[{ path = "vendor/two" }]'),
    "the Python": ("pyproject.toml", ">=3.9", ">=3.10"),
    "the Python's spelling": ("pyproject.toml", ">=3.9", ">=3.9.0"),
    "an excluded Python": ("pyproject.toml", ">=3.9", ">=3.9,!=3.10.1"),
    "a Python in other words": ("pyproject.toml", ">=3.9", ">3.8.99"),
    "a bounded Python": ("pyproject.toml", ">=3.9", ">=3.9,<4"),
    "a member's requirement": ("packages/one/pyproject.toml", '"lib"', '"lib", "two"'),
    "a member's group": ("packages/one/pyproject.toml", 'dev = ["plain"]', 'dev = ["two"]'),
    "a member's Python": ("packages/one/pyproject.toml", ">=3.8", ">=3.10"),
    "a member's lower Python": ("packages/one/pyproject.toml", ">=3.8", ">=3.7"),
    "a member's version": ("packages/one/pyproject.toml", '"2.0"', '"2.1"'),
    "a member's own source": (
        "packages/one/pyproject.toml",
        "[dependency",
        '[tool.uv.sources]\nlib = { path = "../../lib" }\n[dependency',
    ),
    "a folder's requirement": ("lib/pyproject.toml", "dependencies = []", 'dependencies = ["two"]'),
    "a folder's version": ("lib/pyproject.toml", '"1.5"', '"1.6"'),
    "a folder's extra": ("lib/pyproject.toml", "ex = []", "ex = []\nmore = []"),
    "a folder's group": ("lib/pyproject.toml", "[project.opt", "[dependency-groups]\ndev = []\n[project.opt"),
    "development dependencies of uv": ("pyproject.toml", "[tool.uv]", '[tool.uv]\ndev-dependencies = ["one"]'),
    "environments": ("pyproject.toml", "[tool.uv]", "[tool.uv]\nenvironments = [\"sys_platform == 'linux'\"]"),
    "a group's Python": (
        "pyproject.toml",
        "[tool.uv]",
        '[tool.uv.dependency-groups]\ndev = { requires-python = ">=3.12" }\n[tool.uv]',
    ),
    "itself": ("pyproject.toml", '    "one",\n', '    "one",\n    "app-x[more]",\n'),
}
UNJUDGED = ("a marker that never holds", "a folder's group", "a group's Python", "itself")
"""Where uv locks again, and what was locked may still be right."""
VIRTUAL_CHANGES: Mapping[str, tuple[str, str, str]] = {
    "nothing": ("pyproject.toml", "", ""),
    "a group's requirement": ("pyproject.toml", '"plain"]', '"plain", "two"]'),
    "a removed requirement": ("pyproject.toml", ', "plain"]', "]"),
    "a new group": ("pyproject.toml", "[tool.uv.sources]", 'new = ["one"]\n[tool.uv.sources]'),
    "a constraint": (
        "pyproject.toml",
        "[tool.uv.sources]",
        '[tool.uv]\nconstraint-dependencies = ["one<3"]\n[tool.uv.sources]',
    ),
    "a member's Python": ("packages/one/pyproject.toml", ">=3.8", ">=3.10"),
    "a member's requirement": ("packages/one/pyproject.toml", "dependencies = []", 'dependencies = ["plain"]'),
}


class Workspace:
    """A folder with a locked workspace in it."""

    def __init__(self, folder: Path, files: Mapping[str, str]) -> None:
        self.folder, self.files = folder, files
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        assert self.run("lock") == 0
        self.lock = (folder / "uv.lock").read_text()

    def run(self, *arguments: str) -> int:
        uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}") or "uv"
        kept = {key: value for key, value in os.environ.items() if not key.startswith("UV_")}
        environment = {**kept, "UV_NO_CONFIG": "1", "UV_OFFLINE": "1", "UV_PYTHON": sys.executable}
        done = subprocess.run([uv, *arguments], cwd=self.folder, check=False, capture_output=True, env=environment)
        return done.returncode

    def is_stale(self, name: str, old: str, new: str) -> tuple[bool, bool]:
        """What uv and what we say of the lock after a change to one file."""
        assert old in self.files[name]
        changed = self.files[name].replace(old, new)
        (self.folder / name).write_text(changed)
        said = self.run("lock", "--check") != 0
        (self.folder / name).write_text(self.files[name])
        sources = parse(document("uv.lock", {**self.files, name: changed, "uv.lock": self.lock})).sources
        return said, any(source.differences for source in sources)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return Workspace(tmp_path_factory.mktemp("root"), FILES)


@pytest.fixture(scope="module")
def virtual(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return Workspace(tmp_path_factory.mktemp("virtual"), WITHOUT_ROOT)


@pytest.mark.parametrize("change", CHANGES)
def test_is_as_stale_as_uv_says(change: str, workspace: Workspace) -> None:
    said, found = workspace.is_stale(*CHANGES[change])
    assert found is (said and change not in UNJUDGED)


@pytest.mark.parametrize("change", VIRTUAL_CHANGES)
def test_is_as_stale_as_uv_says_without_a_root_project(change: str, virtual: Workspace) -> None:
    said, found = virtual.is_stale(*VIRTUAL_CHANGES[change])
    assert found is said is (change != "nothing")


INDEXED = """\
[project]
name = "app"
version = "1"
requires-python = ">=3.11"
dependencies = ["numbers>=1,<3", "base~=1.0; python_version in '3.11 3.12'", "http[speed]", "lib==1.0"]

[project.optional-dependencies]
all = ["trace!=0.5"]

[tool.uv]
constraint-dependencies = ["ring<2"]
build-constraint-dependencies = ["fast<2"]
"""
INDEXED_CHANGES: Mapping[str, tuple[str, str]] = {
    "nothing": ("", ""),
    "a version": (">=1,<3", ">=2,<3"),
    "a version that is locked": (">=1,<3", "==2"),
    "the order of versions": (">=1,<3", "<3, >=1"),
    "a version's zeros": (">=1,<3", ">=1.0,<3.0"),
    "a version left out anyway": (">=1,<3", ">=1,<3,!=4"),
    "a version left out": (">=1,<3", ">=1,<3,!=2"),
    "a release candidate": ("<3", "<3rc1"),
    "no version": ("numbers>=1,<3", "numbers"),
    "a compatible version": ("~=1.0", "~=1.0.0"),
    "a compatible version written out": ("~=1.0", ">=1.0,==1.*"),
    "an exact version": ("lib==1.0", "lib===1.0"),
    "a wildcard": ("lib==1.0", "lib==1.0.*"),
    "an excluded version": ("!=0.5", "!=0.6"),
    "an extra": ("http[speed]", "http[all]"),
    "a marker that uv leaves out": ("in '3.11 3.12'", "in '3.11, 3.12'"),
    "a marker in parts": ("in '3.11 3.12'", "< '3.13'"),
    "another marker": ("in '3.11 3.12'", "< '3.12'"),
    "parentheses": ("numbers>=1,<3", "numbers (>=1,<3)"),
    "a constraint's version": ("ring<2", "ring<3"),
    "a build constraint": ("fast<2", "fast<3"),
    "an excluded package": ("[tool.uv]", '[tool.uv]\nexclude-dependencies = ["trace"]'),
    "a URL": ("lib==1.0", "lib @ https://files.example/lib-1.0-py3-none-any.whl"),
}
INDEXED_UNJUDGED = ("an excluded package", "a marker that uv leaves out", "an exact version")


@pytest.mark.parametrize("change", INDEXED_CHANGES)
def test_is_as_stale_as_uv_says_of_versions(change: str, uv_index: Path, tmp_path: Path) -> None:
    old, new = INDEXED_CHANGES[change]
    assert old in INDEXED
    locked(tmp_path, uv_index, {"pyproject.toml": INDEXED})
    changed, lock = INDEXED.replace(old, new), (tmp_path / "uv.lock").read_text()
    (tmp_path / "pyproject.toml").write_text(changed)
    try:
        uv(tmp_path, uv_index, "lock", "--check")
        said = False
    except subprocess.CalledProcessError:
        said = True
    (source,) = parse(document("uv.lock", {"uv.lock": lock, "pyproject.toml": changed})).sources
    assert (source.differences != ()) is (said and change not in INDEXED_UNJUDGED)


@pytest.mark.parametrize("name", PROJECTS)
def test_what_uv_has_just_written_is_up_to_date(name: str, uv_index: Path, tmp_path: Path) -> None:
    sources = locked(tmp_path, uv_index, PROJECTS[name]).sources
    assert {source.path for source in sources} == set(PROJECTS[name])
    assert [source.differences for source in sources] == [()] * len(sources)
