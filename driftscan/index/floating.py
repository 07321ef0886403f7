"""What locked packages bring in with them, by the metadata that indexes have.

The walk is breadth first. Of a project that no lock names it takes the newest version that the requirements met so far
and the target admit, and never goes back on that: a resolver can end with another version, and so with other projects.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name

from driftscan import markers
from driftscan.errors import MarkerError, PackageIndexError
from driftscan.index.metadata import Metadata
from driftscan.index.releases import Releases
from driftscan.index.transport import CONNECTIONS
from driftscan.model.floating import Floating
from driftscan.model.lock import Hash, PackageId
from driftscan.model.target import Target

_MOST = 1000
"""Projects that are followed beside the locked ones."""
_MOST_LINES = 1_000_000
"""Requirements that are looked at; each extra that is asked of a project makes all of its count again."""
_MOST_PARTS = 64
_LONGEST_LINE = 4096
_LONG_NUMBER = re.compile(r"[0-9]{64}")
"""Python refuses to read integers of some thousand digits, with an error that is no syntax error."""


class Start(NamedTuple):
    """A locked package whose requirements the lock does not record; `specifier` counts where it has no version."""

    package: PackageId
    specifier: str
    extras: frozenset[str]
    hashes: frozenset[Hash]
    chain: tuple[str, ...]
    releases: Releases


class Required(NamedTuple):
    """One line of metadata. `text` is it without its marker; `url` where it names a place."""

    name: NormalizedName
    specifier: SpecifierSet
    extras: frozenset[str]
    marker: str | None
    text: str
    url: str | None


class Failure(NamedTuple):
    """What could not be followed: a project, with its version where the lock has one, and why."""

    subject: str
    reason: str


@dataclass(slots=True, kw_only=True)
class Found:
    """What a walk found; `failures` are without repetition."""

    floating: list[Floating] = field(default_factory=list)
    failures: dict[Failure, None] = field(default_factory=dict)


@lru_cache(maxsize=16384)
def parse_requirement(line: str) -> Required | None:
    """A Requires-Dist line; None where it cannot be read."""
    if len(line) > _LONGEST_LINE or _LONG_NUMBER.search(line):
        return None
    try:
        requirement = Requirement(line)
    except (InvalidRequirement, RecursionError):
        return None
    marker, requirement.marker = requirement.marker, None
    return Required(
        name=canonicalize_name(requirement.name),
        specifier=requirement.specifier,
        extras=frozenset(map(canonicalize_name, requirement.extras)),
        marker=str(marker) if marker is not None else None,
        text=str(requirement),
        url=requirement.url,
    )


@dataclass(slots=True, kw_only=True)
class _Node:
    """A project on the walk. `pin` is the version that a lock or its constraints name."""

    name: NormalizedName
    releases: Releases
    start: PackageId
    chain: tuple[str, ...]
    specifier: SpecifierSet
    extras: frozenset[str]
    pin: str | None = None
    hashes: frozenset[Hash] = frozenset()
    is_conditional: bool = False
    requirement: str = ""
    by: str | None = None
    """Who requires it, where no lock names it."""
    version: str | None = None
    metadata: Metadata | None = None
    failure: str | None = None

    @property
    def title(self) -> str:
        version = self.pin or self.version
        return f"{self.name} {version}" if version else str(self.name)


class Walk:
    """One walk for one target.

    `known` are the projects that some lock names, `pins` versions that projects get which none names. With
    `is_exact` the target is the one that is asked about, and a marker that it leaves open is a failure.
    """

    def __init__(
        self, target: Target, known: AbstractSet[NormalizedName], pins: Mapping[NormalizedName, str], *, is_exact: bool
    ) -> None:
        self._target = target
        self._known = known
        self._pins = pins
        self._is_exact = is_exact
        self._nodes: dict[NormalizedName, _Node] = {}
        self._followed = 0
        self._lines = 0
        self._found = Found()

    def run(self, starts: Sequence[Start]) -> Found:
        frontier = [node for start in starts if (node := self._begin(start)) is not None]
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            while frontier:
                list(pool.map(self._resolve, [node for node in frontier if node.metadata is None]))
                frontier = list({node.name: node for each in frontier for node in self._next(each)}.values())
        self._found.floating += (floating for node in self._nodes.values() if (floating := _told(node)) is not None)
        return self._found

    def _begin(self, start: Start) -> _Node | None:
        name = start.package.name
        try:
            specifier = SpecifierSet(start.specifier)
        except InvalidSpecifier:
            self._fail(str(name), f"its specifier {start.specifier[:80]} cannot be read")
            return None
        node = _Node(
            name=name,
            releases=start.releases,
            start=start.package,
            chain=start.chain,
            specifier=specifier,
            extras=start.extras,
            pin=start.package.version,
            hashes=start.hashes,
        )
        return node if self._nodes.setdefault(name, node) is node else None

    def _resolve(self, node: _Node) -> None:
        """Ask for the metadata of a node, once; threads do this for different nodes."""
        if node.failure is not None:
            return
        try:
            if node.pin is not None:
                release = node.releases.pinned(node.name, node.pin, node.hashes)
            else:
                release = node.releases.newest(node.name, node.specifier, self._target)
                node.version = str(release.version)
            node.metadata = node.releases.metadata(release, self._target)
        except PackageIndexError as error:
            node.failure = str(error)

    def _next(self, node: _Node) -> Iterator[_Node]:
        """Nodes that have to be looked at for what `node` requires."""
        if node.metadata is None:
            self._fail(node.title, node.failure or "")
            return
        self._lines += len(node.metadata.requires)
        if self._lines > _MOST_LINES:
            self._fail(node.title, f"there are more than {_MOST_LINES:,} requirements to look at")
            return
        for line in node.metadata.requires:
            required = parse_requirement(line)
            if required is None:
                self._fail(node.title, f"its requirement {line[:80]!r} cannot be read")
            elif self._applies(node, required):
                child = self._reach(node, required)
                if child is not None:
                    yield child

    def _applies(self, node: _Node, required: Required) -> bool:
        try:
            holds = markers.evaluate(required.marker, self._target.markers, extras=node.extras)
        except MarkerError as error:
            self._fail(node.title, str(error))
            return False
        if holds is None and self._is_exact:
            self._fail(node.title, f"the marker `{required.marker}` depends on what the target does not tell")
        return holds is True

    def _reach(self, parent: _Node, required: Required) -> _Node | None:
        """The node of a requirement if it is new, or has to be looked at again for further extras."""
        child = self._nodes.get(required.name)
        if child is None:
            return None if required.name in self._known else self._add(parent, required)
        if child.metadata is None and len(child.specifier) < _MOST_PARTS:
            child.specifier &= required.specifier
        if required.extras <= child.extras:
            return None
        child.extras |= required.extras
        return child

    def _add(self, parent: _Node, required: Required) -> _Node | None:
        if self._followed >= _MOST:
            self._fail("all that would float in", f"there are more than {_MOST} projects")
            return None
        self._followed += 1
        pin = self._pins.get(required.name)
        node = _Node(
            name=required.name,
            releases=parent.releases,
            start=parent.start,
            chain=(*parent.chain, str(required.name)),
            specifier=required.specifier,
            extras=required.extras,
            pin=pin,
            requirement=required.text,
            by=parent.title if pin is None else None,
            is_conditional=parent.is_conditional or self._is_conditional(parent, required),
            failure=f"it comes from {required.url[:200]}, not from an index" if required.url else None,
        )
        self._nodes[node.name] = node
        return node

    def _is_conditional(self, parent: _Node, required: Required) -> bool:
        return markers.evaluate(required.marker, {}, extras=parent.extras) is not True

    def _fail(self, subject: str, reason: str) -> None:
        self._found.failures.setdefault(Failure(subject, reason))


def _told(node: _Node) -> Floating | None:
    """None for what a lock or its constraints name."""
    if node.by is None:
        return None
    return Floating(
        name=node.name,
        requirement=node.requirement,
        by=node.by,
        start=node.start,
        chain=node.chain,
        newest=node.version,
        is_conditional=node.is_conditional,
    )
