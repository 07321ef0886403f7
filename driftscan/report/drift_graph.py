"""The dependency graph of a lock and of an image in one: who requires whom, and where the two differ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from packaging.utils import NormalizedName, canonicalize_name

from driftscan.finding import Finding, Report
from driftscan.graph.installed import installed
from driftscan.model.dependencies import Dependencies, Link, Node
from driftscan.model.image import LayerId


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftNode:
    """A project: the versions that are locked and that are installed, and what was found about it.

    `findings` index the report's. `is_compared` is False where there is no image to be missing from.
    """

    name: NormalizedName
    locked: tuple[str, ...] = ()
    installed: tuple[str, ...] = ()
    is_locked: bool = False
    is_installed: bool = False
    is_compared: bool = True
    is_member: bool = False
    layer: LayerId | None = None
    findings: tuple[int, ...] = ()

    @property
    def title(self) -> str:
        """`numpy 2.1.3`, `numpy 2.1.3 → 2.2.0` (locked, installed), `six 1.16.0 missing`, `toolz 1.2.0 unexpected`."""
        locked, found = ", ".join(self.locked), ", ".join(self.installed)
        if not self.is_compared or self.is_member or (self.is_locked and locked == found):
            return f"{self.name} {locked or found}".strip()
        if not self.is_installed:
            return f"{self.name} {locked} missing"
        if not self.is_locked:
            return f"{self.name} {found} unexpected"
        return f"{self.name} {locked} → {found}" if locked else f"{self.name} {found}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftLink:
    """One node requires another: indexes of both, and which of the two sides have it so, as far as they can tell."""

    source: int
    target: int
    link: Link
    in_lock: bool
    in_image: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftGraph:
    nodes: tuple[DriftNode, ...] = ()
    links: tuple[DriftLink, ...] = ()
    starts: tuple[int, ...] = ()


def merged(report: Report) -> DriftGraph:
    """Nodes in the order of their names; the starts are the lock's, and what nothing else requires."""
    locked = report.dependencies
    found = installed(report.environment, report.environment.path) if report.environment is not None else None
    sides = [side for side in (locked, found) if side is not None]
    names = sorted({node.name for side in sides for node in side.nodes})
    index = {name: position for position, name in enumerate(names)}
    links = _links(locked, found, index)
    own = (
        {index[locked.nodes[start.target].name] for start in locked.starts}
        if locked is not None and locked.has_links
        else set()
    )
    required = {link.target for link in links}
    return DriftGraph(
        nodes=_nodes(names, locked, found, report.findings),
        links=links,
        starts=tuple(position for position in range(len(names)) if position in own or position not in required),
    )


def _nodes(
    names: Iterable[NormalizedName],
    locked: Dependencies | None,
    found: Dependencies | None,
    findings: Sequence[Finding],
) -> tuple[DriftNode, ...]:
    in_lock, in_image, about = _by_name(locked), _by_name(found), _about(findings)
    return tuple(
        DriftNode(
            name=name,
            locked=_versions(in_lock.get(name, ())),
            installed=_versions(in_image.get(name, ())),
            is_locked=name in in_lock,
            is_installed=name in in_image,
            is_compared=found is not None and locked is not None,
            is_member=any(node.is_member for node in in_lock.get(name, ())),
            layer=next((node.layer for node in in_image.get(name, ()) if node.layer is not None), None),
            findings=tuple(about.get(name, ())),
        )
        for name in names
    )


def _by_name(side: Dependencies | None) -> Mapping[NormalizedName, Sequence[Node]]:
    found: dict[NormalizedName, list[Node]] = {}
    for node in side.nodes if side is not None else ():
        found.setdefault(node.name, []).append(node)
    return found


def _about(findings: Sequence[Finding]) -> Mapping[NormalizedName, Sequence[int]]:
    found: dict[NormalizedName, list[int]] = {}
    for position, finding in enumerate(findings):
        if finding.package is not None:
            found.setdefault(canonicalize_name(finding.package), []).append(position)
    return found


def _versions(nodes: Iterable[Node]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(node.version for node in nodes if node.version is not None))


def _links(
    locked: Dependencies | None, found: Dependencies | None, index: Mapping[NormalizedName, int]
) -> tuple[DriftLink, ...]:
    in_lock, in_image = _by_ends(locked, index), _by_ends(found, index)
    return tuple(
        DriftLink(
            source=source,
            target=target,
            link=in_lock.get((source, target)) or in_image[source, target],
            # Where the lock records no links at all, that one is missing there says nothing.
            in_lock=(source, target) in in_lock or (locked is not None and not locked.has_links),
            in_image=(source, target) in in_image,
        )
        for source, target in sorted({*in_lock, *in_image})
    )


def _by_ends(side: Dependencies | None, index: Mapping[NormalizedName, int]) -> dict[tuple[int, int], Link]:
    """One link between two projects; the first tells its condition."""
    found: dict[tuple[int, int], Link] = {}
    if side is None:
        return found
    for link in side.links:
        source, target = index[side.nodes[link.source].name], index[side.nodes[link.target].name]
        if source != target:
            found.setdefault((source, target), link)
    return found
