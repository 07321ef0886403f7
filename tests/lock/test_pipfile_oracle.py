"""pipenv is the judge: `pipenv requirements` is the selection, `pipenv verify` says whether the lock is stale."""

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
from driftscan.lock.pipfile import parse
from driftscan.model.lock import Lock, OriginKind, Package, Request
from driftscan.model.target import Target
from tests.builders.files import document

COMMIT = "0123456789abcdef0123456789abcdef01234567"
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
    {**LINUX, "python_full_version": "3.8.18", "python_version": "3.8"},
)
PIPFILE = """\
[[source]]
name = "pypi"
url = "https://index.example/simple"
verify_ssl = true

[[source]]
name = "private"
url = "https://private.example/simple"
verify_ssl = false

[packages]
Web_Frame = {version = ">=2", extras = ["fast"]}
lib = {git = "https://git.example/lib.git", ref = "v1"}

[dev-packages]
tester = "==7.4.0"

[docs]
doctool = {version = "*", index = "private"}

[requires]
python_version = "3.11"
"""


def digests(*letters: str) -> list[str]:
    return [f"sha256:{letter * 64}" for letter in letters]


SECTIONS: Mapping[str, Mapping[str, object]] = {
    "default": {
        "Web_Frame": {"version": "==2.1", "extras": ["fast"], "hashes": digests("b", "a"), "index": "pypi"},
        "lib": {"git": "https://git.example/lib.git", "ref": COMMIT},
        "remote": {"git": "https://git.example/remote.git", "ref": COMMIT, "subdirectory": "python"},
        "colors": {"version": "==0.4", "hashes": digests("c"), "markers": "sys_platform == 'win32'"},
        "numbers": {
            "version": "==1.0",
            "hashes": digests("d"),
            "markers": "python_version < '3.9' or os_name == 'nt' and python_version not in '3.0, 3.1'",
        },
        "any": {"version": "*"},
        "loose": {"version": ">=1,<2"},
        "bare": "*",
    },
    "develop": {
        "tester": {"version": "==7.4.0", "hashes": digests("e"), "markers": "python_version >= '3.9'"},
        "colors": {"version": "==0.4", "hashes": digests("c"), "markers": "sys_platform == 'win32'"},
    },
    "docs": {"doctool": {"version": "==1.4", "hashes": digests("f"), "index": "private"}},
}


def write(content_hash: str = "0" * 64) -> str:
    sources = [
        {"name": "pypi", "url": "https://index.example/simple", "verify_ssl": True},
        {"name": "private", "url": "https://private.example/simple", "verify_ssl": False},
    ]
    meta = {
        "hash": {"sha256": content_hash},
        "pipfile-spec": 6,
        "requires": {"python_version": "3.11"},
        "sources": sources,
    }
    return json.dumps({"_meta": meta, **SECTIONS}, indent=4, sort_keys=True) + "\n"


def read(lock: str, pipfile: str = PIPFILE) -> Lock:
    return parse(document("Pipfile.lock", {"Pipfile.lock": lock, "Pipfile": pipfile}))


def run(work: Path, lock: str, pipfile: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run pipenv on the project in a folder, with no settings but its own."""
    (work / "Pipfile.lock").write_text(lock)
    (work / "Pipfile").write_text(pipfile)
    search = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PIPENV_")}
    settings = {"PIPENV_IGNORE_VIRTUALENVS": "1", "PIPENV_MAX_DEPTH": "1", "WORKON_HOME": str(work / "venvs")}
    return subprocess.run(
        [shutil.which("pipenv", path=search) or "pipenv", *arguments],
        cwd=work,
        check=False,
        capture_output=True,
        text=True,
        env={**kept, **settings},
    )


def exported(
    lines: Sequence[str], environment: Mapping[str, str]
) -> set[tuple[str, str, frozenset[str], frozenset[str]]]:
    """Name, version or place, extras and hashes of each requirement that applies."""
    found: set[tuple[str, str, frozenset[str], frozenset[str]]] = set()
    for line in lines:
        if not line or line.startswith("-"):
            continue
        text, *hashes = line.split(" --hash=")
        each = Requirement(text)
        if each.marker is None or each.marker.evaluate(dict(environment)):
            place = (each.url or "").partition("@")[0].removeprefix("git+") or str(each.specifier)
            found.add((canonicalize_name(each.name), place, frozenset(each.extras), frozenset(hashes)))
    return found


def selected(
    lock: Lock, environment: Mapping[str, str], request: Request
) -> set[tuple[str, str, frozenset[str], frozenset[str]]]:
    selection = DependencyGraph.build([lock]).select(Target(markers=environment), request)
    return {
        (key.name, place(package), selection.extras.get(key, frozenset()), hashes(package))
        for key, package in selection.packages.items()
    }


def place(package: Package) -> str:
    if package.id.origin.kind is OriginKind.VCS:
        return package.id.origin.location
    return f"=={package.id.version}" if package.id.version else package.specifier


def hashes(package: Package) -> frozenset[str]:
    return frozenset(str(value) for artifact in package.artifacts for value in artifact.hashes)


REQUESTS: Mapping[str, tuple[Sequence[str], Request]] = {
    "default": ((), Request()),
    "development": (("--dev",), Request(groups=frozenset({"develop"}))),
    "categories": (("--categories", "packages docs"), Request(groups=frozenset({"docs"}))),
    "all": (("--categories", "packages dev-packages docs"), Request(groups=frozenset({"develop", "docs"}))),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_selects_what_pipenv_requires(name: str, tmp_path: Path) -> None:
    arguments, request = REQUESTS[name]
    lock = write()
    done = run(tmp_path, lock, PIPFILE, "requirements", "--hash", *arguments)
    assert done.returncode == 0, done.stderr
    for environment in ENVIRONMENTS:
        assert selected(read(lock), environment, request) == exported(done.stdout.splitlines(), environment)


CHANGES: Mapping[str, tuple[str, str]] = {
    "nothing": ("", ""),
    "a comment": ("[packages]", "# why not\n[packages]"),
    "a script": ("[requires]", '[scripts]\nserve = "web"\n\n[requires]'),
    "a setting": ("[requires]", "[pipenv]\nallow_prereleases = true\n\n[requires]"),
    "the spelling of a name": ("Web_Frame", "web-frame"),
    "the order": ('[dev-packages]\ntester = "==7.4.0"\n', ""),
    "a requirement": ('">=2"', '">=1"'),
    "a new one": ("[dev-packages]", '[dev-packages]\nlinter = "*"'),
    "a category": ("[docs]\n", "[docs]\nmore = '*'\n"),
    "the Python": ('"3.11"', '"3.12"'),
    "an index": ("https://index.example", "https://other.example"),
    "no index": (PIPFILE.split("[packages]")[0], ""),
}


def hash_of(work: Path, pipfile: str) -> str:
    """What pipenv computes of a Pipfile."""
    (work / "Pipfile").write_text(pipfile)
    command = "from pipenv.project import Project; print(Project().pipfile.calculate_hash())"
    environment = {**os.environ, "PIPENV_PIPFILE": str(work / "Pipfile")}
    done = subprocess.run(
        [sys.executable, "-c", command], cwd=work, check=True, capture_output=True, text=True, env=environment
    )
    return done.stdout.split()[-1]


@pytest.mark.parametrize("change", CHANGES)
def test_is_as_stale_as_pipenv_says(change: str, tmp_path: Path) -> None:
    lock, pipfile = write(hash_of(tmp_path, PIPFILE)), PIPFILE.replace(*CHANGES[change])
    done = run(tmp_path, lock, pipfile, "verify")
    (source,) = read(lock, pipfile).sources
    assert (source.differences == ()) is (done.returncode == 0), done.stderr
    if source.differences:  # and with the new hash it is not
        assert read(write(hash_of(tmp_path, pipfile)), pipfile).sources[0].differences == ()
