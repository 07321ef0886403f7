"""Project pages of the simple repository API: HTML (PEP 503) and JSON (PEP 691), versions 1.x (PEP 629, 700, 714)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote, urljoin, urlsplit

from packaging.utils import NormalizedName, parse_sdist_filename, parse_wheel_filename
from packaging.version import Version

from driftscan.errors import PackageIndexError
from driftscan.model.lock import Hash
from driftscan.strictjson import JsonError, depth, load

JSON_TYPE = "application/vnd.pypi.simple.v1+json"
HTML_TYPE = "application/vnd.pypi.simple.v1+html"
ACCEPT = f"{JSON_TYPE}, {HTML_TYPE};q=0.2, text/html;q=0.01"
_MAX_NESTING = 32
_MAX_FILES = 100_000
"""The largest projects have some ten thousand."""
_MAX_VALUES = 1_000_000
_SUPPORTED = 1
_HEXADECIMAL = re.compile(r"[0-9a-fA-F]{16,256}")
_ALGORITHM = re.compile(r"[a-z0-9_]{1,32}")


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file of a project.

    `url` is absolute and may hold credentials. `size` is in bytes, `uploaded` an ISO 8601 time as the index wrote it.
    `yanked` is the reason, which can be empty, and None where the file is not yanked. `metadata` are the hashes of the
    core metadata that stand beside the file (PEP 658), None where the index advertises none.
    """

    filename: str
    url: str
    hashes: tuple[Hash, ...] = ()
    requires_python: str | None = None
    size: int | None = None
    uploaded: str | None = None
    yanked: str | None = None
    metadata: tuple[Hash, ...] | None = None

    @property
    def is_wheel(self) -> bool:
        return self.filename.endswith(".whl")

    @property
    def metadata_url(self) -> str:
        """Where the core metadata stand, if the index has them."""
        return f"{self.url.partition('#')[0]}.metadata"


def parse(data: bytes, content_type: str, url: str) -> tuple[File, ...]:
    """The files of the project page that came from `url`, in its order.

    Raises PackageIndexError where it is of another type or version, or cannot be read.
    """
    kind, _, parameters = content_type.partition(";")
    match kind.strip().lower():
        case "application/vnd.pypi.simple.v1+json":
            return _parse_json(data, url)
        case "application/vnd.pypi.simple.v1+html" | "text/html":
            return _parse_html(data, url, parameters)
        case other:
            raise PackageIndexError(f"the page is {other[:100]!r}, neither HTML nor JSON of the simple API")


def release(file: File, name: NormalizedName) -> Version | None:
    """The version in the name of a wheel or source distribution of that project; None for any other file."""
    try:
        if file.is_wheel:
            found, version, _, _ = parse_wheel_filename(file.filename)
        else:
            found, version = parse_sdist_filename(file.filename)
    except ValueError:  # also for a number of thousands of digits
        return None
    return version if found == name else None


def _check_version(text: str) -> None:
    if text.partition(".")[0] != str(_SUPPORTED):
        raise PackageIndexError(f"the page is of version {text[:20]!r} of the simple API, and only 1.x is known")


def _address(url: str, base: str) -> str | None:
    """`url` resolved; None where it leads elsewhere than to a web server."""
    try:
        found = urljoin(base, url)
        parts = urlsplit(found)
        _ = parts.port
    except ValueError:
        return None
    return found if parts.scheme in ("http", "https") and parts.hostname else None


def _hashes(values: Mapping[str, object]) -> tuple[Hash, ...]:
    """Digests as the lock has them; PackageIndexError for what is none."""
    found = []
    for algorithm, digest in values.items():
        if not isinstance(digest, str) or not _HEXADECIMAL.fullmatch(digest) or not _ALGORITHM.fullmatch(algorithm):
            raise PackageIndexError(f"the page has {str(digest)[:80]!r} for a digest by {algorithm[:40]!r}")
        found.append(Hash(algorithm, digest.lower()))
    return tuple(found)


def _parse_json(data: bytes, url: str) -> tuple[File, ...]:
    # A value can take forty times the memory of its text.
    if sum(map(data.count, (b",", b"{", b"["))) > _MAX_VALUES:
        raise PackageIndexError(f"the page has more than {_MAX_VALUES:,} values")
    if depth(data, _MAX_NESTING) > _MAX_NESTING:
        raise PackageIndexError(f"the page is nested more than {_MAX_NESTING} levels deep")
    try:
        document = load(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise PackageIndexError("the page is not UTF-8 text") from error
    except JsonError as error:
        raise PackageIndexError(f"the page {error}") from error
    files = document.get("files") if isinstance(document, dict) else None
    if not isinstance(document, dict) or not isinstance(files, list):
        raise PackageIndexError("the page has no list of files")
    meta = document.get("meta")
    version = meta.get("api-version") if isinstance(meta, dict) else None
    _check_version(version if isinstance(version, str) else "1.0")
    return tuple(_json_file(_Entry(item), url) for item in files)


class _Entry:
    """One entry of a JSON page; null is the same as a key that is not there."""

    def __init__(self, item: object) -> None:
        if not isinstance(item, dict):
            raise PackageIndexError("the page has a file that is no object")
        self._item = item

    def text(self, key: str) -> str | None:
        value = self._item.get(key)
        if value is not None and not isinstance(value, str):
            raise self._wrong(key, "text")
        return value

    def required(self, key: str) -> str:
        value = self.text(key)
        if not value:
            raise self._wrong(key, "text")
        return value

    def address(self, base: str) -> str:
        found = _address(self.required("url"), base)
        if found is None:
            raise self._wrong("url", "web address")
        return found

    def size(self) -> int | None:
        value = self._item.get("size")
        if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 0):
            raise self._wrong("size", "number of bytes")
        return value

    def hashes(self) -> tuple[Hash, ...]:
        value = self._item.get("hashes")
        if value is not None and not isinstance(value, dict):
            raise self._wrong("hashes", "object")
        return _hashes(value or {})

    def yanked(self) -> str | None:
        """A reason, or true without one."""
        value = self._item.get("yanked")
        if isinstance(value, str):
            return value or None
        if value not in (None, True, False):
            raise self._wrong("yanked", "text or boolean")
        return "" if value else None

    def metadata(self) -> tuple[Hash, ...] | None:
        """The key has two names; the newer one decides (PEP 714)."""
        for key in ("core-metadata", "dist-info-metadata"):
            match self._item.get(key):
                case dict() as values:
                    return _hashes(values)
                case bool() as value:
                    return () if value else None
                case None:
                    continue
                case _:
                    raise self._wrong(key, "object or boolean")
        return None

    def _wrong(self, key: str, kind: str) -> PackageIndexError:
        name = self._item.get("filename")
        of = f" of {name[:200]}" if isinstance(name, str) and key != "filename" else ""
        return PackageIndexError(f"the page has no {kind} in {key!r}{of}")


def _json_file(entry: _Entry, url: str) -> File:
    return File(
        filename=entry.required("filename"),
        url=entry.address(url),
        hashes=entry.hashes(),
        requires_python=entry.text("requires-python"),
        size=entry.size(),
        uploaded=entry.text("upload-time"),
        yanked=entry.yanked(),
        metadata=entry.metadata(),
    )


def _parse_html(data: bytes, url: str, parameters: str) -> tuple[File, ...]:
    """Each anchor is a file."""
    from driftscan.index.html import start_tags  # an index that has JSON needs none of it

    base = None
    files = []
    for tag in start_tags(data.decode(_charset(parameters), errors="replace")):
        values = tag.attributes
        if tag.name == "meta" and values.get("name") == "pypi:repository-version":
            _check_version(values.get("content", ""))
        elif tag.name == "base":
            base = base or _address(values.get("href", "").strip(), url)
        elif tag.name == "a" and (file := _html_file(values, base or url)) is not None:
            files.append(file)
            if len(files) > _MAX_FILES:
                raise PackageIndexError(f"the page has more than {_MAX_FILES:,} files")
    return tuple(files)


def _html_file(values: Mapping[str, str], base: str) -> File | None:
    """None for what leads to no file: navigation, such as a link to the index's front page."""
    href = values.get("href", "").strip()
    filename = _last_part(href)
    url = _address(href, base)
    if url is None or not filename:
        return None
    advertised = values.get("data-core-metadata", values.get("data-dist-info-metadata", ""))
    return File(
        filename=filename,
        url=url,
        hashes=_fragment(urlsplit(url).fragment),
        requires_python=values.get("data-requires-python"),
        yanked=values.get("data-yanked"),
        metadata=_fragment(advertised) if advertised not in ("", "false") else None,
    )


def _charset(parameters: str) -> str:
    """What the content type says, as far as it is one that pages are written in; UTF-8 otherwise (PEP 503: HTML5)."""
    latin = re.search(r"charset=[\"']?(iso-8859-1|latin-1|us-ascii)", parameters, re.IGNORECASE)
    return "latin-1" if latin else "utf-8"


def _last_part(href: str) -> str:
    return unquote(href.partition("#")[0].partition("?")[0]).rpartition("/")[2]


def _fragment(text: str) -> tuple[Hash, ...]:
    """`sha256=…`; anything else, such as `true` or an anchor's name, holds no hash."""
    algorithm, sign, digest = text.partition("&")[0].partition("=")
    if not sign or not _ALGORITHM.fullmatch(algorithm) or not _HEXADECIMAL.fullmatch(digest):
        return ()
    return (Hash(algorithm, digest.lower()),)
