"""Targets that a universal lock is verified on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from driftscan.model.lock import Dependency, Lock, SelectionMode
from driftscan.model.target import Target
from driftscan.resolve.choice import Choice
from driftscan.witnesses import in_words, witnesses


def examples(choices: Sequence[Choice], python: str) -> Iterator[tuple[str, Target]]:
    """One target in words and as a value for each way in which the markers of the choices turn out."""
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
