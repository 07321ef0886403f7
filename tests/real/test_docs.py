"""The documentation is followed to the letter: files are written as it shows them, its commands run, and print that."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from driftscan.index.settings import configured_indexes
from tests.builders.archives import Step, docker_archive
from tests.cli.test_settings import BASE, ENTRYPOINT
from tests.real.daemons import Docker, tool
from tests.real.test_fitting import stepped

pytestmark = pytest.mark.real

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
_FENCE = re.compile(r'^```(?P<language>\w*)(?: title="(?P<name>[^"]+)")?\n(?P<body>.*?)^```$', re.MULTILINE | re.DOTALL)


PIPFILE = """\
{
    "_meta": {"hash": {"sha256": "0"}, "pipfile-spec": 6, "requires": {}, "sources": []},
    "default": {"idna": {"hashes": ["sha256:HASH"], "version": "==3.10"}},
    "develop": {}
}
""".replace("HASH", "ab" * 32)


class Command(NamedTuple):
    """A line of a console, and beginnings of lines that it prints, in order."""

    line: str
    prints: tuple[str, ...]


def parts(page: str) -> Iterator[tuple[str, str] | Command]:
    """Files (name and content) and commands of a page, in order."""
    for fence in _FENCE.finditer((DOCS / f"{page}.md").read_text()):
        if fence["name"]:
            yield fence["name"], fence["body"]
        elif fence["language"] == "console":
            for block in re.split(r"^\$ ", fence["body"], flags=re.MULTILINE)[1:]:
                line, *prints = block.splitlines()
                yield Command(line, tuple(prints))


def follow(page: str, folder: Path, env: Mapping[str, str], more: Mapping[str, str] | None = None) -> list[str]:
    """Do what a page says in `folder`; what each command has printed. `more` is written at the end of files."""
    printed: list[str] = []
    for part in parts(page):
        if isinstance(part, Command):
            printed.append(typed(part.line, folder, env))
            lines = iter(printed[-1].splitlines())
            for beginning in part.prints:
                assert any(line.startswith(beginning) for line in lines), f"{part.line}\n{printed[-1]}"
        else:
            name, text = part
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text + (more or {}).get(name, ""))
    return printed


def typed(line: str, folder: Path, env: Mapping[str, str]) -> str:
    """What a line prints to somebody who types it; driftscan may find something (1), and nothing else may fail."""
    done = subprocess.run(
        ["bash", "-c", line], cwd=folder, env=dict(env), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert done.returncode in ((0, 1) if "driftscan " in line else (0,)), f"{line}\n{done.stdout}"
    return done.stdout


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """The environment of somebody who has driftscan and its friends installed."""
    programs = Path(sys.executable).parent
    known = {key: value for key, value in os.environ.items() if not key.startswith(("GITHUB_", "VIRTUAL_ENV"))}
    return {**known, "PATH": f"{programs}:{os.environ['PATH']}", "NO_COLOR": "1", "PWD": str(tmp_path)}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository beside the samples."""
    (tmp_path / "project" / ".git").mkdir(parents=True)
    shutil.copytree(ROOT / "samples", tmp_path / "project" / "samples")
    return tmp_path / "project"


@pytest.fixture
def built(env: dict[str, str], tmp_path: Path, docker: Docker, base_image: str) -> dict[str, str]:
    """The same with `docker` of the test's own daemon, and a base in the place of the one that the registry has."""
    programs = tmp_path / "programs"
    programs.mkdir()
    options = f"--network host --build-arg BASE={base_image}"
    script = f'#!/bin/sh\n[ "$1" = build ] && shift && set -- build {options} "$@"\nexec {tool("docker")} "$@"\n'
    (programs / "docker").write_text(script)
    (programs / "docker").chmod(0o755)
    config = str(docker.folder / "config")
    more = {"DOCKER_HOST": docker.host, "DOCKER_BUILDKIT": "0", "DOCKER_CONFIG": config}
    return {**env, **more, "PATH": f"{programs}:{env['PATH']}"}


@pytest.mark.parametrize("page", ["quick-start-pip-tools", "quick-start-uv"])
def test_a_quick_start(page: str, project: Path, built: dict[str, str]) -> None:
    follow(page, project, built)


def test_the_quick_start_with_poetry(project: Path, built: dict[str, str]) -> None:
    """With this machine's index, which Poetry alone has to be told of."""
    index = configured_indexes()[0].rstrip("/")
    source = f'\n[[tool.poetry.source]]\nname = "index"\nurl = "{index}/"\npriority = "primary"\n'
    follow("quick-start-poetry", project, built, {"pyproject.toml": source})


def test_the_quick_start_with_conda(project: Path, env: dict[str, str]) -> None:
    follow("quick-start-conda", project, env)


def test_from_drift_to_green_to_the_day_that_it_expires(project: Path, env: dict[str, str], tmp_path: Path) -> None:
    """By the documentation alone: annotation, summary and page; green by a baseline; red again when its day is over."""
    follow("pipelines", project, env)
    workflow = yaml.safe_load((project / ".github" / "workflows" / "driftscan.yml").read_text())
    (used,) = [each for each in workflow["jobs"]["compare"]["steps"] if each.get("id") == "driftscan"]
    program = tmp_path / "temp" / "driftscan" / "bin" / "python"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    program.chmod(0o755)

    green = stepped("Run driftscan", project, **used["with"])
    assert (green.code, green.outputs["verdict"]) == (0, "clean")

    baseline = project / "driftscan-baseline.toml"
    accepted = baseline.read_text()
    baseline.unlink()
    red = stepped("Run driftscan", project, **used["with"])
    assert (red.code, red.outputs["verdict"]) == (1, "drift")
    lock = (project / "requirements.txt").read_text().splitlines()
    assert lock[4].startswith("tabulate==0.10.0")
    assert "::error file=requirements.txt,line=5,title=DR202 version-mismatch::tabulate 0.10.0 is locked" in red.out
    assert red.summary.startswith("### ❌ drift: 2 of 5 packages match; 4 errors\n")
    assert "<html" in (project / "drift.html").read_text()

    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    baseline.write_text(re.sub(r"^expires = .*$", f"expires = {yesterday}", accepted, count=1, flags=re.MULTILINE))
    expired = stepped("Run driftscan", project, **used["with"])
    assert (expired.code, expired.outputs["verdict"]) == (1, "drift")
    line = 1 + baseline.read_text().splitlines().index("[[suppress]]")
    said = (
        f"::error file=driftscan-baseline.toml,line={line},title=SU901 suppression-expired::the suppression of DR202 "
    )
    assert f"{said}for tabulate expired on {yesterday}, and 1 finding counts again" in expired.out
    assert "(goes with the next release; owner: data team)" in expired.out


def test_the_image_of_the_documentation_builds_and_runs(project: Path, built: dict[str, str], base_image: str) -> None:
    """The commands with `docker` on the page about pipelines, with a base that is there in the place of DIGEST."""
    (block,) = [
        fence["body"] for fence in _FENCE.finditer((DOCS / "pipelines.md").read_text()) if "docker run" in fence["body"]
    ]
    build, run = block.splitlines()
    build = build.replace("python:3.12-slim-bookworm@sha256:DIGEST", base_image)
    typed(build, ROOT, built)
    shutil.copy(project / "samples" / "data-science" / "requirements.txt", project)
    shutil.copy(project / "samples" / "data-science" / "image.tar", project)
    for path in (project.parent, project):
        path.chmod(0o755)
    assert typed(run, project, {**built, "PWD": str(project)}).startswith("drift: 2 of 5 packages match; 4 errors\n")


def plain_commands() -> Iterator[tuple[str, str]]:
    """Commands that pages show without what they print, with the name of the page."""
    for path in (ROOT / "README.md", *sorted(DOCS.glob("*.md"))):
        for fence in _FENCE.finditer(path.read_text()):
            for line in fence["body"].splitlines() if not fence["language"] else ():
                if re.match(r"driftscan \w", line):
                    yield path.name, line


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with all that the documentation names: locks that uv made, images as files of that name."""
    folder = tmp_path_factory.mktemp("workshop")
    (folder / ".git").mkdir()
    shutil.copytree(ROOT / "samples", folder / "samples")
    (folder / "pyproject.toml").write_text(
        '[project]\nname = "shop"\nversion = "1.0"\nrequires-python = ">=3.11"\ndependencies = ["idna"]\n'
        '[project.optional-dependencies]\nweb = ["iniconfig"]\n[dependency-groups]\ndev = ["iniconfig"]\n'
    )
    (folder / "requirements.in").write_text("idna\n")
    programs = Path(sys.executable).parent
    for command in (
        ["uv", "lock", "--quiet"],
        ["uv", "pip", "compile", "--quiet", "--generate-hashes", "requirements.in", "-o", "requirements.txt"],
        ["uv", "venv", "--quiet", ".venv", "--python", sys.executable],
        ["uv", "pip", "install", "--quiet", "--python", ".venv/bin/python", "-r", "requirements.txt"],
    ):
        subprocess.run([programs / command[0], *command[1:]], cwd=folder, check=True)
    (site,) = folder.glob(".venv/lib/python3*/site-packages")
    files = {
        f"opt/venv/lib/python3.11/site-packages/{path.relative_to(site)}": path.read_bytes()
        for path in site.glob("idna*/**/*")
        if path.is_file()
    }
    for name in ("shop:1.3", "shop:1.4", "shop:1.5", "python-base:3.12", "python:3.12-slim"):
        installed: Step = ("RUN pip install --require-hashes -r requirements.txt", files)
        docker_archive(folder / name, [BASE, installed], **ENTRYPOINT)
    shutil.copy(ROOT / "tests" / "data" / "poetry" / "2.1" / "poetry.lock", folder)
    (folder / "Pipfile.lock").write_text(PIPFILE)
    (folder / "Dockerfile").write_text('FROM python:3.12-slim\nCOPY requirements.txt .\nCMD ["python3"]\n')
    (folder / "dist").mkdir()
    (folder / "driftscan.toml").write_text('[[target]]\nname = "shop"\nlocks = ["uv.lock"]\ntarget = "shop:1.4"\n')
    return folder


@pytest.mark.parametrize(("page", "line"), list(plain_commands()))
def test_a_command_that_is_shown(page: str, line: str, workshop: Path, env: dict[str, str]) -> None:
    """It runs: it finds something or nothing, or could not check everything, and is neither misused nor broken."""
    done = subprocess.run(
        ["bash", "-c", line], cwd=workshop, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert done.returncode in (0, 1, 3), f"{line}\n{done.stdout}"
