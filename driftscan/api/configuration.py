"""Configuration and baseline files: where they are found, and their content with paths as seen from where one is.

The nearest folder, from the working folder up to the top of its repository, that has a `driftscan.toml` or a
`pyproject.toml` with `[tool.driftscan]` is the one that counts. Outside of a repository only the working folder is
looked at: what lies above may be anybody's.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from driftscan.errors import UsageError
from driftscan.settings.keys import SETTINGS, Kind
from driftscan.settings.parse import Configuration, Target, Value, parse
from driftscan.suppressions.baseline import parse_baseline
from driftscan.suppressions.entries import Entry
from driftscan.toml.table import Table, read

OWN, SHARED = "driftscan.toml", "pyproject.toml"
_TABLE = "[tool.driftscan]"
_MAX_BYTES = 32 << 20
_PATH_SCHEMES = ("docker-archive", "oci-archive", "oci", "dir", "env", "sbom", "inventory")
"""What stands behind these is a path."""


def load(folder: Path, file: str | None = None) -> Configuration:
    """The configuration for the working folder `folder`, or that of `file`; an empty one where there is none.

    Raises UsageError where it cannot be read or is wrong, or where a folder has two.
    """
    found = _given(file) if file is not None else _found(folder)
    if found is None:
        return Configuration()
    path, table = found
    above = posixpath.dirname(table.name)
    return _seen_from_here(parse(table, above), top(path.parent))


def read_baseline(path: str) -> tuple[Entry, ...]:
    """The entries of the baseline file at `path`. Raises UsageError where there is none or it is wrong."""
    try:
        text = _text(Path(path), path)
    except FileNotFoundError as error:
        raise UsageError("there is no such baseline", where=path, hint="`driftscan baseline` writes one") from error
    return parse_baseline(read(text, path))


def top(folder: Path) -> Path:
    """The top of the repository that `folder` is in; itself where it is in none."""
    resolved = folder.resolve()
    return next((each for each in (resolved, *resolved.parents) if (each / ".git").exists()), resolved)


def _given(file: str) -> tuple[Path, Table]:
    path = Path(file)
    try:
        text = _text(path, file)
    except FileNotFoundError as error:
        raise UsageError("there is no such file", where=file) from error
    table = _table(read(text, file), path.name)
    if table is None:
        raise UsageError(f"it has no {_TABLE}", where=file)
    return path, table


def _found(folder: Path) -> tuple[Path, Table] | None:
    here = folder.resolve()
    highest = top(here)
    for each in (here, *here.parents):
        if (found := _in(each, here)) is not None:
            return found
        if each == highest:
            return None
    return None


def _in(folder: Path, here: Path) -> tuple[Path, Table] | None:
    """The configuration in `folder`, named as seen from `here`."""
    found: list[tuple[Path, Table]] = []
    for name in (OWN, SHARED):
        path = folder / name
        shown = os.path.relpath(path, here)
        try:
            text = _text(path, shown)
        except FileNotFoundError:
            continue
        # A pyproject.toml that does not mention driftscan is none of its business, whatever is in it.
        if name == SHARED and "driftscan" not in text:
            continue
        table = _table(read(text, shown), name)
        if table is not None:
            found.append((path, table))
    if len(found) > 1:
        own, shared = (table for _, table in found)
        raise UsageError(f"{own.name} has settings as well", where=shared.where(), hint="keep them in one of the two")
    return found[0] if found else None


def _table(document: Table, name: str) -> Table | None:
    if name != SHARED:
        return document
    tool = document.table("tool")
    return tool.table("driftscan") if tool is not None else None


def _text(path: Path, shown: str) -> str:
    """The text of a file. FileNotFoundError is the caller's."""
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
        if len(data) > _MAX_BYTES:
            raise UsageError(f"it is larger than {_MAX_BYTES >> 20} MiB", where=shown)
        return data.decode("utf-8-sig")
    except FileNotFoundError:
        raise
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UsageError("it is not UTF-8 text", where=f"{shown}:{line}") from error
    except (OSError, ValueError) as error:
        raise UsageError(f"it cannot be read: {getattr(error, 'strerror', None) or error}", where=shown) from error


def _seen_from_here(configuration: Configuration, root: Path) -> Configuration:
    folder = configuration.folder
    return replace(
        configuration,
        values=_values(configuration.values, folder, root),
        targets=tuple(_target(target, folder, root) for target in configuration.targets),
        entries=_entries(configuration.entries, folder),
    )


def _target(target: Target, folder: str, root: Path) -> Target:
    return replace(
        target,
        locks=tuple(_joined(folder, lock) for lock in target.locks),
        target=_reference(folder, target.target),
        values=_values(target.values, folder, root),
        entries=_entries(target.entries, folder),
    )


def _values(values: Mapping[str, Value], folder: str, root: Path) -> Mapping[str, Value]:
    return MappingProxyType({key: _value(key, value, folder, root) for key, value in values.items()})


def _value(key: str, value: Value, folder: str, root: Path) -> Value:
    match SETTINGS[key].kind, value.content:
        case Kind.PATH, str(path):
            joined = _joined(folder, path)
            if key == "baseline":
                _refuse_outside(joined, root, value.where)
            return value._replace(content=joined)
        case Kind.OUTPUTS, tuple(outputs):
            pairs = [output.partition("=") for output in outputs]
            for _, _, path in pairs:
                _refuse_outside(_joined(folder, path), root, value.where)
            return value._replace(content=tuple(f"{name}={_joined(folder, path)}" for name, _, path in pairs))
        case _:
            return value


def _refuse_outside(path: str, root: Path, where: str) -> None:
    """Files that a checkout asks to be written stay in it: whoever proposes a change may not choose others."""
    if not Path(path).resolve().is_relative_to(root):
        raise UsageError(
            f"{path} leads out of the repository, and a configuration file writes only in it",
            where=where,
            hint="name it on the command line",
        )


def _entries(entries: tuple[Entry, ...], folder: str) -> tuple[Entry, ...]:
    """Globs for paths in images are absolute, those for locks start from the file."""
    return tuple(
        replace(entry, path=_joined(folder, entry.path)) if entry.path and not entry.path.startswith("**") else entry
        for entry in entries
    )


def _joined(folder: str, path: str) -> str:
    return posixpath.normpath(posixpath.join(folder, path)) if folder else path


def _reference(folder: str, reference: str) -> str:
    """An image as it was named in the file, seen from here."""
    scheme, colon, rest = reference.partition(":")
    if colon and scheme in _PATH_SCHEMES:
        return f"{scheme}:{_joined(folder, rest)}"
    path = _joined(folder, reference)
    return path if Path(path).exists() else reference
