"""Start tags of an HTML page, read in a time that grows with its length alone.

The standard library's parser takes quadratic time on pages made for that (a hundred kilobytes keep it busy for half a
minute), and more than start tags with their attributes is not needed.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from driftscan.errors import PackageIndexError

_TAG = re.compile(r"""<(?P<close>/?)(?P<name>[A-Za-z][^\s/>]*+)(?P<rest>(?:[^>"']++|"[^"]*+"|'[^']*+')*+)>""")
_ATTRIBUTE = re.compile(r"""([^\s"'>/=]++)(?:\s*+=\s*+(?:"([^"]*+)"|'([^']*+)'|([^\s"'=<>`]++)))?""")
_LONGEST_TAG = 65_536
_RAW = frozenset(("script", "style", "textarea", "title", "xmp", "noembed", "noframes", "iframe"))


class Tag(NamedTuple):
    """A start tag: its name in lower case, attributes by lower-case name, empty text for those without a value."""

    name: str
    attributes: Mapping[str, str]


def start_tags(text: str) -> Iterator[Tag]:
    """The start tags outside of comments and scripts; PackageIndexError where one is not closed or endless."""
    at = text.find("<")
    while at >= 0:
        if text.startswith("<!--", at):
            at = _after(text, "-->", at)
        elif text.startswith(("<!", "<?"), at):
            at = _after(text, ">", at)
        elif text[at + 1 : at + 2].isalpha() or (text[at + 1 : at + 2] == "/" and text[at + 2 : at + 3].isalpha()):
            match = _TAG.match(text, at)
            if match is None:
                raise _cut_off(text, at)
            if match.end() - at > _LONGEST_TAG:
                raise PackageIndexError(f"the page has a tag of more than {_LONGEST_TAG:,} characters")
            at = match.end()
            name = match["name"].lower()
            if not match["close"]:
                yield Tag(name, _attributes(match["rest"]))
                at = _after_raw(text, name, at) if name in _RAW else at
        else:
            at += 1
        at = text.find("<", at)


def _after(text: str, mark: str, at: int) -> int:
    found = text.find(mark, at)
    if found < 0:
        raise _cut_off(text, at)
    return found + len(mark)


def _after_raw(text: str, name: str, at: int) -> int:
    """Where the content of an element ends that is no markup."""
    match = re.compile(f"</{name}", re.IGNORECASE).search(text, at)
    if match is None:
        raise _cut_off(text, at)
    return match.start()


def _attributes(text: str) -> dict[str, str]:
    """Of attributes with one name the first counts (HTML 13.2.5.33)."""
    found: dict[str, str] = {}
    for match in _ATTRIBUTE.finditer(text):
        name, *values = match.groups()
        found.setdefault(name.lower(), _unescaped(next((value for value in values if value is not None), "")))
    return found


def _unescaped(text: str) -> str:
    try:
        return html.unescape(text)
    except ValueError as error:  # a character reference of thousands of digits
        raise PackageIndexError(f"the page has an attribute that cannot be read: {text[:80]!r}") from error


def _cut_off(text: str, at: int) -> PackageIndexError:
    return PackageIndexError(f"the page is cut off in line {text.count(chr(10), 0, at) + 1}")
