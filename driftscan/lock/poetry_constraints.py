"""Poetry's version and platform constraints, translated to PEP 440 specifiers and PEP 508 markers.

Syntax: https://python-poetry.org/docs/dependency-specification/. A constraint is a union (`||`) of intersections
(`,` or a space) of comparisons; caret, tilde and wildcard comparisons are ranges. PEP 440 has no union, so a
constraint becomes one `SpecifierSet` for each alternative.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from packaging.specifiers import InvalidSpecifier, Specifier, SpecifierSet
from packaging.version import InvalidVersion, Version

MAX_LENGTH = 2000
"""Characters of the longest constraint that is read."""

_COMPARISON = re.compile(r"\s*(?P<operator>\^|~=|~|==|!=|<=|>=|=|<|>|)\s*v?(?P<version>[^\s,|<>=~^]+)\s*,*")
_ANYTHING = re.compile(r"[xX*](\.[xX*])*")
_WILDCARDS = re.compile(r"(\.\*)+")
_PLATFORM = re.compile(r"(?P<operator>==|!=|=|)\s*(?P<value>[\w.+-]+)")


class Constraint(NamedTuple):
    """What a Poetry constraint allows: the union of `alternatives`."""

    alternatives: tuple[SpecifierSet, ...]

    def allows(self, version: str) -> bool:
        """Whether the constraint allows the version, pre-releases included: the lock has chosen it already."""
        try:
            parsed = Version(version)
        except ValueError:
            return False
        return any(alternative.contains(parsed, prereleases=True) for alternative in self.alternatives)

    @property
    def specifier(self) -> str:
        """The constraint as one PEP 440 specifier set; empty where it allows anything or needs a union."""
        return str(self.alternatives[0]) if len(self.alternatives) == 1 else ""

    @property
    def python_marker(self) -> str | None:
        """The constraint as a marker on the interpreter's version; None where it allows any."""
        if not all(self.alternatives):
            return None
        return " or ".join(f"({_python_range(alternative)})" for alternative in self.alternatives)


ANYTHING = Constraint((SpecifierSet(),))


@lru_cache(maxsize=4096)
def parse(text: str) -> Constraint | None:
    """Translate a constraint; None where it is not in Poetry's syntax."""
    if len(text) > MAX_LENGTH:
        return None
    alternatives: list[SpecifierSet] = []
    for part in re.split(r"\|\|?", text):
        comparisons = _comparisons(part.strip())
        if comparisons is None:
            return None
        try:
            alternatives.append(SpecifierSet(",".join(comparisons)))
        except InvalidSpecifier:
            return None
    return Constraint(tuple(alternatives))


def platform_marker(text: str) -> str | None:
    """Translate a `platform` constraint (`win32`, `linux || darwin`, `!=win32`) to a marker on `sys_platform`.

    None where it is not in Poetry's syntax.
    """
    alternatives: list[str] = []
    for part in re.split(r"\|\|?", text):
        matches = [_PLATFORM.fullmatch(value.strip()) for value in part.split(",")]
        found = [match for match in matches if match is not None]
        if len(found) != len(matches):
            return None
        alternatives.append(
            " and ".join(f'sys_platform {_platform_operator(m["operator"])} "{m["value"]}"' for m in found)
        )
    return " or ".join(f"({alternative})" for alternative in alternatives)


def _platform_operator(written: str) -> str:
    return "!=" if written == "!=" else "=="


def _comparisons(text: str) -> list[str] | None:
    """PEP 440 specifiers of one alternative; None where a part of it is no comparison."""
    found: list[str] = []
    position = 0
    while position < len(text):
        match = _COMPARISON.match(text, position)
        if match is None:
            return None
        position = match.end()
        try:
            translated = _translate(match["operator"], match["version"])
        except ValueError:
            return None
        if translated:
            found.append(translated)
    return found


def _translate(operator: str, written: str) -> str:
    """One comparison as PEP 440 specifiers, empty for anything; ValueError where the version is none."""
    if not operator and _ANYTHING.fullmatch(written):
        return ""
    base = _WILDCARDS.split(written, maxsplit=1)[0]
    version = Version(base)
    if base != written:
        return _wildcard(operator, base, written)
    if operator == "^":
        return f">={version},<{_bump(version, _breaking_part(version))}"
    if operator == "~" or (operator == "~=" and len(version.release) == 1):
        return f">={version},<{_bump(version, min(len(version.release) - 1, 1))}"
    return f"{_PEP440.get(operator, operator)}{version}"


_PEP440 = {"": "==", "=": "=="}


def _wildcard(operator: str, base: str, written: str) -> str:
    if not _WILDCARDS.fullmatch(written[len(base) :]) or operator in {"^", "~", "~="}:
        raise InvalidVersion(written)
    if operator in {"", "=", "==", "!="}:
        return f"{_PEP440.get(operator, operator)}{base}.*"
    return f"{operator}{base}"


def _breaking_part(version: Version) -> int:
    """Index of the release part that a breaking change raises: the first of major, minor, patch that is not 0."""
    significant = version.release[:3]
    return next((index for index, part in enumerate(significant) if part), len(significant) - 1)


def _bump(version: Version, index: int) -> str:
    release = (*version.release[:index], version.release[index] + 1)
    epoch = f"{version.epoch}!" if version.epoch else ""
    return epoch + ".".join(map(str, release))


def _python_range(alternative: SpecifierSet) -> str:
    return " and ".join(sorted(map(_python_comparison, alternative)))


def _python_comparison(specifier: Specifier) -> str:
    """Poetry reads a bare `3.6` in `python = "3.6"` as every patch release of 3.6."""
    version = specifier.version
    if specifier.operator == "==" and "*" not in version and version.count(".") < 2:
        version += ".*"
    return f'python_full_version {specifier.operator} "{version}"'
