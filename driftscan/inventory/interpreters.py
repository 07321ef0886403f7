"""Interpreters: which Python a binary is, cross-checked, and the target that it makes."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from packaging.tags import Tag

from driftscan import tags
from driftscan.inventory import metadata, ospackages, probes
from driftscan.inventory.paths import child, name, parent, shown
from driftscan.model.image import ElfFacts
from driftscan.model.inventory import Interpreter
from driftscan.model.lock import Unchecked
from driftscan.model.target import Libc, Target
from driftscan.rootfs import RootFS

_NAMED = re.compile(r"(?P<implementation>python|pypy)(?P<version>3\.\d{1,2})?(?P<threads>t?)d?|python3|pypy3")
_STDLIB = re.compile(r"(?P<implementation>python|pypy)(?P<version>3\.\d{1,2})(?P<threads>t?)")
_FULL = re.compile(r"3\.\d{1,2}\.\d{1,2}(?:(?:a|b|rc)\d{1,2})?")
_PATCHLEVEL = re.compile(rb'#define\s+PY_VERSION\s+"([^"+]{1,20})\+?"')
_CONFIG_KEYS = frozenset({"SOABI", "EXT_SUFFIX", "Py_GIL_DISABLED", "Py_DEBUG", "VERSION"})
_EXTENSION = re.compile(r"\w+\.((?:cpython|pypy)\w*-[\w-]+)\.so")
_LIBRARY_DIRECTORIES = ("lib", "lib64")


class Described(NamedTuple):
    interpreter: Interpreter
    target: Target
    unchecked: tuple[Unchecked, ...] = ()


class Claim(NamedTuple):
    """A full version and the fact it comes from."""

    version: str
    source: str


class Hints(NamedTuple):
    """What others say about an interpreter: the directory that a venv names as home, and the versions they state."""

    home: str | None = None
    claims: tuple[Claim, ...] = ()


def describe(rootfs: RootFS, os_index: ospackages.OsIndex, binary: str, hints: Hints) -> Described:
    """Everything about the interpreter whose real binary is at `binary`."""
    node = rootfs.lookup(binary)
    elf = node.entry.elf if node is not None else None
    prefixes = dict.fromkeys((parent(parent(binary)), *((parent(hints.home),) if hints.home is not None else ())))
    stdlib = _stdlib(rootfs, prefixes, binary)
    config = _build_configuration(rootfs, stdlib)
    claims = _claims(rootfs, os_index, binary, stdlib)
    version, unchecked = _agreed(shown(binary), claims, hints)
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
    made = target(interpreter, minor, _pypy_version(rootfs, binary, stdlib))
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
    wanted = _versions_of_binary(rootfs, binary)
    found = list(dict.fromkeys(path for path in found if wanted is None or _minor_of_name(path) == wanted))
    same = [path for path in found if name(path).startswith(name(binary)[:4])]
    return (same or found)[0] if found else None


def _versions_of_binary(rootfs: RootFS, binary: str) -> tuple[int, int] | None:
    """(major, minor) that the binary's name or its version symbol gives."""
    if (named := _minor_of_name(binary)) is not None:
        return named
    symbols = probes.facts(rootfs.read(binary)).get("hex", ())
    return _parse_minor(symbols[0]) if symbols else None


def _minor_of_name(path: str) -> tuple[int, int] | None:
    match = _NAMED.fullmatch(name(path))
    return _parse_minor(match["version"]) if match and match["version"] else None


def _parse_minor(version: str) -> tuple[int, int]:
    major, minor = version.split(".")[:2]
    return int(major), int(minor)


def _minor(version: str | None, stdlib: str | None, binary: str) -> tuple[int, int] | None:
    if version is not None:
        return _parse_minor(version)
    return (_minor_of_name(stdlib) if stdlib else None) or _minor_of_name(binary)


def _claims(rootfs: RootFS, os_index: ospackages.OsIndex, binary: str, stdlib: str | None) -> tuple[Claim, ...]:
    """Every full version that a file of this interpreter states, strongest first."""
    minor = _minor_of_name(stdlib) if stdlib else _versions_of_binary(rootfs, binary)
    claims = _binary_claims(rootfs, binary, stdlib, minor)
    if stdlib is not None:
        claims += _file_claims(rootfs, stdlib)
    if minor is not None:
        claims += _package_claims(os_index, binary, minor)
    return tuple(
        claim
        for claim in claims
        if _FULL.fullmatch(claim.version) and (minor is None or _parse_minor(claim.version) == minor)
    )


def _binary_claims(rootfs: RootFS, binary: str, stdlib: str | None, minor: tuple[int, int] | None) -> list[Claim]:
    claims: list[Claim] = []
    for path in (binary, *_libraries(rootfs, binary, stdlib)):
        facts = probes.facts(rootfs.read(path))
        if symbols := facts.get("hex"):
            return [Claim(symbols[0], f"Py_Version in {shown(path)}")]
        versions = [text for text in facts.get("version", ()) if minor is None or _parse_minor(text) == minor]
        if len(versions) == 1:
            claims.append(Claim(versions[0], f"version string in {shown(path)}"))
    return claims[:1]


def _libraries(rootfs: RootFS, binary: str, stdlib: str | None) -> tuple[str, ...]:
    """The libpython files that may hold the interpreter of a small binary."""
    if stdlib is None:
        return ()
    folders = dict.fromkeys((parent(stdlib), child(parent(parent(stdlib)), "lib64"), parent(binary)))
    folders |= dict.fromkeys(
        child(folder, entry) for folder in tuple(folders) for entry in rootfs.children(folder) if "-linux-" in entry
    )
    prefix = f"lib{name(stdlib)}"
    found = (
        rootfs.resolve(child(folder, entry))
        for folder in folders
        for entry in rootfs.children(folder)
        if re.fullmatch(rf"{re.escape(prefix)}[a-z]*(?:-c)?\.so[\d.]*|libpypy3[\w.-]*\.so[\d.]*", entry)
    )
    return tuple(dict.fromkeys(path for path in found if path is not None))


def _file_claims(rootfs: RootFS, stdlib: str) -> list[Claim]:
    claims: list[Claim] = []
    prefix = parent(parent(stdlib))
    folder = child(prefix, "include")
    for entry in rootfs.children(folder):
        header = f"{folder}/{entry}/patchlevel.h"
        if _minor_of_name(entry.rstrip("dmu")) == _minor_of_name(stdlib) and (data := rootfs.read(header)) is not None:
            versions = (match[1].decode("ascii", "replace") for match in _PATCHLEVEL.finditer(data))
            claims += [Claim(version, shown(header)) for version in versions]
    details = f"{stdlib}/build-details.json"
    if (data := rootfs.read(details)) is not None:
        version = _details_version(data)
        claims += [Claim(version, shown(details))] if version else []
    claims += _conda_claims(rootfs, prefix)
    return claims


def _details_version(data: bytes) -> str | None:
    """build-details.json (PEP 739): implementation.version with major, minor, micro, releaselevel and serial."""
    implementation = _mapping(_details(data).get("implementation"))
    version = _mapping(implementation.get("version"))
    numbers = [version.get(key) for key in ("major", "minor", "micro")]
    if not all(isinstance(number, int) for number in numbers):
        return None
    level = {"alpha": "a", "beta": "b", "candidate": "rc"}.get(str(version.get("releaselevel")), "")
    return ".".join(map(str, numbers)) + (f"{level}{version.get('serial', 0)}" if level else "")


def _details(data: bytes) -> dict[str, object]:
    try:
        return metadata.json_object(data)
    except ValueError:
        return {}


def _mapping(value: object) -> Mapping[str, object]:
    return {str(key): item for key, item in value.items()} if isinstance(value, dict) else {}


def _conda_claims(rootfs: RootFS, prefix: str) -> list[Claim]:
    pattern = re.compile(r"python-(3\.[^-]+)-[^-]+\.json")
    folder = child(prefix, "conda-meta")
    return [
        Claim(match[1], shown(f"{folder}/{entry}"))
        for entry in rootfs.children(folder)
        if (match := pattern.fullmatch(entry))
    ]


def _package_claims(os_index: ospackages.OsIndex, binary: str, minor: tuple[int, int]) -> list[Claim]:
    owner = os_index.owners.get(binary)
    if owner is None:
        return []
    version = os_index.version_of(owner) or ""
    match = re.match(r"(?:\d+:)?(3\.\d+\.\d+)(?:~?((?:a|b|rc)\d+))?", version)
    if match is None or _parse_minor(match[1]) != minor:
        return []
    return [Claim(match[1] + (match[2] or ""), f"OS package {owner} {version}")]


def _agreed(binary: str, claims: tuple[Claim, ...], hints: Hints) -> tuple[str | None, list[Unchecked]]:
    versions = dict.fromkeys(claim.version for claim in claims)
    if len(versions) == 1:
        return claims[0].version, []
    if versions:
        told = ", ".join(f"{claim.version} ({claim.source})" for claim in claims)
        return None, [Unchecked(f"the version of {binary}", f"its files disagree: {told}")]
    why = "no file of the interpreter states it"
    if hints.claims:
        why += ", only " + ", ".join(f"{claim.source} says {claim.version}" for claim in hints.claims)
    return None, [Unchecked(f"the version of {binary}", why)]


def _build_configuration(rootfs: RootFS, stdlib: str | None) -> dict[str, str]:
    """The build variables that matter, from build-details.json or `_sysconfigdata*.py`."""
    if stdlib is None:
        return {}
    found: dict[str, str] = {}
    candidates = [f"{stdlib}/{entry}" for entry in rootfs.children(stdlib) if entry.startswith("_sysconfigdata")]
    for path in sorted(candidates):
        if path.endswith(".py") and (data := rootfs.read(path)) is not None:
            found = {**_sysconfigdata(data), **found}
    abi = _mapping(_details(rootfs.read(f"{stdlib}/build-details.json") or b"").get("abi"))
    flags = abi.get("flags")
    if isinstance(flags, list):
        found |= {"Py_GIL_DISABLED": str(int("t" in flags)), "Py_DEBUG": str(int("d" in flags))}
    suffix = abi.get("extension_suffix")
    if isinstance(suffix, str):
        found["EXT_SUFFIX"] = suffix
    if "SOABI" not in found and found.get("EXT_SUFFIX", "").count(".") == 2:
        found["SOABI"] = found["EXT_SUFFIX"].split(".")[1]
    if "SOABI" not in found and (soabi := _soabi_of_modules(rootfs, stdlib)) is not None:
        found["SOABI"] = soabi
    return found


def _soabi_of_modules(rootfs: RootFS, stdlib: str) -> str | None:
    """The SOABI that the names of the standard library's own extension modules carry, where they agree."""
    names = (*rootfs.children(f"{stdlib}/lib-dynload"), *rootfs.children(stdlib))
    found = {match[1] for entry in names if (match := _EXTENSION.fullmatch(entry))}
    return found.pop() if len(found) == 1 else None


def _sysconfigdata(data: bytes) -> dict[str, str]:
    """Constants of `build_time_vars`, parsed and never run."""
    try:
        module = ast.parse(data)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return {}
    found: dict[str, str] = {}
    for statement in module.body:
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Dict):
            for key, value in zip(statement.value.keys, statement.value.values, strict=True):
                if isinstance(key, ast.Constant) and key.value in _CONFIG_KEYS and isinstance(value, ast.Constant):
                    found[str(key.value)] = str(value.value)
    return found


def _is_free_threaded(config: Mapping[str, str], named: str) -> bool:
    match = _STDLIB.fullmatch(name(named))
    return config.get("Py_GIL_DISABLED") == "1" or bool(match and match["threads"])


def _pypy_version(rootfs: RootFS, binary: str, stdlib: str | None) -> str | None:
    for path in (binary, *_libraries(rootfs, binary, stdlib)):
        if versions := probes.facts(rootfs.read(path)).get("pypy"):
            return versions[0]
    return None


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
