"""Which packages of a pdm.lock are installed when: root edges, by what the lock or the project says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from driftscan.lock.pdm_entries import Catalogue, Entry, edge
from driftscan.lock.pdm_project import DEFAULT, Project
from driftscan.model.lock import Dependency, Scope, ScopeKind


class Groups(NamedTuple):
    """The groups of a lock, by what they are to the project.

    `pdm install` installs all groups that are locked, extras of the project too, so an extra is a default group
    besides. Without a pyproject.toml nothing tells extras from dependency groups.
    """

    groups: frozenset[str]
    default: frozenset[str]
    extras: frozenset[str]

    def scopes(self, group: str) -> Iterator[Scope]:
        """The scopes of what belongs to `group`."""
        if group == DEFAULT:
            yield Scope()
            return
        if group in self.extras:
            yield Scope(ScopeKind.EXTRA, group)
        if group in self.groups:
            yield Scope(ScopeKind.GROUP, group)


def read_groups(locked: Iterable[str] | None, entries: Sequence[Entry], project: Project | None) -> Groups:
    """Sort the groups; `locked` are those that the lock names, None where it is too old for that."""
    used = {group for entry in entries for group in entry.groups}
    if project is None:
        every = frozenset({*(locked or ()), *used}) - {DEFAULT}
        return Groups(every, every, frozenset())
    declared = project.requirements.keys() - {DEFAULT}
    known = frozenset(locked) if locked is not None else declared
    extras = project.optional & known
    # Before locks named their groups, `pdm install` took those that are no extras.
    default = (known & declared) if locked is not None else declared - project.optional
    return Groups(frozenset((known | used) - {DEFAULT}) - (extras - default), frozenset(default), extras)


def flat_roots(entries: Iterable[Entry], groups: Groups) -> Iterator[Dependency]:
    """One edge for each group of each entry; an entry without groups is always installed."""
    for entry in entries:
        for group in entry.groups or (DEFAULT,):
            for scope in groups.scopes(group):
                yield _root(entry, scope)


def declared_roots(project: Project, groups: Groups, catalogue: Catalogue) -> Iterator[Dependency]:
    """The direct requirements of the groups that are locked."""
    for group, declared in project.requirements.items():
        for scope in groups.scopes(group):
            for each in declared:
                yield edge(each.requirement, catalogue, scope)


def inferred_roots(entries: Sequence[Entry], catalogue: Catalogue) -> Iterator[Dependency]:
    """Entries that no other requires; of those that require each other in a circle, the first."""
    edges = {id(entry): list(_required(entry, catalogue)) for entry in entries}
    required = {id(target) for targets in edges.values() for target in targets}
    reached: set[int] = set()
    for entry in sorted(entries, key=lambda entry: id(entry) in required):
        if id(entry) not in reached:
            _reach(entry, edges, reached)
            yield _root(entry, Scope())


def _required(entry: Entry, catalogue: Catalogue) -> Iterator[Entry]:
    """The entries that an entry leads to: the one with exactly the extras, or those that together have them."""
    for requirement in entry.requirements:
        for key in catalogue.candidates(requirement):
            for other in catalogue.by_id[key]:
                if other is not entry and other.extras <= requirement.extras:
                    yield other


def _reach(start: Entry, edges: Mapping[int, Sequence[Entry]], reached: set[int]) -> None:
    waiting = [start]
    while waiting:
        current = waiting.pop()
        if id(current) not in reached:
            reached.add(id(current))
            waiting += edges[id(current)]


def _root(entry: Entry, scope: Scope) -> Dependency:
    return Dependency(
        name=entry.id.name,
        specifier=f"=={entry.id.version}" if entry.id.version else "",
        extras=entry.extras,
        marker=entry.marker,
        scope=scope,
        candidates=(entry.id,),
        line=entry.line,
    )
