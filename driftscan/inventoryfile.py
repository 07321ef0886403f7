"""An inventory as bytes and back, so that an image that was looked at before need not be put together again.

    "driftscan inventory\\n" | SHA-256 of the name and all that follows | DEFLATE (zlib, RFC 1950) of JSON

JSON knows fewer kinds of values than an inventory is made of. What is not a text, a number, a truth value or null is an
array whose first item says what it is: one of the constants below, or the position of its class in `CLASSES`.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from dataclasses import fields
from enum import Enum
from functools import partial
from types import MappingProxyType
from typing import Any, TypeAlias, cast

from packaging.tags import Tag

from driftscan.model import image, inventory, lock, target, traces
from driftscan.model.inventory import Inventory

SCHEMA = 5
"""To be raised with every change to what an inventory holds, or to how it is taken of the same layers."""

_MAGIC = b"driftscan inventory\n"
_DIGEST = hashlib.sha256().digest_size
_MOST = 256 << 20
"""Bytes of an inflated inventory that are still read."""
_LEVEL = 1

_TUPLE, _TEXTS, _SET, _SET_OF_TEXTS, _MAPPING, _BYTES, _AGAIN = range(-7, 0)
"""A tuple; one of texts alone; a frozenset, and one of texts; a mapping as keys and values; bytes in base64; something
that came before, by its position among all of its kind."""
CLASSES: tuple[type, ...] = (
    Tag,
    image.ElfFacts,
    image.HistoryEntry,
    image.ImageConfig,
    image.LayerId,
    image.SymbolFacts,
    image.VersionNeed,
    inventory.CondaPackage,
    inventory.Cuda,
    inventory.CudaBuild,
    inventory.DirectUrl,
    inventory.Distribution,
    inventory.DistributionForm,
    inventory.Environment,
    inventory.EnvironmentKind,
    inventory.FileProblem,
    inventory.FileProblemKind,
    inventory.Interpreter,
    inventory.Inventory,
    inventory.Leftover,
    inventory.Library,
    inventory.Linkage,
    inventory.MissingVersion,
    inventory.Native,
    inventory.OsPackage,
    inventory.WheelFacts,
    lock.Hash,
    lock.Unchecked,
    target.Libc,
    target.Target,
    traces.CodeLayer,
    traces.Execution,
    traces.FoundLock,
    traces.Removed,
    traces.Traces,
    traces.Uninstalled,
    traces.Waste,
)
_NUMBERS = {each: number for number, each in enumerate(CLASSES)}
_REPEATED: tuple[type, ...] = (image.LayerId,)
"""What many others hold the same one of."""
_TAG_FIELDS = ("interpreter", "abi", "platform")

_Json: TypeAlias = "str | int | bool | list[Any] | None"


def key(value: object) -> bytes:
    """Bytes that are the same for equal values, which are made of what inventories are made of."""
    return json.dumps(_Encoder().encode(value), separators=(",", ":")).encode("ascii")


def encode(found: Inventory, name: str) -> bytes:
    """The bytes of what is stored under that name, without what `Inventory.contents` holds."""
    packed = zlib.compress(key(found), _LEVEL)
    return b"".join((_MAGIC, _digest(name, packed), packed))


def decode(data: bytes, name: str) -> Inventory | None:
    """What `encode` was given; None where the bytes are not whole and unchanged, or are what another name stands for.

    Raises ValueError, TypeError or LookupError where they are whole and something else than an inventory.
    """
    start = len(_MAGIC) + _DIGEST
    packed = data[start:]
    if not data.startswith(_MAGIC) or _digest(name, packed) != data[len(_MAGIC) : start]:
        return None
    inflater = zlib.decompressobj()
    found = _Decoder().decode(json.loads(inflater.decompress(packed, _MOST)))
    if not inflater.eof or not isinstance(found, Inventory):
        raise ValueError("it is no inventory")
    return found


def _digest(name: str, packed: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\0" + packed).digest()


class _Encoder:
    def __init__(self) -> None:
        self._seen: dict[object, int] = {}

    def encode(self, value: object) -> _Json:
        kind = type(value)
        if value is None or kind in (str, int, bool):
            return cast("_Json", value)
        if kind is tuple:
            return self._tuple(cast("tuple[object, ...]", value))
        if kind is frozenset:
            return self._set(cast("frozenset[object]", value))
        if isinstance(value, Mapping):
            return [_MAPPING, *(self.encode(each) for pair in value.items() for each in pair)]
        if isinstance(value, bytes):
            return [_BYTES, b64encode(value).decode("ascii")]
        return self._record(value)

    def _tuple(self, value: tuple[object, ...]) -> _Json:
        if all(type(each) is str for each in value):
            return [_TEXTS, *value]
        return [_TUPLE, *map(self.encode, value)]

    def _set(self, value: frozenset[object]) -> _Json:
        if all(type(each) is str for each in value):
            return [_SET_OF_TEXTS, *sorted(cast("frozenset[str]", value))]
        return [_SET, *sorted(map(self.encode, value), key=repr)]

    def _record(self, value: object) -> _Json:
        number = _NUMBERS[type(value)]
        if isinstance(value, Enum):
            return [number, value.value]
        if type(value) not in _REPEATED:
            return [number, *(self.encode(getattr(value, name)) for name in _names(type(value)))]
        if value in self._seen:
            return [_AGAIN, self._seen[value]]
        self._seen[value] = len(self._seen)
        return [number, *(self.encode(getattr(value, name)) for name in _names(type(value)))]


class _Decoder:
    def __init__(self) -> None:
        self._seen: list[object] = []
        self._kinds: dict[int, Callable[[list[Any]], object]] = {
            _TUPLE: lambda items: tuple(map(self.decode, items)),
            _TEXTS: tuple,
            _SET: lambda items: frozenset(map(self.decode, items)),
            _SET_OF_TEXTS: frozenset,
            _MAPPING: self._mapping,
            _BYTES: lambda items: b64decode(items[0], validate=True),
            _AGAIN: lambda items: self._seen[items[0]],
            **{number: self._maker(each) for number, each in enumerate(CLASSES)},
        }

    def decode(self, value: _Json) -> Any:
        if type(value) is not list:
            return value
        return self._kinds[value[0]](value[1:])

    def _mapping(self, items: list[Any]) -> object:
        values = iter(map(self.decode, items))
        return MappingProxyType(dict(zip(values, values, strict=True)))

    def _maker(self, kind: type) -> Callable[[list[Any]], object]:
        if issubclass(kind, Enum):
            return lambda items: kind(items[0])
        make = partial(self._made, kind, _names(kind))
        return partial(self._noted, make) if kind in _REPEATED else make

    def _made(self, kind: type, names: tuple[str, ...], items: list[Any]) -> object:
        decode = self.decode
        values = [decode(item) if type(item) is list else item for item in items]
        return kind(**dict(zip(names, values, strict=True)))

    def _noted(self, make: Callable[[list[Any]], object], items: list[Any]) -> object:
        made = make(items)
        self._seen.append(made)
        return made


def _names(kind: type) -> tuple[str, ...]:
    """The fields of a class, as its constructor calls them, without what is not stored."""
    if kind is Tag:
        return _TAG_FIELDS
    if issubclass(kind, tuple):
        return cast("tuple[str, ...]", kind._fields)  # type: ignore[attr-defined]
    return tuple(each.name for each in fields(cast("Any", kind)) if (kind, each.name) != (Inventory, "contents"))
