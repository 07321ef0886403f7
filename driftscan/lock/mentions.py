"""Lines at which a pyproject.toml names projects; a reader of TOML does not tell them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from packaging.utils import NormalizedName, canonicalize_name

_HEADER = re.compile(r"\s*\[\[?([^\[\]#]+)\]")
_KEY = re.compile(r"""\s*(?:"([^"]+)"|'([^']+)'|([A-Za-z0-9_-]+))\s*[.=]""")
_STRING = re.compile(r"""["']\s*([A-Za-z0-9][A-Za-z0-9._-]*)""")


class _Mention(NamedTuple):
    section: str
    line: int


class Mentions:
    """Where names stand in the text of a TOML file: as keys, as ends of table headers, at the start of strings."""

    def __init__(self, text: str) -> None:
        self._found: dict[NormalizedName, list[_Mention]] = {}
        section = ""
        for number, line in enumerate(text.split("\n"), 1):
            if header := _HEADER.match(line):
                section = _section(header[1])
            for name in _names(line, section if header else ""):
                self._found.setdefault(canonicalize_name(name), []).append(_Mention(section, number))

    def line(self, name: str, *sections: str) -> int | None:
        """The first 1-based line that has `name` in one of the tables, which are asked in this order; None without."""
        found = self._found.get(canonicalize_name(name), ())
        for section in sections:
            for mention in found:
                if f"{mention.section}.".startswith(f"{section}."):
                    return mention.line
        return None


def _section(header: str) -> str:
    return ".".join(part.strip(" \t\"'") for part in header.split("."))


def _names(line: str, header: str) -> Iterator[str]:
    if header:
        yield header.rpartition(".")[2]
        return
    if key := _KEY.match(line):
        yield key[1] or key[2] or key[3]
    yield from (match[1] for match in _STRING.finditer(line))
