"""Requirements as PDM writes them, in pdm.lock and in pyproject.toml: PEP 508, and `-e URL#egg=NAME` beside it.

Before lock version 3.1 a lock had tables of specifiers by name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from posixpath import normpath
from typing import NamedTuple
from urllib.parse import unquote

from packaging.requirements import InvalidRequirement
from packaging.requirements import Requirement as StandardRequirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name

from driftscan.lock.table import Table

_EDITABLE = re.compile(r"-e\s+([^\s#]+)(?:#(\S*))?(?:\s+;\s*(.+)|\s*;\s*(.+))?", re.DOTALL)
_EGG = re.compile(r"(?:^|&)egg=([A-Za-z0-9._-]+)(?:\[([^\]]*)\])?")
_ROOT = re.compile(r"(?:file:/*)?\$\{PROJECT_ROOT\}")
_MAX_LENGTH = 1 << 14


class Requirement(NamedTuple):
    """What is required. `name` is None where only a place is given; `place` is its URL or path, empty for an index."""

    name: NormalizedName | None
    specifier: SpecifierSet = SpecifierSet()
    extras: frozenset[str] = frozenset()
    marker: str | None = None
    place: str = ""


@lru_cache(maxsize=8192)
def read_requirement(text: str) -> Requirement | None:
    """The requirement that `text` is; None where it is none."""
    if len(text) > _MAX_LENGTH:
        return None
    if match := _EDITABLE.fullmatch(text.strip()):
        egg = _EGG.search(match[2] or "")
        return Requirement(
            canonicalize_name(egg[1]) if egg else None,
            extras=_extras((egg[2] or "").split(",")) if egg else frozenset(),
            marker=match[3] or match[4],
            place=local_path(match[1]),
        )
    try:
        found = StandardRequirement(text)
    except (InvalidRequirement, RecursionError):
        return Requirement(None, place=local_path(text.strip())) if text.strip().startswith(("./", "../")) else None
    return Requirement(
        canonicalize_name(found.name),
        found.specifier,
        _extras(found.extras),
        str(found.marker) if found.marker else None,
        local_path(found.url) if found.url else "",
    )


def read_dependencies(entry: Table) -> Iterator[tuple[str, Requirement | None]]:
    """What a `[[package]]` table requires, each with its text; None for what cannot be read."""
    if isinstance(entry.values.get("dependencies"), Mapping):
        table = entry.table("dependencies")
        for name, value in table.values.items():
            yield (
                name,
                _from_table(name, table.table(name) if isinstance(value, Mapping) else Table({"version": value}, "")),
            )
        return
    for text in entry.texts("dependencies"):
        yield text, read_requirement(text)


def _from_table(name: str, table: Table) -> Requirement | None:
    version = table.text("version") or "*"
    try:
        specifier = SpecifierSet("" if version == "*" else version)
    except InvalidSpecifier:
        return None
    return Requirement(canonicalize_name(name), specifier, _extras(table.texts("extras")), table.text("marker"))


def local_path(place: str) -> str:
    """A file in the project relative to its root, as `./a/b`; another place as it is, without its fragment."""
    place = place.partition("#")[0]
    if (match := _ROOT.match(place)) is not None:
        return relative(unquote(place[match.end() :]).lstrip("/"))
    return relative(place) if "://" not in place and not place.startswith(("/", "git+")) else place


def relative(path: str) -> str:
    """A path as PDM writes it in a lock: normalised, and beginning with a dot."""
    path = normpath(path or ".")
    return path if path == "." or path.startswith("../") else f"./{path}"


def _extras(names: object) -> frozenset[str]:
    items = names if isinstance(names, (list, tuple, set, frozenset)) else ()
    return frozenset(canonicalize_name(str(name).strip()) for name in items if str(name).strip())
