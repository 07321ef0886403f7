"""What was read of an index before: project pages as they were understood, and requirements of files by their hash.

A page counts as long as its server says (Cache-Control, RFC 9111, never more than ten minutes), or while its server
says that it has not changed (ETag), or where it comes again with the same bytes; what is saved then is to understand
it. Requirements of a file whose hash is known never change. Each entry begins with the SHA-256 of its rest, and a line
of JSON on it; of a page, what follows are the files of its releases, of which mostly one is looked at.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

from packaging.utils import NormalizedName
from packaging.version import Version

from driftscan.index.metadata import Metadata
from driftscan.index.page import File
from driftscan.index.releases import Release
from driftscan.model.lock import Hash
from driftscan.store import Store, sealed, unsealed

_SCHEMA = 1
_NAMES = re.compile(r"(?:page|requires)-[0-9a-f]{64}", re.ASCII)
_MOST = 32 << 20
_LIMIT = 256 << 20
_LONGEST = 600
_AGE = re.compile(r"(?:^|[,\s])max-age=(\d{1,9})")
_NEVER = re.compile(r"(?:^|[,\s])(?:no-store|no-cache|private)\b")


class KnownPage(NamedTuple):
    """A page that was understood before. `body` is the SHA-256 of its bytes, `until` a moment in seconds."""

    body: str
    etag: str | None
    until: float
    project: Mapping[Version, Release]

    @property
    def is_fresh(self) -> bool:
        return time.time() < self.until


class PageCache:
    """Entries in a folder; nothing here fails."""

    def __init__(self, folder: Path) -> None:
        self.store = Store(folder, "index", _SCHEMA, _NAMES, most=_MOST, limit=_LIMIT)
        self._is_changed = False

    def page(self, url: str, name: NormalizedName) -> KnownPage | None:
        """The page of a project that was last seen at `url`."""
        found, rest = self._read(_key("page", url))
        try:
            project = _Project(name, found["releases"], rest)
            return KnownPage(found["body"], found["etag"], found["until"], project)
        except (KeyError, TypeError, ValueError):
            return None

    def put_page(self, url: str, body: str, headers: Mapping[str, str], project: Mapping[Version, Release]) -> None:
        texts = {str(version): _dumped(list(map(_row, release.files))) for version, release in project.items()}
        ends = list(accumulate(map(len, texts.values())))
        places = {version: (end - len(texts[version]), end) for version, end in zip(texts, ends, strict=True)}
        head = {"body": body, "etag": headers.get("etag"), "until": _until(headers), "releases": places}
        self._write(_key("page", url), head, b"".join(texts.values()))

    def requirements(self, file: File) -> Metadata | None:
        """What the file requires, as it was read before."""
        key = _file_key(file)
        found, _ = self._read(key) if key is not None else ({}, b"")
        try:
            return Metadata(tuple(found["requires"]), found["requires_python"], tuple(found["extras"]))
        except (KeyError, TypeError):
            return None

    def put_requirements(self, file: File, metadata: Metadata) -> None:
        if (key := _file_key(file)) is not None:
            self._write(key, metadata._asdict())

    def trim(self) -> None:
        """Keep the folder within its limit, if something was added."""
        if self._is_changed:
            self.store.trim()

    def _read(self, name: str) -> tuple[dict[str, Any], memoryview]:
        """The head of an entry, and what follows it, which can be large."""
        text = unsealed(self.store.read(name)) or b""
        end = text.find(b"\n")
        try:
            found = json.loads(text[: max(end, 0)])
        except ValueError:
            return {}, memoryview(b"")
        self.store.touch(name)
        return found if isinstance(found, dict) else {}, memoryview(text)[end + 1 :]

    def _write(self, name: str, head: Mapping[str, object], rest: bytes = b"") -> None:
        text = _dumped(head) + b"\n" + rest
        self.store.write(name, sealed(text))
        self._is_changed = True


class _Project(Mapping[Version, Release]):
    """Releases that are read when somebody looks at them. Their keys are versions as `str` has them."""

    def __init__(self, name: NormalizedName, places: Mapping[str, Sequence[int]], text: memoryview) -> None:
        self._name = name
        self._places = {version: (start, end) for version, (start, end) in places.items()}
        self._text = text
        self._read: dict[Version, Release] = {}

    def __getitem__(self, version: Version) -> Release:
        if version not in self._read:
            start, end = self._places[str(version)]
            files = tuple(map(_file, json.loads(bytes(self._text[start:end]))))
            self._read[version] = Release(self._name, version, files)
        return self._read[version]

    def __iter__(self) -> Iterator[Version]:
        return map(Version, self._places)

    def __len__(self) -> int:
        return len(self._places)


def _dumped(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _row(file: File) -> list[object]:
    return [
        file.filename,
        file.url,
        file.hashes,
        file.requires_python,
        file.size,
        file.uploaded,
        file.yanked,
        file.metadata,
    ]


def _file(row: Sequence[Any]) -> File:
    filename, url, hashes, requires_python, size, uploaded, yanked, metadata = row
    return File(
        filename=filename,
        url=url,
        hashes=tuple(Hash(*value) for value in hashes),
        requires_python=requires_python,
        size=size,
        uploaded=uploaded,
        yanked=yanked,
        metadata=tuple(Hash(*value) for value in metadata) if metadata is not None else None,
    )


def _key(kind: str, text: str) -> str:
    return f"{kind}-{hashlib.sha256(text.encode()).hexdigest()}"


def _file_key(file: File) -> str | None:
    """Files without a hash could be others tomorrow."""
    digest = next((value.digest for value in file.hashes if value.algorithm == "sha256"), None)
    return _key("requires", f"{digest} {file.filename}") if digest is not None else None


def _until(headers: Mapping[str, str]) -> float:
    control = headers.get("cache-control", "").lower()
    match = _AGE.search(control)
    if match is None or _NEVER.search(control):
        return 0
    return time.time() + min(int(match[1]), _LONGEST)
