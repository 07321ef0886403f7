"""What is installed as a lock: the part of it that needs no index.

Distributions of an index are matched elsewhere; those with a direct_url.json (PEP 610) say themselves where they are
from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import NamedTuple, TypeAlias

from packaging.utils import NormalizedName

from driftscan import markers, requiresdist
from driftscan.errors import MarkerError
from driftscan.graph.installed import installed
from driftscan.model.inventory import DirectUrl, Distribution, DistributionForm, Environment
from driftscan.model.lock import (
    STRONG,
    Artifact,
    Dependency,
    Lock,
    Origin,
    OriginKind,
    Package,
    PackageId,
    SelectionMode,
)
from driftscan.rules.drift import INSTALLERS

_HEXADECIMAL = frozenset("0123456789abcdef")


Extras: TypeAlias = Mapping[NormalizedName, Mapping[str, frozenset[NormalizedName]]]
"""Extras by project, and what they bring in."""


class LeftOut(NamedTuple):
    """An installed distribution that a lock cannot bring back, and why."""

    name: NormalizedName
    version: str
    why: str


def candidates(environment: Environment) -> Iterator[Distribution]:
    """The distributions that a lock is to hold, each project once.

    Left out are what the operating system installed, and installers that nothing requires: they are there to install
    the rest.
    """
    graph = installed(environment, environment.path)
    required = {graph.nodes[link.target].name for link in graph.links}
    for found in environment.distributions:
        is_tool = found.name in INSTALLERS and found.name not in required
        if found.shadowed_by is None and found.owner is None and not is_tool:
            yield found


def direct(found: Distribution) -> Package | LeftOut | None:
    """What a distribution says itself of where it is from; None where that is an index."""
    if found.conda_name is not None:
        return _left_out(found, f"the conda package {found.conda_name} installed it")
    if found.form is not DistributionForm.DIST_INFO:
        return _left_out(found, "it is an egg, which no lock can bring back")
    url = found.direct_url
    if url is None:
        return None
    if url.kind == "vcs":
        return _from_repository(found, url)
    if url.kind == "dir":
        return _left_out(found, f"it was installed from the folder {url.url}")
    if url.url.startswith("file:"):
        return _left_out(found, f"it was installed from the file {url.url}")
    hashes = tuple(value for value in url.hashes if value.algorithm in STRONG)
    if not hashes:
        return _left_out(found, f"it was installed from {url.url}, and nobody wrote down the hash of that")
    origin = Origin(OriginKind.URL, url.url, subdirectory=url.subdirectory)
    file = Artifact(filename=url.url.rpartition("/")[2] or None, url=url.url, hashes=hashes)
    return Package(id=PackageId(found.name, found.version, origin), artifacts=(file,))


def _from_repository(found: Distribution, url: DirectUrl) -> Package | LeftOut:
    if url.commit is None or len(url.commit) < 40 or not _HEXADECIMAL.issuperset(url.commit):
        return _left_out(found, f"it was installed from the repository {url.url}, and its commit is not known")
    origin = Origin(OriginKind.VCS, url.url, url.commit, url.requested_revision, url.subdirectory)
    return Package(id=PackageId(found.name, None, origin))


def _left_out(found: Distribution, why: str) -> LeftOut:
    return LeftOut(found.name, found.version, why)


def extras_in_use(environment: Environment, held: AbstractSet[NormalizedName]) -> Extras:
    """Extras that somebody must have asked for, as far as can be told, with what each of them brings in.

    Nothing records them. It is those that bring something in on the environment's target, all of which is `held`, also
    what the extras bring in that they ask for themselves. Those that bring in the same everywhere tell nothing of other
    platforms, and are left out.
    """
    here = environment.target.markers
    asking = {
        (each.name, extra): _brought(each, here, extra)
        for each in environment.distributions
        if each.name in held and each.shadowed_by is None
        for extra in each.provides_extras
    }
    lacking = {key for key, brought in asking.items() if any(name not in held for name, _ in brought)}
    while more := {key for key, brought in asking.items() if key not in lacking and not lacking.isdisjoint(brought)}:
        lacking |= more
    found: dict[NormalizedName, dict[str, frozenset[NormalizedName]]] = {}
    for each in environment.distributions:
        for extra in sorted(each.provides_extras):
            names = frozenset(name for name, _ in asking.get((each.name, extra), ())) - {each.name}
            if names and (each.name, extra) not in lacking and _brought(each, {}, extra, state=None):
                found.setdefault(each.name, {})[extra] = names
    return found


def _brought(
    found: Distribution, target: Mapping[str, str], extra: str, *, state: bool | None = True
) -> frozenset[tuple[NormalizedName, str]]:
    """What an extra brings in, with the extras of that, an empty one for itself: where its marker is of a state."""
    before, after = (_required(found, target, extras, state) for extras in (frozenset[str](), frozenset((extra,))))
    return after - before


def _required(
    found: Distribution, target: Mapping[str, str], extras: frozenset[str], state: bool | None
) -> frozenset[tuple[NormalizedName, str]]:
    required: set[tuple[NormalizedName, str]] = set()
    for edge, marker in filter(None, map(requiresdist.read, found.requires)):
        try:
            holds = markers.evaluate(marker, target, extras=extras)
        except MarkerError:
            continue
        if holds is state:
            required.update((edge.name, each) for each in ("", *edge.extras))
    return frozenset(required)


def lock(environment: Environment, packages: Sequence[Package], *, reference: str, digest: str) -> Lock:
    """The lock that holds `packages`, with edges as their metadata in `environment` record them.

    `reference` and `digest` (without its algorithm) are those of the image.
    """
    keys = {package.id.name: package.id for package in packages}
    graph = installed(environment, reference)
    edges: dict[NormalizedName, list[Dependency]] = {}
    for link in graph.links:
        source, target = graph.nodes[link.source].name, graph.nodes[link.target].name
        if target in keys:
            edge = Dependency(name=target, specifier=link.specifier, candidates=(keys[target],))
            edges.setdefault(source, []).append(edge)
    requires = {found.name: found.requires_python for found in environment.distributions}
    return Lock(
        path=reference,
        format="image",
        sha256=digest,
        mode=SelectionMode.FLAT,
        packages=tuple(
            replace(
                package,
                dependencies=tuple(edges.get(package.id.name, ())),
                requires_python=requires.get(package.id.name),
            )
            for package in packages
        ),
        roots=tuple(Dependency(name=name, candidates=(key,)) for name, key in keys.items()),
    )
