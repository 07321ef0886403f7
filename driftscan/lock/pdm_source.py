"""Whether a pdm.lock is up to date with its pyproject.toml, as `pdm lock --check` decides it: by a content hash.

The hash is taken of JSON with sorted keys of what PDM resolves: sources, dependencies, development dependencies,
extras, `requires-python` and, since PDM 2.17, the whole table of resolution settings; before, its overrides. A lock
with `lock_inputs` instead, and that of a workspace, whose hash covers its members, are compared by their requirements.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator

from driftscan.lock.document import Document, clean_url
from driftscan.lock.pdm_entries import Catalogue
from driftscan.lock.pdm_project import Declared, Project
from driftscan.lock.table import Table
from driftscan.model.lock import Difference, LockSource, OriginKind, PackageId

_NOT_IN_NAME = re.compile(r"[^A-Za-z0-9.]+")
_ALGORITHMS = frozenset(("md5", "sha1", "sha224", "sha256", "sha384", "sha512"))


def compare_with_source(
    document: Document, pyproject: Table, project: Project, metadata: Table, groups: Iterable[str], catalogue: Catalogue
) -> LockSource | None:
    """What in a lock no longer satisfies its pyproject.toml; None where that cannot be judged.

    `document` is the pyproject.toml, read as `pyproject` and `project`; `metadata` is the lock's table of that name,
    `groups` those that were locked.
    """
    settings = pyproject.table("tool").table("pdm")
    recorded = metadata.text("content_hash") or ""
    required = tuple(_differences(document, project, groups, catalogue))
    if "lock_inputs" in metadata.values or settings.values.get("workspace") or not recorded:
        return LockSource(document.name, "its requirements", required)
    algorithm, _, digest = recorded.partition(":")
    if algorithm not in _ALGORITHMS:
        return None
    try:
        hashes = tuple(_hashes(pyproject, settings, algorithm))
    except TypeError:  # a date, which JSON does not have and PDM does not take
        return None
    if digest in hashes:
        return LockSource(document.name, "its content hash")
    changed = Difference(
        f"it was changed after the lock was written: its hash is {hashes[0][:12]}…, and the lock records {digest[:12]}…"
    )
    return LockSource(document.name, "its content hash", required or (changed,))


def _hashes(pyproject: Table, settings: Table, algorithm: str) -> Iterator[str]:
    """The hashes that any PDM computes, newest first."""
    project, resolution = pyproject.table("project"), settings.table("resolution")
    written = settings.table("dev-dependencies").values
    content: dict[str, object] = {
        "sources": settings.values.get("source", []),
        "dependencies": project.values.get("dependencies", []),
        "dev-dependencies": _development(pyproject, settings),
        "optional-dependencies": project.values.get("optional-dependencies", {}),
        "requires-python": project.values.get("requires-python", ""),
    }
    yield _digest({**content, "resolution": resolution.values}, algorithm)
    if pyproject.table("dependency-groups").values:
        return
    overrides = resolution.values.get("overrides", settings.values.get("overrides", {}))
    for development in (written, content["dev-dependencies"]):
        content["dev-dependencies"] = development
        yield _digest({**content, "resolution": resolution.values}, algorithm)
        yield _digest({**content, "overrides": overrides}, algorithm)
        if not overrides:
            yield _digest(content, algorithm)


def _digest(content: dict[str, object], algorithm: str) -> str:
    return hashlib.new(algorithm, json.dumps(content, sort_keys=True).encode(), usedforsecurity=False).hexdigest()


def _development(pyproject: Table, settings: Table) -> dict[str, list[object]]:
    """`[dependency-groups]` and the development dependencies of PDM's own table, by the names that PDM gives them."""
    groups: dict[str, list[object]] = {}
    for table in (pyproject.table("dependency-groups"), settings.table("dev-dependencies")):
        for name in table.values:
            groups.setdefault(_NOT_IN_NAME.sub("-", name).lower(), []).extend(table.items(name))
    return groups


def _differences(
    document: Document, project: Project, groups: Iterable[str], catalogue: Catalogue
) -> Iterator[Difference]:
    lines = document.text.split("\n")
    declared = (each for group in groups for each in project.requirements.get(group, ()))
    for each in dict.fromkeys(declared):
        name = each.requirement.name
        if name is not None and name not in project.overrides and (text := _difference(each, catalogue.named(name))):
            yield Difference(f"[{each.table}] requires {text}", name, _line(each.text, lines))


def _difference(declared: Declared, found: Iterable[PackageId]) -> str | None:
    """Why the packages of its name do not satisfy a requirement; None where they do, or where that cannot be told.

    PDM leaves out what a marker excludes from all targets, so a requirement with one may be absent.
    """
    requirement = declared.requirement
    keys = tuple(found)
    if not keys:
        return None if requirement.marker else f"{requirement.name}, which the lock does not have"
    if requirement.place:
        fits = any(key.origin.kind is not OriginKind.INDEX for key in keys)
        place = clean_url(requirement.place)
        return None if fits else f"{requirement.name} from {place}, and the lock has it from an index"
    versions = [key.version for key in keys if key.version is not None]
    if len(versions) < len(keys) or any(requirement.specifier.contains(each, prereleases=True) for each in versions):
        return None
    return f"{requirement.name}{requirement.specifier}, and the lock has {' and '.join(versions)}"


def _line(text: str, lines: list[str]) -> int | None:
    """The 1-based line of a requirement, written in either kind of quotes."""
    written = (f'"{text}"', f"'{text}'", '"{}"'.format(text.replace('"', '\\"')))
    return next((number for number, line in enumerate(lines, 1) if any(each in line for each in written)), None)
