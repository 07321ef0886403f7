"""Requires-Dist lines of core metadata (Core metadata specifications, PEP 508), each read once."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name


class Edge(NamedTuple):
    """What one line requires. `text` is the line without its marker."""

    name: NormalizedName
    specifier: SpecifierSet
    extras: frozenset[str]
    text: str


@lru_cache(maxsize=65536)
def read(text: str) -> tuple[Edge, str | None] | None:
    """The requirement and its marker; None where the line cannot be read."""
    try:
        requirement = Requirement(text)
    except (InvalidRequirement, RecursionError):
        return None
    edge = Edge(
        canonicalize_name(requirement.name),
        requirement.specifier,
        frozenset(map(canonicalize_name, requirement.extras)),
        text.split(";")[0].strip(),
    )
    return edge, str(requirement.marker) if requirement.marker is not None else None
