"""Lock formats: which there are, and which one a file is in."""

from __future__ import annotations

from collections.abc import Callable
from posixpath import basename
from typing import NamedTuple

from driftscan.errors import LockError
from driftscan.lock import (
    conda_explicit,
    conda_lock,
    environment_yml,
    pdm,
    pipfile,
    pixi,
    poetry,
    pylock,
    requirements,
    uv,
)
from driftscan.lock.document import Document
from driftscan.model.lock import Lock

_HEAD = 4096


class Format(NamedTuple):
    """A lock format. `matches` decides by file name and first bytes, `parse` reads a whole document."""

    name: str
    matches: Callable[[str, bytes], bool]
    parse: Callable[[Document], Lock]


FORMATS = (
    Format("uv", uv.matches, uv.parse),
    Format("poetry", poetry.matches, poetry.parse),
    Format("pylock", pylock.matches, pylock.parse),
    Format("pdm", pdm.matches, pdm.parse),
    Format("pipfile", pipfile.matches, pipfile.parse),
    Format("conda-lock", conda_lock.matches, conda_lock.parse),
    Format("pixi", pixi.matches, pixi.parse),
    Format("environment", environment_yml.matches, environment_yml.parse),
    Format("conda-explicit", conda_explicit.matches, conda_explicit.parse),
    # Last, since nearly any text could be a requirements file.
    Format("requirements", requirements.matches, requirements.parse),
)
"""Asked in this order."""

_SOURCES = {
    "pyproject.toml": "the lock beside it (uv.lock, poetry.lock, pdm.lock, pylock.toml)",
    "Pipfile": "Pipfile.lock",
    "pixi.toml": "pixi.lock",
    "setup.py": "the requirements file that was locked from it",
    "setup.cfg": "the requirements file that was locked from it",
}


def recognise(document: Document, format_name: str | None = None) -> Format:
    """The format of `document`, or the one called `format_name`; LockError where there is none."""
    names = ", ".join(form.name for form in FORMATS)
    if format_name is not None:
        for form in FORMATS:
            if form.name == format_name:
                return form
        raise LockError(f"there is no lock format {format_name!r}", hint=f"the formats are: {names}")
    head = document.data[:_HEAD]
    for form in FORMATS:
        if form.matches(document.name, head):
            return form
    if (locks := _SOURCES.get(basename(document.name))) is not None:
        raise LockError(
            "it is what locks are made from, and no lock", where=document.name, hint=f"name {locks} instead"
        )
    raise LockError(
        "it is in no lock format that driftscan knows",
        where=document.name,
        hint=f"the formats are: {names}; say which it is with --lock-format",
    )


def parse(document: Document, format_name: str | None = None) -> Lock:
    """Read a lock; LockError where its format is not recognised or it is broken."""
    return recognise(document, format_name).parse(document)
