"""uv and packaging are the judges: what uv exports of a project, and what packaging selects from the pylock.toml."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, cast

import pytest
from packaging.pylock import Pylock
from packaging.requirements import Requirement
from packaging.tags import Tag
from packaging.utils import canonicalize_name

from driftscan.api.conversion import convert
from driftscan.graph import DependencyGraph
from driftscan.lock.document import Document
from driftscan.lock.pylock import parse as parse_pylock
from driftscan.model.lock import Artifact, Hash, Lock, Package, Request
from driftscan.model.target import Target
from tests.builders.uv_projects import ENVIRONMENTS, PROJECTS, REQUESTS, exported, locked, uv

if TYPE_CHECKING:
    from packaging.markers import Environment

Pins: TypeAlias = set[tuple[str, str]]


def hashed(folder: Path, index: Path, name: str) -> Lock:
    """A project's lock; of files in folders uv records no hashes, so those are put in."""
    lock = locked(folder, index, PROJECTS[name])
    return replace(lock, packages=tuple(replace(each, artifacts=files(each, index)) for each in lock.packages))


def files(package: Package, index: Path) -> tuple[Artifact, ...]:
    return tuple(
        replace(file, hashes=(Hash("sha256", sha256((index / (file.filename or "")).read_bytes()).hexdigest()),))
        for file in package.artifacts
    )


def required(lines: list[Requirement], environment: Mapping[str, str]) -> Pins:
    return {
        (canonicalize_name(each.name), str(each.specifier))
        for each in lines
        if each.marker is None or each.marker.evaluate(dict(environment))
    }


def requirements(text: str) -> list[Requirement]:
    lines = (line.removesuffix("\\").strip() for line in text.splitlines())
    return [Requirement(line) for line in lines if line and not line.startswith(("#", "-"))]


def selected(text: str, environment: Mapping[str, str], request: Request, lock: Lock) -> Pins:
    """What packaging selects, which asks for the default groups only where no groups are given.

    It refuses groups that are not there, as uv's default one is not in every project.
    """
    written = Pylock.from_dict(tomllib.loads(text))
    groups = request.groups | (lock.default_groups if request.default_groups else frozenset())
    groups &= frozenset(written.dependency_groups or ())
    chosen = written.select(
        environment=cast("Environment", environment),
        tags=[Tag("py3", "none", "any")],
        extras=lock.extras if request.all_extras else request.extras,
        dependency_groups=groups,
    )
    return {(package.name, f"=={package.version}") for package, _ in chosen}


@pytest.mark.parametrize("name", PROJECTS)
def test_requirements_are_what_uv_exports(name: str, uv_index: Path, tmp_path: Path) -> None:
    lock = hashed(tmp_path, uv_index, name)
    for request in REQUESTS[name]:
        expected = exported(tmp_path, uv_index, request)
        written = requirements(convert(lock, "requirements", request=request).text)
        for environment in ENVIRONMENTS:
            assert required(written, environment) == required(expected, environment), (request, environment)


@pytest.mark.parametrize("name", PROJECTS)
def test_packaging_selects_from_a_pylock_what_uv_exports(name: str, uv_index: Path, tmp_path: Path) -> None:
    lock = hashed(tmp_path, uv_index, name)
    text = convert(lock, "pylock").text
    for request in REQUESTS[name]:
        if request.packages:
            # A pylock.toml has no members to ask for: the part that is wanted is chosen when it is made.
            written = convert(lock, "pylock", request=request).text
            asked = Request()
        else:
            written, asked = text, request
        expected = exported(tmp_path, uv_index, request)
        for environment in ENVIRONMENTS:
            assert selected(written, environment, asked, lock) == required(expected, environment), (
                request,
                environment,
            )


def test_uv_installs_from_the_pylock(uv_index: Path, tmp_path: Path) -> None:
    lock = hashed(tmp_path, uv_index, "extras and groups")
    (tmp_path / "pylock.toml").write_text(convert(lock, "pylock").text)
    uv(tmp_path, uv_index, "venv", "-q", "env")
    uv(tmp_path, uv_index, "pip", "sync", "--python", "env", "--preview", "pylock.toml")
    listed = uv(tmp_path, uv_index, "pip", "freeze", "--python", "env").split()
    found = DependencyGraph.build([lock]).select(Target(markers=ENVIRONMENTS[0]))
    own = {package.id for package in lock.packages if package.is_member}
    assert listed == sorted(f"{key.name}=={key.version}" for key in found.packages if key not in own)


@pytest.mark.parametrize("name", PROJECTS)
def test_nothing_is_lost_on_the_way_from_uv_over_pylock_to_requirements(
    name: str, uv_index: Path, tmp_path: Path
) -> None:
    lock = hashed(tmp_path, uv_index, name)
    direct = convert(lock, "requirements").text
    middle = parse_pylock(Document("pylock.toml", convert(lock, "pylock").text.encode()))
    over = convert(middle, "requirements").text
    assert pins(over) == pins(direct)


def pins(text: str) -> list[str]:
    """All but comments, and but the extras of packages: those a pylock.toml has no room for, and need none."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    return [re.sub(r"\[[a-z,]+\]==", "==", line) for line in lines]
