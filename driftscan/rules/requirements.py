"""What installed distributions require of each other, judged for the image's interpreter and platform."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import InvalidVersion, Version

from driftscan import markers
from driftscan.compare import Comparison, Row
from driftscan.errors import MarkerError
from driftscan.model.inventory import Distribution
from driftscan.model.lock import PackageId


class Edge(NamedTuple):
    """One requirement that applies on the target."""

    name: NormalizedName
    specifier: SpecifierSet
    text: str


@lru_cache(maxsize=8192)
def _parsed(text: str) -> Requirement | None:
    try:
        return Requirement(text)
    except InvalidRequirement:
        return None


def edges(comparison: Comparison, distribution: Distribution, extras: frozenset[str]) -> Iterator[Edge]:
    """Requirements of METADATA that apply on the target with `extras`; what cannot be read or known is passed over."""
    for text in distribution.requires:
        requirement = _parsed(text)
        if requirement is None:
            continue
        marker = str(requirement.marker) if requirement.marker is not None else None
        try:
            applies = markers.evaluate(marker, comparison.target.markers, extras=extras)
        except MarkerError:
            continue
        if applies:
            yield Edge(canonicalize_name(requirement.name), requirement.specifier, text.split(";")[0].strip())


def requested_extras(comparison: Comparison, row: Row) -> frozenset[str]:
    """Extras that the lock asks of a project."""
    found: frozenset[str] = frozenset()
    for package in row.locked:
        found |= comparison.selection.extras.get(package.id, frozenset())
    return found


def satisfies(version: str | None, specifier: SpecifierSet) -> bool:
    """Whether `version` is in `specifier`, pre-releases included; what is no version satisfies nothing it can fail."""
    if version is None:
        return True
    try:
        return specifier.contains(Version(version), prereleases=True)
    except InvalidVersion:
        return True


def chain_to(comparison: Comparison, name: NormalizedName) -> tuple[str, ...]:
    """Who brings `name` in: from a root of the lock over what is installed, `name` itself last; empty if nobody."""
    for row in comparison.rows:
        for distribution in row.installed:
            if row.name != name and any(
                edge.name == name for edge in edges(comparison, distribution, requested_extras(comparison, row))
            ):
                return (*_to(comparison, row), str(name))
    return ()


def _to(comparison: Comparison, row: Row) -> tuple[str, ...]:
    keys: list[PackageId] = [package.id for package in row.locked]
    return comparison.selection.chain(keys[0]) if keys else (str(row.name),)
