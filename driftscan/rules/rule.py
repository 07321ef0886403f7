"""What a rule is: its documentation, and a function from a comparison to findings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from driftscan.compare import Comparison, project_name
from driftscan.finding import Finding, Location, Severity
from driftscan.model.image import LayerId
from driftscan.model.inventory import CondaPackage, Distribution
from driftscan.model.lock import Package, PackageId


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A finding before its rule has put its name under it. `severity` overrides the rule's own."""

    message: str
    severity: Severity | None = None
    package: str | None = None
    locked: tuple[str, ...] = ()
    installed: tuple[str, ...] = ()
    path: str | None = None
    layer: LayerId | None = None
    chain: tuple[str, ...] = ()
    hint: str | None = None
    location: Location | None = None
    subject: tuple[str, ...] = ()


Check: TypeAlias = Callable[[Comparison], Iterator[Draft]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule. `summary` says when it holds, `why` what goes wrong then, `evidence` what facts it rests on, `remedy`
    what to do; a finding with a way out of its own has that as its hint instead.
    """

    code: str
    slug: str
    severity: Severity
    summary: str
    why: str
    evidence: str
    remedy: str
    check: Check

    def findings(self, comparison: Comparison) -> Iterator[Finding]:
        return map(self.finding, self.check(comparison))

    def finding(self, draft: Draft) -> Finding:
        """`draft` under the name of this rule."""
        return Finding(
            rule=self.code,
            slug=self.slug,
            severity=draft.severity or self.severity,
            message=draft.message,
            package=draft.package,
            locked=draft.locked,
            installed=draft.installed,
            path=draft.path,
            layer=draft.layer,
            chain=draft.chain,
            hint=draft.hint or self.remedy,
            location=draft.location,
            subject=draft.subject,
        )


def elsewhere(comparison: Comparison) -> Iterator[Draft]:  # noqa: ARG001 (the signature of every check)
    """The check of a rule that is not held against a comparison: who has what it is about makes its findings."""
    return iter(())


def location(comparison: Comparison, package: Package) -> Location | None:
    """Where a locked package stands."""
    lock = comparison.selection.lock_of.get(package.id)
    if lock is None:
        lock = next((lock for lock in comparison.locks if package in lock.packages), None)
    path = package.path or (lock.path if lock is not None else None)
    return None if path is None else Location(path=path, line=package.line)


def title(package: Package) -> str:
    """Name and version, as far as there is one."""
    return " ".join(part for part in (project_name(package), package.id.version) if part)


def versions(packages: Sequence[Package]) -> tuple[str, ...]:
    return tuple(package.id.version for package in packages if package.id.version is not None)


def take_out(found: Distribution | CondaPackage, instead: str) -> str:
    """A way out for something that should not be installed. The finding itself names the instruction, if any did it."""
    what = "that instruction" if found.layer is not None else "it"
    return f"take {what} out, or {instead}"


def chain(comparison: Comparison, key: PackageId) -> tuple[str, ...]:
    return comparison.selection.chain(key)
