"""The JSON of a Pipfile.lock, with the line of every key."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from driftscan.errors import LockError
from driftscan.lock.document import MAX_NESTING, Document
from driftscan.strictjson import JsonError, depth, load

_TOKEN = re.compile(r'[\[\]{}\n]|("(?:[^"\\]|\\.)*+")(\s*:)?', re.DOTALL)


class Key(NamedTuple):
    """A key of an object. `path` ends with it and begins at the top; elements of arrays count as nameless keys."""

    path: tuple[str, ...]
    line: int
    repeated: bool


def load_json(document: Document) -> Mapping[str, object]:
    """The object that the document holds.

    Raises LockError with the line where it is empty, in the middle of a merge, cut off, nested past 64 levels, has a
    key twice in one object, or is no JSON object at all.
    """
    document.refuse_conflicts()
    text = document.text
    if not text.strip():
        raise LockError("it is empty", where=document.name, hint="lock again, or check the path")
    if depth(document.data, MAX_NESTING) > MAX_NESTING:
        raise LockError(f"it is nested more than {MAX_NESTING} levels deep", where=document.name)
    try:
        value = load(text)
    except JsonError as error:
        raise _json_error(document.name, text, error) from error
    if not isinstance(value, dict):
        raise LockError("it is not a JSON object", where=document.name)
    return value


def keys(text: str) -> Iterator[Key]:
    """Every key of the objects in `text`, which is JSON or nearly so, in the order of the file."""
    line = 1
    path: list[str] = []
    seen: list[set[str]] = []
    for token in _TOKEN.finditer(text):
        match token[0][0]:
            case "{" | "[":
                path.append("")
                seen.append(set())
            case "}" | "]":
                del path[-1:], seen[-1:]
            case '"' if token[2] is not None and path:
                key = _unquoted(token[1])
                path[-1] = key
                yield Key(tuple(path), line, key in seen[-1])
                seen[-1].add(key)
        line += token[0].count("\n")


def _unquoted(text: str) -> str:
    try:
        return str(json.loads(text))
    except ValueError:
        return text[1:-1]


def _json_error(name: str, text: str, error: JsonError) -> LockError:
    if error.key is not None:
        line = next((key.line for key in keys(text) if key.repeated), 1)
        return LockError(
            f"the key {error.key[:100]!r} stands twice in one object",
            where=f"{name}:{line}",
            hint="lock again, or remove one of them",
        )
    if error.line is None:
        return LockError(f"it {error}", where=name)
    last = text.rstrip().count("\n") + 1
    hint = "the file seems to be cut off; lock again" if error.line >= last else "lock again, or restore the file"
    return LockError(f"it {error}", where=f"{name}:{min(error.line, last)}", hint=hint)
