"""What one entry requires of another: the dependency tables of poetry.lock and of pyproject.toml have one syntax.

https://python-poetry.org/docs/dependency-specification/
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from packaging.utils import NormalizedName, canonicalize_name

from driftscan.lock import poetry_constraints
from driftscan.lock.poetry_constraints import ANYTHING, Constraint
from driftscan.lock.poetry_markers import NEVER, checked
from driftscan.lock.standard import read_standard
from driftscan.lock.table import Table


class Source(NamedTuple):
    """Where a package comes from, as Poetry names it.

    `kind` is `git`, `url`, `path` (a file or a directory), `index`, or empty where any source will do; `location`
    is the URL, the path as written, or the name of the index.
    """

    kind: str = ""
    location: str = ""


class Requirement(NamedTuple):
    """One requirement. `unread` holds the parts that are not in Poetry's syntax; they are taken as no restriction."""

    name: NormalizedName
    constraint: Constraint = ANYTHING
    extras: frozenset[str] = frozenset()
    marker: str | None = None
    optional: bool = False
    source: Source = Source()
    unread: tuple[str, ...] = ()


def read_all(dependencies: Table) -> Iterator[Requirement]:
    """The requirements of a dependency table: name to a string, a table, or an array of both.

    Those whose marker holds nowhere are left out.
    """
    for name, value in dependencies.values.items():
        for alternative in value if isinstance(value, list) else (value,):
            if isinstance(alternative, str):
                yield _plain(name, alternative)
            elif isinstance(alternative, Mapping):
                if alternative.get("markers") != NEVER:
                    yield _detailed(name, Table(alternative, dependencies.where))
            else:
                raise dependencies.wrong(name, "a constraint or a table")


def from_standard(text: str) -> Requirement | None:
    """A PEP 508 requirement; None where it is not one."""
    standard = read_standard(text)
    if standard is None:
        return None
    return Requirement(
        name=canonicalize_name(standard.name),
        constraint=Constraint((standard.specifier,)),
        extras=frozenset(map(canonicalize_name, standard.extras)),
        marker=str(standard.marker) if standard.marker else None,
        source=_standard_source(standard.url),
    )


def both(*markers: str | None) -> str | None:
    """The marker that holds where all of the markers do; None always holds."""
    given = [marker for marker in markers if marker]
    return given[0] if len(given) == 1 else " and ".join(f"({marker})" for marker in given) or None


def either(markers: Iterable[str]) -> str:
    """The marker that holds where one of the markers does."""
    given = list(markers)
    return given[0] if len(given) == 1 else " or ".join(f"({marker})" for marker in given)


def _plain(name: str, constraint: str) -> Requirement:
    parsed = poetry_constraints.parse(constraint)
    return Requirement(
        name=canonicalize_name(name), constraint=parsed or ANYTHING, unread=() if parsed else (constraint,)
    )


def _detailed(name: str, table: Table) -> Requirement:
    plain = _plain(name, table.text("version") or "*")
    unread = list(plain.unread)
    return plain._replace(
        extras=frozenset(map(canonicalize_name, table.texts("extras"))),
        marker=both(
            checked(table.text("markers"), table.where), _python(table.text("python"), unread), _platform(table, unread)
        ),
        optional=table.flag("optional"),
        source=_source(table),
        unread=tuple(unread),
    )


def _python(text: str | None, unread: list[str]) -> str | None:
    if text is None:
        return None
    constraint = poetry_constraints.parse(text)
    if constraint is None:
        unread.append(text)
        return None
    return constraint.python_marker


def _platform(table: Table, unread: list[str]) -> str | None:
    text = table.text("platform")
    if text is None or text == "*":
        return None
    marker = poetry_constraints.platform_marker(text)
    if marker is None:
        unread.append(text)
    return marker


def _source(table: Table) -> Source:
    keys = {"git": "git", "url": "url", "path": "path", "file": "path", "source": "index"}
    return next((Source(kind, location) for key, kind in keys.items() if (location := table.text(key))), Source())


def _standard_source(url: str | None) -> Source:
    if url is None:
        return Source()
    if url.startswith("git+"):
        return Source("git", url.removeprefix("git+").split("@")[0])
    return Source("path", url) if url.startswith("file:") else Source("url", url)
