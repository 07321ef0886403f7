"""A project's files as documents that know their neighbours."""

from __future__ import annotations

from collections.abc import Mapping
from posixpath import dirname, join, normpath

from driftscan.errors import LockError
from driftscan.lock.document import Document


def document(name: str, files: Mapping[str, str | bytes]) -> Document:
    """The file called `name`, whose siblings are the other `files`; what lies above the project is out of reach."""

    def sibling(path: str) -> Document | None:
        found = normpath(join(dirname(name), path))
        if found.startswith("../"):
            raise LockError(f"`{path}` leads out of the project", where=name)
        return document(found, files) if found in files else None

    content = files[name]
    return Document(name, content.encode() if isinstance(content, str) else content, sibling)
