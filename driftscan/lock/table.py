"""Typed access to TOML tables: a value of the wrong type is an error with a place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from driftscan.errors import LockError


class Table(NamedTuple):
    """A TOML table; `where` is its file, with the line where that is known."""

    values: Mapping[str, object]
    where: str

    def text(self, key: str) -> str | None:
        """The string at `key`; None where there is none."""
        value = self.values.get(key)
        if value is None or isinstance(value, str):
            return value
        raise self.wrong(key, "a string")

    def flag(self, key: str) -> bool:
        """The boolean at `key`; False where there is none."""
        value = self.values.get(key, False)
        if isinstance(value, bool):
            return value
        raise self.wrong(key, "true or false")

    def items(self, key: str) -> tuple[object, ...]:
        """The elements of the array at `key`; none where it is absent."""
        value = self.values.get(key)
        if value is None:
            return ()
        if isinstance(value, list):
            return tuple(value)
        raise self.wrong(key, "an array")

    def texts(self, key: str) -> tuple[str, ...]:
        """The strings of the array at `key`."""
        items = self.items(key)
        strings = tuple(item for item in items if isinstance(item, str))
        if len(strings) != len(items):
            raise self.wrong(key, "an array of strings")
        return strings

    def table(self, key: str) -> Table:
        """The table at `key`; an empty one where there is none."""
        value = self.values.get(key, {})
        if isinstance(value, Mapping):
            return Table(value, self.where)
        raise self.wrong(key, "a table")

    def tables(self, key: str) -> tuple[Table, ...]:
        """The tables of the array at `key`."""
        items = self.items(key)
        tables = tuple(Table(item, self.where) for item in items if isinstance(item, Mapping))
        if len(tables) != len(items):
            raise self.wrong(key, "an array of tables")
        return tables

    def subtables(self) -> Iterator[tuple[str, Table]]:
        """Every value of this table, which has to be a table itself, with its key."""
        for key in self.values:
            yield key, self.table(key)

    def wrong(self, key: str, expected: str) -> LockError:
        """The error to raise for a value of the wrong type."""
        return LockError(f'"{key}" has to be {expected}', where=self.where)
