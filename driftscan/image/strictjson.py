"""JSON of manifests, indexes and configurations, read so that no two readers can see different documents in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from driftscan.errors import ImageError
from driftscan.image.limits import Limits
from driftscan.strictjson import JsonError, depth, load

JsonObject: TypeAlias = Mapping[str, object]
_FREE_KEYS = frozenset(("labels", "annotations", "exposedports", "volumes", "auths", "credhelpers"))
"""Members whose keys the image's author chooses."""


def load_object(data: bytes, what: str, limits: Limits) -> JsonObject:
    """A JSON object; `what` names it in errors.

    Rejected are: more than the `document` limit, deeper nesting than `nesting`, equal keys in one object, keys that
    differ in case only (in labels and the like they are free), NaN and infinities, and anything but an object at the
    top.
    """
    limits.check("document", len(data), what)
    limits.check("nesting", depth(data, limits.nesting), f"the nesting of {what}")
    try:
        document = load(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ImageError(f"{what} is not valid JSON ({error})") from error
    except JsonError as error:
        raise ImageError(f"{what} {error}") from error
    if not isinstance(document, dict):
        raise ImageError(f"{what} is not a JSON object")
    _check_case(document, what)
    return document


def _check_case(document: JsonObject, what: str) -> None:
    """Go's JSON reader takes `Layers` for `layers`; a document that has both is two documents in one."""
    pending: list[object] = [document]
    while pending:
        value = pending.pop()
        if isinstance(value, list):
            pending += value
        elif isinstance(value, dict):
            if len({key.casefold() for key in value}) < len(value):
                raise ImageError(f"{what} has two keys that differ only in case")
            pending += (item for key, item in value.items() if key.casefold() not in _FREE_KEYS)


def text(document: JsonObject, key: str, what: str, default: str | None = None) -> str:
    """A string member. Absent or null gives `default`; without one it is an ImageError."""
    value = document.get(key)
    if value is None and default is not None:
        return default
    if not isinstance(value, str):
        raise ImageError(f"{what} has no text in {key!r}")
    return value


def objects(document: JsonObject, key: str, what: str) -> tuple[JsonObject, ...]:
    """A list of objects; absent or null is an empty one."""
    found: list[JsonObject] = []
    for item in _items(document, key, what):
        if not isinstance(item, dict):
            raise ImageError(f"{what} has something other than an object in {key!r}")
        found.append(item)
    return tuple(found)


def texts(document: JsonObject, key: str, what: str) -> tuple[str, ...]:
    """A list of strings; absent or null is an empty one."""
    found: list[str] = []
    for item in _items(document, key, what):
        if not isinstance(item, str):
            raise ImageError(f"{what} has something other than text in {key!r}")
        found.append(item)
    return tuple(found)


def member(document: JsonObject, key: str, what: str) -> JsonObject:
    """An object; absent or null is an empty one."""
    value = document.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ImageError(f"{what} has no object in {key!r}")
    return value


def _items(document: JsonObject, key: str, what: str) -> Iterable[object]:
    value = document.get(key)
    if value is None:
        return ()
    if not isinstance(value, list):
        raise ImageError(f"{what} has no list in {key!r}")
    return value
