"""Markers of requirements that an extra of the requiring package brings in.

In poetry.lock such a requirement keeps `extra == "x"` in its marker, where `extra` means the extras of the package
that requires it, not those of the project. Here that part is taken out of the marker and becomes the edge's scope.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import TypeAlias

from packaging.utils import NormalizedName, canonicalize_name

from driftscan.errors import LockError, MarkerError
from driftscan.markers import Comparison, Marker, parse

NEVER = "<empty>"
"""How Poetry writes a marker that holds nowhere; it is no marker of PEP 508."""
Truth: TypeAlias = str | bool
"""A marker, or what is known of it: it always holds, or never."""


def checked(marker: str | None, where: str) -> str | None:
    """The marker itself; LockError naming the place where it does not parse."""
    try:
        if marker is not None:
            parse(marker)
    except MarkerError as error:
        raise LockError(error.message, where=where) from None
    return marker


def extras_named(marker: str | None) -> set[NormalizedName]:
    """The extras that a marker asks for."""
    found = (_extra(comparison) for comparison in _comparisons(parse(marker))) if marker else ()
    return {name for name, wanted in filter(None, found) if wanted}


def given_extras(marker: str | None, extras: AbstractSet[NormalizedName]) -> Truth | None:
    """What is left of a marker where exactly these extras are asked for: None and True hold always, False never."""
    return _reduced(parse(marker), extras) if marker else None


def _comparisons(marker: Marker) -> Iterator[Comparison]:
    if isinstance(marker, Comparison):
        yield marker
        return
    for part in marker.parts:
        yield from _comparisons(part)


def _extra(comparison: Comparison) -> tuple[NormalizedName, bool] | None:
    """Name of the extra that is compared with and whether it is asked for, not excluded."""
    if comparison.operator not in {"==", "!="}:
        return None
    wanted = comparison.operator == "=="
    if comparison.left_is_variable and comparison.left == "extra":
        return canonicalize_name(comparison.right), wanted
    if comparison.right_is_variable and comparison.right == "extra":
        return canonicalize_name(comparison.left), wanted
    return None


def _reduced(marker: Marker, extras: AbstractSet[NormalizedName]) -> Truth:
    if isinstance(marker, Comparison):
        found = _extra(marker)
        return (found[0] in extras) is found[1] if found else _written(marker)
    word = "and" if marker.conjunction else "or"
    return _join([_reduced(part, extras) for part in marker.parts], word, decisive=not marker.conjunction)


def _join(parts: Sequence[Truth], word: str, *, decisive: bool) -> Truth:
    """Join with `and` or `or`; one `decisive` part decides, the other truth value adds nothing."""
    if any(part is decisive for part in parts):
        return decisive
    markers = [part for part in parts if isinstance(part, str)]
    if len(markers) > 1:
        return f" {word} ".join(f"({marker})" for marker in markers)
    return markers[0] if markers else not decisive


def _written(comparison: Comparison) -> str:
    left = comparison.left if comparison.left_is_variable else _quoted(comparison.left)
    right = comparison.right if comparison.right_is_variable else _quoted(comparison.right)
    return f"{left} {comparison.operator} {right}"


def _quoted(text: str) -> str:
    return f"'{text}'" if '"' in text else f'"{text}"'
