"""Interpreters: which Python a binary is, cross-checked, and the target that it makes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from packaging.tags import Tag

from driftscan import tags
from driftscan.inventory import buildconfig, ospackages, probes, versions
from driftscan.inventory.paths import child, name, parent, shown
from driftscan.model.image import ElfFacts
from driftscan.model.inventory import Interpreter
from driftscan.model.lock import Unchecked
from driftscan.model.target import Libc, Target
from driftscan.rootfs import RootFS

_STDLIB = re.compile(r"(?P<implementation>python|pypy)(?P<version>3\.\d{1,2})(?P<threads>t?)")
_LIBRARY_DIRECTORIES = ("lib", "lib64")


class Described(NamedTuple):
    interpreter: Interpreter
    target: Target
    unchecked: tuple[Unchecked, ...] = ()


class Hints(NamedTuple):
    """What others say about an interpreter: the directory that a venv names as home, and the versions they state."""

    home: str | None = None
    claims: tuple[versions.Claim, ...] = ()


def describe(rootfs: RootFS, os_index: ospackages.OsIndex, binary: str, hints: Hints) -> Described:
    """Everything about the interpreter whose real binary is at `binary`."""
    node = rootfs.lookup(binary)
    elf = node.entry.elf if node is not None else None
    prefixes = dict.fromkeys((parent(parent(binary)), *((parent(hints.home),) if hints.home is not None else ())))
    stdlib = _stdlib(rootfs, prefixes, binary)
    config = buildconfig.read(rootfs, stdlib)
    claims = versions.claims(rootfs, os_index, binary, stdlib)
    version, unchecked = versions.agreed(shown(binary), claims, hints.claims)
    implementation = "pypy" if name(stdlib or binary).startswith("pypy") else "cpython"
    libc = _libc(rootfs, os_index, elf)
    interpreter = Interpreter(
        executable=shown(binary),
        implementation=implementation,
        version=version,
        soabi=config.get("SOABI"),
        gil_disabled=_is_free_threaded(config, stdlib or binary),
        debug=config.get("Py_DEBUG") == "1",
        machine=tags.machine_name(elf.machine, elf.bits, elf.little_endian) if elf else None,
        bits=elf.bits if elf else None,
        libc=libc,
        stdlib=shown(stdlib) if stdlib else None,
        evidence=tuple(claim.source for claim in claims if claim.version == version),
    )
    minor = _minor(version, stdlib, binary)
    made = target(interpreter, minor, versions.pypy_version(rootfs, binary, stdlib))
    if made.tags is None:
        unchecked.append(Unchecked(f"the tags that {shown(binary)} supports", _why_no_tags(interpreter, minor)))
    return Described(interpreter, made, tuple(unchecked))


def _why_no_tags(interpreter: Interpreter, minor: tuple[int, int] | None) -> str:
    if minor is None:
        return "its Python version is unknown"
    if interpreter.machine is None:
        return "its machine type is unknown"
    if interpreter.libc is None:
        return "it names no dynamic loader, so its C library is unknown"
    if interpreter.libc.version is None:
        return f"the version of its C library ({interpreter.libc}) was not found"
    return "its SOABI is unknown"


def target(interpreter: Interpreter, minor: tuple[int, int] | None, pypy_version: str | None = None) -> Target:
    """Marker environment (PEP 508) and tags; what is not known is absent.

    `platform_release` and `platform_version` belong to the kernel that will run the container: never known.
    """
    is_pypy = interpreter.implementation == "pypy"
    markers = {
        "os_name": "posix",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "implementation_name": interpreter.implementation,
        "platform_python_implementation": "PyPy" if is_pypy else "CPython",
    }
    if interpreter.machine is not None and interpreter.bits == 64:
        # A 32-bit userland reports the machine of whatever kernel it runs on.
        markers["platform_machine"] = interpreter.machine
    if minor is not None:
        markers["python_version"] = f"{minor[0]}.{minor[1]}"
    if interpreter.version is not None:
        markers["python_full_version"] = interpreter.version
    implementation_version = pypy_version if is_pypy else interpreter.version
    if implementation_version is not None:
        markers["implementation_version"] = implementation_version
    return Target(markers=markers, tags=_tags(interpreter, minor), machine=interpreter.machine, libc=interpreter.libc)


def _tags(interpreter: Interpreter, minor: tuple[int, int] | None) -> tuple[Tag, ...] | None:
    if minor is None or interpreter.machine is None:
        return None
    if interpreter.libc is None or interpreter.libc.version is None:
        return None
    platforms = tags.platforms(interpreter.machine, interpreter.libc)
    if interpreter.implementation == "pypy":
        return tags.pypy(minor, interpreter.soabi, platforms) if interpreter.soabi else None
    return tags.cpython(minor, platforms, gil_disabled=interpreter.gil_disabled, debug=interpreter.debug)


def _stdlib(rootfs: RootFS, prefixes: Iterable[str], binary: str) -> str | None:
    """The standard library, found as getpath does by its landmark; the binary's own version wins among several."""
    found: list[str] = []
    for prefix in prefixes:
        for library in _LIBRARY_DIRECTORIES:
            folder = child(prefix, library)
            for entry in rootfs.children(folder):
                path = f"{folder}/{entry}"
                if _STDLIB.fullmatch(entry) and rootfs.get(f"{path}/os.py") is not None:
                    found.append(rootfs.resolve(path) or path)
    wanted = versions.minor_of_binary(rootfs, binary)
    found = list(dict.fromkeys(path for path in found if wanted is None or versions.minor_of_name(path) == wanted))
    same = [path for path in found if name(path).startswith(name(binary)[:4])]
    return (same or found)[0] if found else None


def _minor(version: str | None, stdlib: str | None, binary: str) -> tuple[int, int] | None:
    if version is not None:
        return versions.parse_minor(version)
    return (versions.minor_of_name(stdlib) if stdlib else None) or versions.minor_of_name(binary)


def _is_free_threaded(config: Mapping[str, str], named: str) -> bool:
    match = _STDLIB.fullmatch(name(named))
    return config.get("Py_GIL_DISABLED") == "1" or bool(match and match["threads"])


def _libc(rootfs: RootFS, os_index: ospackages.OsIndex, elf: ElfFacts | None) -> Libc | None:
    """Family by the loader that the binary names, version from the C library beside that loader."""
    if elf is None or elf.interpreter is None:
        return None
    loader = rootfs.resolve(elf.interpreter)
    if "musl" in name(elf.interpreter):
        packaged = re.match(r"(1)\.(\d+)\.", os_index.version_of("musl") or "")
        version = _libc_version(rootfs, loader, "musl")
        return Libc("musl", version or (_pair(packaged[0]) if packaged else None))
    if not name(elf.interpreter).startswith("ld"):
        return None
    library = rootfs.resolve(child(parent(loader), "libc.so.6")) if loader is not None else None
    return Libc("glibc", _libc_version(rootfs, library, "glibc"))


def _libc_version(rootfs: RootFS, path: str | None, family: str) -> tuple[int, int] | None:
    found = probes.facts(rootfs.read(path) if path is not None else None).get(family)
    return _pair(found[0]) if found else None


def _pair(version: str) -> tuple[int, int]:
    major, minor = version.split(".")[:2]
    return int(major), int(minor)
