"""What an engine is asked, and what it answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from packaging.utils import NormalizedName

from driftscan.model.lock import Lock
from driftscan.resolve.inputs import Wanted
from driftscan.resolve.places import Place

REQUIREMENTS, CONSTRAINTS, RESULT = "requirements.in", "constraints.txt", "requirements.txt"


class Pin(NamedTuple):
    """A version that a project had before, for the environments of a marker."""

    name: NormalizedName
    version: str
    marker: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is to be resolved.

    Without a `place` it is for all platforms and all Pythons from `python` (a full version) on. `indexes` are URLs with
    credentials, the first that has a project decides about it; `folders` are absolute paths, or URLs of pages that list
    files. `cutoff` is an instant by RFC 3339 in UTC: files uploaded from then on do not count. `pins` are kept where
    nothing speaks against them. `no_binary` are values of pip's option. `cache` is the folder of what driftscan
    remembers of indexes, None where it does not.
    """

    requirements: tuple[Wanted, ...]
    constraints: tuple[Wanted, ...] = ()
    place: Place | None = None
    python: str
    indexes: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    cutoff: str | None = None
    pins: tuple[Pin, ...] = ()
    prereleases: bool = False
    allow_builds: bool = False
    no_binary: tuple[str, ...] = ()
    cache: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Impossible:
    """That nothing satisfies what was asked: why, on one line in the engine's words."""

    reason: str


class Running(Protocol):
    """An engine at work, to be closed whatever happens."""

    def result(self) -> Lock | Impossible:
        """Wait for pins, their markers, and who requires whom; ResolveError where the engine broke."""

    def close(self) -> None:
        """End it if it still runs, and remove what it worked with."""


class Engine(Protocol):
    """A program that picks versions."""

    @property
    def name(self) -> str:
        """As `--engine` and the lock's header have it."""

    @property
    def version(self) -> str:
        """Its own version, and those that its answers depend on."""

    def refusal(self, question: Question) -> str | None:
        """Why it cannot be asked this; None where it can."""

    def begin(self, question: Question) -> Running:
        """Start it; ResolveError where it is not there."""


def files(question: Question) -> Mapping[str, str]:
    """What an engine is given to read, by name: requirements, constraints, and pins where it puts its result."""
    no_binary = [f"--no-binary {value}" for value in question.no_binary]
    return {
        REQUIREMENTS: _text((*no_binary, *map(_line, question.requirements))),
        CONSTRAINTS: _text(map(_line, question.constraints)),
        RESULT: _text(map(_pin_line, question.pins)),
    }


def _line(wanted: Wanted) -> str:
    return f"{wanted.text} ; {wanted.marker}" if wanted.marker else wanted.text


def _pin_line(pin: Pin) -> str:
    return f"{pin.name}=={pin.version} ; {pin.marker}" if pin.marker else f"{pin.name}=={pin.version}"


def _text(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
