"""The part of pyproject.toml that tells what a poetry.lock beside it was made for.

https://python-poetry.org/docs/pyproject/ and https://python-poetry.org/docs/managing-dependencies/.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from packaging.utils import NormalizedName, canonicalize_name

from driftscan.errors import LockError
from driftscan.lock.poetry_requirements import Requirement, from_standard, read_all
from driftscan.lock.table import Table

MAIN = "main"
"""Poetry's name for the group that is no group: the dependencies of the project itself."""


class Project(NamedTuple):
    """A project that Poetry manages.

    `name` is None where the project itself is not installed (`package-mode = false`). `requirements` are direct
    requirements by group, the project's own under `main`; requirements of an extra are optional and stand in
    `extras` by name.
    """

    name: NormalizedName | None
    requirements: Mapping[str, tuple[Requirement, ...]]
    optional_groups: frozenset[str]
    extras: Mapping[str, frozenset[NormalizedName]]


def read_project(pyproject: Table) -> Project | None:
    """Read a pyproject.toml; None where it describes no project with dependencies.

    Raises LockError where a value has the wrong type, a requirement cannot be read, or an included group is missing.
    """
    poetry = pyproject.table("tool").table("poetry")
    project = pyproject.table("project")
    if not poetry.values and not project.values and "dependency-groups" not in pyproject.values:
        return None
    extras = _extras(project, poetry)
    return Project(
        name=_name(project, poetry),
        requirements={MAIN: tuple(_main(project, poetry)), **_groups(pyproject)},
        optional_groups=frozenset(
            canonicalize_name(name) for name, group in poetry.table("group").subtables() if group.flag("optional")
        ),
        extras=extras,
    )


def _name(project: Table, poetry: Table) -> NormalizedName | None:
    if poetry.values.get("package-mode") is False:
        return None
    name = project.text("name") or poetry.text("name")
    return canonicalize_name(name) if name else None


def _main(project: Table, poetry: Table) -> Iterator[Requirement]:
    """[project] says what is required where it says anything; [tool.poetry] adds sources and narrows versions."""
    detailed = [requirement for requirement in read_all(poetry.table("dependencies")) if requirement.name != "python"]
    standard = [
        *_standard(project, "dependencies"),
        *(
            requirement._replace(optional=True)
            for extra in project.table("optional-dependencies").values
            for requirement in _standard(project.table("optional-dependencies"), extra)
        ),
    ]
    if not standard:
        yield from detailed
        return
    for requirement in standard:
        source = next((detail.source for detail in detailed if detail.name == requirement.name), requirement.source)
        yield requirement if requirement.source.kind else requirement._replace(source=source)


def _extras(project: Table, poetry: Table) -> dict[str, frozenset[NormalizedName]]:
    optional = project.table("optional-dependencies")
    if optional.values or project.texts("dependencies"):
        return {
            canonicalize_name(extra): frozenset(requirement.name for requirement in _standard(optional, extra))
            for extra in optional.values
        }
    extras = poetry.table("extras")
    return {canonicalize_name(name): frozenset(map(canonicalize_name, extras.texts(name))) for name in extras.values}


def _groups(pyproject: Table) -> dict[str, tuple[Requirement, ...]]:
    """Requirements by normalised group name, those of included groups with them."""
    direct: dict[str, list[Requirement]] = {}
    includes: dict[str, list[str]] = {}
    standard = pyproject.table("dependency-groups")
    for name in standard.values:
        group = canonicalize_name(name)
        direct.setdefault(group, []).extend(_standard(standard, name))
        includes.setdefault(group, []).extend(_included(standard, name))
    poetry = pyproject.table("tool").table("poetry")
    for name, table in poetry.table("group").subtables():
        group = canonicalize_name(name)
        known = {requirement.name for requirement in direct.setdefault(group, [])}
        direct[group] += [each for each in read_all(table.table("dependencies")) if each.name not in known]
        includes.setdefault(group, []).extend(map(canonicalize_name, table.texts("include-groups")))
    if "dev-dependencies" in poetry.values:
        direct.setdefault("dev", []).extend(read_all(poetry.table("dev-dependencies")))
    return {group: tuple(_with_included(group, direct, includes, pyproject.where)) for group in direct}


def _standard(table: Table, key: str) -> Iterator[Requirement]:
    """The PEP 508 requirements of an array; tables in it (`include-group`) are not requirements."""
    for text in table.items(key):
        if isinstance(text, Mapping):
            continue
        requirement = from_standard(text) if isinstance(text, str) else None
        if requirement is None:
            raise LockError(f'{text!r} in "{key}" is not a requirement (PEP 508)', where=table.where)
        yield requirement


def _included(groups: Table, name: str) -> Iterator[str]:
    for item in groups.items(name):
        included = item.get("include-group") if isinstance(item, Mapping) else None
        if isinstance(included, str):
            yield canonicalize_name(included)


def _with_included(
    group: str, direct: Mapping[str, list[Requirement]], includes: Mapping[str, list[str]], where: str
) -> Iterator[Requirement]:
    """Requirements of a group and, once each, of all groups that it includes, however they include each other."""
    seen = {group}
    waiting = [group]
    while waiting:
        current = waiting.pop()
        if current not in direct:
            raise LockError(f'group "{group}" includes group "{current}", which does not exist', where=where)
        yield from direct[current]
        new = [name for name in includes.get(current, []) if name not in seen]
        seen.update(new)
        waiting += new
