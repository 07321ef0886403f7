"""An image in which much that is compiled is broken, as when an environment was copied onto an older base image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from driftscan.model.inventory import Environment
from tests.builders.elves import Elf
from tests.builders.linked import API, LIBRARY, SUFFIX, library, module, package, python, taken
from tests.builders.rootfs import Content, Removed

Needs = tuple[tuple[str, tuple[tuple[str, bool], ...]], ...]

BASE: dict[str, Content] = {
    "usr/local/bin/python3.11": python("libc.so.6", exports=API),
    f"{LIBRARY}/libc.so.6": Elf(definitions=("GLIBC_2.17", "GLIBC_2.36"), data=b"\0release version 2.36.").build(),
    f"{LIBRARY}/libstdc++.so.6": library(definitions=("GLIBCXX_3.4.30",)),
    f"{LIBRARY}/libz.so.1": library(),
}
NEW_GLIBC = ("GLIBC_2.38",)
OLD_NUMPY = b"\0numpy.core._multiarray_umath\0."


def _needs(library: str, *versions: str) -> Needs:
    return ((library, tuple((version, False) for version in versions)),)


def _modules(folder: str, count: int, data: bytes) -> dict[str, bytes]:
    return {f"{folder}/_m{number}.{SUFFIX}": data for number in range(count)}


def _packages() -> Iterator[Mapping[str, Content]]:
    new_glibc = module("libc.so.6", versions=_needs("libc.so.6", *NEW_GLIBC))
    new_cxx = module("libstdc++.so.6", versions=_needs("libstdc++.so.6", "GLIBCXX_3.4.32"))
    for name in ("cryptography", "orjson", "pydantic_core", "rpds_py", "tokenizers"):
        yield package(_modules(name, 1, new_glibc), name, "1.0")
    for name in ("numpy", "scipy"):
        blas = {f"{name}.libs/libopenblas.so": library(exports=("openblas_get_config",))}
        yield package({**_modules(name, 12, new_cxx), **blas}, name, "2.1.0")
    everything = module(
        *("libc.so.6", "libstdc++.so.6", "libz.so.1", "libGL.so.1", "libgone.so.2"),
        versions=(*_needs("libc.so.6", *NEW_GLIBC), *_needs("libstdc++.so.6", "GLIBCXX_3.4.32")),
        needs=("PyGone_New",),
        data=OLD_NUMPY,
    )
    yield package(_modules("vision", 5, everything), "vision", "0.9")
    yield package(_modules("frames", 30, module(data=OLD_NUMPY)), "frames", "1.5.3")
    yield package({"lxml/etree.cpython-310-x86_64-linux-gnu.so": module()}, "lxml", "5.3.0")
    yield package(_modules("arms", 2, module("libc.so.6", machine=183)), "arms", "3.0")
    yield package(_modules("alpine", 2, module("libc.musl-x86_64.so.1")), "alpine", "3.1")
    old = "Root-Is-Purelib: false\nTag: cp310-cp310-manylinux_2_17_x86_64\n"
    yield package({"older/_c.cpython-310-x86_64-linux-gnu.so": module()}, "older", "4.0", wheel=old)
    fast = Elf(exports=("PyInit_x",), debug=b"GNU C17 -march=native\0GCC: (Debian 12) 12\0").build()
    local = "Root-Is-Purelib: false\nTag: cp311-cp311-linux_x86_64\n"
    yield package(_modules("fast", 1, fast), "fast", "1.0", wheel=local)
    yield package({"g.libs/libgomp.so.1": library(exports=("GOMP_parallel",))}, "g", "1.0")
    yield package({"i.libs/libiomp5.so": library(exports=("__kmpc_fork_call",))}, "i", "1.0")


def broken() -> Environment:
    """The environment of that image: layer 3 installs everything, and layer 4 removes a library."""
    installed = {path: content for each in _packages() for path, content in each.items()}
    return taken(BASE, installed, {f"{LIBRARY}/libz.so.1": Removed()})
