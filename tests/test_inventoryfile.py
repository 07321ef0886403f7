"""Inventories as bytes: nothing is lost, nothing else is accepted, and every kind of value that one holds is known."""

from __future__ import annotations

import hashlib
import typing
import zlib
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from pathlib import Path
from types import MappingProxyType

import pytest

import driftscan
from driftscan import inventoryfile
from driftscan.api import open_target, take_inventory
from driftscan.model.inventory import Inventory
from driftscan.model.proof import Contents

SAMPLES = Path(__file__).parent.parent / "samples"
SEEN = Path(__file__).parent / "data" / "inventory-schema.txt"
SOURCES = ("inventory", "model", "elf", "rootfs.py", "tags.py", "inventoryfile.py", "image/history.py", "api/taking.py")
"""What decides which inventory is taken of layer indexes."""
NAME = "0" * 64


def taken(image: str) -> Inventory:
    with open_target(image) as opened:
        return take_inventory(opened, cache=False, with_traces=True)


@pytest.fixture(scope="module", params=sorted(path.parent.name for path in SAMPLES.glob("*/image.tar")))
def inventory(request: pytest.FixtureRequest) -> Inventory:
    return taken(str(SAMPLES / request.param / "image.tar"))


def test_what_is_read_is_what_was_written(inventory: Inventory) -> None:
    data = inventoryfile.encode(inventory, NAME)
    assert inventoryfile.decode(data, NAME) == inventory
    found = inventoryfile.decode(data, NAME)
    assert found is not None
    assert inventoryfile.encode(found, NAME) == data


def test_texts_that_are_no_unicode() -> None:
    found = Inventory(config=driftscan_config(), os_name="D\udcffebian \x00 \u202e")
    assert inventoryfile.decode(inventoryfile.encode(found, NAME), NAME) == found


def driftscan_config() -> typing.Any:
    from driftscan.model.image import ImageConfig

    return ImageConfig(env=MappingProxyType({"PATH": "/bin", "A": ""}), entrypoint=("python", "-m", "shop"))


def test_contents_are_left_out() -> None:
    found = Inventory(config=driftscan_config())
    asked = replace(found, contents=MappingProxyType({"/a": Contents(())}))
    assert inventoryfile.decode(inventoryfile.encode(asked, NAME), NAME) == found


def test_a_file_under_another_name() -> None:
    data = inventoryfile.encode(Inventory(config=driftscan_config()), NAME)
    assert inventoryfile.decode(data, "1" * 64) is None


def test_each_byte_counts() -> None:
    data = inventoryfile.encode(Inventory(config=driftscan_config()), NAME)
    for position in range(len(data)):
        changed = bytearray(data)
        changed[position] ^= 0x20
        assert inventoryfile.decode(bytes(changed), NAME) is None
        assert inventoryfile.decode(data[:position], NAME) is None
    assert inventoryfile.decode(data + b"\0", NAME) is None


@pytest.mark.parametrize("text", [b"[]", b"{}", b"7", b'"a"', b"[-7]", b"[99]", b"[18, 1]", b"[-1, 5]", b"", b"[-2]"])
def test_a_whole_file_of_something_else(text: bytes) -> None:
    packed = zlib.compress(text)
    digest = hashlib.sha256(NAME.encode() + b"\0" + packed).digest()
    with pytest.raises((ValueError, TypeError, LookupError)):
        inventoryfile.decode(b"driftscan inventory\n" + digest + packed, NAME)


def test_one_layer_is_one_object_again(inventory: Inventory) -> None:
    found = inventoryfile.decode(inventoryfile.encode(inventory, NAME), NAME)
    assert found is not None
    layers = {id(each.layer) for one in found.environments for each in one.distributions if each.layer is not None}
    assert len(layers) <= len(found.layers)


def held(kind: object, seen: set[object]) -> Iterator[type]:
    """The classes of all values that a value of this type may hold, itself included."""
    if kind in seen:
        return
    seen.add(kind)
    for argument in typing.get_args(kind):
        yield from held(argument, seen)
    if not isinstance(kind, type) or not kind.__module__.startswith(("driftscan.", "packaging.tags")):
        return
    yield kind
    if is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        names = [each.name for each in fields(kind) if (kind, each.name) != (Inventory, "contents")]
    elif issubclass(kind, Enum) or not issubclass(kind, tuple):
        return
    else:
        hints = typing.get_type_hints(kind)
        names = list(hints)
    for name in names:
        yield from held(hints[name], seen)


def test_every_class_that_an_inventory_may_hold_is_known() -> None:
    assert set(held(Inventory, set())) == set(inventoryfile.CLASSES)


def test_what_an_inventory_holds_has_a_schema_of_its_own() -> None:
    """Whoever changes what is taken of layers raises `SCHEMA`, or says here that the change alters no inventory.

    The line of the recorded file is the schema and the digest of the sources that decide it.
    """
    root = Path(driftscan.__file__).parent
    paths = [
        path
        for source in SOURCES
        for path in ([root / source], (root / source).rglob("*.py"))[(root / source).is_dir()]
    ]
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(paths))).hexdigest()
    assert SEEN.read_text(encoding="ascii") == f"{inventoryfile.SCHEMA} {digest}\n"
