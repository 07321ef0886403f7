"""The indexes that the options of requirements files name, as pip combines them.

https://pip.pypa.io/en/stable/reference/requirements-file-format/#global-options
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from driftscan.lock.document import clean_url
from driftscan.model.lock import Index

_DEFAULT = Index("")


@dataclass(slots=True)
class Indexes:
    """Options so far. `--index-url` replaces all indexes before it, extra ones too; `--no-index` allows none at all."""

    found: list[Index] = field(default_factory=list)
    trusted: set[str] = field(default_factory=set)
    is_allowed: bool = True

    def read(self, line: Iterable[tuple[str, str]], number: int | None) -> None:
        """Take the options of a line without a requirement; pip applies them in this order, not in that of the line.

        `number` is the line's in the lock; None in a file that the lock includes.
        """
        options = [(name, value) for name, value in line if value or name == "--no-index"]
        self.trusted.update(value.lower() for name, value in options if name == "--trusted-host")
        for name, value in options:
            if name in ("--index-url", "--pypi-url"):
                self.found = [Index(clean_url(value), number)]
        if ("--no-index", "") in options:
            self.is_allowed, self.found = False, []
        for name, value in options:
            if name == "--extra-index-url":
                self.found = [*(self.found or [_DEFAULT]), Index(clean_url(value), number)]

    @property
    def only(self) -> str:
        """The one index that everything comes from; empty where that is the default one, or one of several."""
        found = self.all()
        return found[0].location if len(found) == 1 else ""

    def all(self) -> tuple[Index, ...]:
        """Each index once, in the order in which they were named; none where the files name none."""
        once = {index.location: index for index in reversed(self.found)} if self.is_allowed else {}
        return tuple(index._replace(is_trusted=self._is_trusted(index.location)) for index in reversed(once.values()))

    def _is_trusted(self, location: str) -> bool:
        try:
            parts = urlsplit(location)
            host, port = parts.hostname or "", parts.port
        except ValueError:
            return False
        return host in self.trusted or (port is not None and f"{host}:{port}" in self.trusted)
