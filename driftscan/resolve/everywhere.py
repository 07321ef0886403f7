"""Targets that a universal lock is verified on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

from driftscan.model.lock import Dependency, Lock, SelectionMode
from driftscan.model.target import Target
from driftscan.platforms import target
from driftscan.resolve.choice import Choice
from driftscan.witnesses import in_words, witnesses

_SYSTEMS = ("linux", "macos", "windows")
_NEWEST = 14
"""The minor version of the newest Python that is looked at unasked."""


def examples(choices: Sequence[Choice], python: str) -> Iterator[tuple[str, Target]]:
    """Targets in words and as values: one for each way in which the markers of the choices turn out, and usual ones.

    What the markers do not mention may still be what something that is missing depends on.
    """
    for version, system in product(_pythons(python), _SYSTEMS):
        found = target(version, system)
        yield in_words(found), found
    lock = Lock(
        path="",
        format="requirements",
        sha256="",
        mode=SelectionMode.FLAT,
        packages=tuple(choice.package for choice in choices),
        roots=tuple(
            Dependency(name=choice.package.id.name, marker=choice.marker, candidates=(choice.package.id,))
            for choice in choices
        ),
        requires_python=f">={python}",
    )
    for witness in witnesses([lock]):
        yield in_words(witness), witness


def _pythons(lowest: str) -> Iterator[str]:
    """The lowest version, and the first one of each series after it."""
    yield lowest
    major, minor = map(int, lowest.split(".")[:2])
    yield from (f"{major}.{each}.0" for each in range(minor + 1, _NEWEST + 1))
