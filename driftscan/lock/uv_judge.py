"""Comparing sets of requirements: those that a uv.lock records, and those that a pyproject.toml has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from packaging.utils import canonicalize_name

from driftscan.lock.document import Document
from driftscan.lock.mentions import Mentions
from driftscan.lock.table import Table
from driftscan.lock.uv_requirements import Requirement, Sources, declared, never_holds, recorded, same
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


class Judge(NamedTuple):
    """Compares requirements, and knows where one file has them."""

    mentions: Mentions
    requires_python: str | None

    def compare(
        self,
        wish: str,
        wanted: Iterable[Requirement],
        locked: Iterable[Requirement],
        *sections: str,
        with_marker: bool = True,
    ) -> Iterator[Difference]:
        """What of two sets of requirements has nothing that is the same in the other set."""
        ours, theirs = tuple(dict.fromkeys(wanted)), tuple(dict.fromkeys(locked))

        def is_same(one: Requirement, other: Requirement) -> bool:
            return same(one, other, self.requires_python, with_marker=with_marker)

        lost = [each for each in theirs if not any(is_same(one, each) for one in ours) and self._counts(each)]
        for one in ours:
            if not self._counts(one) or any(is_same(one, each) for each in theirs):
                continue
            line = self.mentions.line(one.name, *sections)
            before = next((each for each in lost if each.name == one.name), None)
            if before is None and any(each.name == one.name for each in theirs):
                yield Difference(f"{wish} {one}, and the lock was made without that", one.name, line)
            elif before is None:
                yield Difference(f"{wish} {one}, and the lock was made without it", one.name, line)
            else:
                lost.remove(before)
                yield Difference(f"{wish} {one}, and the lock was made for {before}", one.name, line)
        for each in lost:
            line = self.mentions.line(each.name, *sections)
            yield Difference(f"{wish} {each} no more, and the lock was made for it", each.name, line)

    def _counts(self, one: Requirement) -> bool:
        """uv may drop what holds nowhere."""
        return not never_holds(one.marker, self.requires_python)


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
