"""Markers of requirements that an extra of the requiring package brings in.

In poetry.lock such a requirement keeps `extra == "x"` in its marker, where `extra` means the extras of the package
that requires it, not those of the project. Here that part is taken out of the marker and becomes the edge's scope.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence
from typing import TypeAlias

from packaging.utils import NormalizedName, canonicalize_name

MAX_DEPTH = 50
"""Nested parentheses that are followed; Poetry writes markers with one or two levels."""

_TOKEN = re.compile(r"""[()]|"[^"]*"|'[^']*'|[^\s()"']+""")
_EXTRA = re.compile(r"""extra\s*(==|!=)\s*["']([^"']*)["']""")

Truth: TypeAlias = str | bool
"""A marker, or what is known of it: it always holds, or never."""


def extras_named(marker: str | None) -> set[NormalizedName]:
    """The extras that a marker asks for."""
    return {canonicalize_name(match[2]) for match in _EXTRA.finditer(marker or "") if match[1] == "=="}


def given_extra(marker: str | None, extra: NormalizedName) -> Truth | None:
    """What is left of a marker where exactly this extra is asked for.

    None and True hold always, False never. A marker that does not parse is returned as it is.
    """
    if marker is None:
        return None
    tokens = deque(_TOKEN.findall(marker))
    try:
        left = _alternatives(tokens, extra, MAX_DEPTH)
    except (IndexError, ValueError):
        return marker
    return marker if tokens else left


def _alternatives(tokens: deque[str], extra: NormalizedName, depth: int) -> Truth:
    parts = [_conjunction(tokens, extra, depth)]
    while tokens and tokens[0] == "or":
        tokens.popleft()
        parts.append(_conjunction(tokens, extra, depth))
    return _join(parts, "or", decisive=True)


def _conjunction(tokens: deque[str], extra: NormalizedName, depth: int) -> Truth:
    parts = [_operand(tokens, extra, depth)]
    while tokens and tokens[0] == "and":
        tokens.popleft()
        parts.append(_operand(tokens, extra, depth))
    return _join(parts, "and", decisive=False)


def _operand(tokens: deque[str], extra: NormalizedName, depth: int) -> Truth:
    """A comparison, or a marker in parentheses; IndexError or ValueError where the tokens are neither."""
    if tokens[0] == "(":
        if not depth:
            raise ValueError(tokens[0])
        tokens.popleft()
        inner = _alternatives(tokens, extra, depth - 1)
        if tokens.popleft() != ")":
            raise ValueError(extra)
        return inner
    words: list[str] = []
    while tokens and tokens[0] not in {"and", "or", ")"}:
        words.append(tokens.popleft())
    comparison = " ".join(words)
    match = _EXTRA.fullmatch(comparison)
    return comparison if match is None else (canonicalize_name(match[2]) == extra) is (match[1] == "==")


def _join(parts: Sequence[Truth], word: str, *, decisive: bool) -> Truth:
    """Join with `and` or `or`; one `decisive` part decides, the other truth value adds nothing."""
    if any(part is decisive for part in parts):
        return decisive
    markers = [part for part in parts if isinstance(part, str)]
    if len(markers) > 1:
        return f" {word} ".join(f"({marker})" for marker in markers)
    return markers[0] if markers else not decisive
