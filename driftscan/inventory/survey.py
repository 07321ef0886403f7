"""One walk over the root filesystem that notes where Python may be."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from driftscan.inventory.paths import name, parent
from driftscan.model.image import EntryKind
from driftscan.rootfs import RootFS

_BINARY = re.compile(r"(?:python|pypy)(?:\d+(?:\.\d+)?)?t?d?")
_METADATA_SUFFIXES = (".dist-info", ".egg-info")


@dataclass(slots=True, kw_only=True)
class Survey:
    """Paths in the image, each list in walking order.

    `binaries` are files and symlinks called like an interpreter in a directory `bin`; `metadata` are dist-info
    and egg-info folders and files.
    """

    venvs: list[str] = field(default_factory=list)
    condas: list[str] = field(default_factory=list)
    binaries: list[str] = field(default_factory=list)
    metadata: list[str] = field(default_factory=list)


def survey(rootfs: RootFS) -> Survey:
    found = Survey()
    for node in rootfs.walk(""):
        path = node.path
        if path.endswith(_METADATA_SUFFIXES):
            found.metadata.append(path)
        elif path.endswith("/pyvenv.cfg"):
            found.venvs.append(parent(path))
        elif path.endswith("/conda-meta") or path == "conda-meta":
            if node.entry.kind is EntryKind.DIRECTORY:
                found.condas.append(parent(path))
        elif "bin/" in path and name(parent(path)) == "bin" and _BINARY.fullmatch(name(path)):
            found.binaries.append(path)
    return found
