"""Edges of a poetry.lock: what packages require of each other, and what the project requires of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet

from packaging.utils import NormalizedName, canonicalize_name

from driftscan.lock.poetry_extras import Extra, read_extras
from driftscan.lock.poetry_markers import NEVER, checked, extras_named, given_extras
from driftscan.lock.poetry_packages import Catalogue, Entry
from driftscan.lock.poetry_project import MAIN, Project
from driftscan.lock.poetry_requirements import Requirement, read_all
from driftscan.model.lock import Dependency, Package, PackageId, Scope, ScopeKind

DEV = "dev"


def package_edges(entry: Entry, catalogue: Catalogue) -> Iterator[Dependency]:
    """What a package requires; a requirement that an extra brings in once for each such extra."""
    extras: Mapping[NormalizedName, Extra] | None = None
    for requirement in read_all(entry.table.table("dependencies")):
        named: set[NormalizedName] = extras_named(requirement.marker)
        if (named or requirement.optional) and extras is None:
            extras = read_extras(entry.table.table("extras"), entry.id.name)
        for scope, marker in _package_scopes(requirement, named, extras or {}):
            yield _edge(requirement._replace(marker=marker), catalogue, scope, entry.line)


def flat_roots(entry: Entry) -> Iterator[Dependency]:
    """One edge for each group: `markers` is one marker for all of them, or a table of markers by group.

    A group whose marker holds nowhere gets none.
    """
    by_group = isinstance(entry.table.values.get("markers"), Mapping)
    for group in entry.table.texts("groups"):
        marker = entry.table.table("markers").text(group) if by_group else entry.table.text("markers")
        if marker == NEVER:
            continue
        yield Dependency(
            name=entry.id.name,
            specifier=f"=={entry.id.version}",
            marker=checked(marker, entry.table.where),
            scope=_group_scope(canonicalize_name(group)),
            candidates=(entry.id,),
            line=entry.line,
        )


def declared_roots(
    project: Project, extras: Mapping[str, frozenset[str]], catalogue: Catalogue
) -> Iterator[Dependency]:
    """The direct requirements of the project; an optional one for each extra that names it."""
    for group, requirements in project.requirements.items():
        for requirement in requirements:
            if requirement.optional:
                naming = sorted(extra for extra, names in extras.items() if requirement.name in names)
                scopes = [Scope(ScopeKind.EXTRA, extra) for extra in naming]
            else:
                scopes = [_group_scope(group)]
            for scope in scopes:
                yield _edge(requirement, catalogue, scope)


def inferred_roots(
    entries: Sequence[Entry], packages: Sequence[Package], extras: Mapping[str, frozenset[str]], catalogue: Catalogue
) -> Iterator[Dependency]:
    """Direct requirements as far as the lock alone shows them.

    Optional packages are the ones that extras name. Of the others, those that no package of `main` requires count as
    required by the project, and of the rest those that no package at all requires as required by the group `dev`;
    where packages require each other in a circle that nothing else leads to, the first of them counts.
    """
    for extra, names in sorted(extras.items()):
        for name in sorted(names):
            requirement = Requirement(name=canonicalize_name(name))
            yield _edge(requirement, catalogue, Scope(ScopeKind.EXTRA, extra))
    graph = {
        package.id: {candidate for edge in package.dependencies or () for candidate in edge.candidates}
        for package in packages
    }
    reached: set[PackageId] = set()
    for group in (MAIN, DEV):
        own = [entry for entry in entries if entry_category(entry) == group and not entry.table.flag("optional")]
        for entry in _sources(own, graph, reached):
            yield Dependency(
                name=entry.id.name,
                specifier=f"=={entry.id.version}",
                marker=checked(entry.table.text("marker"), entry.table.where),  # only Poetry 1.0 wrote it
                scope=_group_scope(group),
                candidates=(entry.id,),
                line=entry.line,
            )


def entry_category(entry: Entry) -> str:
    """`main` or `dev`: locks before 2.0 say it, later ones do not."""
    return DEV if entry.table.text("category") == DEV else MAIN


def _sources(
    entries: Iterable[Entry], graph: Mapping[PackageId, set[PackageId]], reached: set[PackageId]
) -> Iterator[Entry]:
    """Entries that together reach all entries; `reached` grows by what they reach."""
    candidates = list(entries)
    required = {target for entry in candidates for target in graph[entry.id] if target != entry.id}
    for entry in sorted(candidates, key=lambda entry: entry.id in required):
        if entry.id not in reached:
            _reach(entry.id, graph, reached)
            yield entry


def _reach(start: PackageId, graph: Mapping[PackageId, set[PackageId]], reached: set[PackageId]) -> None:
    waiting = [start]
    while waiting:
        current = waiting.pop()
        if current not in reached:
            reached.add(current)
            waiting += graph[current]


def _package_scopes(
    requirement: Requirement, named: AbstractSet[NormalizedName], extras: Mapping[NormalizedName, Extra]
) -> Iterator[tuple[Scope, str | None]]:
    """The extras of its package that bring a requirement in, each with what is left of the marker then."""
    if not named and not requirement.optional:
        yield Scope(), requirement.marker
        return
    if named:
        bringing = named | {extra for extra, content in extras.items() if content.implied & named}
    else:
        bringing = {extra for extra, content in extras.items() if requirement.name in content.names}
    for extra in sorted(bringing):
        left = given_extras(requirement.marker, extras[extra].implied if extra in extras else {extra})
        if left is not False:
            yield Scope(ScopeKind.EXTRA, extra), None if left is True else left


def _edge(requirement: Requirement, catalogue: Catalogue, scope: Scope, line: int | None = None) -> Dependency:
    return Dependency(
        name=requirement.name,
        specifier=requirement.constraint.specifier,
        extras=requirement.extras,
        marker=requirement.marker,
        scope=scope,
        candidates=catalogue.candidates(requirement),
        line=line,
    )


def _group_scope(group: str) -> Scope:
    return Scope() if group == MAIN else Scope(ScopeKind.GROUP, group)
