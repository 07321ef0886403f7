"""What the inputs of a compiled requirements file ask for: requirements files and pyproject.toml."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from posixpath import basename
from typing import NamedTuple

from packaging.utils import NormalizedName, canonicalize_name

from driftscan.errors import LockError
from driftscan.lock.document import Document, load_toml
from driftscan.lock.mentions import Mentions
from driftscan.lock.requirements_command import Command
from driftscan.lock.requirements_reader import Entry
from driftscan.lock.standard import read_standard
from driftscan.lock.table import Table

_REPLACING = ("override-dependencies", "exclude-dependencies")
"""Settings of uv after which a lock need not agree with the project's requirements."""


class Wish(NamedTuple):
    """One requirement, and the file that it is in: the input, or one that the input includes.

    `is_conditional` says that it is not asked for everywhere, or not from an index.
    """

    name: NormalizedName
    specifier: str
    is_conditional: bool
    file: str
    line: int | None


def read_input(
    document: Document, command: Command, read: Callable[[Document], Sequence[Entry]]
) -> tuple[Wish, ...] | None:
    """The requirements of an input; None where it cannot be read, or has none that are written down."""
    try:
        if basename(document.name) == "pyproject.toml":
            return _project(document, command)
        return tuple(map(_wish, read(document)))
    except LockError:
        return None


def _wish(entry: Entry) -> Wish:
    is_conditional = entry.marker is not None or entry.located is not None
    return Wish(entry.id.name, entry.specifier, is_conditional, entry.file, entry.line)


def _project(document: Document, command: Command) -> tuple[Wish, ...] | None:
    pyproject = Table(load_toml(document), document.name)
    project, settings = pyproject.table("project"), pyproject.table("tool").table("uv")
    dynamic = project.texts("dynamic")
    if not project.values or "dependencies" in dynamic or "optional-dependencies" in dynamic:
        return None
    if any(key in settings.values for key in _REPLACING) or any(":" in group for group in command.groups):
        return None
    mentions = Mentions(document.text)
    texts = [(text, "project") for text in with_extras(project, command)]
    groups = pyproject.table("dependency-groups")
    direct = {canonicalize_name(name): groups.items(name) for name in groups.values}
    texts += [(text, "dependency-groups") for group in command.groups for text in with_included(group, direct)]
    wishes = (_parsed(text, document.name, mentions.line, section) for text, section in texts)
    return tuple(wish for wish in wishes if wish is not None)


def with_extras(project: Table, command: Command) -> Iterator[str]:
    """The project's requirements and those of the extras that were asked for, by the project itself too (`app[x]`)."""
    optional = project.table("optional-dependencies")
    by_name = {canonicalize_name(name): optional.texts(name) for name in optional.values}
    own = canonicalize_name(project.text("name") or "")
    waiting = deque(project.texts("dependencies"))
    pending = set(by_name) if command.all_extras else set(command.extras)
    seen: set[NormalizedName] = set()
    while waiting or pending:
        while waiting:
            text = waiting.popleft()
            requirement = read_standard(text)
            if requirement is not None and canonicalize_name(requirement.name) == own:
                pending |= set(map(canonicalize_name, requirement.extras)) - seen
            else:
                yield text
        if pending:
            extra = min(pending)
            pending.remove(extra)
            seen.add(extra)
            waiting += by_name.get(extra, ())


def with_included(group: str, direct: Mapping[NormalizedName, Sequence[object]]) -> Iterator[str]:
    """Requirements of a group and, once each, of all groups that it includes, however they include each other."""
    waiting = [canonicalize_name(group)]
    seen = set(waiting)
    while waiting:
        for item in direct.get(waiting.pop(), ()):
            if isinstance(item, str):
                yield item
            elif isinstance(item, Mapping) and isinstance(name := item.get("include-group"), str):
                included = canonicalize_name(name)
                waiting += [included] if included not in seen else []
                seen.add(included)


def _parsed(text: str, file: str, line: Callable[[str, str], int | None], section: str) -> Wish | None:
    requirement = read_standard(text)
    if requirement is None:
        return None
    name = canonicalize_name(requirement.name)
    is_conditional = requirement.marker is not None or requirement.url is not None
    return Wish(name, str(requirement.specifier), is_conditional, file, line(name, section))
