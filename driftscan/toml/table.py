"""Typed access to a TOML table that somebody wrote: what is wrong is a UsageError with file and line."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from driftscan.errors import UsageError
from driftscan.toml.lines import Path, lines

_POSITION = re.compile(r" ?\(at (?:line (\d+), column \d+|end of document)\)")


@dataclass(frozen=True, slots=True)
class Table:
    """A table at `path` of the file that the user knows as `name`."""

    values: Mapping[str, object]
    name: str
    path: Path = ()
    lines: Mapping[Path, int] = field(default_factory=dict)

    def line(self, *keys: str | int) -> int | None:
        """The line of what `keys` lead to, else of what is around it; None for the top of a file."""
        path = (*self.path, *keys)
        while path:
            # An array of tables has no line of its own but that of its first table.
            if (line := self.lines.get(path) or self.lines.get((*path, 0))) is not None:
                return line
            path = path[:-1]
        return None

    def where(self, *keys: str | int) -> str:
        """`file:line`."""
        line = self.line(*keys)
        return self.name if line is None else f"{self.name}:{line}"

    def only(self, known: Collection[str], what: str = "setting") -> None:
        """Raise UsageError at the first key that is not `known`."""
        for key in self.values:
            if key not in known:
                raise UsageError(f"there is no {what} {key!r}", where=self.where(key), hint=meant(key, known, what))

    def text(self, key: str) -> str | None:
        """The string at `key`, which may not be empty; None where there is none."""
        value = self.values.get(key)
        if value is None:
            return None
        if isinstance(value, str) and value.strip():
            return value
        raise self.wrong(key, "a string that is not empty")

    def flag(self, key: str) -> bool | None:
        value = self.values.get(key)
        if value is None or isinstance(value, bool):
            return value
        raise self.wrong(key, "true or false")

    def texts(self, key: str) -> tuple[str, ...]:
        """The strings of the array at `key`."""
        value = self.values.get(key, [])
        if isinstance(value, list) and all(isinstance(item, str) and item.strip() for item in value):
            return tuple(value)
        raise self.wrong(key, "an array of strings")

    def day(self, key: str) -> date | None:
        """The date at `key`, written as such or as a string (RFC 3339, full-date)."""
        value = self.values.get(key)
        if value is None or (isinstance(value, date) and not isinstance(value, datetime)):
            return value
        if isinstance(value, str) and (found := full_date(value)) is not None:
            return found
        raise self.wrong(key, "a date such as 2027-01-31")

    def table(self, key: str) -> Table | None:
        value = self.values.get(key)
        if value is None:
            return None
        if isinstance(value, Mapping):
            return Table(value, self.name, (*self.path, key), self.lines)
        raise self.wrong(key, "a table")

    def tables(self, key: str) -> Iterator[Table]:
        """The tables of the array at `key`."""
        value = self.values.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
            raise self.wrong(key, "an array of tables")
        for index, item in enumerate(value):
            yield Table(item, self.name, (*self.path, key, index), self.lines)

    def wrong(self, key: str, expected: str) -> UsageError:
        """The error to raise for a value that is not what it has to be."""
        return UsageError(f'"{key}" has to be {expected}', where=self.where(key))


def full_date(text: str) -> date | None:
    """The date that `text` is; None where it is none. Only YYYY-MM-DD, of all that ISO 8601 has."""
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text, re.ASCII):
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def read(text: str, name: str) -> Table:
    """The document `text`. Raises UsageError where it is not TOML."""
    try:
        values = tomllib.loads(text)
        places = lines(text)
    except tomllib.TOMLDecodeError as error:
        raise _broken(error, text, name) from error
    except RecursionError as error:
        raise UsageError("it is nested too deeply", where=name) from error
    return Table(values, name, (), places)


def _broken(error: tomllib.TOMLDecodeError, text: str, name: str) -> UsageError:
    position = _POSITION.search(str(error))
    line = position[1] if position and position[1] else text.count("\n") + 1
    reason = _POSITION.sub("", str(error))
    return UsageError(f"it is not TOML: {reason[:1].lower()}{reason[1:]}", where=f"{name}:{line}")


def meant(name: str, known: Collection[str], what: str) -> str:
    """A known name that is close, or all of them."""
    if close := difflib.get_close_matches(name.lower().replace("_", "-"), known, n=1):
        return f"did you mean {close[0]}?"
    return f"the {what}s are {', '.join(sorted(known))}"
