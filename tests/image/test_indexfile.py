"""A layer index as bytes: the same after a round trip, and nothing where a byte is off."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import driftscan
from driftscan.image.indexfile import SCHEMA, StoredLayer, decode, encode
from driftscan.model.crowd import Crowd
from driftscan.model.image import ElfFacts, Entry, EntryKind, LayerIndex, SymbolFacts, VersionNeed, Whiteout

SOURCES = (
    "elf/__init__.py",
    "elf/dynamic.py",
    "elf/fragments.py",
    "elf/strings.py",
    "elf/symbols.py",
    "image/entries.py",
    "image/indexfile.py",
    "image/layer.py",
    "inventory/probes.py",
    "inventory/wanted.py",
    "model/crowd.py",
    "model/image.py",
)
SEEN = Path(__file__).parent.parent / "data" / "layer-index-schema.txt"

ID = "sha256:" + "ab" * 32
NAMES = st.binary(min_size=1, max_size=12).map(lambda data: data.decode("utf-8", "surrogateescape"))
TEXTS = st.none() | NAMES
SOME = st.lists(NAMES, max_size=2).map(tuple)
ELF = st.builds(
    ElfFacts,
    machine=st.integers(0, 65535),
    bits=st.sampled_from((32, 64)),
    little_endian=st.booleans(),
    interpreter=TEXTS,
    dynamic_known=st.booleans(),
    needed=st.lists(NAMES, max_size=3).map(tuple),
    soname=TEXTS,
    rpath=TEXTS,
    runpath=TEXTS,
    version_needs=st.lists(st.builds(VersionNeed, NAMES, NAMES, st.booleans()), max_size=3).map(tuple),
    version_defs=SOME,
    symbols=st.none() | st.builds(SymbolFacts, SOME, SOME, SOME, SOME, st.binary(max_size=16), SOME),
    strings=SOME,
)
DIGESTS = st.binary(min_size=32, max_size=32).map(bytes.hex)
ENTRIES = st.builds(
    Entry,
    st.sampled_from(EntryKind),
    st.integers(0, 0o7777),
    st.integers(0, 2**62),
    st.just("") | NAMES,
    st.none() | DIGESTS,
    st.none() | st.binary(max_size=40),
    st.none() | ELF,
)
CROWDS = st.dictionaries(
    NAMES.filter(lambda name: "/" not in name),
    st.builds(Entry, st.just(EntryKind.FILE), st.integers(0, 0o7777), st.integers(0, 2**62), sha256=DIGESTS),
    min_size=1,
    max_size=5,
).map(Crowd.of)
LAYERS = st.builds(
    StoredLayer,
    st.builds(
        LayerIndex,
        entries=st.dictionaries(st.just("") | NAMES, ENTRIES, max_size=8),
        whiteouts=st.lists(st.builds(Whiteout, NAMES, st.booleans()), max_size=4).map(tuple),
        crowds=st.dictionaries(NAMES, st.lists(CROWDS, min_size=1, max_size=2).map(tuple), max_size=2),
        late=st.frozensets(NAMES, max_size=2),
        replaced=st.frozensets(NAMES, max_size=2),
        repeats=st.booleans(),
    ),
    st.integers(0, 2**40),
)
ONE = StoredLayer(
    LayerIndex(entries={"etc/os-release": Entry(EntryKind.FILE, 0o644, 3, "", "ab" * 32, b"ID=")}), inflated=2048
)


@settings(max_examples=50)
@given(LAYERS)
def test_nothing_is_lost(layer: StoredLayer) -> None:
    found = decode(encode(layer, ID), ID)
    assert found == layer
    assert list(found.index.entries) == list(layer.index.entries)


@settings(max_examples=50)
@given(LAYERS)
def test_equal_layers_give_equal_bytes(layer: StoredLayer) -> None:
    again = decode(encode(layer, ID), ID)
    assert again is not None
    assert encode(again, ID) == encode(layer, ID)


def test_entries_that_are_alike_share_one_object() -> None:
    made = StoredLayer(LayerIndex(entries={name: Entry(EntryKind.FILE, 0o644, 7) for name in "abc"}), 0)
    found = decode(encode(made, ID), ID)
    assert found is not None
    assert len({id(entry) for entry in found.index.entries.values()}) == 1


def test_any_byte_that_changed() -> None:
    whole = encode(ONE, ID)
    for position, byte in enumerate(whole):
        for other in (byte ^ 1, byte ^ 0x80, 0, 0xFF):
            data = whole[:position] + bytes([other]) + whole[position + 1 :]
            assert data == whole or decode(data, ID) is None


def test_the_index_of_another_layer() -> None:
    assert decode(encode(ONE, ID), ID.replace("a", "c")) is None


@pytest.mark.parametrize("size", [0, 10, 40, 60])
def test_a_file_that_is_cut_off(size: int) -> None:
    assert decode(encode(ONE, ID)[:size], ID) is None


def test_what_an_index_holds_has_a_schema_of_its_own() -> None:
    """Whoever changes what is kept of a layer raises `SCHEMA`, or says here that the change alters no index.

    The line of the recorded file is the schema and the digest of the sources that decide it.
    """
    root = Path(driftscan.__file__).parent
    digest = hashlib.sha256(b"".join((root / source).read_bytes() for source in SOURCES)).hexdigest()
    assert SEEN.read_text(encoding="ascii") == f"{SCHEMA} {digest}\n"
