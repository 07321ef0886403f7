"""The forms in which an instruction gives its arguments (BuildKit `parser/line_parsers.go`, `split_command.go`)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

SPACE = "\t\n\v\f\r \x85\xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u205f\u3000"
"""What Go's unicode.IsSpace takes for white space; Python's str.isspace takes more."""
_BLANK = re.compile(r"[\t\v\f\r ]+")
_SPACES = frozenset(SPACE)
_QUOTES = "'\""


class Malformed(ValueError):  # noqa: N818  (it never leaves this package)
    """An instruction that builders refuse; the message says why."""


class Arguments(NamedTuple):
    values: tuple[str, ...]
    is_json: bool = False


class Command(NamedTuple):
    """An instruction split into its keyword as written, the builder's flags, and the rest."""

    keyword: str
    flags: tuple[str, ...]
    rest: str


def split_command(line: str, escape: str) -> Command:
    keyword, *others = _BLANK.split(line.strip(SPACE), maxsplit=1)
    if not others:
        return Command(keyword, (), "")
    flags, rest = _flags(others[0], escape)
    return Command(keyword, flags, rest.strip(SPACE))


def _flags(line: str, escape: str) -> tuple[tuple[str, ...], str]:
    """The leading words that begin with `--`, quotes and escapes taken off, and what stands behind them."""
    found: list[str] = []
    position = 0
    while True:
        while position < len(line) and line[position] in _SPACES:
            position += 1
        if not line.startswith("--", position):
            return tuple(found), line[position:]
        word, position = _flag(line, position, escape)
        if word == "--":
            return tuple(found), line[position:]
        found.append(word)


def _flag(line: str, position: int, escape: str) -> tuple[str, int]:
    characters: list[str] = []
    quote = ""
    while position < len(line):
        character = line[position]
        position += 1
        if quote and character == quote:
            quote = ""
        elif not quote and character in _SPACES:
            break
        elif not quote and character in _QUOTES:
            quote = character
        elif character == escape:
            characters.append(line[position : position + 1])
            position += 1
        else:
            characters.append(character)
    return "".join(characters), position


def parse_words(rest: str, escape: str) -> list[str]:
    """Words as ENV, LABEL and ARG split them: quotes and escapes keep their place and stay in the words."""
    words: list[str] = []
    characters: list[str] = []
    quote = ""
    position = 0
    while position < len(rest):
        character = rest[position]
        position += 1
        if not quote and character in _SPACES:
            if characters:
                words.append("".join(characters))
                characters = []
            continue
        if quote:
            quote = "" if character == quote else quote
            is_escape = character == escape and quote != "'"
        else:
            quote = character if character in _QUOTES else ""
            is_escape = character == escape
        if is_escape:
            if position == len(rest):
                break  # an escape at the very end is left out
            characters.append(character)
            character = rest[position]
            position += 1
        characters.append(character)
    if characters:
        words.append("".join(characters))
    return words


def _json_array(rest: str) -> tuple[str, ...] | None:
    """The strings of a JSON array; None where it is none. Malformed for an array that holds anything else."""
    text = rest.lstrip(SPACE)
    if not text.startswith("["):
        return None
    try:
        found = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None
    if not all(isinstance(item, str) for item in found):
        raise Malformed("an array in JSON form may hold strings only")
    return tuple(found)


def _no_constant(name: str) -> object:
    raise ValueError(name)


def _maybe_json(rest: str, _escape: str) -> Arguments:
    found = _json_array(rest)
    if found is not None:
        return Arguments(found, is_json=True)
    return Arguments((rest,) if rest else ())


def _maybe_json_list(rest: str, escape: str) -> Arguments:
    found = _json_array(rest)
    return Arguments(found, is_json=True) if found is not None else _blank_separated(rest, escape)


def _blank_separated(rest: str, _escape: str) -> Arguments:
    return Arguments(tuple(_BLANK.split(rest)) if rest else ())


def _whole(rest: str, _escape: str) -> Arguments:
    return Arguments((rest,) if rest else ())


def _listed(rest: str, escape: str) -> Arguments:
    return Arguments(tuple(parse_words(rest, escape)))


def _pairs(rest: str, escape: str) -> Arguments:
    """Names and values in turn, of `name=value ...` or of the old form `name value`."""
    words = parse_words(rest, escape)
    if words and "=" not in words[0]:
        parts = _BLANK.split(rest, maxsplit=1)
        if len(parts) < 2:
            raise Malformed("it must have two arguments, a name and a value")
        return Arguments(tuple(parts))
    return Arguments(tuple(_named(words)))


def _named(words: list[str]) -> Iterator[str]:
    for word in words:
        name, sign, value = word.partition("=")
        if not sign:
            raise Malformed(f"there is no = in {word!r}; it must be of the form name=value")
        yield name
        yield value


def _health(rest: str, escape: str) -> Arguments:
    kind, *others = re.split(rf"[{SPACE}]+", rest, maxsplit=1)
    if not kind:
        return Arguments(())
    command = _maybe_json(others[0] if others else "", escape)
    return Arguments((kind, *command.values), command.is_json)


FORMS: Mapping[str, Callable[[str, str], Arguments]] = MappingProxyType(
    {
        "ADD": _maybe_json_list,
        "ARG": _listed,
        "CMD": _maybe_json,
        "COPY": _maybe_json_list,
        "ENTRYPOINT": _maybe_json,
        "ENV": _pairs,
        "EXPOSE": _blank_separated,
        "FROM": _blank_separated,
        "HEALTHCHECK": _health,
        "LABEL": _pairs,
        "MAINTAINER": _whole,
        "RUN": _maybe_json,
        "SHELL": _maybe_json,
        "STOPSIGNAL": _whole,
        "USER": _whole,
        "VOLUME": _maybe_json_list,
        "WORKDIR": _whole,
    }
)
"""How each instruction reads what follows its keyword and flags; ONBUILD holds another instruction instead."""
