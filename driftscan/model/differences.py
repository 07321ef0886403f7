"""What is different between two images, two locks, or a lock and an image."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from driftscan.model.image import LayerId
from driftscan.model.lock import Unchecked


class Part(StrEnum):
    """What a difference is about, in the order in which people look for a reason."""

    BASE = "base"
    CONFIGURATION = "configuration"
    INTERPRETER = "interpreter"
    PACKAGES = "packages"
    CONDA = "conda"
    OS_PACKAGES = "os-packages"
    LAYERS = "layers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One difference: what it is about, and how that is on both sides; None where it is not there.

    Where `before` and `after` are equal, `note` says what differs. `layer` is the one of the second side that did it.
    """

    part: Part
    subject: str
    before: str | None
    after: str | None
    note: str | None = None
    layer: LayerId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """What was looked at: how it was named, and what is known of it in words. `layers` counts those of an image."""

    name: str
    facts: tuple[str, ...] = ()
    layers: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Differences:
    """All differences, by part and subject. `shared_layers` counts the lowest layers that two images have in common."""

    before: Side
    after: Side
    changes: tuple[Change, ...] = ()
    shared_layers: int | None = None
    unchecked: tuple[Unchecked, ...] = ()
