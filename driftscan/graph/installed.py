"""The graph of what is installed in an environment, by the requirements that its own metadata record."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from packaging.utils import NormalizedName, canonicalize_name

from driftscan import markers, requiresdist
from driftscan.errors import MarkerError
from driftscan.model.dependencies import Dependencies, Kind, Link, Neighbour, Node, Start
from driftscan.model.inventory import CondaPackage, Distribution, Environment
from driftscan.model.lock import Scope, ScopeKind


class _Edge(NamedTuple):
    name: NormalizedName
    specifier: str
    extras: tuple[str, ...]
    marker: str | None
    extra: str
    """The extra of its own project that it belongs to; empty: it always counts."""


def installed(environment: Environment, title: str, others: Sequence[Environment] = ()) -> Dependencies:
    """Distributions that can be imported and conda packages; requirements that apply on the environment's target.

    A conda package that is a Python project is one node, not two. Extras count where something asks for them.
    `others` are the other environments of the image.
    """
    distributions = {each.name: each for each in environment.distributions if each.shadowed_by is None}
    owned = {each.conda_name.lower() for each in distributions.values() if each.conda_name is not None}
    conda = {each.name.lower(): each for each in environment.conda if each.name.lower() not in owned}
    nodes = sorted(
        (*map(_node, distributions.values()), *map(_conda_node, conda.values())), key=lambda node: node.title
    )
    index = {node.name: position for position, node in enumerate(nodes)}
    edges = {name: tuple(_edges(each, environment)) for name, each in distributions.items()}
    links = (
        *_python_links(edges, index, _asked_extras(edges)),
        *_conda_links(environment.conda, distributions.values(), index),
    )
    required = {link.target for link in links}
    return Dependencies(
        title=title,
        kind=Kind.INSTALLED,
        nodes=tuple(nodes),
        links=tuple(sorted(links, key=lambda link: (link.source, link.target, link.scope))),
        starts=tuple(Start(target=position) for position in range(len(nodes)) if position not in required),
        place=environment.path,
        neighbours=tuple(Neighbour(each.path, frozenset(_names(each))) for each in others),
    )


def _names(environment: Environment) -> Iterator[NormalizedName]:
    yield from (each.name for each in environment.distributions)
    yield from (canonicalize_name(each.name) for each in environment.conda)


def _node(distribution: Distribution) -> Node:
    direct = distribution.direct_url
    return Node(
        name=distribution.name,
        version=distribution.version,
        origin=f"{direct.kind} {direct.url}" if direct is not None else None,
        path=distribution.path,
        layer=distribution.layer,
    )


def _conda_node(package: CondaPackage) -> Node:
    name = canonicalize_name(package.name)
    return Node(name=name, version=package.version, origin="conda", path=package.path, layer=package.layer)


def _edges(distribution: Distribution, environment: Environment) -> Iterator[_Edge]:
    for required, marker in filter(None, map(requiresdist.read, distribution.requires)):
        for extra in ("", *sorted(distribution.provides_extras)):
            try:
                holds = markers.evaluate(marker, environment.target.markers, extras={extra} if extra else frozenset())
            except MarkerError:
                break
            if holds is not False:
                extras = tuple(sorted(required.extras))
                yield _Edge(required.name, str(required.specifier), extras, marker, extra)
                break


def _asked_extras(edges: Mapping[NormalizedName, Sequence[_Edge]]) -> Mapping[NormalizedName, frozenset[str]]:
    """Extras of each project that something installed asks for, those that other extras bring in included."""
    asked: dict[NormalizedName, frozenset[str]] = {}
    changed = True
    while changed:
        changed = False
        for name, found in edges.items():
            for edge in found:
                wanted = frozenset(edge.extras) - asked.get(edge.name, frozenset())
                if wanted and (not edge.extra or edge.extra in asked.get(name, frozenset())):
                    asked[edge.name] = asked.get(edge.name, frozenset()) | wanted
                    changed = True
    return asked


def _python_links(
    edges: Mapping[NormalizedName, Sequence[_Edge]],
    index: Mapping[NormalizedName, int],
    asked: Mapping[NormalizedName, frozenset[str]],
) -> Iterator[Link]:
    for name, found in edges.items():
        for edge in found:
            counts = not edge.extra or edge.extra in asked.get(name, frozenset())
            if counts and edge.name in index and edge.name != name:
                yield Link(
                    source=index[name],
                    target=index[edge.name],
                    specifier=edge.specifier,
                    extras=edge.extras,
                    marker=edge.marker,
                    scope=Scope(ScopeKind.EXTRA, edge.extra) if edge.extra else Scope(),
                )


def _conda_links(
    packages: Iterable[CondaPackage], distributions: Iterable[Distribution], index: Mapping[NormalizedName, int]
) -> Iterator[Link]:
    """`depends` of conda's own records: a name, and a version specification that is conda's."""
    python_names = {each.conda_name.lower(): each.name for each in distributions if each.conda_name is not None}

    def position(name: str) -> int | None:
        return index.get(python_names.get(name.lower(), canonicalize_name(name)))

    for package in packages:
        source = position(package.name)
        if source is None or package.name.lower() in python_names:
            continue
        for text in package.depends:
            name, _, specifier = text.partition(" ")
            target = position(name)
            if target is not None and target != source:
                yield Link(source=source, target=target, specifier=specifier.strip())
