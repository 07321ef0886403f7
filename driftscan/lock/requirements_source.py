"""Whether a requirements file that pip-compile or `uv pip compile` wrote agrees with what it was compiled from.

The comment at its top has the command, with the inputs, and a `# via -r FILE` comment at a pin says which input names
the project. A pin has to satisfy each input; one that only inputs account for has to be named there still.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from packaging.utils import NormalizedName, canonicalize_name

from driftscan.lock.document import Document
from driftscan.lock.requirements_command import Command, read_command
from driftscan.lock.requirements_inputs import Wish, read_input
from driftscan.lock.requirements_reader import Entry
from driftscan.lock.standard import read_specifier
from driftscan.model.lock import Difference, LockSource

_LEFT_OUT = frozenset(("pip", "setuptools", "distribute", "wheel"))
"""What pip-compile leaves out unless told otherwise."""
_MOST_PINS = 100
"""Of one project: real locks have one for each way in which markers turn out."""
_Read = Callable[[Document], Sequence[Entry]]


class _Input(NamedTuple):
    """A file that was compiled: as the lock's comments call it, where it is, and what it asks for."""

    written: str
    document: Document
    wishes: Sequence[Wish]


def compare_with_sources(documents: Iterable[Document], entries: Sequence[Entry], read: _Read) -> Iterator[LockSource]:
    """The inputs that are there and can be read, of each of the `documents` that a tool compiled.

    `entries` are those of all documents; `read` finds the requirements of an input.
    """
    found: dict[str, dict[Difference, None]] = {}
    for document in documents:
        own = [entry for entry in entries if entry.file == document.name]
        command = read_command(document)
        if command is None or not command.is_plain:
            continue
        inputs = list(_inputs(document, command, own, read))
        for each in inputs:
            found.setdefault(each.document.name, {})
        for name, difference in (*_unmet(inputs, own, command), *_gone(inputs, own)):
            found.setdefault(name, {})[difference] = None
    for name, differences in found.items():
        yield LockSource(name, "its requirements", tuple(differences))


def _inputs(document: Document, command: Command, entries: Iterable[Entry], read: _Read) -> Iterator[_Input]:
    named = [via.removeprefix("-r ").strip() for entry in entries for via in entry.via or () if via.startswith("-r ")]
    projects = ["pyproject.toml" for entry in entries for via in entry.via or () if "(pyproject.toml" in via]
    for written in dict.fromkeys((*command.inputs, *named, *(projects if not command.inputs else ()))):
        found = command.find(document, written)
        wishes = read_input(found, command, read) if found is not None else None
        if found is not None and wishes is not None:
            yield _Input(written.removeprefix("./"), found, wishes)


def _unmet(inputs: Iterable[_Input], entries: Sequence[Entry], command: Command) -> Iterator[tuple[str, Difference]]:
    """Requirements that no pin of their project satisfies, with the file that each is in."""
    pins: dict[NormalizedName, list[Entry]] = {}
    for entry in entries:
        pins.setdefault(entry.id.name, []).append(entry)
    left_out = _LEFT_OUT | command.left_out | set(_parents(entries))
    for wish in (wish for each in inputs for wish in each.wishes if not wish.is_conditional):
        found = pins.get(wish.name)
        if found is None and wish.name not in left_out:
            text = f"requires {wish.name}{wish.specifier}, which the lock does not have"
            yield wish.file, Difference(text, wish.name, wish.line)
        elif found is not None and not _is_met(wish, found):
            versions = " and ".join(dict.fromkeys(str(entry.id.version) for entry in found))
            text = f"requires {wish.name}{wish.specifier}, and the lock has {versions}"
            yield wish.file, Difference(text, wish.name, wish.line)


def _parents(entries: Iterable[Entry]) -> Iterator[NormalizedName]:
    """Projects that the comments know as requiring others: one that has no pin was taken out of the lock later."""
    for entry in entries:
        yield from (canonicalize_name(via.partition("[")[0]) for via in entry.via or () if " " not in via)


def _is_met(wish: Wish, found: Sequence[Entry]) -> bool:
    """True too where that cannot be told: of files and repositories, and of entries that are not pinned."""
    specifier = read_specifier(wish.specifier)
    return (
        specifier is None
        or len(found) > _MOST_PINS
        or any(
            entry.located is not None
            or entry.id.version is None
            or specifier.contains(entry.id.version, prereleases=True)
            for entry in found
        )
    )


def _gone(inputs: Sequence[_Input], entries: Iterable[Entry]) -> Iterator[tuple[str, Difference]]:
    """Pins that only inputs account for, none of which names them, with the file of the first of these inputs."""
    files: Mapping[str, str] = {each.written: each.document.name for each in inputs}
    wanted = {wish.name for each in inputs for wish in each.wishes}
    for entry in entries:
        by = [via for via in entry.via or () if not via.startswith("-c ")]
        written = [_written(via) for via in by]
        if entry.id.name not in wanted and written and all(each in files for each in written):
            text = f"does not name {entry.id.name} any more, which the lock has only for its sake"
            yield files[written[0] or ""], Difference(text, entry.id.name)


def _written(via: str) -> str | None:
    """The input that a `via` comment names; None where it names a package."""
    if via.startswith("-r "):
        return via.removeprefix("-r ").strip().removeprefix("./")
    return "pyproject.toml" if via.endswith("(pyproject.toml)") else None
