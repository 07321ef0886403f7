"""Lock formats: which there are, and which one a file is in."""

from __future__ import annotations

from collections.abc import Callable
from posixpath import basename
from typing import NamedTuple

from driftscan.errors import LockError
from driftscan.lock import conda_explicit, pdm, pipfile, poetry, pylock, requirements, uv
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
    Format("conda-explicit", conda_explicit.matches, conda_explicit.parse),
    # Last, since nearly any text could be a requirements file.
    Format("requirements", requirements.matches, requirements.parse),
)
"""Asked in this order."""

_NOT_YET = {
    "conda-lock.yml": "conda-lock render --kind explicit",
    "pixi.lock": "pixi workspace export conda-explicit-spec .",
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
    if (command := _NOT_YET.get(basename(document.name))) is not None:
        raise LockError("this lock format is not supported", where=document.name, hint=f"export it: `{command}`")
    raise LockError(
        "it is in no lock format that driftscan knows",
        where=document.name,
        hint=f"the formats are: {names}; say which it is with --lock-format",
    )


def parse(document: Document, format_name: str | None = None) -> Lock:
    """Read a lock; LockError where its format is not recognised or it is broken."""
    return recognise(document, format_name).parse(document)
