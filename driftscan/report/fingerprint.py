"""What makes a finding the same finding in the next run."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence

from driftscan.finding import Finding
from driftscan.report.escape import unicode_text


def fingerprints(findings: Sequence[Finding]) -> tuple[str, ...]:
    """One fingerprint per finding, 32 hexadecimal digits, in the order given; no two are equal.

    It rests on rule, package, versions and path, not on layers, digests, wording or lock lines, so it survives a
    rebuild of the image and a reordering of the lock. Findings that agree in all of these are numbered in the order
    of their messages.
    """
    seen: Counter[str] = Counter()
    found = [""] * len(findings)
    for index in sorted(range(len(findings)), key=lambda index: findings[index].message):
        subject = _subject(findings[index])
        found[index] = _digest(subject, seen[subject])
        seen[subject] += 1
    return tuple(found)


def _subject(finding: Finding) -> str:
    parts = [finding.rule, finding.package, sorted(finding.locked), sorted(finding.installed), finding.path]
    return unicode_text(json.dumps(parts, ensure_ascii=False))


def _digest(subject: str, occurrence: int) -> str:
    return hashlib.sha256(f"{subject}#{occurrence}".encode()).hexdigest()[:32]
