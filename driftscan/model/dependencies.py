"""A dependency graph to look at: that of a lock, or of what is installed in an environment."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from packaging.utils import NormalizedName

from driftscan.model.image import LayerId
from driftscan.model.lock import Scope


class Kind(StrEnum):
    """What the nodes of a graph are."""

    LOCKED = "locked"
    INSTALLED = "installed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A package of a lock, or an installed distribution. `version` is None where the lock gives none.

    `origin` says in words where it comes from, if that is no index. `path` is absolute, inside the image; `layer` the
    one that installed it.
    """

    name: NormalizedName
    version: str | None
    origin: str | None = None
    is_member: bool = False
    path: str | None = None
    layer: LayerId | None = None

    @property
    def title(self) -> str:
        return f"{self.name} {self.version}" if self.version else str(self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One node requires another: indexes of both, and under which condition."""

    source: int
    target: int
    specifier: str = ""
    extras: tuple[str, ...] = ()
    """Extras that are asked of the target, sorted."""
    marker: str | None = None
    scope: Scope = Scope()  # noqa: RUF009  # immutable
    """The part of the source that requires it: always, with one of its extras, or in one of its groups."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """A node that is there for its own sake: asked for by the project, or required by nothing else."""

    target: int
    specifier: str = ""
    extras: tuple[str, ...] = ()
    marker: str | None = None
    scopes: tuple[Scope, ...] = ()
    """Extras and groups of the project that ask for it; empty: it always does."""


class Neighbour(NamedTuple):
    """Another environment of the same image: its path, and the projects that can be imported there."""

    path: str
    names: frozenset[NormalizedName]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependencies:
    """Nodes in the order of their names, links in the order of their ends, and where the graph starts.

    `title` is the path of the lock or the reference of the image. `has_links` is False where nothing records who
    requires what; then every node is a start. `place` is the path of the environment in the image, `neighbours` are the
    others that the image has.
    """

    title: str
    kind: Kind
    nodes: tuple[Node, ...]
    links: tuple[Link, ...]
    starts: tuple[Start, ...]
    has_links: bool = True
    place: str | None = None
    neighbours: tuple[Neighbour, ...] = ()

    def elsewhere(self, name: NormalizedName) -> tuple[str, ...]:
        """Paths of the other environments that have a project."""
        return tuple(each.path for each in self.neighbours if name in each.names)

    def find(self, name: NormalizedName) -> tuple[int, ...]:
        """Indexes of the nodes of a project."""
        return tuple(index for index, node in enumerate(self.nodes) if node.name == name)

    def outgoing(self) -> tuple[tuple[Link, ...], ...]:
        """The links of each node, by its index."""
        links: list[list[Link]] = [[] for _ in self.nodes]
        for link in self.links:
            links[link.source].append(link)
        return tuple(map(tuple, links))
