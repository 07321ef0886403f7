"""What every report says of a run, in the same words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from posixpath import isabs, join, normpath

from driftscan.finding import Finding, Location, Outcome, Report, Severity, Suppression
from driftscan.model.image import LayerId
from driftscan.model.inventory import Environment
from driftscan.model.proof import Grade
from driftscan.report.view import View

_IMPLEMENTATIONS = {"cpython": "CPython", "pypy": "PyPy", "graalpy": "GraalPy"}
_GRADES = {
    Grade.PROVED: "{} proved",
    Grade.EVIDENCE: "{} by evidence",
    Grade.CLAIMED: "{} only claimed",
    Grade.UNVERIFIABLE: "{} unverifiable",
    Grade.DIFFERENT: "{} different",
}


def counted(number: int, noun: str) -> str:
    """`1 error`, `2 errors`, `3 info`."""
    return f"{number} {noun}" if number == 1 or noun == "info" else f"{number} {noun}s"


def headline(report: Report) -> str:
    """How much matches, and how many findings of which severity there are."""
    counts = [counted(report.count(severity), severity.value) for severity in Severity if report.count(severity)]
    if report.suppressed:
        counts.append(f"{len(report.suppressed)} suppressed")
    if report.unchecked:
        counts.append(f"{len(report.unchecked)} not checked")
    about = f"{counted(report.locked, 'package')} locked"
    if report.practices and report.matching is None:
        held = sum(practice.outcome is Outcome.PASS for practice in report.practices)
        about = f"{held} of {counted(len(report.practices), 'practice')} hold"
    if report.matching is not None:
        about = f"{report.matching} of {counted(report.locked, 'package')} match{'es' if report.locked == 1 else ''}"
    return f"{about}; {', '.join(counts)}" if counts else about


def target_facts(report: Report) -> Iterator[str]:
    """The image, its environment and its platform, as far as they are known."""
    if report.dockerfile:
        yield report.dockerfile.path
    if report.target:
        yield f"{report.target.reference} ({report.target.source})"
    if report.judged_for:
        yield f"for {report.judged_for}"
    if report.environment:
        yield from describe(report.environment)
    elif report.target and report.target.platform:
        yield report.target.platform


def describe(environment: Environment) -> Iterator[str]:
    """Path, interpreter and platform of an environment, as far as they are known."""
    interpreter, target = environment.interpreter, environment.target
    name = _IMPLEMENTATIONS.get(interpreter.implementation, interpreter.implementation)
    yield environment.path
    yield f"{name} {interpreter.version or '(version unknown)'}"
    platform = " ".join(str(fact) for fact in (target.machine, target.libc) if fact)
    if platform:
        yield platform


def lock_facts(report: Report) -> Iterator[str]:
    """Paths, in a check of locks alone what each was made from, and why that environment was compared."""
    for lock in report.locks:
        fresh = [source for source in lock.sources if not source.differences]
        if fresh and report.matching is None:
            yield f"{lock.path}, which agrees with {' and '.join(f'{each.path} ({each.evidence})' for each in fresh)}"
        else:
            yield lock.path
    if report.environment and report.environment.chosen_because:
        yield report.environment.chosen_because


def proof_facts(report: Report) -> Iterator[str]:
    """How many installed projects are known to be the locked files, by grade."""
    counts = Counter(proof.grade for proof in report.proofs)
    said = [_GRADES[grade].format(counted(counts[grade], "package")) for grade in Grade if counts[grade]]
    if said:
        yield f"the locked bytes: {', '.join(said)}"


def place(finding: Finding) -> str | None:
    """`uv.lock:12`."""
    if finding.location is None:
        return None
    return finding.location.path + (f":{finding.location.line}" if finding.location.line else "")


def about(finding: Finding) -> str:
    """What a finding stands under: its package, else the file that it is in."""
    return finding.package or (finding.location.path if finding.location else "the image")


def instruction(layer: LayerId) -> str:
    return layer.created_by or "(no instruction recorded)"


def excuse(suppression: Suppression | None) -> Iterator[str]:
    """Why a finding does not count, who says so, until when, as far as it was written down, and where."""
    if suppression is None:
        return
    if suppression.reason:
        yield suppression.reason
    if suppression.owner:
        yield suppression.owner
    if suppression.expires:
        yield f"until {suppression.expires.isoformat()}"
    yield suppression.source


class Anchors:
    """Where a tool that shows findings in files puts each.

    That is its own place in a lock; else the entry of its package, or of the nearest one in its chain; else the
    beginning of the first lock, or of the Dockerfile where there is no lock.
    """

    def __init__(self, report: Report) -> None:
        paths = [lock.path for lock in report.locks]
        if report.dockerfile is not None:
            paths.append(report.dockerfile.path)
        self.start = Location(path=paths[0], line=1) if paths else None
        # Which of several locks an entry stands in is not known unless it names the file.
        own = report.locks[0].path if len(report.locks) == 1 else None
        self._entries: dict[str, Location] = {}
        for package in report.packages:
            path = package.path or own
            if path is not None and package.line is not None:
                self._entries.setdefault(package.id.name, Location(path=path, line=package.line))

    def of(self, finding: Finding) -> Location | None:
        if finding.location is not None:
            return finding.location
        names = (finding.package, *reversed(finding.chain))
        return next((self._entries[name] for name in names if name in self._entries), self.start)


def repository_path(path: str, view: View) -> str:
    """`path`, as it was given in the current folder, as seen from the top of the repository; POSIX, normalised.

    What lies outside of the repository is absolute.
    """
    if not view.folder:
        return normpath(path)
    whole = path if isabs(path) else join(view.folder, path)
    whole = normpath(whole)
    root = view.root.rstrip("/")
    return whole[len(root) + 1 :] if root and whole.startswith(f"{root}/") else whole
