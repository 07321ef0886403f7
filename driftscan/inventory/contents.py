"""The files that a distribution has installed, as they are in the image."""

from __future__ import annotations

import configparser
import hashlib
from collections.abc import Iterator

from driftscan.inventory.distributions import Context, Found
from driftscan.inventory.paths import parent, shown
from driftscan.inventory.wanted import SCRIPT_LIMIT
from driftscan.model.image import Entry, EntryKind
from driftscan.model.proof import Contents, InstalledFile

_PLACEHOLDERS = (b"#!python", b"#!pythonw")
_TRAMPOLINE = b"#!/bin/sh\n'''exec' "
_COMMANDS = ("console_scripts", "gui_scripts")


def contents(context: Context, found: Found) -> Contents | None:
    """What `found` has installed; None where nothing lists its files."""
    if found.files.rows is None:
        return None
    files = (_file(context, row.path) for row in found.files.rows if not is_bytecode(row.path))
    return Contents(tuple(files), frozenset(_commands(context, found)))


def _file(context: Context, path: str) -> InstalledFile:
    node = context.rootfs.get(path)
    if node is None or node.entry.kind is not EntryKind.FILE:
        return InstalledFile(shown(path), frozenset(), context.layer(context.rootfs.removed_by(path)))
    layer = context.layer(node.layer)
    if node.entry.sha256 is None or _is_long_script(path, node.entry):
        return InstalledFile(shown(path), None, layer)
    return InstalledFile(shown(path), frozenset((node.entry.sha256, *script_digests(path, node.entry))), layer)


def _is_long_script(path: str, entry: Entry) -> bool:
    """Whether it may be a script that was too long to be kept, so that nobody knows what it was in its wheel."""
    return _is_in_bin(path) and entry.content is None and entry.elf is None and entry.size > SCRIPT_LIMIT


def _commands(context: Context, found: Found) -> Iterator[str]:
    """Names of the commands in entry_points.txt (Entry points specification)."""
    text = (context.rootfs.read(f"{found.distribution.path}/entry_points.txt") or b"").decode("utf-8", "replace")
    parser = configparser.RawConfigParser(delimiters=("=",), strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # names of commands keep their case
    try:
        parser.read_string(text)
    except configparser.Error:
        return
    for section in _COMMANDS:
        if parser.has_section(section):
            yield from parser.options(section)


def is_bytecode(path: str) -> bool:
    """Bytecode is never part of a comparison; virtualenv lists whole `__pycache__` folders of the pip it seeds."""
    return path.endswith((".pyc", "/__pycache__"))


def script_digests(path: str, entry: Entry) -> Iterator[str]:
    """SHA-256 digests that a script can have had in its wheel, before an installer named the interpreter in it.

    Wheels have `#!python` there (Binary distribution format, "Recommended installer features"); where the path is too
    long for a first line, installers write three lines in its place.
    """
    if not _is_in_bin(path) or entry.content is None or not entry.content.startswith(b"#!"):
        return
    lines = 3 if entry.content.startswith(_TRAMPOLINE) else 1
    *_, body = entry.content.split(b"\n", lines)
    for first in _PLACEHOLDERS:
        for ending in (b"\n", b"\r\n"):
            yield hashlib.sha256(first + ending + body).hexdigest()


def _is_in_bin(path: str) -> bool:
    return "bin" in parent(path).split("/")
