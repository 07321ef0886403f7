"""Requirements that name a place instead of a version: URLs, VCS repositories, local archives and folders."""

from __future__ import annotations

import re
from collections.abc import Iterator
from posixpath import basename, normpath
from typing import NamedTuple
from urllib.parse import parse_qs, unquote

from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    NormalizedName,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)

from driftscan.errors import LockError
from driftscan.lock.document import clean_url, url_filename
from driftscan.model.lock import Hash, NoteKind, Origin, OriginKind

_NAMED = re.compile(r"([A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?)\s*(?:\[([^\]]*)\])?\s*@\s*(\S.*)", re.DOTALL)
_MARKER = re.compile(r"\s;\s*|;\s+")
_VCS = re.compile(r"(?:git|hg|svn|bzr)\+")
_ARCHIVE = re.compile(r".*\.(?:whl|zip|tar\.gz|tgz|tar\.bz2|tbz|tar\.xz|txz|tar)", re.IGNORECASE)
_EXTRAS = re.compile(r"([^\[]+)\[([^\[\]]*)\]")
_URL = re.compile(r"(?:[a-z]+\+)?[a-z]+:", re.IGNORECASE)
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_HASH_NAMES = ("sha256", "sha384", "sha512", "sha1", "md5")


class Located(NamedTuple):
    """A requirement by place. `filename` is there for archives; `hashes` are those of the URL's fragment."""

    name: NormalizedName
    version: str | None
    origin: Origin
    extras: frozenset[str]
    marker: str | None
    filename: str | None
    hashes: tuple[Hash, ...]
    is_folder: bool = False
    """Whether it is a folder given by its path alone, so that `name` is a guess from the path."""

    def notes(self, hashes: tuple[Hash, ...]) -> Iterator[tuple[NoteKind, str]]:
        """What makes this place one that can change under the lock, given the entry's `hashes`."""
        place = self.origin.location or "."
        if self.origin.kind is OriginKind.VCS and self.origin.commit is None:
            asked = f" ({self.origin.reference!r} can move)" if self.origin.reference else ""
            yield NoteKind.UNPINNED_VCS, f"{place} without a commit{asked}"
        elif self.origin.kind is OriginKind.URL and not hashes:
            yield NoteKind.URL_WITHOUT_HASH, f"{place} without a hash"
        elif self.origin.kind in (OriginKind.EDITABLE, OriginKind.DIRECTORY):
            yield NoteKind.LOCAL_SOURCE, f"the folder {place}"
        elif self.origin.kind is OriginKind.PATH and not hashes:
            yield NoteKind.LOCAL_SOURCE, f"the file {place} without a hash"


def locate(text: str, *, editable: bool, where: str) -> Located | None:
    """The place that a requirement names; None where it is a name with a version specifier.

    Raises LockError where the place does not tell the project's name.
    """
    text, marker = _split_marker(text) if editable or "://" in text or _is_path(text) else (text, None)
    if (match := _NAMED.fullmatch(text)) is not None and not _VCS.match(text):
        return _from_url(match[3].strip(), match[1], match[2] or "", marker, editable=editable, where=where)
    if "://" in text or _VCS.match(text) or text.startswith("file:"):
        return _from_url(text, None, "", marker, editable=editable, where=where)
    if editable or _is_path(text):
        return _from_path(text, marker, editable=editable, where=where)
    return None


def _split_marker(text: str) -> tuple[str, str | None]:
    # A semicolon is a legal character of URLs, so white space has to tell.
    parts = _MARKER.split(text, maxsplit=1) if _URL.match(text) else text.split(";", 1)
    return parts[0].strip(), parts[1].strip() if len(parts) == 2 else None


def _is_path(text: str) -> bool:
    head = text.split(";")[0].split("[")[0].strip()
    return head.startswith((".", "/")) or _ARCHIVE.fullmatch(head) is not None


def _from_url(url: str, name: str | None, extras: str, marker: str | None, *, editable: bool, where: str) -> Located:
    address, _, rest = url.partition("#")
    fragment = parse_qs(unquote(rest))
    egg = _EXTRAS.fullmatch(fragment.get("egg", [""])[0])
    if name is None and "egg" in fragment:
        name, extras = (egg[1], egg[2]) if egg else (fragment["egg"][0], "")
    last = url_filename(address)
    filename = last if _ARCHIVE.fullmatch(last) else None
    found, version = _name_and_version(name, filename, where, url)
    origin = _vcs_origin(url, fragment) if _VCS.match(url) else _url_origin(url, fragment, filename, editable=editable)
    return Located(found, version, origin, _extras(extras), marker, filename, tuple(_fragment_hashes(fragment)))


def _vcs_origin(url: str, fragment: dict[str, list[str]]) -> Origin:
    """`git+URL@REVISION#subdirectory=PATH`; a full commit id pins it."""
    address, _, revision = url.split("#")[0].partition("+")[2].rpartition("@")
    if not address or ("/" in revision.split("://")[-1] and "://" in revision):
        address, revision = url.split("#")[0].partition("+")[2], ""
    elif "://" not in address:
        # The only @ belonged to a user in front of the host.
        address, revision = f"{address}@{revision}", ""
    commit = revision if _COMMIT.fullmatch(revision) else None
    subdirectory = fragment.get("subdirectory", [None])[0]
    return Origin(OriginKind.VCS, clean_url(address), commit, revision or None, subdirectory)


def _url_origin(url: str, fragment: dict[str, list[str]], filename: str | None, *, editable: bool) -> Origin:
    subdirectory = fragment.get("subdirectory", [None])[0]
    if url.startswith("file:"):
        path = unquote(url.split("#")[0].removeprefix("file:").removeprefix("//"))
        kind = OriginKind.EDITABLE if editable else OriginKind.PATH if filename else OriginKind.DIRECTORY
        return Origin(kind, path, subdirectory=subdirectory)
    return Origin(OriginKind.URL, clean_url(url), subdirectory=subdirectory)


def _from_path(text: str, marker: str | None, *, editable: bool, where: str) -> Located:
    match = _EXTRAS.fullmatch(text)
    path, extras = (match[1], match[2]) if match else (text, "")
    filename = basename(path) if _ARCHIVE.fullmatch(path) else None
    # A folder does not tell the project's name; its own is the best there is, and `.` is the project itself.
    name = None if filename else basename(normpath(path)) or "."
    found, version = _name_and_version(name, filename, where, path)
    kind = OriginKind.EDITABLE if editable else OriginKind.PATH if filename else OriginKind.DIRECTORY
    return Located(found, version, Origin(kind, path), _extras(extras), marker, filename, (), filename is None)


def _name_and_version(
    name: str | None, filename: str | None, where: str, place: str
) -> tuple[NormalizedName, str | None]:
    version = None
    if filename is not None:
        try:
            if filename.endswith(".whl"):
                parsed, number, _, _ = parse_wheel_filename(filename)
            else:
                parsed, number = parse_sdist_filename(filename)
            name, version = name or parsed, str(number)
        except (InvalidWheelFilename, InvalidSdistFilename, ValueError):
            # A file name that breaks the rules tells nothing; the URL may still name the project.
            pass
    if name is None:
        raise LockError(
            f"{clean_url(place)} does not tell which project it is",
            where=where,
            hint="write `name @ url`",
        )
    return canonicalize_name(name), version


def _extras(text: str) -> frozenset[str]:
    return frozenset(canonicalize_name(extra.strip()) for extra in text.split(",") if extra.strip())


def _fragment_hashes(fragment: dict[str, list[str]]) -> Iterator[Hash]:
    for algorithm in _HASH_NAMES:
        for digest in fragment.get(algorithm, ()):
            yield Hash(algorithm, digest.lower())
