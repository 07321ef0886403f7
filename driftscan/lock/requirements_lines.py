"""The lines of a requirements file as pip reads them (pip documents the format; the order of steps is in its source).

Decode, split, join continuations, strip comments, then cut options off. Two things are kept that pip drops: comments,
since pip-compile and uv write into them who requires what, and hashes that a comment cut off from their requirement.
"""

from __future__ import annotations

import codecs
import re
import shlex
from collections.abc import Iterator
from typing import NamedTuple

from driftscan.errors import LockError
from driftscan.lock.document import Document

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_CODING = re.compile(rb"#.*?coding[:=]\s*([-\w.]+)")
_EDITABLE_MARKER = re.compile(r"((?:-e|--editable)[^;]*?)(\s;.*)")
_MAX_REQUIREMENT = 1 << 14
_QUOTING = re.compile(r"[\"'\\]")
_BLANKS = re.compile(r"[ \t\r\n]+")
_LONG_OPTIONS = (
    "--requirement",
    "--constraint",
    "--editable",
    "--index-url",
    "--pypi-url",
    "--extra-index-url",
    "--find-links",
    "--trusted-host",
    "--no-binary",
    "--only-binary",
    "--use-feature",
    "--all-releases",
    "--only-final",
    "--hash",
    "--config-settings",
    "--global-option",
    "--no-index",
    "--prefer-binary",
    "--require-hashes",
    "--no-require-hashes",
    "--pre",
)
_FLAGS = ("--no-index", "--prefer-binary", "--require-hashes", "--no-require-hashes", "--pre")
_SHORT_OPTIONS = {
    "-r": "--requirement",
    "-c": "--constraint",
    "-e": "--editable",
    "-i": "--index-url",
    "-f": "--find-links",
    "-C": "--config-settings",
}


class Line(NamedTuple):
    """One logical line: where it begins (1-based), the requirement before the options, the options, the comments.

    Comments are those on the line and on the comment lines that follow it, without `#`, indentation kept.
    """

    number: int
    requirement: str
    options: tuple[tuple[str, str], ...]
    comments: tuple[str, ...]

    @property
    def is_editable(self) -> bool:
        """To pip a requirement is editable too where `-e` stands behind it."""
        return any(name == "--editable" for name, _ in self.options)

    @property
    def wanted(self) -> str | None:
        """The requirement, or the first one behind `-e`; None for a line of options alone."""
        return self.requirement or next((value for name, value in self.options if name == "--editable"), None)


def decode(document: Document) -> str:
    """Text by byte order mark, by a coding line in the first two lines, or as UTF-8."""
    data = document.data
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return _decode(document, data[len(mark) :], encoding)
    for line in data.split(b"\n", 2)[:2]:
        if match := _CODING.match(line):
            return _decode(document, data, match[1].decode("ascii"))
    return _decode(document, data, "utf-8")


def decode_head(head: bytes) -> str:
    """The first bytes of a file, by byte order mark or as UTF-8; what is cut off or wrong is left out."""
    for mark, encoding in _BOMS:
        if head.startswith(mark):
            return head[len(mark) :].decode(encoding, "ignore")
    return head.decode("utf-8", "ignore")


def _decode(document: Document, data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except (ValueError, LookupError) as error:
        raise LockError(f"it is not {encoding} text", where=document.name, hint="save it as UTF-8") from error


def logical_lines(document: Document) -> Iterator[Line]:
    """Lines with a requirement or options; LockError for a line that pip refuses."""
    document.refuse_conflicts()
    pending: tuple[int, str] | None = None
    comments: list[str] = []
    for number, text in _joined(decode(document)):
        content, remark = _cut_comment(text)
        if not content:
            if remark:
                comments.append(remark[1:])
            elif pending is not None:
                yield _line(document, *pending, comments)
                pending, comments = None, []
            continue
        if pending is not None:
            yield _line(document, *pending, comments)
        pending, comments = (number, content), [remark[1:]] if remark else []
    if pending is not None:
        yield _line(document, *pending, comments)


def _cut_comment(text: str) -> tuple[str, str]:
    """What stands before a comment, and the comment: it begins with a `#` at the start or after white space."""
    at = text.find("#")
    while at > 0 and not text[at - 1].isspace():
        at = text.find("#", at + 1)
    return (text.strip(), "") if at < 0 else (text[:at].strip(), text[at:].rstrip())


def _physical(text: str) -> Iterator[tuple[int, str]]:
    """Lines as pip splits them, at form feeds and U+2028 too, numbered as editors do."""
    number = 1
    for line in text.splitlines(keepends=True):
        yield number, line.splitlines()[0]
        number += line.endswith("\n")


def _joined(text: str) -> Iterator[tuple[int, str]]:
    """Physical lines with continuations joined. A comment line ends a continuation, as pip has it."""
    first, parts = 0, list[str]()
    for number, line in _physical(text):
        is_comment = line.lstrip().startswith("#")
        if line.endswith("\\") and not is_comment:
            first = first if parts else number
            parts.append(line.strip("\\"))
            continue
        if parts:
            parts.append(f" {line}" if is_comment else line)
            yield first, "".join(parts)
            parts = []
        else:
            yield number, line
    if parts:
        yield first, "".join(parts)


def _line(document: Document, number: int, content: str, comments: list[str]) -> Line:
    where = f"{document.name}:{number}"
    tokens = content.split(" ")
    cut = next((position for position, token in enumerate(tokens) if token.startswith("-")), len(tokens))
    requirement = " ".join(tokens[:cut]).strip()
    if len(requirement) > _MAX_REQUIREMENT:
        raise LockError(f"a requirement of {len(requirement):,} characters is too long to be real", where=where)
    rest, marker = _cut_marker(" ".join(tokens[cut:]))
    try:
        words = _words(rest)
    except ValueError as error:
        raise LockError(f"its options cannot be split into words ({error})", where=where) from error
    options = tuple((name, value + marker if name == "--editable" else value) for name, value in _options(words, where))
    return Line(number, requirement, options, tuple(comments))


def _words(text: str) -> list[str]:
    """As a shell splits them; `shlex` looks at each character, and hashed locks have millions without any quote."""
    return shlex.split(text) if _QUOTING.search(text) else [word for word in _BLANKS.split(text) if word]


def _cut_marker(options: str) -> tuple[str, str]:
    """Options of a line, and the marker that uv and Poetry write behind `-e PATH`; pip reads past it."""
    match = _EDITABLE_MARKER.match(options)
    return (match[1], match[2]) if match else (options, "")


def _options(words: list[str], where: str) -> Iterator[tuple[str, str]]:
    position = 0
    while position < len(words):
        word = words[position]
        position += 1
        if word == "--":
            return
        if not word.startswith("-") or word == "-":
            # pip drops words between options.
            continue
        name, value = _split_option(word, where)
        if name in _FLAGS:
            if value is not None:
                raise LockError(f"the option {name} takes no value", where=where)
            yield name, ""
            continue
        if value is None:
            if position == len(words):
                raise LockError(f"the option {name} has no value", where=where)
            value = words[position]
            position += 1
        yield name, value


def _split_option(word: str, where: str) -> tuple[str, str | None]:
    """Full name of an option and the value attached to it. Long options may be cut short where that is unambiguous."""
    if word[:2] in _SHORT_OPTIONS:
        return _SHORT_OPTIONS[word[:2]], word[2:] or None
    name, equals, value = word.partition("=")
    found = [option for option in _LONG_OPTIONS if option == name] or [
        option for option in _LONG_OPTIONS if name.startswith("--") and option.startswith(name)
    ]
    if len(found) != 1:
        raise LockError(f"{word.split('=')[0]!r} is no option of requirements files", where=where)
    return found[0], value if equals else None
