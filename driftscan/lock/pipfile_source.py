"""Whether a Pipfile.lock is up to date with its Pipfile, as `pipenv verify` decides it: by a hash of the Pipfile.

The hash is SHA-256 over compact JSON with sorted keys: the sources, the `[requires]` table, and the packages of each
category. Since 2026 pipenv normalises the names of packages in it; one that an older pipenv wrote is up to date too.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name

from driftscan.lock.document import Document
from driftscan.lock.pipfile_entries import MARKER_KEYS, Entry
from driftscan.lock.table import Table
from driftscan.model.lock import Difference, LockSource

_OTHER_TABLES = frozenset(("source", "requires", "scripts", "pipfile", "pipenv"))
_LOCKED = {"packages": "default", "dev-packages": "develop"}
"""Sections of the lock by their names in the Pipfile; others have the same name in both."""
_DEFAULT_SOURCES = ({"name": "pypi", "url": "https://pypi.org/simple", "verify_ssl": True},)
"""What pipenv takes where a Pipfile names no source."""
_HEADER = re.compile(r"\s*\[([^\[\]#]+)\]")
_KEY = re.compile(r"""\s*(?:"([^"]+)"|'([^']+)'|([\w.-]+?))\s*[.=]""")


def compare_with_source(
    document: Document, pipfile: Table, recorded: str | None, sections: Mapping[str, Sequence[Entry]]
) -> tuple[LockSource, ...]:
    """What in a lock no longer satisfies its Pipfile, `document`, read as `pipfile`.

    `recorded` is the hash that the lock has of the Pipfile; without one, its requirements are compared with the
    entries of the lock, which are `sections` by name.
    """
    if not recorded:
        return (LockSource(document.name, "its requirements", tuple(_differences(document, pipfile, sections))),)
    hashes = _hashes(pipfile)
    if hashes is None:
        return ()
    if recorded in hashes:
        return (LockSource(document.name, "its content hash"),)
    changed = Difference(
        f"it was changed after the lock was written: its hash is {hashes[0][:12]}…, and the lock records "
        f"{recorded[:12]}{'…' if len(recorded) > 12 else ''}"
    )
    differences = tuple(_differences(document, pipfile, sections))
    return (LockSource(document.name, "its content hash", differences or (changed,)),)


def _hashes(pipfile: Table) -> tuple[str, ...] | None:
    """The hashes that any pipenv computes of a Pipfile, newest first; None where it holds what JSON cannot."""
    written = {locked: pipfile.table(key).values for key, locked in _LOCKED.items()}
    written |= {key: pipfile.table(key).values for key in _categories(pipfile) if key not in _LOCKED}
    normalised = {
        key: {canonicalize_name(name): value for name, value in table.items()} for key, table in written.items()
    }
    meta = {"sources": pipfile.values.get("source", _DEFAULT_SOURCES), "requires": pipfile.values.get("requires", {})}
    try:
        return tuple(_digest({"_meta": meta, **tables}) for tables in (normalised, written))
    except TypeError:
        return None


def _digest(data: Mapping[str, object]) -> str:
    text = json.dumps(data, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _categories(pipfile: Table) -> Iterator[str]:
    """The tables that list packages; `default` and `develop` are no names for them."""
    for key, value in pipfile.values.items():
        if key not in _OTHER_TABLES and key not in _LOCKED.values() and isinstance(value, Mapping):
            yield key


def _differences(document: Document, pipfile: Table, sections: Mapping[str, Sequence[Entry]]) -> Iterator[Difference]:
    lines = _lines(document.text)
    for category in _categories(pipfile):
        locked = {entry.id.name: entry for entry in sections.get(_LOCKED.get(category, category), ())}
        for written, wanted in pipfile.table(category).values.items():
            name = canonicalize_name(written)
            # The first versions of pipenv had `"-e ." = "*"`.
            if not written.startswith("-") and (text := _difference(name, wanted, locked.get(name))):
                yield Difference(f"[{category}] {text}", name, lines.get((category, name)))


def _difference(name: NormalizedName, wanted: object, entry: Entry | None) -> str | None:
    """Why an entry of the lock does not satisfy a requirement; None where it does, or where that cannot be told.

    pipenv leaves out what a marker excludes where it locks, so a requirement with one may be absent.
    """
    table: Mapping[str, object] = wanted if isinstance(wanted, Mapping) else {"version": wanted}
    if entry is None:
        has_marker = any(key in table for key in ("markers", *MARKER_KEYS))
        return None if has_marker else f"requires {name}, which the lock does not have"
    specifier = _specifier(table.get("version"))
    version = entry.id.version
    if specifier is None or version is None or specifier.contains(version, prereleases=True):
        return None
    return f"requires {name}{specifier}, and the lock has {version}"


def _specifier(text: object) -> SpecifierSet | None:
    """The versions that an entry of a Pipfile allows; None for any, and for what is no specifier."""
    if not isinstance(text, str) or text in ("*", ""):
        return None
    try:
        return SpecifierSet(text if text[0] in "=<>!~" else f"=={text}")
    except InvalidSpecifier:
        return None


def _lines(text: str) -> dict[tuple[str, NormalizedName], int]:
    """1-based lines of the packages in a Pipfile, written as keys of a table or as tables of their own."""
    lines: dict[tuple[str, NormalizedName], int] = {}
    section = ""
    for number, line in enumerate(text.split("\n"), 1):
        if header := _HEADER.match(line):
            section, _, package = header[1].strip().partition(".")
            name: str | None = package.strip("\"' ") or None
        else:
            key = _KEY.match(line)
            name = (key[1] or key[2] or key[3]) if key else None
        if name:
            lines.setdefault((section, canonicalize_name(name)), number)
    return lines
