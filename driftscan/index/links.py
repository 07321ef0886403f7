"""Places that list files of any project, as pip's `--find-links` names them: folders of this machine, and web pages."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from driftscan.errors import PackageIndexError
from driftscan.index.address import shown
from driftscan.index.page import File, parse
from driftscan.index.transport import Web

_ENDINGS = (".whl", ".tar.gz", ".zip", ".tar.bz2", ".tgz", ".tar.xz")
_MOST = 100_000


def linked_files(web: Web, place: str) -> tuple[File, ...]:
    """The distributions that a folder (an absolute path) or a page (an http or https URL) has.

    Files of folders have `file:` addresses and no hashes. Raises PackageIndexError where the place cannot be read.
    """
    if place.startswith(("http://", "https://")):
        return _page(web, place)
    try:
        return tuple(_entries(place))
    except OSError as error:
        raise PackageIndexError(f"it cannot be read: {error.strerror}", where=place) from error


def _entries(folder: str) -> Iterator[File]:
    with os.scandir(folder) as entries:
        for count, entry in enumerate(entries):
            if count >= _MOST:
                raise PackageIndexError(f"it has more than {_MOST:,} files", where=folder)
            if entry.name.endswith(_ENDINGS) and entry.is_file():
                yield File(filename=entry.name, url=Path(entry.path).absolute().as_uri())


def _page(web: Web, url: str) -> tuple[File, ...]:
    answer = web.get(url, {"Accept": "text/html"}, web.limits.page)
    if answer.is_missing:
        raise PackageIndexError("there is no such page", where=shown(url))
    try:
        return parse(answer.data, answer.headers.get("content-type", ""), answer.url)
    except PackageIndexError as error:
        raise PackageIndexError(error.message, where=shown(answer.url)) from error


def local_path(file: File) -> Path | None:
    """The path of a file of this machine; None for one of the web."""
    parts = urlsplit(file.url)
    return Path(unquote(parts.path)) if parts.scheme == "file" else None
