"""The dynamic symbol table (System V gABI, chapter 4), boiled down to what tells whether extensions fit.

Nothing here keeps all names: a library may export a hundred thousand.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from hashlib import blake2b
from typing import NamedTuple

from driftscan.elf.fragments import DamagedError, Fragments, occurrences
from driftscan.model.image import SymbolFacts

_PYTHON = (b"Py", b"_Py")
_MODULE = b"PyInit_"
_TORCH = tuple(
    f"_ZN{const}{space}".encode() for const in ("", "K") for space in ("3c10", "2at", "5torch", "6caffe2", "4c10d")
)
"""How mangled names of torch's C++ namespaces begin (Itanium C++ ABI, 5.1.5)."""
_TORCH_NAME = re.compile(b"|".join(map(re.escape, _TORCH)))
_TORCH_LIBRARY = re.compile(r"lib(?:c10|torch)(?:_[a-z_]+)?\.so.*")
_RUNTIMES = (
    (b"GOMP_parallel", re.compile(rb"GOMP_parallel"), "libgomp"),
    (b"__kmpc_fork_call", re.compile(rb"__kmpc_fork_call"), "libomp"),
    (b"openblas_get_config", re.compile(rb"[a-z_]*openblas_get_config[0-9a-z_]*"), "openblas"),
    (b"MKL_Get_Version", re.compile(rb"MKL_Get_Version"), "mkl"),
    (b"bli_info_get_version_str", re.compile(rb"bli_info_get_version_str"), "blis"),
)
"""Functions by whose definition a library shows that it is a runtime, each with a part of their names that is searched
for first; `__kmpc` is LLVM's and Intel's OpenMP."""
_BEFORE_HINT = frozenset(b"abcdefghijklmnopqrstuvwxyz_")
_DIGEST = 8
_STRONG = 1
_MAX_NAMES = 1 << 16
_MAX_NAME = 4096


class Tables(NamedTuple):
    """File offsets of .dynsym and .dynstr, the latter's size, and those of the hash tables, where there are any."""

    symbols: int
    strings: int
    strings_size: int
    hash: int | None
    gnu_hash: int | None


def digest(name: str) -> bytes:
    """A symbol's name as `SymbolFacts.torch_exports` holds it."""
    return blake2b(name.encode("utf-8", "surrogateescape"), digest_size=_DIGEST).digest()


def digests(packed: bytes) -> frozenset[bytes]:
    """The digests in `SymbolFacts.torch_exports`."""
    return frozenset(packed[at : at + _DIGEST] for at in range(0, len(packed), _DIGEST))


def read_symbols(
    fragments: Fragments, tables: Tables, soname: str | None, needed: tuple[str, ...], *, wide: bool, order: str
) -> SymbolFacts:
    """What the symbols of a file called `soname`, which needs the libraries `needed`, tell.

    Raises DamagedError where the tables are not at hand.
    """
    count = _count(fragments, tables, wide=wide, order=order)
    width = 24 if wide else 16
    data = fragments.slice(tables.symbols, count * width)
    strings = fragments.upto(tables.strings, tables.strings_size)
    is_torch = _TORCH_LIBRARY.fullmatch(soname or "") is not None
    uses_torch = not is_torch and any(map(_TORCH_LIBRARY.fullmatch, needed))
    runtimes = [(hint, pattern, runtime) for hint, pattern, runtime in _RUNTIMES if hint in strings]
    telling = _telling(strings, [hint for hint, *_ in runtimes], torch=is_torch or uses_torch)
    found = _Found()
    if not telling:
        return found.facts()
    for at, info, section in struct.iter_unpack(f"{order}IBxH16x" if wide else f"{order}I8xBxH", data):
        if at not in telling:
            continue
        if section:
            if strings.startswith(_PYTHON, at):
                found.add_export(_name(strings, at))
            elif is_torch and strings.startswith(_TORCH, at):
                found.torch_exports.add(blake2b(_name(strings, at), digest_size=_DIGEST).digest())
            if runtimes:
                name = _name(strings, at)
                found.runtimes |= {runtime for _, pattern, runtime in runtimes if pattern.fullmatch(name)}
        elif info >> 4 == _STRONG:
            if strings.startswith(_PYTHON, at):
                found.python_needs.add(_name(strings, at))
            elif uses_torch and strings.startswith(_TORCH, at):
                found.torch_needs.add(_name(strings, at))
    return found.facts()


def _telling(strings: bytes, hints: Sequence[bytes], *, torch: bool) -> set[int]:
    """Where in the string table names of interest may begin: of the few hundred thousand that an image has, few do.

    A name may be the end of another one, so that nothing need stand before it.
    """
    found: set[int] = set()
    for at in occurrences(strings, b"Py"):
        found.add(at)
        if at and strings[at - 1] == ord("_"):
            found.add(at - 1)
    if torch:
        found.update(match.start() for match in _TORCH_NAME.finditer(strings))
    for hint in hints:
        for at in occurrences(strings, hint):
            start = at
            while start not in found:
                found.add(start)
                if not start or strings[start - 1] not in _BEFORE_HINT:
                    break
                start -= 1
    return found


class _Found:
    def __init__(self) -> None:
        self.modules: set[bytes] = set()
        self.python_needs: set[bytes] = set()
        self.python_exports: set[bytes] = set()
        self.torch_needs: set[bytes] = set()
        self.torch_exports: set[bytes] = set()
        self.runtimes: set[str] = set()

    def add_export(self, name: bytes) -> None:
        if name.startswith(_MODULE):
            self.modules.add(name.removeprefix(_MODULE))
        else:
            self.python_exports.add(name)

    def facts(self) -> SymbolFacts:
        return SymbolFacts(
            modules=_texts(self.modules),
            python_needs=_texts(self.python_needs),
            python_exports=_texts(self.python_exports),
            torch_needs=_texts(self.torch_needs),
            torch_exports=b"".join(sorted(self.torch_exports)),
            # LLVM's and Intel's OpenMP answer to the functions of GNU's as well.
            runtimes=tuple(sorted(self.runtimes - ({"libgomp"} if "libomp" in self.runtimes else set()))),
        )


def _texts(names: set[bytes]) -> tuple[str, ...]:
    if len(names) > _MAX_NAMES:
        raise DamagedError
    return tuple(sorted(name.decode("utf-8", "surrogateescape") for name in names))


def _name(strings: bytes, at: int) -> bytes:
    end = strings.find(b"\0", at, at + _MAX_NAME)
    if end < 0:
        raise DamagedError
    return strings[at:end]


def _count(fragments: Fragments, tables: Tables, *, wide: bool, order: str) -> int:
    """Nothing says how many symbols there are but the tables that find them by name."""
    if tables.hash is not None:
        return int(fragments.unpack(tables.hash + 4, f"{order}I")[0])
    if tables.gnu_hash is None:
        raise DamagedError
    buckets, first, bloom, _ = fragments.unpack(tables.gnu_hash, f"{order}IIII")
    start = tables.gnu_hash + 16 + bloom * (8 if wide else 4)
    last = max(struct.unpack(f"{order}{buckets}I", fragments.slice(start, 4 * buckets)), default=0)
    if last < first:
        return int(first)
    # The chain of the last bucket ends with an odd value.
    chains = start + 4 * buckets - 4 * first
    while not fragments.unpack(chains + 4 * last, f"{order}I")[0] & 1:
        last += 1
    return int(last) + 1
