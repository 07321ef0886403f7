"""What a pyproject.toml asks for: PEP 621 dependencies and extras, PEP 735 groups. Nothing of it is built."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from packaging.utils import NormalizedName, canonicalize_name

from driftscan.errors import ResolveError, UsageError
from driftscan.lock.document import Document, load_toml
from driftscan.lock.mentions import Mentions
from driftscan.lock.requirements_command import Command
from driftscan.lock.requirements_inputs import with_extras, with_included
from driftscan.lock.standard import read_standard
from driftscan.lock.table import Table

_IGNORED = ("override-dependencies", "exclude-dependencies", "constraint-dependencies")


class Chosen(NamedTuple):
    """Which parts of a project are meant beside what it always requires."""

    extras: tuple[str, ...] = ()
    all_extras: bool = False
    groups: tuple[str, ...] = ()

    @property
    def any(self) -> bool:
        return bool(self.extras or self.all_extras or self.groups)


class Project(NamedTuple):
    """Requirements as they are written, each with its 1-based line, as far as that can be told."""

    name: NormalizedName | None
    requirements: tuple[tuple[str, int | None], ...]
    requires_python: str | None
    notes: tuple[str, ...] = ()


def read_project(document: Document, chosen: Chosen) -> Project:
    """The project in a pyproject.toml.

    Raises ResolveError where only a build or another tool can tell what it requires, UsageError for an extra or group
    that it does not have, LockError where it cannot be read.
    """
    pyproject = Table(load_toml(document), document.name)
    project = pyproject.table("project")
    groups = pyproject.table("dependency-groups")
    mentions = Mentions(document.text)
    _refuse_unknown(pyproject, project, mentions, chosen)
    _refuse_missing("extra", chosen.extras, project.table("optional-dependencies").values, document.name)
    _refuse_missing("dependency group", chosen.groups, groups.values, document.name)
    command = Command(
        extras=frozenset(map(canonicalize_name, chosen.extras)), groups=chosen.groups, all_extras=chosen.all_extras
    )
    direct = {canonicalize_name(name): groups.items(name) for name in groups.values}
    texts = [(text, "project") for text in with_extras(project, command)]
    texts += [(text, "dependency-groups") for group in chosen.groups for text in with_included(group, direct)]
    found = tuple((text, _line(text, mentions, section)) for text, section in texts)
    _refuse_sources(pyproject, found, mentions)
    name = project.text("name")
    return Project(
        name=canonicalize_name(name) if name else None,
        requirements=found,
        requires_python=project.text("requires-python"),
        notes=tuple(_notes(pyproject)),
    )


def _line(text: str, mentions: Mentions, section: str) -> int | None:
    requirement = read_standard(text)
    return mentions.line(requirement.name, section) if requirement is not None else None


def _refuse_unknown(pyproject: Table, project: Table, mentions: Mentions, chosen: Chosen) -> None:
    dynamic = [key for key in ("dependencies", "optional-dependencies") if key in project.texts("dynamic")]
    if dynamic:
        line = mentions.line(dynamic[0], "project")
        raise ResolveError(
            f"its {dynamic[0]} are dynamic, so only a build would tell them",
            where=f"{pyproject.where}:{line}" if line else pyproject.where,
            hint="write them into [project], or into a requirements file to lock instead",
        )
    if not project.values and not chosen.groups:
        if "poetry" in pyproject.table("tool").values:
            raise ResolveError(
                "its requirements are in Poetry's own form",
                where=pyproject.where,
                hint="poetry lock, then driftscan convert poetry.lock -o requirements.txt",
            )
        raise ResolveError("it has no [project] table, and so no requirements", where=pyproject.where)


def _refuse_missing(what: str, asked: tuple[str, ...], offered: Mapping[str, object], where: str) -> None:
    known = sorted(map(canonicalize_name, offered))
    for name in asked:
        if canonicalize_name(name) not in known:
            close = difflib.get_close_matches(canonicalize_name(name), known, n=1)
            has = f"it has {', '.join(known)}" if known else f"it has no {what} at all"
            raise UsageError(
                f"there is no {what} {name!r}", where=where, hint=f"did you mean {close[0]}?" if close else has
            )


def _refuse_sources(pyproject: Table, found: tuple[tuple[str, int | None], ...], mentions: Mentions) -> None:
    """From another place than uv would take it, the same name can be another project."""
    sources = {canonicalize_name(name) for name in pyproject.table("tool").table("uv").table("sources").values}
    for text, _ in found:
        requirement = read_standard(text)
        if requirement is not None and canonicalize_name(requirement.name) in sources:
            line = mentions.line(requirement.name, "tool.uv.sources")
            raise ResolveError(
                f"{requirement.name} comes from where tool.uv.sources says, which only uv obeys",
                where=f"{pyproject.where}:{line}" if line else pyproject.where,
                hint="uv lock, then driftscan convert uv.lock -o requirements.txt",
            )


def _notes(pyproject: Table) -> Iterator[str]:
    settings = pyproject.table("tool").table("uv").values
    for key in _IGNORED:
        if settings.get(key):
            yield f"{pyproject.where} has tool.uv.{key}, which only uv obeys"
