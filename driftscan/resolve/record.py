"""What a lock records of how it was made, so that it can be made again: written into it, and read back."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from itertools import takewhile
from typing import TYPE_CHECKING, NamedTuple

from driftscan.lock.document import Document
from driftscan.lock.requirements_lines import decode

if TYPE_CHECKING:
    from driftscan.convert.content import Made

UNIVERSAL = "all platforms, Python "
_FACT = re.compile(r"# (inputs|for|before|engine|hashes): (\S.*)")
_MOST_LINES = 64


class Record(NamedTuple):
    """`inputs` is the digest of what was asked for, `places` are the targets in words, `cutoff` an instant.

    Whatever a lock does not record is empty; a lock that somebody else wrote records nothing.
    """

    inputs: str = ""
    places: tuple[str, ...] = ()
    cutoff: str | None = None
    engine: str = ""
    hashes: str = "all"

    def made(self, command: str) -> Made:
        """As a lock has it. `command` makes it again."""
        from driftscan.convert.content import Made

        facts = [("inputs", f"sha256:{self.inputs}"), *(("for", words) for words in self.places)]
        facts += [("before", self.cutoff)] if self.cutoff else []
        facts += [("engine", self.engine)]
        facts += [("hashes", self.hashes)] if self.hashes != "all" else []
        return Made(command=command, facts=tuple(facts))


def read_record(document: Document) -> Record:
    """What the lock in a document records."""
    facts: dict[str, list[str]] = {}
    for key, value in _facts(document):
        facts.setdefault(key, []).append(value)
    inputs, engine, hashes = (facts.get(key, [""])[0] for key in ("inputs", "engine", "hashes"))
    return Record(
        inputs=inputs.removeprefix("sha256:"),
        places=tuple(facts.get("for", ())),
        cutoff=facts.get("before", [None])[0],
        engine=engine,
        hashes=hashes or "all",
    )


def _facts(document: Document) -> Iterator[tuple[str, str]]:
    if document.name.endswith(".toml"):
        yield from _table(document)
        return
    lines = decode(document).split("\n", _MOST_LINES)[:_MOST_LINES]
    for line in takewhile(lambda line: line.startswith("#"), map(str.rstrip, lines)):
        if match := _FACT.fullmatch(line):
            yield match[1], match[2]


def _table(document: Document) -> Iterator[tuple[str, str]]:
    try:
        found = tomllib.loads(document.text).get("tool", {}).get("driftscan", {})
    except (tomllib.TOMLDecodeError, AttributeError):
        return
    for key, value in found.items() if isinstance(found, dict) else ():
        for each in value if isinstance(value, list) else (value,):
            yield key, str(each)


def command_line(words: list[str]) -> str:
    return shlex.join(["driftscan", "lock", *words])
