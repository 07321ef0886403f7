"""Facts made of large files while a layer streams by: a few bytes instead of a binary.

A probe takes the bytes of a hostile file and gives `key=value` lines; what it does not find, it leaves out.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

_PY_VERSION = b"Py_Version"
_VERSION_STRING = re.compile(rb"(3\.\d{1,2}\.\d{1,2}(?:(?:a|b|rc)\d{1,2})?)\+?\x00")
_BEFORE_NO_VERSION = b"0123456789./"
_PYPY_VERSION = re.compile(rb"(3\.\d{1,2}\.\d{1,2}) \([^()\n]{0,200}\)\n\[PyPy (\d{1,2}\.\d{1,3}\.\d{1,3})")
_GLIBC = re.compile(rb"release version (\d{1,2}\.\d{1,3})")
_MUSL = re.compile(rb"(?<=\x00)(1\.\d{1,2}\.\d{1,3})(?:-git[^\x00]{0,40})?(?=\x00)")
_PYTHON_PATH = re.compile(rb"python|pypy|/bin/")
_MAX_STRINGS = 16
_SHT_SYMTAB, _SHT_DYNSYM = 2, 11
_PT_LOAD = 1
_MAX_HEADERS = 4096
_LEVELS = {0xA: "a", 0xB: "b", 0xC: "rc", 0xF: ""}


def python(data: bytes) -> bytes:
    """Of an interpreter's binary or libpython: `hex=` the value of its Py_Version symbol (CPython 3.11 and later),
    `version=` each string in it that looks like a Python version, `pypy=` PyPy's own version.
    """
    lines = []
    symbol = _py_version_symbol(data)
    if symbol is not None:
        lines.append(f"hex={symbol}")
    strings = dict.fromkeys(_version_strings(data))
    if pypy := _PYPY_VERSION.search(data):
        lines.append(f"pypy={pypy[2].decode()}")
        strings = {pypy[1].decode(): None}
    lines += [f"version={text}" for text in list(strings)[:_MAX_STRINGS]]
    return "\n".join(lines).encode()


def _version_strings(data: bytes) -> Iterator[str]:
    # A look-behind in the pattern would keep it from being searched for by its first bytes, which is 40 times faster.
    for match in _VERSION_STRING.finditer(data):
        start = match.start()
        if not start or data[start - 1] not in _BEFORE_NO_VERSION:
            yield match[1].decode()


def libc(data: bytes) -> bytes:
    """Of glibc's libc.so.6: `glibc=2.36`. Of musl's loader: `musl=1.2.5`."""
    if found := _GLIBC.search(data):
        return b"glibc=" + found[1]
    strings = set(_MUSL.findall(data)) if b"musl libc" in data else set()
    return b"musl=" + strings.pop() if len(strings) == 1 else b""


def script(data: bytes) -> bytes:
    """A script whole, and nothing of any other file."""
    return data if data.startswith(b"#!") else b""


def python_paths(data: bytes) -> bytes:
    """Of a package's file list: the lines that an inventory of Python looks at."""
    return b"\n".join(line for line in data.split(b"\n") if _PYTHON_PATH.search(line))


def facts(data: bytes | None) -> dict[str, tuple[str, ...]]:
    """What a probe wrote, by key."""
    found: dict[str, tuple[str, ...]] = {}
    for line in (data or b"").decode("ascii", "replace").splitlines():
        key, _, value = line.partition("=")
        found[key] = (*found.get(key, ()), value)
    return found


def version_of_hex(value: int) -> str:
    """`3.11.2` of 0x030b02f0 (CPython's Include/patchlevel.h: major, minor, micro, level and serial)."""
    level = _LEVELS.get(value >> 4 & 0xF, "")
    serial = str(value & 0xF) if level else ""
    return f"{value >> 24 & 0xFF}.{value >> 16 & 0xFF}.{value >> 8 & 0xFF}{level}{serial}"


def _py_version_symbol(data: bytes) -> str | None:
    """Version that the 8-byte constant Py_Version of a 64-bit ELF file holds."""
    if data[:5] != b"\x7fELF\x02" or data[5:6] not in (b"\x01", b"\x02") or _PY_VERSION not in data:
        return None
    order = "<" if data[5] == 1 else ">"
    try:
        for address in _symbol_addresses(data, order):
            offset = _file_offset(data, order, address)
            if offset is not None:
                value: int = struct.unpack_from(f"{order}Q", data, offset)[0]
                return version_of_hex(value) if value >> 24 == 3 else None
    except struct.error:
        return None
    return None


def _symbol_addresses(data: bytes, order: str) -> Iterator[int]:
    (table,) = struct.unpack_from(f"{order}Q", data, 0x28)
    size, count = struct.unpack_from(f"{order}HH", data, 0x3A)
    if size != 64 or count > _MAX_HEADERS:
        return
    sections = [struct.unpack_from(f"{order}IIQQQQIIQQ", data, table + 64 * index) for index in range(count)]
    for section in sections:
        if section[1] in (_SHT_SYMTAB, _SHT_DYNSYM) and section[6] < len(sections):
            strings = sections[section[6]]
            yield from _named_symbols(data, order, (section[4], section[5]), (strings[4], strings[5]))


def _named_symbols(data: bytes, order: str, symbols: tuple[int, int], strings: tuple[int, int]) -> Iterator[int]:
    """Addresses of 8-byte symbols called Py_Version; both tables as (offset, size)."""
    name = data.find(b"\0" + _PY_VERSION + b"\0", strings[0], sum(strings)) + 1 - strings[0]
    if name <= 0:
        return
    wanted = struct.pack(f"{order}I", name)
    end = min(sum(symbols), len(data))
    position = data.find(wanted, symbols[0], end)
    while position != -1:
        if (position - symbols[0]) % 24 == 0:
            address, size = struct.unpack_from(f"{order}QQ", data, position + 8)
            if size == 8 and address:
                yield address
        position = data.find(wanted, position + 1, end)


def _file_offset(data: bytes, order: str, address: int) -> int | None:
    (table,) = struct.unpack_from(f"{order}Q", data, 0x20)
    size, count = struct.unpack_from(f"{order}HH", data, 0x36)
    if size != 56 or count > _MAX_HEADERS:
        return None
    for index in range(count):
        kind, _, offset, start, _, length, _, _ = struct.unpack_from(f"{order}IIQQQQQQ", data, table + 56 * index)
        if kind == _PT_LOAD and start <= address < start + length:
            return int(offset + address - start)
    return None
