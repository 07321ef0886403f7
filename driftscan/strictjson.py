"""JSON read so that no two readers can see different documents in it (RFC 8259, I-JSON's unique keys of RFC 7493)."""

from __future__ import annotations

import json
import re

_STRUCTURE = re.compile(rb'[\[\]{}]|"(?:[^"\\]|\\.)*+"', re.DOTALL)
"""Brackets, and strings as a whole, so that brackets inside them do not count."""


class JsonError(ValueError):
    """A document is not strict JSON. The message completes a sentence that begins with its name.

    `line` is 1-based where it is known; `key` is the one that an object has twice.
    """

    def __init__(self, message: str, *, line: int | None = None, key: str | None = None) -> None:
        super().__init__(message)
        self.line = line
        self.key = key


def unique(items: list[tuple[str, object]]) -> dict[str, object]:
    """An object; JsonError where a key comes twice."""
    found: dict[str, object] = {}
    for key, value in items:
        if key in found:
            raise JsonError("has a key twice", key=key)
        found[key] = value
    return found


def no_constant(name: str) -> object:
    """JsonError: NaN and infinities are no JSON, though Python reads them."""
    raise JsonError(f"holds {name}, which is not JSON")


def load(text: str) -> object:
    """The value that `text` holds; JsonError for equal keys in one object, for NaN and infinities, and for no JSON.

    The reader recurses for each level of nesting: check `depth` before.
    """

    try:
        value: object = json.loads(text, object_pairs_hook=unique, parse_constant=no_constant)
    except JsonError:
        raise
    except json.JSONDecodeError as error:
        raise JsonError(f"is not valid JSON ({error})", line=error.lineno) from error
    except (ValueError, RecursionError) as error:
        raise JsonError(f"is not valid JSON ({error})") from error
    return value


def depth(data: bytes, bound: int) -> int:
    """How deeply objects and arrays are nested in `data`, counted no further than one past `bound`."""
    level = deepest = 0
    for token in _STRUCTURE.finditer(data):
        if token[0] in (b"[", b"{"):
            level += 1
            deepest = max(deepest, level)
            if deepest > bound:
                break
        elif token[0] in (b"]", b"}"):
            level -= 1
    return deepest
