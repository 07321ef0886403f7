"""Members of JSON objects that anybody may have written: of another type than expected, they are not there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping


def text(holder: Mapping[str, object], key: str) -> str:
    value = holder.get(key)
    return value if isinstance(value, str) else ""


def objects(holder: Mapping[str, object], key: str) -> Iterator[Mapping[str, object]]:
    """The objects of an array."""
    value = holder.get(key)
    if isinstance(value, list):
        yield from (each for each in value if isinstance(each, dict))


def member(holder: Mapping[str, object], key: str) -> Mapping[str, object]:
    value = holder.get(key)
    return value if isinstance(value, dict) else {}


def texts(holder: Mapping[str, object], key: str) -> Iterator[str]:
    value = holder.get(key)
    if isinstance(value, list):
        yield from (each for each in value if isinstance(each, str))
