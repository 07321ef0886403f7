from __future__ import annotations

import sys
import sysconfig
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftscan.inventory import probes
from tests.builders.installed import elf_binary


def _binary_of_this_python() -> Path:
    library = Path(sysconfig.get_config_var("LIBDIR") or "", sysconfig.get_config_var("INSTSONAME") or "absent")
    return library if library.is_file() and ".so" in library.name else Path(sys.executable).resolve()


@pytest.mark.skipif(
    sys.version_info < (3, 11) or sys.implementation.name != "cpython", reason="Py_Version is new in 3.11"
)
def test_the_version_symbol_of_the_running_python() -> None:
    found = probes.facts(probes.python(_binary_of_this_python().read_bytes()))
    assert found["hex"] == (probes.version_of_hex(sys.hexversion),)


@pytest.mark.parametrize(
    ("value", "version"),
    [(0x030B02F0, "3.11.2"), (0x030D00A3, "3.13.0a3"), (0x030E00B1, "3.14.0b1"), (0x030D00C2, "3.13.0rc2")],
)
def test_version_numbers(value: int, version: str) -> None:
    assert probes.version_of_hex(value) == version


def test_strings_that_look_like_versions() -> None:
    data = elf_binary("", b"\x003.10.13\x00x\x003.10.14rc1+\x00 Python-3.9.1\x00 13.10.2\x00 3.10\x00 /3.8.1\x00")
    assert probes.facts(probes.python(data)) == {"version": ("3.10.13", "3.10.14rc1", "3.9.1")}


def test_pypy_states_both_versions_together() -> None:
    data = elf_binary("", b"\x003.2.0\x00\x003.9.16 (7.3.11+dfsg-2, Dec 30 2024, 22:36:23)\n[PyPy 7.3.11 with GCC]\x00")
    assert probes.facts(probes.python(data)) == {"pypy": ("7.3.11",), "version": ("3.9.16",)}


def test_c_libraries() -> None:
    assert probes.libc(b"GNU C Library (Debian GLIBC 2.36-9) stable release version 2.36.\n") == b"glibc=2.36"
    assert probes.libc(b"\0musl libc (x86_64)\0\x001.2.5\0") == b"musl=1.2.5"
    assert probes.libc(b"\0musl libc (x86_64)\0\x001.2.5\0\x001.1.0\0") == b""
    assert probes.libc(b"\x001.2.5\0") == b""


def test_scripts_and_file_lists() -> None:
    assert probes.script(b"#!/bin/sh\nx") == b"#!/bin/sh\nx"
    assert probes.script(b"\x7fELF") == b""
    assert (
        probes.python_paths(b"/.\n/usr/share/doc\n/usr/bin/x\n/usr/lib/python3/a") == b"/usr/bin/x\n/usr/lib/python3/a"
    )


@given(st.binary(max_size=400))
def test_arbitrary_bytes_never_fail(tail: bytes) -> None:
    probes.python(b"\x7fELF\x02\x01" + tail + b"\0Py_Version\0")
    probes.python(elf_binary("", tail + b"\0Py_Version\0"))
    probes.libc(tail)
    probes.facts(tail)


@given(position=st.integers(0, 63), value=st.integers(0, 255))
def test_a_damaged_header_never_fails(position: int, value: int) -> None:
    data = bytearray(elf_binary("", b"\0Py_Version\0" + bytes(400)))
    data[position] = value
    probes.python(bytes(data))
