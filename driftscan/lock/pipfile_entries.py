"""One entry of a Pipfile.lock: identity, source, hashes and marker of a package.

https://pipenv.pypa.io/en/latest/pipfile.html. What each key does is what pipenv does when it installs from the lock
(pipenv/utils/dependencies.py): a repository is preferred to a file, a file to a version.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from posixpath import basename, normpath
from typing import NamedTuple

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import (
    InvalidName,
    InvalidSdistFilename,
    InvalidWheelFilename,
    NormalizedName,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import InvalidVersion, Version

from driftscan.errors import LockError, MarkerError
from driftscan.lock.document import clean_url, url_filename
from driftscan.lock.table import Table
from driftscan.markers import parse as parse_marker
from driftscan.model.lock import Artifact, Hash, Note, NoteKind, Origin, OriginKind, PackageId

_REPOSITORIES = ("git", "hg", "svn", "bzr")
MARKER_KEYS = (
    "implementation_name",
    "implementation_version",
    "os_name",
    "platform_machine",
    "platform_python_implementation",
    "platform_release",
    "platform_system",
    "platform_version",
    "python_full_version",
    "python_version",
    "sys_platform",
)
"""Keys that hold the rest of a comparison, as in `"sys_platform": "== 'win32'"`."""
_ARCHIVE = re.compile(r".*\.(whl|zip|tar\.gz|tgz|tar\.bz2|tbz|tar\.xz|txz|tar)", re.DOTALL)
_COMMIT = {"git": re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?"), "hg": re.compile(r"[0-9a-f]{40}")}
_REVISION = re.compile(r"\d+")
_HASH = re.compile(r"([A-Za-z0-9_]+):([0-9a-fA-F]+)")
_FOLDER = re.compile(r"-e\s+(\S+)")
_OPERATOR = re.compile(r"[=<>!~]")
_ANY = ("*", "==*", "")


class Entry(NamedTuple):
    """What an entry says. `marker` is when it is installed, `source` the name of its index, None for the first."""

    id: PackageId
    pinned: bool
    specifier: str
    artifacts: tuple[Artifact, ...]
    notes: tuple[Note, ...]
    marker: str | None
    extras: frozenset[str]
    line: int | None
    source: str | None
    has_unread_marker: bool
    """Whether it has a key `marker`, which pipenv never reads."""


def read_entry(written: str, value: object, where: str, line: int | None) -> Entry:
    """Read the entry for the package called `written`; LockError where it is malformed."""
    if isinstance(value, str):
        value = {"version": value}
    if (folder := _FOLDER.fullmatch(written)) is not None:
        # As the first versions of pipenv wrote `pipenv install -e .`; a folder does not tell the project's name.
        written, value = basename(normpath(folder[1])) or ".", {"path": folder[1], "editable": True}
        name = canonicalize_name(written)
    else:
        name = _name(written, where)
    if not isinstance(value, Mapping):
        raise LockError(f"the entry of {name} has to be an object or a version", where=where)
    table = Table(value, where)
    origin = _origin(table)
    version, specifier = _version(table, origin)
    artifacts = tuple(_artifacts(table, origin))
    return Entry(
        id=PackageId(name, version, origin),
        pinned=version is not None or origin.kind is not OriginKind.INDEX,
        specifier=specifier,
        artifacts=artifacts,
        notes=tuple(_notes(origin, artifacts, line)),
        marker=_marker(table),
        extras=frozenset(map(canonicalize_name, table.texts("extras"))),
        line=line,
        source=table.text("index"),
        has_unread_marker=bool(table.values.get("marker")),
    )


def _name(written: str, where: str) -> NormalizedName:
    try:
        return canonicalize_name(written, validate=True)
    except InvalidName:
        raise LockError(f"{written[:100]!r} is not the name of a package", where=where) from None


def _hashes(table: Table) -> tuple[Hash, ...]:
    """The digests of `hashes`, and of `hash` as the first versions of pipenv wrote a single one."""
    single = table.text("hash")
    return tuple(_hash(text, table.where) for text in (*table.texts("hashes"), *([single] if single else [])))


def _hash(text: str, where: str) -> Hash:
    match = _HASH.fullmatch(text)
    if match is None:
        raise LockError(f"the hash {text[:100]!r} is not of the form algorithm:hexadecimal", where=where)
    return Hash(match[1].lower(), match[2].lower())


def _origin(table: Table) -> Origin:
    subdirectory = table.text("subdirectory")
    for system in _REPOSITORIES:
        if url := table.text(system):
            return _repository(system, url, table.text("ref"), subdirectory)
    location = table.text("file") or table.text("path")
    if location is None:
        return Origin()
    if "://" in location and not location.startswith("file:"):
        return Origin(OriginKind.URL, clean_url(location), subdirectory=subdirectory)
    path = location.removeprefix("file:").removeprefix("//")
    if table.flag("editable"):
        return Origin(OriginKind.EDITABLE, path, subdirectory=subdirectory)
    kind = OriginKind.PATH if _ARCHIVE.fullmatch(path) else OriginKind.DIRECTORY
    return Origin(kind, path, subdirectory=subdirectory)


def _repository(system: str, url: str, ref: str | None, subdirectory: str | None) -> Origin:
    """`ref` is what pipenv resolved; older locks have the revision in the URL (`…/a.git@v1#egg=a`)."""
    address, _, fragment = url.removeprefix(f"{system}+").partition("#")
    head, at, revision = address.rpartition("@")
    if at and "/" in head.split("://")[-1]:  # before the first slash it would be a user
        address, ref = head, ref or revision
    if match := re.search(r"(?:^|&)subdirectory=([^&]+)", fragment):
        subdirectory = subdirectory or match[1]
    pattern = _COMMIT.get(system, _REVISION)
    commit = ref if ref and pattern.fullmatch(ref) else None
    return Origin(OriginKind.VCS, clean_url(address), commit, None if commit else ref, subdirectory)


def _version(table: Table, origin: Origin) -> tuple[str | None, str]:
    """The pinned version, and the specifier where it is none; a number without operator means `==`.

    Repositories and folders have the version that is found in them, whatever the lock says.
    """
    if origin.kind in (OriginKind.URL, OriginKind.PATH) and (version := _version_of_file(origin.location)):
        return version, ""
    written = (table.text("version") or "").strip()
    if origin.kind in (OriginKind.VCS, OriginKind.DIRECTORY, OriginKind.EDITABLE) or written in _ANY:
        return None, ""
    specifier = written if _OPERATOR.match(written) else f"=={written}"
    number = specifier.lstrip("=").strip()
    if specifier.startswith("==") and not number.endswith(".*") and "," not in number:
        return _checked_version(number, table.where), ""
    try:
        return None, str(SpecifierSet(specifier))
    except InvalidSpecifier:
        raise LockError(f"{written[:100]!r} is not a version or a specifier", where=table.where) from None


def _checked_version(text: str, where: str) -> str:
    try:
        Version(text)
    except (InvalidVersion, ValueError):
        raise LockError(
            f"{text[:100]!r} is not a version (PEP 440)", where=where, hint="no pip of today installs it; lock again"
        ) from None
    return text


def _version_of_file(location: str) -> str | None:
    filename = url_filename(location)
    try:
        if filename.endswith(".whl"):
            return str(parse_wheel_filename(filename)[1])
        return str(parse_sdist_filename(filename)[1])
    except (InvalidWheelFilename, InvalidSdistFilename, ValueError):
        return None


def _artifacts(table: Table, origin: Origin) -> Iterator[Artifact]:
    """The hashes are alternatives for unknown files; with more than one of them that is so for a named file as well."""
    hashes = _hashes(table)
    if origin.kind in (OriginKind.URL, OriginKind.PATH):
        name = url_filename(origin.location) or None
        url = origin.location if origin.kind is OriginKind.URL else None
        yield Artifact(filename=name if len(hashes) < 2 else None, url=url, hashes=hashes)
    elif hashes:
        yield Artifact(hashes=hashes)


def _notes(origin: Origin, artifacts: Iterable[Artifact], line: int | None) -> Iterator[Note]:
    if origin.kind is OriginKind.VCS and origin.commit is None:
        yield Note(NoteKind.UNPINNED_VCS, f"{origin.location} without a commit", line)
    if origin.kind is OriginKind.URL and not any(artifact.hashes for artifact in artifacts):
        yield Note(NoteKind.URL_WITHOUT_HASH, origin.location, line)
    if origin.kind in (OriginKind.PATH, OriginKind.DIRECTORY, OriginKind.EDITABLE):
        yield Note(NoteKind.LOCAL_SOURCE, f"{origin.kind} {origin.location}", line)


def _marker(table: Table) -> str | None:
    """`markers`, and the keys named after a variable, all of which have to hold."""
    parts = [f"{key} {text}" for key in MARKER_KEYS if (text := table.text(key))]
    if text := table.text("markers"):
        parts.append(text)
    for part in parts:
        try:
            parse_marker(part)
        except MarkerError as error:
            raise LockError(error.message, where=table.where, hint="lock again, or correct the marker") from error
    unique = list(dict.fromkeys(parts))
    return (unique[0] if len(unique) == 1 else " and ".join(f"({part})" for part in unique)) if unique else None
