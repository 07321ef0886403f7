"""ELF facts of made and of real files, with pyelftools as the oracle; damage and hostile numbers stay bounded."""

from __future__ import annotations

import importlib.machinery
import struct
import sys
import sysconfig
import zlib
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, cast

import pytest
from elftools.elf.dynamic import DynamicSegment
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerDefSection, GNUVerNeedSection
from elftools.elf.sections import SymbolTableSection
from hypothesis import given, settings
from hypothesis import strategies as st

from driftscan import elf
from driftscan.elf.symbols import digest, digests
from driftscan.model.image import ElfFacts, SymbolFacts, VersionNeed
from tests.builders.elves import Elf

LIBRARY = Elf(
    needed=("libc.so.6", "libm.so.6"),
    soname="libshop.so.1",
    rpath="/opt/lib",
    runpath="$ORIGIN/../lib",
    versions=(
        ("libc.so.6", (("GLIBC_2.2.5", False), ("GLIBC_2.34", True))),
        ("libm.so.6", (("GLIBC_2.29", False),)),
    ),
)
FACTS = ElfFacts(
    machine=62,
    bits=64,
    little_endian=True,
    dynamic_known=True,
    needed=("libc.so.6", "libm.so.6"),
    soname="libshop.so.1",
    rpath="/opt/lib",
    runpath="$ORIGIN/../lib",
    version_needs=(
        VersionNeed("libc.so.6", "GLIBC_2.2.5", False),
        VersionNeed("libc.so.6", "GLIBC_2.34", True),
        VersionNeed("libm.so.6", "GLIBC_2.29", False),
    ),
)


def captured(data: bytes, piece: int, limit: int = 1 << 26) -> ElfFacts | None:
    capture = elf.Capture(limit)
    for start in range(0, len(data), piece):
        capture.feed(data[start : start + piece])
    return capture.facts()


def with_word(data: bytes, offset: int, value: int, code: str = "<Q") -> bytes:
    changed = bytearray(data)
    struct.pack_into(code, changed, offset, value)
    return bytes(changed)


@pytest.mark.parametrize("wide", [True, False])
@pytest.mark.parametrize("order", ["<", ">"])
def test_both_classes_in_both_byte_orders(wide: bool, order: str) -> None:
    made = replace(LIBRARY, wide=wide, order=order, machine=183, interpreter="/lib/ld.so")

    assert elf.parse(made.build()) == FACTS._replace(
        machine=183, bits=64 if wide else 32, little_endian=order == "<", interpreter="/lib/ld.so"
    )


def test_a_static_file_needs_nothing() -> None:
    assert elf.parse(Elf(dynamic=False).build()) == ElfFacts(62, 64, True, dynamic_known=True)


@pytest.mark.parametrize("data", [b"", b"\x7fELF", b"MZ" * 100, LIBRARY.build()[:51], b"\x7fELF\x03\x01" + bytes(90)])
def test_what_is_no_elf_file(data: bytes) -> None:
    assert elf.parse(data) is None
    assert captured(data, 7) is None


UNKNOWN = ElfFacts(62, 64, True)
WHOLE = LIBRARY.build()
SEGMENTS = 64
"""Offset of the first program header; each has 56 bytes: the second is loaded and the third is dynamic."""


@pytest.mark.parametrize(
    "data",
    [
        WHOLE[:60],
        WHOLE[:0x200][: SEGMENTS + 30],
        WHOLE[:0x410],
        with_word(WHOLE, 32, 1 << 62),
        with_word(WHOLE, 56, 0xFFFF, "<H"),
        with_word(WHOLE, SEGMENTS + 2 * 56 + 8, 1 << 63),
        with_word(WHOLE, SEGMENTS + 56 + 16, 1 << 40),
        with_word(WHOLE, SEGMENTS + 56 + 32, 4),
        WHOLE.replace(struct.pack("<Q", 5), struct.pack("<Q", 99)),
        with_word(WHOLE, 0x400 + 8, 1 << 20),
    ],
    ids=[
        "no program headers",
        "cut in the program headers",
        "cut in the dynamic section",
        "program headers far outside",
        "too many program headers",
        "dynamic section far outside",
        "nothing is loaded where the strings are",
        "loaded segment too small",
        "no string table",
        "name outside of the string table",
    ],
)
def test_damage_makes_the_dynamic_section_unknown(data: bytes) -> None:
    assert elf.parse(data) == UNKNOWN


def test_sizes_of_gigabytes_are_not_believed() -> None:
    huge = with_word(with_word(WHOLE, SEGMENTS + 56 + 32, 8 << 30), SEGMENTS + 2 * 56 + 32, 8 << 30)

    assert elf.parse(huge) == FACTS
    assert captured(huge, 100) == FACTS
    assert captured(huge + bytes(1 << 17), 1 << 16, limit=1 << 17) == FACTS


def with_sections(*sections: tuple[int, int, int, bytes]) -> bytes:
    """The library with sections of these types, flags, sizes and contents behind it."""
    data, headers = WHOLE, bytes(64)
    for kind, flags, size, content in sections:
        headers += struct.pack("<IIQQQQIIQQ", 0, kind, flags, 0, len(data), size, 0, 0, 1, 0)
        data += content
    data = with_word(with_word(data, 40, len(data)), 58, 64, "<H")
    return with_word(data, 60, len(headers) // 64, "<H") + headers


@pytest.mark.parametrize(
    "section",
    [
        (8, 3, 8 << 30, b""),
        (1, 0x800, 64, struct.pack("<IIQQ", 1, 0, 1 << 40, 1) + zlib.compress(bytes(1 << 16))),
        (1, 0x800, 1 << 40, struct.pack("<IIQQ", 2, 0, 1 << 62, 1)),
        (11, 2, 1 << 62, b""),
    ],
    ids=["without bits, of 8 GB", "compressed, of 1 TB", "compressed, far outside", "symbols, far outside"],
)
def test_sections_are_not_what_is_read(section: tuple[int, int, int, bytes]) -> None:
    """Loaders go by segments, and strip may take all sections away."""
    data = with_sections(section)
    assert elf.parse(data, strings=True) == elf.parse(data) == FACTS
    assert captured(data, 100) == FACTS


@pytest.mark.parametrize(
    ("data", "facts"),
    [
        (with_word(WHOLE, 56, 0, "<H"), ElfFacts(62, 64, True, dynamic_known=True)),
        (with_word(WHOLE, 32, 0), UNKNOWN),
        (with_word(WHOLE, 32, SEGMENTS - 8), UNKNOWN),
        (with_word(WHOLE, 54, 0, "<H"), UNKNOWN),
        (with_word(WHOLE, 54, 57, "<H"), UNKNOWN),
        (with_word(WHOLE, SEGMENTS + 2 * 56 + 8, 0), UNKNOWN),
    ],
    ids=[
        "no program header",
        "program headers over the file header",
        "program headers over each other",
        "program headers of no size",
        "program headers of another size",
        "dynamic section over the file header",
    ],
)
def test_headers_that_are_absent_or_overlap(data: bytes, facts: ElfFacts) -> None:
    assert elf.parse(data) == facts
    assert captured(data, 100) == facts


def test_version_needs_in_a_circle_end() -> None:
    made = Elf(versions=(("libc.so.6", (("GLIBC_2.17", False),)),)).build()
    entry = made.rfind(struct.pack("<HHIII", 1, 1, 12, 16, 0))
    assert entry > 0
    looping = with_word(with_word(made, entry + 12, 0, "<I"), entry + 2, 0xFFFF, "<H")
    facts = elf.parse(with_word(looping, entry + 16 + 12, 16, "<I"))

    assert facts == UNKNOWN


@pytest.mark.parametrize("piece", [1 << 12, 1 << 16, 100_000])
def test_of_a_large_file_only_what_describes_it_is_kept(piece: int) -> None:
    large = replace(LIBRARY, code=3 << 20, interpreter="/lib/ld.so").build()
    capture = elf.Capture(1 << 17)
    for start in range(0, len(large), piece):
        capture.feed(large[start : start + piece])

    assert capture.facts() == FACTS._replace(interpreter="/lib/ld.so")
    assert sum(map(len, capture._kept)) < (1 << 17) + (1 << 16) + piece
    assert elf.parse(large[: 1 << 20]) == UNKNOWN._replace(interpreter="/lib/ld.so")


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), max_size=12), st.integers(0, len(WHOLE))
)
def test_any_bytes_are_facts_or_unknown(changes: list[tuple[int, int]], end: int) -> None:
    data = bytearray(WHOLE)
    for place, value in changes:
        data[place] = value
    facts = elf.parse(bytes(data[:end]))
    assert facts == captured(bytes(data[:end]), 64)
    assert facts is None or facts.dynamic_known or (not facts.needed and facts.soname is None)


def named(thing: object, name: str) -> Any:
    """An attribute that pyelftools adds to its objects when it runs."""
    return getattr(thing, name)


def oracle(path: Path) -> ElfFacts:
    with path.open("rb") as stream:
        file = ELFFile(stream)
        segments = list(file.iter_segments())
        interpreter = next((part for part in segments if part.header.p_type == "PT_INTERP"), None)
        tags = [tag for part in segments if isinstance(part, DynamicSegment) for tag in part.iter_tags()]

        def text(kind: str, name: str) -> str | None:
            return next((str(named(tag, name)) for tag in tags if tag.entry.d_tag == kind), None)

        needs = [part for part in file.iter_sections() if isinstance(part, GNUVerNeedSection)]
        return ElfFacts(
            machine=struct.unpack_from("<H", path.read_bytes()[:20], 18)[0],
            bits=file.elfclass,
            little_endian=file.little_endian,
            interpreter=None if interpreter is None else str(named(interpreter, "get_interp_name")()),
            dynamic_known=True,
            needed=tuple(str(named(tag, "needed")) for tag in tags if tag.entry.d_tag == "DT_NEEDED"),
            soname=text("DT_SONAME", "soname"),
            rpath=text("DT_RPATH", "rpath"),
            runpath=text("DT_RUNPATH", "runpath"),
            version_needs=tuple(
                VersionNeed(str(library.name), str(version.name), bool(version.entry.vna_flags & 2))
                for section in needs
                for library, versions in section.iter_versions()
                for version in versions
            ),
            version_defs=tuple(
                str(next(names).name)
                for section in file.iter_sections()
                if isinstance(section, GNUVerDefSection)
                for definition, names in section.iter_versions()
                if not definition.entry.vd_flags & 1
            ),
            symbols=symbols(cast("SymbolTableSection | None", file.get_section_by_name(".dynsym"))),
        )


def symbols(section: SymbolTableSection | None) -> SymbolFacts | None:
    """Of ordinary files: none of them is of torch or its extensions."""
    if section is None:
        return None
    entries = [(symbol.name, symbol.entry) for symbol in section.iter_symbols()]
    defined = {name for name, entry in entries if entry.st_shndx != "SHN_UNDEF"}
    needed = {name for name, entry in entries if entry.st_shndx == "SHN_UNDEF" and entry.st_info.bind == "STB_GLOBAL"}
    python = {name for name in defined if name.startswith(("Py", "_Py"))}
    modules = {name.removeprefix("PyInit_") for name in python if name.startswith("PyInit_")}
    runtimes = {
        runtime
        for name in defined
        for part, runtime in (("GOMP_parallel", "libgomp"), ("__kmpc_fork_call", "libomp"), ("openblas", "openblas"))
        if name == part or (part == "openblas" and "openblas_get_config" in name)
    }
    return SymbolFacts(
        modules=tuple(sorted(modules)),
        python_needs=tuple(sorted(name for name in needed if name.startswith(("Py", "_Py")))),
        python_exports=tuple(sorted(name for name in python if not name.startswith("PyInit_"))),
        runtimes=tuple(sorted(runtimes)),
    )


def binaries() -> list[Path]:
    """The interpreter, and extension modules and libraries of this environment and of the standard library."""
    folders = {sysconfig.get_path(name) for name in ("platlib", "platstdlib")}
    found = (path for folder in sorted(folders) for path in sorted(Path(folder).rglob("*.so*")) if path.is_file())
    return [Path(sys.executable).resolve(), *islice(found, 150)]


@pytest.mark.skipif(not importlib.machinery.EXTENSION_SUFFIXES[-1].endswith(".so"), reason="no ELF platform")
def test_real_binaries_against_pyelftools() -> None:
    paths = [path for path in binaries() if path.read_bytes()[:4] == b"\x7fELF"]
    assert len(paths) > 5
    for path in paths:
        data = path.read_bytes()
        expected = oracle(path)
        assert elf.parse(data) == expected, path
        assert captured(data, 1 << 16) == expected, path


MODULE = Elf(
    needed=("libc10.so", "libc.so.6"),
    exports=("PyInit__shop", "PyInit_other", "GOMP_parallel", "scipy_openblas_get_config64_", "plain"),
    needs=("PyList_New", "_Py_Dealloc", "_ZN3c105ErrorC1Ev", "_ZNK2at6Tensor3dimEv", "malloc"),
    weak_needs=("PyWeak_Gone",),
    definitions=("SHOP_1.0", "SHOP_1.1"),
    soname="libshop.so.1",
)
SYMBOLS = SymbolFacts(
    modules=("_shop", "other"),
    python_needs=("PyList_New", "_Py_Dealloc"),
    torch_needs=("_ZN3c105ErrorC1Ev", "_ZNK2at6Tensor3dimEv"),
    runtimes=("libgomp", "openblas"),
)


@pytest.mark.parametrize("wide", [True, False])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("gnu_hash", [True, False])
@pytest.mark.parametrize("piece", [0, 1000])
def test_symbols_and_version_definitions(wide: bool, order: str, gnu_hash: bool, piece: int) -> None:
    data = replace(MODULE, wide=wide, order=order, gnu_hash=gnu_hash).build()
    facts = captured(data, piece) if piece else elf.parse(data)
    assert facts is not None
    assert facts.symbols == SYMBOLS
    assert facts.version_defs == ("SHOP_1.0", "SHOP_1.1")


def test_what_an_interpreter_exports() -> None:
    facts = elf.parse(Elf(exports=("PyList_New", "_Py_Dealloc", "PyInit_array", "main")).build())
    assert facts is not None
    assert facts.symbols == SymbolFacts(modules=("array",), python_exports=("PyList_New", "_Py_Dealloc"))


def test_libraries_of_torch_keep_digests_of_what_they_export() -> None:
    names = ("_ZN3c105ErrorC1Ev", "_ZN5torch3jit4loadEv", "_ZN2at4_ops3addEv", "memcpy", "_Z3foov")
    made = Elf(soname="libtorch_cpu.so", needed=("libc10.so",), exports=names, needs=("_ZN3c104warnEv",))
    facts = elf.parse(made.build())
    assert facts is not None
    assert facts.symbols is not None
    assert facts.symbols.torch_needs == ()
    assert digests(facts.symbols.torch_exports) == {digest(name) for name in names[:3]}


@pytest.mark.parametrize(
    "data",
    [
        MODULE.build()[:-4],
        replace(MODULE, gnu_hash=True).build()[:-4],
        replace(MODULE, gnu_hash=True).build()[:-40],
        MODULE.build()[:-100],
    ],
    ids=["hash table", "chain", "bucket", "symbols"],
)
def test_a_symbol_table_that_is_cut_off_is_unknown(data: bytes) -> None:
    facts = elf.parse(data)
    assert facts is not None
    assert facts.dynamic_known
    assert facts.needed == ("libc10.so", "libc.so.6")
    assert facts.symbols is None or facts.symbols == SYMBOLS


STRINGS = (
    "-march=native",
    "GCC: (Debian",
    "GCC: (SUSE Linux",
    "NumPy C-API version 0x%x (NumPy 1.23",
    "numpy._core._multiarray_umath",
    "numpy.core._multiarray_umath",
)


@pytest.mark.parametrize("piece", [7, 1000, 1 << 20])
def test_telling_strings(piece: int) -> None:
    data = (
        b"\0numpy.core._multiarray_umath\0x\0numpy._core._multiarray_umath\0numpy.core.multiarray_extra\0"
        b"module was compiled against NumPy C-API version 0x%x (NumPy 1.23) but -march=loaded"
    )
    unloaded = (
        b"GNU C17 -O2 -march=native -g\0numpy.core.multiarray\0GCC: (Debian 12.2.0-14+deb12u1) 12.2.0\0"
        b"GCC: (SUSE Linux) 13.2.1\0GCC: (GNU) 10.2.1 20210130 (Red Hat 10.2.1-11)\0GCC: (Debianish)\0"
    )
    made = Elf(data=data + b"\0GCC: (Ubuntu 9)", debug=unloaded, code=70_000).build()
    capture = elf.Capture(1 << 20, strings=True)
    for start in range(0, len(made), piece):
        capture.feed(made[start : start + piece])
    facts = capture.facts()
    assert facts is not None
    assert facts.strings == STRINGS
    assert elf.parse(made, strings=True) == facts
    assert elf.parse(made) == facts._replace(strings=())
