"""The full version of an interpreter: what its files state, and whether they agree."""

from __future__ import annotations

import re
from typing import NamedTuple

from driftscan.inventory import buildconfig, ospackages, probes
from driftscan.inventory.paths import child, name, parent, shown
from driftscan.model.lock import Unchecked
from driftscan.rootfs import RootFS

_NAMED = re.compile(r"(?P<implementation>python|pypy)(?P<version>3\.\d{1,2})?(?P<threads>t?)d?|python3|pypy3")
_FULL = re.compile(r"3\.\d{1,2}\.\d{1,2}(?:(?:a|b|rc)\d{1,2})?")
_PATCHLEVEL = re.compile(rb'#define\s+PY_VERSION\s+"([^"+]{1,20})\+?"')


class Claim(NamedTuple):
    """A full version and the fact it comes from."""

    version: str
    source: str


def claims(rootfs: RootFS, os_index: ospackages.OsIndex, binary: str, stdlib: str | None) -> tuple[Claim, ...]:
    """Every full version that a file of this interpreter states, strongest first."""
    minor = minor_of_name(stdlib) if stdlib else minor_of_binary(rootfs, binary)
    claims = _binary_claims(rootfs, binary, stdlib, minor)
    if stdlib is not None:
        claims += _file_claims(rootfs, stdlib)
    if minor is not None:
        claims += _package_claims(os_index, binary, minor)
    return tuple(
        claim
        for claim in claims
        if _FULL.fullmatch(claim.version) and (minor is None or parse_minor(claim.version) == minor)
    )


def _binary_claims(rootfs: RootFS, binary: str, stdlib: str | None, minor: tuple[int, int] | None) -> list[Claim]:
    claims: list[Claim] = []
    for path in (binary, *_libraries(rootfs, binary, stdlib)):
        facts = probes.facts(rootfs.read(path))
        if symbols := facts.get("hex"):
            return [Claim(symbols[0], f"Py_Version in {shown(path)}")]
        versions = [text for text in facts.get("version", ()) if minor is None or parse_minor(text) == minor]
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
        if minor_of_name(entry.rstrip("dmu")) == minor_of_name(stdlib) and (data := rootfs.read(header)) is not None:
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
    implementation = buildconfig.mapping(buildconfig.details(data).get("implementation"))
    version = buildconfig.mapping(implementation.get("version"))
    numbers = [version.get(key) for key in ("major", "minor", "micro")]
    if not all(isinstance(number, int) for number in numbers):
        return None
    level = {"alpha": "a", "beta": "b", "candidate": "rc"}.get(str(version.get("releaselevel")), "")
    return ".".join(map(str, numbers)) + (f"{level}{version.get('serial', 0)}" if level else "")


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
    if match is None or parse_minor(match[1]) != minor:
        return []
    return [Claim(match[1] + (match[2] or ""), f"OS package {owner} {version}")]


def agreed(binary: str, found: tuple[Claim, ...], hints: tuple[Claim, ...]) -> tuple[str | None, list[Unchecked]]:
    """The version that all claims in `found` make. `hints` are not believed, only told where there is nothing else."""
    versions = dict.fromkeys(claim.version for claim in found)
    if len(versions) == 1:
        return found[0].version, []
    if versions:
        told = ", ".join(f"{claim.version} ({claim.source})" for claim in found)
        return None, [Unchecked(f"the version of {binary}", f"its files disagree: {told}")]
    why = "no file of the interpreter states it"
    if hints:
        why += ", only " + ", ".join(f"{claim.source} says {claim.version}" for claim in hints)
    return None, [Unchecked(f"the version of {binary}", why)]


def pypy_version(rootfs: RootFS, binary: str, stdlib: str | None) -> str | None:
    """PyPy's own version (`7.3.17`), beside that of the Python it implements."""
    for path in (binary, *_libraries(rootfs, binary, stdlib)):
        if versions := probes.facts(rootfs.read(path)).get("pypy"):
            return versions[0]
    return None


def minor_of_binary(rootfs: RootFS, binary: str) -> tuple[int, int] | None:
    """(major, minor) that the binary's name or its version symbol gives."""
    if (named := minor_of_name(binary)) is not None:
        return named
    symbols = probes.facts(rootfs.read(binary)).get("hex", ())
    return parse_minor(symbols[0]) if symbols else None


def minor_of_name(path: str) -> tuple[int, int] | None:
    """(major, minor) in the name of a binary or of a standard library."""
    match = _NAMED.fullmatch(name(path))
    return parse_minor(match["version"]) if match and match["version"] else None


def parse_minor(version: str) -> tuple[int, int]:
    """(major, minor) of a version that a pattern has already matched."""
    major, minor = version.split(".")[:2]
    return int(major), int(minor)
