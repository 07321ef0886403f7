"""Readers of the small files in a dist-info or egg-info folder: bytes in, facts out, ValueError for what is broken.

Specifications: Core metadata; Binary distribution format (WHEEL); Direct URL data structure (PEP 610); the egg
formats of setuptools.
"""

from __future__ import annotations

import json
import re
from email.message import Message
from email.parser import BytesHeaderParser
from typing import NamedTuple
from urllib.parse import urlsplit, urlunsplit

from packaging.tags import Tag, parse_tag
from packaging.utils import NormalizedName, canonicalize_name

from driftscan.model.inventory import DirectUrl, WheelFacts
from driftscan.model.lock import Hash

_EMPTY_LINE = re.compile(rb"\n\r?\n")
_MAX_TAGS = 4096
_MAX_LENGTH = 400


class CoreMetadata(NamedTuple):
    name: NormalizedName
    version: str
    requires: tuple[str, ...] = ()
    requires_python: str | None = None
    provides_extras: frozenset[str] = frozenset()


def core_metadata(data: bytes) -> CoreMetadata:
    """METADATA or PKG-INFO. ValueError where a name or version is absent, empty or given twice."""
    headers = _headers(data)
    kind = headers.get_content_maintype() if "content-type" in headers else "text"
    if kind in ("multipart", "message"):
        raise ValueError(f"it is a nested message ({kind}), not metadata")
    name, version = (_single(headers.get_all(field, []), field) for field in ("Name", "Version"))
    return CoreMetadata(
        name=canonicalize_name(name),
        version=version,
        requires=tuple(_flat(value) for value in headers.get_all("Requires-Dist", [])),
        requires_python=next((_flat(value) for value in headers.get_all("Requires-Python", [])), None),
        provides_extras=frozenset(canonicalize_name(_flat(value)) for value in headers.get_all("Provides-Extra", [])),
    )


def _headers(data: bytes) -> Message:
    """What stands before the first empty line; the description behind it need not be read to be left out."""
    end = _EMPTY_LINE.search(data)
    return BytesHeaderParser().parsebytes(data if end is None else data[: end.end()])


def _single(values: list[str], field: str) -> str:
    if len(values) != 1:
        raise ValueError(f"it gives {len(values)} times a {field}" if values else f"it gives no {field}")
    value = _flat(values[0])
    if len(value) > _MAX_LENGTH:
        raise ValueError(f"its {field} is longer than {_MAX_LENGTH} characters")
    if not value or any(not character.isprintable() for character in value):
        raise ValueError(f"its {field} is empty or not printable")
    return value


def _flat(value: str) -> str:
    """A header's value on one line; `str` because a header with bytes outside ASCII is an object of its own."""
    return " ".join(str(value).split())


def egg_requires(data: bytes) -> tuple[str, ...]:
    """requires.txt of an egg-info as Requires-Dist lines: a `[extra:marker]` section applies to what follows it."""
    lines: list[str] = []
    section = ""
    for raw in data.decode("utf-8", "replace").split("\n"):
        line = raw.strip()
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1]
        elif line and not line.startswith("#"):
            lines.append(_with_section(line, section))
    return tuple(lines)


def _with_section(requirement: str, section: str) -> str:
    extra, _, marker = section.partition(":")
    base, _, own = requirement.partition(";")
    conditions = [f"({text.strip()})" for text in (own, marker) if text.strip()]
    if extra.strip():
        conditions.append(f'extra == "{extra.strip()}"')
    return f"{base.strip()}; {' and '.join(conditions)}" if conditions else base.strip()


def wheel(data: bytes) -> WheelFacts:
    """The WHEEL file. ValueError where it names no tag or absurdly many."""
    headers = _headers(data)
    tags: set[Tag] = set()
    for value in headers.get_all("Tag", []):
        text = _flat(value)
        parts = text.split("-")
        if len(parts) != 3 or not all(parts) or text.count(".") > 64:
            raise ValueError(f"its tag {text[:80]!r} is not of the form python-abi-platform")
        tags |= parse_tag(text)
        if len(tags) > _MAX_TAGS:
            raise ValueError(f"it expands to more than {_MAX_TAGS} tags")
    if not tags:
        raise ValueError("it names no tag")
    return WheelFacts(
        tags=frozenset(tags),
        build=_flat(headers.get("Build", "")),
        root_is_purelib=_flat(headers.get("Root-Is-Purelib", "true")).lower() != "false",
    )


def direct_url(data: bytes) -> DirectUrl:
    """direct_url.json. ValueError where it is not one."""
    document = _json_object(data)
    url = document.get("url")
    if not isinstance(url, str):
        raise ValueError("it gives no url")
    vcs, archive, folder = (_object(document.get(key)) for key in ("vcs_info", "archive_info", "dir_info"))
    kind = "vcs" if "vcs_info" in document else "archive" if "archive_info" in document else "dir"
    return DirectUrl(
        url=without_credentials(url),
        kind=kind,
        commit=_text(vcs.get("commit_id")),
        requested_revision=_text(vcs.get("requested_revision")),
        editable=folder.get("editable") is True,
        hashes=_hashes(archive),
        subdirectory=_text(document.get("subdirectory")),
    )


def _hashes(archive: dict[str, object]) -> tuple[Hash, ...]:
    found = {key: value for key, value in _object(archive.get("hashes")).items() if isinstance(value, str)}
    algorithm, separator, digest = (_text(archive.get("hash")) or "").partition("=")
    if separator:
        found.setdefault(algorithm, digest)
    return tuple(Hash(key.lower(), value.lower()) for key, value in sorted(found.items()))


def without_credentials(url: str) -> str:
    """The URL without user and password; `git@` of an SSH address stays, since it is no secret."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "(an address that cannot be read)"
    user, at, host = parts.netloc.rpartition("@")
    return url if not at or user == "git" else urlunsplit(parts._replace(netloc=host))


def _json_object(data: bytes) -> dict[str, object]:
    try:
        return _object(json.loads(data.decode("utf-8")), strict=True)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _object(value: object, *, strict: bool = False) -> dict[str, object]:
    if isinstance(value, dict):
        return {str(key): item for key, item in value.items()}
    if strict:
        raise ValueError("it is not a JSON object")
    return {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


json_object = _json_object
"""A JSON object from bytes; ValueError where the bytes are not one."""
