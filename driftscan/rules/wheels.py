"""Locked files by name: which are wheels, and which of them an interpreter accepts."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from packaging.tags import Tag
from packaging.utils import BuildTag, InvalidWheelFilename, parse_wheel_filename

from driftscan.compare import Comparison
from driftscan.model.lock import Package

_SDIST_ENDINGS = (".tar.gz", ".zip", ".tar.bz2", ".tgz", ".tar.xz")


class Wheel(NamedTuple):
    """A locked wheel: file name, expanded tags, build tag."""

    filename: str
    tags: frozenset[Tag]
    build: BuildTag


@lru_cache(maxsize=65536)
def _wheel(filename: str) -> Wheel | None:
    try:
        _, _, build, tags = parse_wheel_filename(filename)
    except InvalidWheelFilename:
        return None
    return Wheel(filename, tags, build)


def wheels(package: Package) -> tuple[Wheel, ...]:
    names = (artifact.filename for artifact in package.artifacts)
    found = (_wheel(name) for name in names if name is not None and name.endswith(".whl"))
    return tuple(wheel for wheel in found if wheel is not None)


def all_files_are_named(package: Package) -> bool:
    """Whether the lock names every file it allows, in a way that tells which interpreters it is for.

    Hashes alone tell nothing, and of a file with an odd name nobody knows whether it fits.
    """
    names = [artifact.filename for artifact in package.artifacts]
    return bool(names) and len(wheels(package)) == sum(not _is_sdist(name) for name in names)


def _is_sdist(filename: str | None) -> bool:
    return filename is not None and filename.endswith(_SDIST_ENDINGS)


def has_sdist(package: Package) -> bool:
    return any(_is_sdist(artifact.filename) for artifact in package.artifacts)


def wheels_that_fit(comparison: Comparison, package: Package) -> tuple[Wheel, ...]:
    """Locked wheels that the target's interpreter accepts; none where its tags are unknown."""
    supported = frozenset(comparison.target.tags or ())
    return tuple(wheel for wheel in wheels(package) if not supported.isdisjoint(wheel.tags))
