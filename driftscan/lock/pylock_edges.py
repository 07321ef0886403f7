"""Edges of a pylock.toml: the standard's `packages.dependencies`, or PDM's `packages.tool.pdm.dependencies`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from driftscan.model.lock import Dependency, PackageId

Table: TypeAlias = Mapping[str, object]
Edges: TypeAlias = tuple[tuple[Dependency, ...], ...]


def read_edges(packages: Sequence[Table], ids: Sequence[PackageId]) -> tuple[Edges | None, tuple[str, ...]]:
    """The edges of each package, None where the lock records none, and the texts that are no requirements.

    `packages` are the `[[packages]]` tables, `ids` their packages in the same order.
    """
    if any("dependencies" in package for package in packages):
        return _standard(packages, ids), ()
    lists = [_pdm_texts(package) for package in packages]
    if all(texts is None for texts in lists):
        return None, ()
    by_name: defaultdict[str, list[PackageId]] = defaultdict(list)
    for each in ids:
        by_name[each.name].append(each)
    requirements = {text: _requirement(text) for texts in lists for text in texts or ()}
    edges = tuple(
        tuple(_edge(found, by_name) for text in texts or () if (found := requirements[text]) is not None)
        for texts in lists
    )
    return edges, tuple(sorted(text for text, found in requirements.items() if found is None))


def _standard(packages: Sequence[Table], ids: Sequence[PackageId]) -> Edges:
    """Each reference names another entry by whatever keys tell it apart from the rest."""
    by_name: defaultdict[object, list[int]] = defaultdict(list)
    for index, package in enumerate(packages):
        by_name[package.get("name")].append(index)
    return tuple(
        tuple(
            Dependency(
                name=canonicalize_name(name),
                candidates=tuple(ids[index] for index in by_name[name] if _refers(reference, packages[index])),
            )
            for name, reference in _references(package)
        )
        for package in packages
    )


def _references(package: Table) -> Iterator[tuple[str, Table]]:
    references = package.get("dependencies")
    for reference in references if isinstance(references, list) else ():
        if isinstance(reference, Mapping) and isinstance(name := reference.get("name"), str):
            yield name, reference


def _refers(reference: Table, package: Table) -> bool:
    """Whether everything that a reference says is true of an entry."""
    for key, value in reference.items():
        actual = package.get(key)
        if isinstance(value, Mapping) and isinstance(actual, Mapping):
            if not _refers(value, actual):
                return False
        elif actual != value:
            return False
    return True


def _pdm_texts(package: Table) -> list[str] | None:
    """The requirements that PDM records for a package; None where it records nothing."""
    found: object = package
    for key in ("tool", "pdm", "dependencies"):
        found = found.get(key) if isinstance(found, Mapping) else None
    return [str(item) for item in found] if isinstance(found, list) else None


def _requirement(text: str) -> Requirement | None:
    try:
        return Requirement(text)
    except (InvalidRequirement, RecursionError):
        return None


def _edge(requirement: Requirement, by_name: Mapping[str, Sequence[PackageId]]) -> Dependency:
    name = canonicalize_name(requirement.name)
    return Dependency(
        name=name,
        specifier=str(requirement.specifier),
        extras=frozenset(map(canonicalize_name, requirement.extras)),
        marker=str(requirement.marker) if requirement.marker else None,
        candidates=tuple(
            each
            for each in by_name.get(name, ())
            if each.version is None or requirement.specifier.contains(each.version, prereleases=True)
        ),
    )
