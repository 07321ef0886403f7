"""What installed distributions require of each other, judged for the image's interpreter and platform."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import InvalidVersion, Version

from driftscan import markers, requiresdist
from driftscan.compare import Comparison, Row
from driftscan.errors import MarkerError
from driftscan.model.inventory import Distribution
from driftscan.model.lock import OriginKind, Package
from driftscan.requiresdist import Edge


class Demand(NamedTuple):
    """What a locked package requires: itself, or by way of packages that are installed and not locked.

    `by` is the project whose METADATA holds the requirement; `chain` runs from a root of the lock to what is required.
    """

    package: Package
    by: NormalizedName
    edge: Edge
    chain: tuple[str, ...]


class Requirements:
    """The requirements that apply in one environment, each read once.

    `extras` are those asked of each project: by the lock, and by what is installed as locked.
    """

    def __init__(self, comparison: Comparison) -> None:
        self._comparison = comparison
        self._edges: dict[tuple[str, frozenset[str]], tuple[Edge, ...]] = {}
        self._telling = [row for row in comparison.rows if row.matches and not row.installed[0].is_foreign]
        self.extras = {row.name: _locked_extras(comparison, row) for row in comparison.rows}
        self._spread()

    def of(self, distribution: Distribution) -> tuple[Edge, ...]:
        """Requirements of METADATA that apply on the target; what cannot be read or known is passed over."""
        key = distribution.path, self.extras.get(distribution.name, frozenset())
        if key not in self._edges:
            self._edges[key] = tuple(_edges(self._comparison, distribution, key[1]))
        return self._edges[key]

    def demands(self) -> Iterator[Demand]:
        """All that locked distributions require, installed as locked and by a Python installer.

        What else is installed says nothing about the lock.
        """
        for row in self._telling:
            for edge in self.of(row.installed[0]):
                chain = (*row_chain(self._comparison, row), str(edge.name))
                yield Demand(row.locked[0], row.name, edge, chain)

    def unlocked(self) -> Mapping[NormalizedName, Demand]:
        """Projects that locked ones require and that no lock says anything about, with the first to require them.

        What is installed for these is followed in turn: all of it was chosen on the day of the build.
        """
        known = locked_names(self._comparison) | overridden(self._comparison)
        there = importable(self._comparison)
        found: dict[NormalizedName, Demand] = {}
        waiting = deque(self.demands())
        while waiting:
            demand = waiting.popleft()
            name = demand.edge.name
            if name in known or name in found:
                continue
            found[name] = demand
            for distribution in there.get(name, ()):
                if not distribution.is_foreign:
                    waiting += [
                        Demand(demand.package, name, edge, (*demand.chain, str(edge.name)))
                        for edge in self.of(distribution)
                    ]
        return found

    def parents(self) -> Mapping[NormalizedName, Row]:
        """The first project that is installed and requires each."""
        found: dict[NormalizedName, Row] = {}
        for row in self._comparison.rows:
            for distribution in row.installed:
                for edge in self.of(distribution):
                    found.setdefault(edge.name, row)
        return found

    def _spread(self) -> None:
        """Follow requirements for extras until none is new."""
        telling = {row.name: row for row in self._telling}
        waiting = list(self._telling)
        while waiting:
            for edge in self.of(waiting.pop().installed[0]):
                known = self.extras.get(edge.name, frozenset())
                if edge.extras - known:
                    self.extras[edge.name] = known | edge.extras
                    waiting += [telling[edge.name]] if edge.name in telling else []


def _edges(comparison: Comparison, distribution: Distribution, extras: frozenset[str]) -> Iterator[Edge]:
    """An extra that requires its own project with other extras (`all = shop[a,b]`) brings those in."""
    while True:
        found = list(_applying(comparison, distribution, extras))
        more = extras.union(*(edge.extras for edge in found if edge.name == distribution.name))
        if more == extras:
            break
        extras = more
    yield from (edge for edge in found if edge.name != distribution.name)


def _applying(comparison: Comparison, distribution: Distribution, extras: frozenset[str]) -> Iterator[Edge]:
    for text in distribution.requires:
        parsed = requiresdist.read(text)
        if parsed is None:
            continue
        edge, marker = parsed
        try:
            applies = markers.evaluate(marker, comparison.target.markers, extras=extras)
        except MarkerError:
            continue
        if applies:
            yield edge


def _locked_extras(comparison: Comparison, row: Row) -> frozenset[str]:
    return frozenset[str]().union(*(comparison.selection.extras.get(package.id, ()) for package in row.locked))


def named(distribution: Distribution) -> frozenset[NormalizedName]:
    """Projects that METADATA requires, whatever the markers and extras."""
    return frozenset(parsed[0].name for parsed in map(requiresdist.read, distribution.requires) if parsed is not None)


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


def row_chain(comparison: Comparison, row: Row) -> tuple[str, ...]:
    """From a root of the lock to a project; its name alone where no lock holds it."""
    return comparison.selection.chain(row.locked[0].id) if row.locked else (str(row.name),)
