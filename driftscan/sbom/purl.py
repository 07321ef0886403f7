"""Package URLs (github.com/package-url/purl-spec): `pkg:type/namespace/name@version?qualifiers#subpath`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote


class PackageUrl(NamedTuple):
    """`type` in lower case; the rest decoded."""

    type: str
    name: str
    version: str | None
    qualifiers: Mapping[str, str]


def parse(text: str) -> PackageUrl | None:
    """None where `text` is none."""
    scheme, colon, rest = text.partition(":")
    if scheme.lower() != "pkg" or not colon:
        return None
    rest, _, asked = rest.partition("#")[0].partition("?")
    path = rest.strip("/")
    # The version is what follows the last `@` of the last part; a namespace may begin with one (npm scopes).
    folder, _, last = path.rpartition("/")
    name, at, version = last.rpartition("@")
    if not at:
        name, version = last, ""
    kind = folder.partition("/")[0].lower()
    if not kind or not name:
        return None
    qualifiers = {key.lower(): value for key, value in parse_qsl(asked, errors="replace")}
    return PackageUrl(kind, unquote(name), unquote(version) or None, qualifiers)
