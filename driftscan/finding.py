"""Findings as data: what a rule reports, before anybody formats it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from driftscan.model.image import LayerId
from driftscan.model.inventory import Environment
from driftscan.model.lock import LockSource, Unchecked


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"
    INFO = "info"

    @property
    def rank(self) -> int:
        """0 for the worst."""
        return _RANKS[self]


_RANKS = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.INFO: 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """A place in a lock: path as the user named it, 1-based line."""

    path: str
    line: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong, or worth knowing.

    `rule` is the code (`DR202`), `slug` its name. `package` is the normalised project name. `locked` and
    `installed` are versions. `path` is absolute inside the image. `chain` runs from a root of the lock to the
    package, names only. Fields that do not apply are None or empty.
    """

    rule: str
    slug: str
    severity: Severity
    message: str
    package: str | None = None
    locked: tuple[str, ...] = ()
    installed: tuple[str, ...] = ()
    path: str | None = None
    layer: LayerId | None = None
    chain: tuple[str, ...] = ()
    hint: str | None = None
    location: Location | None = None


class Verdict(StrEnum):
    CLEAN = "clean"
    DRIFT = "drift"
    INCOMPLETE = "incomplete"


@dataclass(frozen=True, slots=True, kw_only=True)
class LockInput:
    """A lock that was read. `sources` are the files beside it that it was made from and was judged against."""

    path: str
    format: str
    sha256: str
    sources: tuple[LockSource, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetInput:
    """The image as it was asked for and as it was found. `digest` is the digest of its configuration (image id)."""

    reference: str
    source: str
    digest: str | None = None
    platform: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The finished result of one comparison, or of a check of locks alone; findings are sorted, worst first.

    `locked`, `installed` and `matching` count projects of the environment that was compared; the latter two are None
    where nothing was. `judged_for` is the target in words where it was named instead of found in an image. `fail_on` is
    the least severity that counts as drift; None: no finding does.
    """

    locks: tuple[LockInput, ...]
    target: TargetInput | None
    environment: Environment | None
    locked: int
    installed: int | None = None
    matching: int | None = None
    judged_for: str | None = None
    findings: tuple[Finding, ...] = ()
    unchecked: tuple[Unchecked, ...] = field(default=())
    fail_on: Severity | None = Severity.ERROR

    @property
    def verdict(self) -> Verdict:
        if self.fail_on and any(finding.severity.rank <= self.fail_on.rank for finding in self.findings):
            return Verdict.DRIFT
        return Verdict.INCOMPLETE if self.unchecked else Verdict.CLEAN

    def count(self, severity: Severity) -> int:
        return sum(finding.severity is severity for finding in self.findings)
