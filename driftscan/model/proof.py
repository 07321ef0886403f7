"""What is installed against what the locked files contain, and how good the evidence for that is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from packaging.utils import NormalizedName

from driftscan.model.image import LayerId
from driftscan.model.lock import Hash


class Grade(StrEnum):
    """What is known about the files of one distribution, the best first."""

    PROVED = "proved"
    """A whole wheel had the lock's hash, and every file of it is installed as it is."""
    EVIDENCE = "evidence"
    """So says the RECORD of the wheel that the index has under the lock's hash; nobody hashed that wheel."""
    CLAIMED = "claimed"
    """Only the image itself says so: the locked file could not be had."""
    UNVERIFIABLE = "unverifiable"
    """No locked file could tell: it was built on the spot, or came from a source tree."""
    DIFFERENT = "different"
    """What is installed is not what the locked file contains."""


class InstalledFile(NamedTuple):
    """A file that a distribution lists as its own.

    `path` is absolute. `digests` are SHA-256 digests (hexadecimal) of its bytes, and for a script also of what it was
    before an installer filled in its first line; None where they are not known, empty where there is no such file.
    `layer` wrote it last, or removed it.
    """

    path: str
    digests: frozenset[str] | None
    layer: LayerId | None = None


class Contents(NamedTuple):
    """What a distribution has installed: its files, and the names of the commands that installers make for it."""

    files: tuple[InstalledFile, ...]
    commands: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelFiles:
    """The files in a wheel by their names there, and their SHA-256 digests (hexadecimal; None: not known).

    `is_whole` tells that the digests are of the wheel's own bytes and that the wheel had the hash it was asked for.
    """

    filename: str
    files: Mapping[str, str | None]
    is_whole: bool


class DifferenceKind(StrEnum):
    CHANGED = "changed"
    MISSING = "missing"
    ADDED = "added"


class Difference(NamedTuple):
    """A file that is not as in the wheel; `path` is absolute."""

    kind: DifferenceKind
    path: str
    layer: LayerId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """How far one installed distribution is known to be the locked one.

    `distribution` is the path of its metadata. `filename` and `hash` are those of the locked file that it was compared
    with, None where there was none. `why` says what stands in the way of a better grade.
    """

    name: NormalizedName
    version: str
    distribution: str
    grade: Grade
    filename: str | None = None
    hash: Hash | None = None
    why: str | None = None
    differences: tuple[Difference, ...] = ()
