"""Root filesystems for tests: written out as {path: content} per layer, or read from this machine's disk."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from driftscan import elf
from driftscan.inventory import wants
from driftscan.model.image import Entry, EntryKind, LayerId, LayerIndex, Whiteout
from driftscan.rootfs import RootFS


@dataclass(frozen=True)
class Link:
    """A symlink to `target`."""

    target: str


@dataclass(frozen=True)
class Removed:
    """A whiteout."""


Content = bytes | str | Link | Removed | None
"""What stands at a path; None is a directory."""


def file_entry(path: str, data: bytes, mode: int = 0o644) -> Entry:
    """The entry that a scanner makes of a file: what `wants` asks for, no more."""
    keep = wants(path, len(data))
    if keep is None:
        return Entry(EntryKind.FILE, mode, len(data))
    content = None
    if len(data) <= keep.limit:
        content = keep.reduce(data) if keep.reduce is not None else data
    facts = elf.parse(data, strings=keep.strings) if data.startswith(b"\x7fELF") else None
    digest = hashlib.sha256(data).hexdigest() if keep.hashed else None
    return Entry(EntryKind.FILE, mode, len(data), "", digest, content, facts)


def layer(files: Mapping[str, Content]) -> LayerIndex:
    """One layer; directories above its files are part of it."""
    entries: dict[str, Entry] = {}
    whiteouts = []
    for path, content in files.items():
        if isinstance(content, Removed):
            whiteouts.append(Whiteout(path))
            continue
        entries |= {parent: Entry(EntryKind.DIRECTORY, 0o755) for parent in _parents(path) if parent not in entries}
        entries[path] = _entry(path, content)
    return LayerIndex(entries=entries, whiteouts=tuple(whiteouts))


def _entry(path: str, content: Content) -> Entry:
    if isinstance(content, Link):
        return Entry(EntryKind.SYMLINK, 0o777, 0, content.target)
    if isinstance(content, bytes | str):
        return file_entry(path, content.encode() if isinstance(content, str) else content)
    return Entry(EntryKind.DIRECTORY, 0o755)


def _parents(path: str) -> list[str]:
    parts = path.split("/")[:-1]
    return ["/".join(parts[: end + 1]) for end in range(len(parts))]


def rootfs(*layers: Mapping[str, Content]) -> RootFS:
    """The merged root filesystem of these layers, bottom first."""
    return RootFS.merge([layer(files) for files in layers])


def layer_ids(count: int) -> tuple[LayerId, ...]:
    return tuple(LayerId(index + 1, f"sha256:{index:064x}", f"RUN step {index + 1}") for index in range(count))


def disk_layer(paths: Iterable[str]) -> LayerIndex:
    """A layer of files of this machine: each path a file, a symlink, or a folder with all that is in it."""
    entries: dict[str, Entry] = {}
    for start in map(Path, paths):
        found = [start, *start.rglob("*")] if start.is_dir() and not start.is_symlink() else [start]
        for path in found:
            key = str(path).lstrip("/")
            entries |= {parent: Entry(EntryKind.DIRECTORY, 0o755) for parent in _parents(key) if parent not in entries}
            entries[key] = _disk_entry(path, key)
    return LayerIndex(entries=entries)


def _disk_entry(path: Path, key: str) -> Entry:
    if path.is_symlink():
        return Entry(EntryKind.SYMLINK, 0o777, 0, str(path.readlink()))
    if path.is_file():
        return file_entry(key, path.read_bytes(), path.stat().st_mode & 0o7777)
    return Entry(EntryKind.DIRECTORY if path.is_dir() else EntryKind.OTHER, 0o755)
