"""Findings as data: what a rule reports, before anybody formats it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import NamedTuple

from driftscan.model.dependencies import Dependencies
from driftscan.model.image import LayerId
from driftscan.model.inventory import Environment, Inventory
from driftscan.model.lock import LockSource, Package, Unchecked
from driftscan.model.proof import Proof


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
    """A place in a lock or a Dockerfile: path as the user named it, 1-based line."""

    path: str
    line: int | None = None


class Suppression(NamedTuple):
    """Why a finding does not count. `source` names the file that says so; `reason` and `owner` are as written there.

    `expires` is the last day on which it holds. `is_baseline` tells an entry that was written for all findings of one
    day from one that somebody made for this finding.
    """

    source: str
    reason: str | None = None
    owner: str | None = None
    expires: date | None = None
    is_baseline: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong, or worth knowing.

    `rule` is the code (`DR202`), `slug` its name. `package` is the normalised project name. `locked` and
    `installed` are versions. `path` is absolute inside the image. `chain` runs from a root of the lock to the
    package, names only. `subject` is what it is about beside the package, where `path` does not say so: what makes it
    the same finding in the next build (see `fingerprint`), never shown. A finding with a `suppression` is reported and
    does not count. Fields that do not apply are None or empty.
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
    subject: tuple[str, ...] = ()
    suppression: Suppression | None = None


class Verdict(StrEnum):
    CLEAN = "clean"
    DRIFT = "drift"
    INCOMPLETE = "incomplete"


class Outcome(StrEnum):
    """How a check of a practice ends; what is not known is neither of the other two."""

    PASS = "pass"  # noqa: S105  # no password
    FAIL = "fail"
    UNKNOWN = "unknown"


class Evidence(NamedTuple):
    """A fact that a practice is judged by: the rule that it answers, and where it is from (`Dockerfile`, `provenance`,
    `layer`, `configuration`, `history`, `lock`)."""

    rule: str
    outcome: Outcome
    grade: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Practice:
    """One of the six reproducibility practices, and how it ended. It fails where any of its evidence does."""

    number: int
    title: str
    outcome: Outcome
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DockerfileInput:
    """A Dockerfile that was read; `sha256` in hexadecimal."""

    path: str
    sha256: str


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
    the least severity that counts as drift; None: no finding does. `proofs` say how far the installed files are known
    to be the locked ones, where that was asked.
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
    proofs: tuple[Proof, ...] = ()
    practices: tuple[Practice, ...] = ()
    """The scorecard of the six practices, where they were judged."""
    dockerfile: DockerfileInput | None = None
    fail_on: Severity | None = Severity.ERROR
    packages: tuple[Package, ...] = ()
    """What the locks say is to be installed."""
    dependencies: Dependencies | None = None
    """The graph of these packages."""
    inventory: Inventory | None = None
    """All that the image contains, where there is one."""

    @property
    def verdict(self) -> Verdict:
        if self.fail_on and any(finding.severity.rank <= self.fail_on.rank for finding in self.active):
            return Verdict.DRIFT
        return Verdict.INCOMPLETE if self.unchecked else Verdict.CLEAN

    @property
    def active(self) -> tuple[Finding, ...]:
        """Findings that count: those that nothing suppresses."""
        return tuple(finding for finding in self.findings if finding.suppression is None)

    @property
    def suppressed(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.suppression is not None)

    def count(self, severity: Severity) -> int:
        """Findings of that severity that count."""
        return sum(finding.severity is severity for finding in self.active)
