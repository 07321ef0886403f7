"""Requirements in the grammar of PEP 508, as far as they are real."""

from __future__ import annotations

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet

_MAX_LENGTH = 1 << 14
_MAX_VERSION = 256
"""Characters of the longest version; one of more digits than Python converts cannot be compared."""


def read_standard(text: str) -> Requirement | None:
    """The requirement that `text` is; None where it is none, or too long or too deeply nested to be real."""
    try:
        found = Requirement(text) if len(text) <= _MAX_LENGTH else None
    except (InvalidRequirement, RecursionError):
        return None
    return found if found is not None and _is_real(found.specifier) else None


def read_specifier(text: str) -> SpecifierSet | None:
    """The versions that `text` admits; None where it is no specifier, or has a version that is too long to be real."""
    try:
        found = SpecifierSet(text) if len(text) <= _MAX_LENGTH else None
    except InvalidSpecifier:
        return None
    return found if found is not None and _is_real(found) else None


def _is_real(specifier: SpecifierSet) -> bool:
    return all(len(each.version) <= _MAX_VERSION for each in specifier)
