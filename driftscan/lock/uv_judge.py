"""Comparing sets of requirements: those that a uv.lock records, and those that a pyproject.toml has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import NamedTuple

from packaging.utils import NormalizedName, canonicalize_name

from driftscan.lock.document import Document
from driftscan.lock.mentions import Mentions
from driftscan.lock.table import Table
from driftscan.lock.uv_requirements import (
    UNKNOWN,
    Requirement,
    Sources,
    declared,
    never_holds,
    recorded,
    same_but_for_marker,
    same_marker,
)
from driftscan.model.lock import Difference, PackageId


class Locked(NamedTuple):
    """What a lock holds about its projects: its `[[package]]` tables and their keys, and which are members."""

    data: Table
    entries: Sequence[Table]
    ids: Sequence[PackageId]
    members: frozenset[PackageId]


class Project(NamedTuple):
    """A project in a folder, with the table and the key that the lock has for it."""

    document: Document
    pyproject: Table
    sources: Sources
    entry: Table
    key: PackageId


@dataclass(slots=True)
class Judge:
    """Compares requirements, and knows where one file has them.

    `pairs_left` and `markers_left` bound the work for files that nobody wrote: what is beyond is taken as the same.
    """

    mentions: Mentions
    requires_python: str | None
    pairs_left: int = 20_000
    markers_left: int = 1000

    def compare(
        self,
        wish: str,
        wanted: Iterable[Requirement],
        locked: Iterable[Requirement],
        *sections: str,
        with_marker: bool = True,
    ) -> Iterator[Difference]:
        """What of two sets of requirements has nothing that is the same in the other set."""
        ours, theirs = _by_name(wanted), _by_name(locked)
        for name in dict.fromkeys((*ours, *theirs)):
            mine, others = tuple(ours.get(name, ())), tuple(theirs.get(name, ()))
            self.pairs_left -= len(mine) * len(others)
            if self.pairs_left < 0:
                return
            line = self.mentions.line(name, *sections)
            for text in self._compare(mine, others, with_marker=with_marker):
                yield Difference(f"{wish} {text}", name, line)

    def _compare(
        self, ours: Sequence[Requirement], theirs: Sequence[Requirement], *, with_marker: bool
    ) -> Iterator[str]:
        """The same for the requirements of one project."""
        pairs = [(one, each) for one in ours for each in theirs if self._is_same(one, each, with_marker=with_marker)]
        new = [one for one in ours if all(one != mine for mine, _ in pairs) and self._counts(one)]
        lost = [each for each in theirs if all(each != other for _, other in pairs) and self._counts(each)]
        for one, before in zip_longest(new, lost):
            if one is None:
                yield f"{before} no more, and the lock was made for it"
            elif before is not None:
                yield f"{one}, and the lock was made for {before}"
            else:
                yield f"{one}, and the lock was made without {'that' if theirs else 'it'}"

    def _is_same(self, one: Requirement, other: Requirement, *, with_marker: bool) -> bool:
        if not same_but_for_marker(one, other):
            return False
        if UNKNOWN in (one.place, other.place) or not with_marker or one.marker == other.marker:
            return True
        self.markers_left -= 1
        return self.markers_left < 0 or same_marker(one.marker, other.marker, self.requires_python)

    def _counts(self, one: Requirement) -> bool:
        """uv may drop what holds nowhere."""
        if one.marker is None:
            return True
        self.markers_left -= 1
        return self.markers_left >= 0 and not never_holds(one.marker, self.requires_python)


def _by_name(requirements: Iterable[Requirement]) -> dict[NormalizedName, dict[Requirement, None]]:
    found: dict[NormalizedName, dict[Requirement, None]] = {}
    for each in requirements:
        found.setdefault(each.name, {})[each] = None
    return found


def declared_all(texts: Iterable[str], sources: Sources, extra: str | None = None) -> Iterator[Requirement]:
    yield from (each for text in texts if (each := declared(text, sources, extra)) is not None)


def compare_groups(pyproject: Table, locked: Table, sources: Sources, judge: Judge) -> Iterator[Difference]:
    """Groups with those that they include. uv adds a condition to a group that has a Python of its own."""
    settings = pyproject.table("tool").table("uv")
    wanted = _declared_groups(pyproject, settings)
    recorded_: dict[str, Sequence[Table]] = {canonicalize_name(name): locked.tables(name) for name in locked.values}
    for group in sorted(wanted.keys() | recorded_.keys()):
        yield from judge.compare(
            f"the group {group} requires",
            declared_all(wanted.get(group, ()), sources),
            map(recorded, recorded_.get(group, ())),
            "dependency-groups",
            "tool.uv",
            with_marker=not settings.table("dependency-groups").values,
        )


def _declared_groups(pyproject: Table, settings: Table) -> dict[str, list[str]]:
    table = pyproject.table("dependency-groups")
    direct: dict[str, Sequence[object]] = {canonicalize_name(name): table.items(name) for name in table.values}
    if "dev-dependencies" in settings.values:
        direct["dev"] = (*direct.get("dev", ()), *settings.items("dev-dependencies"))
    return {group: [*_with_included(group, direct)] for group in direct}


def _with_included(group: str, direct: Mapping[str, Sequence[object]]) -> Iterator[str]:
    """Requirements of a group and, once each, of all groups that it includes, however they include each other."""
    seen, waiting = {group}, [group]
    while waiting:
        for item in direct.get(waiting.pop(), ()):
            if isinstance(item, str):
                yield item
            elif isinstance(item, Mapping) and isinstance(name := item.get("include-group"), str):
                included = canonicalize_name(name)
                waiting += [included] if included not in seen else []
                seen.add(included)
