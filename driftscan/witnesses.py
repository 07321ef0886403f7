"""Targets that stand for all that a lock is made for, so that what holds on some target can be found without one.

Markers tell targets apart only at the values that they name. One target on each side of each such value is a witness
for all others there: a conflict between two pins is real if there is a witness on which both are installed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, product

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from driftscan import markers
from driftscan.errors import MarkerError
from driftscan.markers import Comparison, Marker
from driftscan.model.lock import Lock
from driftscan.model.target import Target
from driftscan.platforms import target

_PYTHON_VARIABLES = frozenset(("python_version", "python_full_version", "implementation_version"))
_SYSTEM_VARIABLES = frozenset(("os_name", "sys_platform", "platform_system", "platform_machine"))
_IMPLEMENTATION_VARIABLES = frozenset(("implementation_name", "platform_python_implementation"))
_PYPY = {
    "implementation_name": "pypy",
    "platform_python_implementation": "PyPy",
    "implementation_version": "7.3.20",
}
_NEWEST = 16
_OLDEST = 6
_PREFERRED = ("3.13.5", "3.12.9", "3.11.9", "3.10.16", "3.9.21", "3.8.20", "3.14.0", "3.15.0", "3.7.17", "3.6.15")
_MOST = 512
"""Combinations that are looked at; locks name about ten values."""
_SYSTEMS = ("linux", "macos", "windows")
_BY_MACHINE = {
    "x86_64": ("linux", "osx-64"),
    "aarch64": ("linux/arm64",),
    "arm64": ("macos",),
    "AMD64": ("windows",),
    "ARM64": ("win-arm64",),
    "x86": ("win32",),
    "i686": ("manylinux_2_28_i686",),
    "armv7l": ("manylinux_2_28_armv7l",),
    "ppc64le": ("linux/ppc64le",),
    "s390x": ("linux/s390x",),
    "riscv64": ("linux/riscv64",),
}


def witnesses(locks: Sequence[Lock]) -> tuple[Target, ...]:
    """Targets without tags, one for each way in which the markers of `locks` can turn out, at least one.

    They are within `requires_python` and `environments` of all locks, as far as any target is.
    """
    texts = sorted({text for lock in locks for text in _marker_texts(lock)})
    comparisons = {item for text in texts for item in _comparisons(_parsed(text))}
    found: dict[tuple[bool | None, ...], Target] = {}
    for candidate in _candidates(comparisons, locks):
        if all(_supports(lock, candidate) for lock in locks):
            answers = tuple(markers.evaluate(text, candidate.markers) for text in texts)
            found.setdefault(answers, candidate)
    return tuple(found.values()) or (Target(markers=target(_PREFERRED[0], "linux").markers),)


def in_words(place: Target) -> str:
    """`CPython 3.13 on linux x86_64`."""
    values = place.markers
    implementation = values.get("platform_python_implementation", "Python")
    system = " ".join(filter(None, (values.get("sys_platform"), values.get("platform_machine"))))
    return f"{implementation} {values.get('python_full_version', '')} on {system}"


def _marker_texts(lock: Lock) -> Iterator[str]:
    edges = [*lock.roots, *(edge for package in lock.packages for edge in package.dependencies or ())]
    yield from (edge.marker for edge in edges if edge.marker is not None)
    yield from lock.environments


def _parsed(text: str) -> Marker | None:
    try:
        return markers.parse(text)
    except MarkerError:
        return None


def _comparisons(marker: Marker | None) -> Iterator[Comparison]:
    if isinstance(marker, Comparison):
        yield marker
    elif marker is not None:
        for part in marker.parts:
            yield from _comparisons(part)


def _candidates(comparisons: Iterable[Comparison], locks: Sequence[Lock]) -> Iterator[Target]:
    literals: dict[str, set[str]] = {}
    for item in comparisons:
        name, literal = (item.left, item.right) if item.left_is_variable else (item.right, item.left)
        literals.setdefault(name, set()).add(literal)
    pythons = _pythons(set().union(*(literals.get(name, ()) for name in _PYTHON_VARIABLES)), locks)
    systems = list(_systems(literals)) if literals.keys() & _SYSTEM_VARIABLES else ["linux"]
    implementations = ["cpython"]
    if literals.keys() & _IMPLEMENTATION_VARIABLES:
        implementations.append("pypy")
    for implementation, system, python in islice(product(implementations, systems, pythons), _MOST):
        yield Target(markers={**target(python, system).markers, **(_PYPY if implementation == "pypy" else {})})


def _systems(literals: dict[str, set[str]]) -> Iterator[str]:
    machines = literals.get("platform_machine", set())
    yield from dict.fromkeys((*_SYSTEMS, *(name for each in sorted(machines) for name in _BY_MACHINE.get(each, ()))))


def _pythons(literals: Iterable[str], locks: Sequence[Lock]) -> list[str]:
    """Full versions at, just below and just above each literal, admitted by all locks; the usual ones come first."""
    required = [specifiers for lock in locks if (specifiers := _specifiers(lock.requires_python)) is not None]
    bounds = [specifier.version for specifiers in required for specifier in specifiers]
    named = {near for literal in (*literals, *bounds) for part in literal.split() for near in _near(part.strip(","))}
    admitted = [text for text in named if all(each.contains(text, prereleases=True) for each in required)]
    usual = next((text for text in _PREFERRED if all(each.contains(text) for each in required)), None)
    ordered = sorted(admitted, key=Version, reverse=True)
    return list(dict.fromkeys(([usual] if usual else []) + (ordered if literals else ordered[:1]))) or [_PREFERRED[0]]


def _specifiers(required: str | None) -> SpecifierSet | None:
    try:
        return SpecifierSet(required) if required else None
    except InvalidSpecifier:
        return None


def _near(literal: str) -> Iterator[str]:
    try:
        release = Version(literal.removesuffix(".*")).release
    except InvalidVersion:
        return
    major, minor, patch = (*release, 0, 0)[:3]
    if major != 3:
        return
    for near in (minor - 1, minor, minor + 1):
        if _OLDEST <= near <= _NEWEST:
            yield f"3.{near}.1"
    for exact in (patch - 1, patch, patch + 1):
        if exact >= 0 and _OLDEST <= minor <= _NEWEST:
            yield f"3.{minor}.{exact}"


def _supports(lock: Lock, candidate: Target) -> bool:
    if not lock.environments:
        return True
    return any(markers.evaluate(text, candidate.markers) is not False for text in lock.environments)
