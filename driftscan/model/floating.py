"""What an installer would add to a lock on the day of the build."""

from __future__ import annotations

from dataclasses import dataclass

from packaging.utils import NormalizedName

from driftscan.model.lock import PackageId


@dataclass(frozen=True, slots=True, kw_only=True)
class Floating:
    """A project that is required and that no lock names.

    `requirement` is what the metadata of `by` (name and version) ask for, without the marker; `newest` the version
    that comes first to an installer today, None where that is not known. `chain` runs from a root of the lock to the
    project, and `start` is the locked package that comes last on it. `is_conditional`: it is not required on every
    target.
    """

    name: NormalizedName
    requirement: str
    by: str
    start: PackageId
    chain: tuple[str, ...]
    newest: str | None = None
    is_conditional: bool = False
