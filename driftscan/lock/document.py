"""A lock file as bytes, and what the readers of all formats share: decoding, TOML with line numbers, clean URLs."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from posixpath import basename
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from driftscan.errors import LockError

MAX_BYTES = 32 << 20
MAX_NESTING = 64
_CONFLICT = re.compile(rb"^(?:<{7}|>{7})(?: |\r?$)", re.MULTILINE)
_POSITION = re.compile(r"\(at line (\d+), column \d+\)|\(at end of document\)")
_TOKEN = re.compile(r"/t/[^/]+/")


@dataclass(frozen=True, slots=True)
class Document:
    """The bytes of a file. `name` is the path as the user wrote it.

    `sibling` reads a file by a path relative to this one: None where there is none, LockError where the path leaves
    the project.
    """

    name: str
    data: bytes
    sibling: Callable[[str], Document | None] = lambda path: None  # noqa: ARG005

    def __post_init__(self) -> None:
        if len(self.data) > MAX_BYTES:
            raise LockError(
                f"it is larger than {MAX_BYTES >> 20} MiB", where=self.name, hint="no lock is; is it the right file?"
            )

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    @property
    def text(self) -> str:
        """The content as UTF-8, a byte order mark removed, line ends as they are."""
        try:
            return self.data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = self.data.count(b"\n", 0, error.start) + 1
            raise LockError("it is not UTF-8 text", where=f"{self.name}:{line}") from error

    def refuse_conflicts(self) -> None:
        """Raise LockError at the first marker of an unfinished merge."""
        if match := _CONFLICT.search(self.data):
            line = self.data.count(b"\n", 0, match.start()) + 1
            raise LockError(
                "a merge conflict was left in it",
                where=f"{self.name}:{line}",
                hint="resolve it, or lock again",
            )


def load_toml(document: Document) -> dict[str, Any]:
    """The document as TOML 1.0; LockError with the line where it is none, or nested past 64 levels."""
    document.refuse_conflicts()
    text = document.text
    if not text.strip():
        raise LockError("it is empty", where=document.name, hint="lock again, or check the path")
    _check_nesting(text, document.name)
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _toml_error(document.name, text, str(error)) from error
    except RecursionError as error:
        raise LockError("it is nested too deeply to be read", where=document.name) from error
    except ValueError as error:
        raise LockError(f"it is not readable TOML ({error})", where=document.name) from error


def _toml_error(name: str, text: str, reason: str) -> LockError:
    match = _POSITION.search(reason)
    what = _POSITION.sub("", reason).strip().rstrip(".")
    if match is None:
        return LockError(f"it is not valid TOML: {what}", where=name)
    last = text.count("\n") + (not text.endswith("\n"))
    line = int(match[1]) if match[1] else last
    cut_off = match[1] is None or line >= last
    hint = "the file seems to be cut off; lock again" if cut_off else "lock again, or restore the file"
    return LockError(f"it is not valid TOML: {what[:1].lower()}{what[1:]}", where=f"{name}:{line}", hint=hint)


def _check_nesting(text: str, name: str) -> None:
    """Arrays and inline tables make the parser recurse; a line with that many brackets is looked at more closely."""
    for number, line in enumerate(text.split("\n"), 1):
        if line.count("[") + line.count("{") > MAX_NESTING:
            depth = 0
            for character in line:
                depth += (character in "[{") - (character in "]}")
                if depth > MAX_NESTING:
                    raise LockError(f"it is nested more than {MAX_NESTING} levels deep", where=f"{name}:{number}")


def header_lines(document: Document, key: str) -> list[int]:
    """1-based lines of the table headers `[[key]]`, in order: the n-th is that of the n-th element.

    Lines are counted as editors do, and TOML: form feeds and U+2028 end none.
    """
    return [
        number
        for number, line in enumerate(document.text.split("\n"), 1)
        if line.startswith("[[") and line.split("#")[0].strip() == f"[[{key}]]"
    ]


def clean_url(url: str) -> str:
    """The URL without user and password, conda tokens, query and fragment; host in lower case, no slash at the end.

    Two spellings of one address become equal, and nothing secret reaches a report.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return url.split("#")[0].split("?")[0].rsplit("@", 1)[-1]
    if not parts.scheme:
        return url
    host = (parts.hostname or "").lower()
    if ":" in host:
        host = f"[{host}]"
    if port is not None and (parts.scheme, port) not in (("https", 443), ("http", 80)):
        host = f"{host}:{port}"
    return urlunsplit((parts.scheme.lower(), host, _TOKEN.sub("/", parts.path).rstrip("/"), "", ""))


def url_filename(url: str) -> str:
    """The last part of the URL's or file's path, percent signs resolved; it can be empty."""
    return basename(unquote(url.split("#")[0].split("?")[0]))
