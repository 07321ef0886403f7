"""What installed distributions require of each other, judged for the image's interpreter and platform."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
from driftscan.model.lock import OriginKind
from driftscan.rules.rule import is_foreign


class Edge(NamedTuple):
    """One requirement that applies on the target. `text` is the line of METADATA without its marker."""

    name: NormalizedName
    specifier: SpecifierSet
    extras: frozenset[str]
    text: str


class Demand(NamedTuple):
    """Who requires something, and how."""

    row: Row
    edge: Edge


@lru_cache(maxsize=8192)
def _parsed(text: str) -> tuple[Edge, str | None] | None:
    """The requirement and its marker."""
    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        return None
    edge = Edge(
        canonicalize_name(requirement.name),
        requirement.specifier,
        frozenset(map(canonicalize_name, requirement.extras)),
        text.split(";")[0].strip(),
    )
    return edge, str(requirement.marker) if requirement.marker is not None else None


def edges(comparison: Comparison, distribution: Distribution, extras: frozenset[str]) -> Iterator[Edge]:
    """Requirements of METADATA that apply on the target with `extras`; what cannot be read or known is passed over.

    An extra that requires its own project with other extras (`all = shop[a,b]`) brings those in.
    """
    while True:
        found = list(_applying(comparison, distribution, extras))
        more = extras.union(*(edge.extras for edge in found if edge.name == distribution.name))
        if more == extras:
            break
        extras = more
    yield from (edge for edge in found if edge.name != distribution.name)


def _applying(comparison: Comparison, distribution: Distribution, extras: frozenset[str]) -> Iterator[Edge]:
    for text in distribution.requires:
        parsed = _parsed(text)
        if parsed is None:
            continue
        edge, marker = parsed
        try:
            applies = markers.evaluate(marker, comparison.target.markers, extras=extras)
        except MarkerError:
            continue
        if applies:
            yield edge


def requested_extras(comparison: Comparison, row: Row) -> frozenset[str]:
    """Extras that the lock asks of a project."""
    return frozenset[str]().union(*(comparison.selection.extras.get(package.id, ()) for package in row.locked))


def demands(comparison: Comparison) -> Iterator[Demand]:
    """All that locked distributions require, installed as locked and by a Python installer.

    What else is installed says nothing about the lock.
    """
    for row in comparison.rows:
        if row.matches and not is_foreign(row.installed[0]):
            for edge in edges(comparison, row.installed[0], requested_extras(comparison, row)):
                yield Demand(row, edge)


def unlocked(comparison: Comparison) -> Mapping[NormalizedName, Demand]:
    """Projects that a locked one requires and that no lock says anything about, with the first that requires them."""
    known = locked_names(comparison) | overridden(comparison)
    found: dict[NormalizedName, Demand] = {}
    for demand in demands(comparison):
        if demand.edge.name not in known:
            found.setdefault(demand.edge.name, demand)
    return found


def locked_names(comparison: Comparison) -> frozenset[NormalizedName]:
    """Python projects that the locks hold, selected or not; those of locked conda packages as METADATA names them."""
    packages = [package for lock in comparison.locks for package in lock.packages]
    names = {package.id.name for package in packages}
    conda = {package.id.name for package in packages if package.id.origin.kind is OriginKind.CONDA}
    names |= {lock.project_name for lock in comparison.locks if lock.project_name is not None}
    names |= {
        distribution.name
        for distributions in importable(comparison).values()
        for distribution in distributions
        if distribution.conda_name is not None and canonicalize_name(distribution.conda_name) in conda
    }
    return frozenset(names)


def overridden(comparison: Comparison) -> frozenset[NormalizedName]:
    """Projects whose requirements the author of a lock has overridden."""
    return frozenset[NormalizedName]().union(*(lock.overrides for lock in comparison.locks))


def importable(comparison: Comparison) -> Mapping[NormalizedName, tuple[Distribution, ...]]:
    """What the environment imports under each name, conda's and the operating system's packages included."""
    found: dict[NormalizedName, tuple[Distribution, ...]] = {}
    for distribution in comparison.environment.distributions if comparison.environment is not None else ():
        if distribution.shadowed_by is None:
            found[distribution.name] = (*found.get(distribution.name, ()), distribution)
    return found


def satisfies(version: str | None, specifier: SpecifierSet) -> bool:
    """Whether `version` is in `specifier`, pre-releases included; a version that cannot be read fails nothing."""
    if version is None:
        return True
    try:
        return specifier.contains(Version(version), prereleases=True)
    except InvalidVersion:
        return True


def chain_to(comparison: Comparison, name: NormalizedName) -> tuple[str, ...]:
    """Who brings `name` in: from a root of the lock over what is installed, `name` itself last; empty if nobody."""
    for row in comparison.rows:
        for distribution in row.installed if row.name != name else ():
            if any(edge.name == name for edge in edges(comparison, distribution, requested_extras(comparison, row))):
                return (*row_chain(comparison, row), str(name))
    return ()


def row_chain(comparison: Comparison, row: Row) -> tuple[str, ...]:
    """From a root of the lock to a project; its name alone where no lock holds it."""
    return comparison.selection.chain(row.locked[0].id) if row.locked else (str(row.name),)
