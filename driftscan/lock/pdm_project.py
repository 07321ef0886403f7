"""The part of pyproject.toml that tells what a pdm.lock beside it was made for.

https://pdm-project.org/latest/reference/pep621/ and https://pdm-project.org/latest/reference/configuration/.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from packaging.utils import NormalizedName, canonicalize_name

from driftscan.errors import LockError
from driftscan.lock.document import clean_url
from driftscan.lock.pdm_requirements import Requirement, read_requirement
from driftscan.lock.table import Table
from driftscan.model.lock import Index

DEFAULT = "default"
"""PDM's name for the group that is no group: the dependencies of the project itself."""


class Declared(NamedTuple):
    """A requirement with its text, which leads back to its line, and the table that it stands in."""

    requirement: Requirement
    text: str
    table: str


class Project(NamedTuple):
    """A project that PDM manages. `requirements` are by group, those of included groups with them."""

    name: NormalizedName | None
    requirements: Mapping[str, tuple[Declared, ...]]
    optional: frozenset[str]
    """Groups that are extras of the project."""
    overrides: frozenset[NormalizedName]
    indexes: tuple[Index, ...]
    requires_python: str | None


class _Group(NamedTuple):
    declared: tuple[Declared, ...]
    included: tuple[str, ...]


def read_project(pyproject: Table) -> Project | None:
    """Read a pyproject.toml; None where it has no `[project]`.

    Raises LockError where a value has the wrong type, a requirement cannot be read, or an included group is missing.
    """
    project = pyproject.table("project")
    if not project.values:
        return None
    settings = pyproject.table("tool").table("pdm")
    name = canonicalize_name(project.text("name") or "") or None
    groups = dict(_groups(pyproject, project, settings, name))
    resolution = settings.table("resolution")
    overridden = (
        *resolution.table("overrides").values,
        *settings.table("overrides").values,
        *resolution.texts("excludes"),
    )
    return Project(
        name=name,
        requirements={group: tuple(_with_included(group, groups, pyproject.where)) for group in groups},
        optional=frozenset(map(canonicalize_name, project.table("optional-dependencies").values)),
        overrides=frozenset(map(canonicalize_name, overridden)),
        indexes=tuple(_indexes(settings)),
        requires_python=project.text("requires-python") or None,
    )


def _groups(pyproject: Table, project: Table, settings: Table, name: str | None) -> Iterator[tuple[str, _Group]]:
    yield DEFAULT, _group(project, "dependencies", "project.dependencies", name)
    optional = project.table("optional-dependencies")
    for key in optional.values:
        yield canonicalize_name(key), _group(optional, key, f"project.optional-dependencies.{key}", name)
    development: dict[str, _Group] = {}
    for table, where in (
        (pyproject.table("dependency-groups"), "dependency-groups"),
        (settings.table("dev-dependencies"), "tool.pdm.dev-dependencies"),
    ):
        for key in table.values:
            group = _group(table, key, f"{where}.{key}", name)
            before = development.get(canonicalize_name(key), _Group((), ()))
            development[canonicalize_name(key)] = _Group(
                before.declared + group.declared, before.included + group.included
            )
    yield from development.items()


def _group(table: Table, key: str, where: str, name: str | None) -> _Group:
    """What an array requires; the project's own extras (`app[web]`) and `include-group` are other groups."""
    declared: list[Declared] = []
    included: list[str] = []
    for item in table.items(key):
        if isinstance(item, Mapping):
            included += [canonicalize_name(each) for each in item.values() if isinstance(each, str)]
            continue
        requirement = read_requirement(item) if isinstance(item, str) else None
        if requirement is None:
            raise LockError(f"{item!r} in [{where}] is not a requirement (PEP 508)"[:300], where=table.where)
        if name is not None and requirement.name == name:
            included += sorted(requirement.extras)
        else:
            declared.append(Declared(requirement, str(item), where))
    return _Group(tuple(declared), tuple(included))


def _with_included(group: str, groups: Mapping[str, _Group], where: str) -> Iterator[Declared]:
    """Requirements of a group and, once each, of all groups that it includes, however they include each other."""
    seen = {group}
    waiting = [group]
    while waiting:
        current = waiting.pop()
        if current not in groups:
            raise LockError(f'group "{group}" includes group "{current}", which does not exist', where=where)
        yield from groups[current].declared
        new = [name for name in groups[current].included if name not in seen]
        seen.update(new)
        waiting += new


def _indexes(settings: Table) -> Iterator[Index]:
    """The indexes that PDM looks in for every package: its default one too, unless the project replaces it."""
    sources = [source for source in settings.tables("source") if source.text("type") != "find_links"]
    if sources and all(source.text("name") != "pypi" for source in sources):
        yield Index("")
    for source in sources:
        if "include_packages" not in source.values and (url := source.text("url")):
            yield Index(clean_url(url), is_trusted=source.values.get("verify_ssl") is False)
