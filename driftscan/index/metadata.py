"""Core metadata, as far as they say what a release requires."""

from __future__ import annotations

import re
from typing import NamedTuple

from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from driftscan.errors import PackageIndexError

_END = re.compile(rb"\r?\n\r?\n")
_VERSION = re.compile(r"(\d{1,3})\.(\d{1,3})")
_RELIABLE = (2, 2)
"""From this version on a source distribution says itself what its build may change (PEP 643)."""


class Metadata(NamedTuple):
    """What a release says of itself. `requires` are its Requires-Dist lines as they stand, `extras` those it has."""

    requires: tuple[str, ...] = ()
    requires_python: str | None = None
    extras: tuple[str, ...] = ()


def parse(data: bytes, name: NormalizedName, version: Version, *, is_source: bool = False) -> Metadata:
    """The metadata of that release, from METADATA of its wheel or, with `is_source`, from PKG-INFO of its sdist.

    Raises PackageIndexError where they are of another release, cannot be read, or depend on a build.
    """
    from packaging.metadata import parse_email  # most metadata are remembered, and need not be read

    # The description below the fields can hold anything, and means nothing here.
    fields, unparsed = parse_email(_END.split(data, maxsplit=1)[0] + b"\n")
    found = fields.get("metadata_version", "")
    match = _VERSION.fullmatch(found)
    if match is None or unparsed.keys() & {"metadata-version", "name", "version", "requires-dist", "dynamic"}:
        raise PackageIndexError("its metadata cannot be read")
    _check_identity(fields.get("name", ""), fields.get("version", ""), name, version)
    if is_source:
        dynamic = {field.lower() for field in fields.get("dynamic", ())}
        if (int(match[1]), int(match[2])) < _RELIABLE or "requires-dist" in dynamic:
            raise PackageIndexError("only a build of this source distribution tells its requirements")
    return Metadata(
        tuple(fields.get("requires_dist", ())), fields.get("requires_python"), tuple(fields.get("provides_extra", ()))
    )


def _check_identity(found: str, release: str, name: NormalizedName, version: Version) -> None:
    try:
        fits = canonicalize_name(found) == name and Version(release) == version
    except ValueError:
        fits = False
    if not fits:
        raise PackageIndexError(f"its metadata are those of {found[:80]} {release[:80]}")
