"""What makes a finding the same finding in the next run: suppressions, baselines and code scanning rest on it.

A fingerprint is made of

1. the code of the rule,
2. the normalised name of the package, where the finding is about one,
3. the finding's subject. That is what its rule gives as `Finding.subject`; else, except for rules about the lock alone
   (`LK`), its path without the parts that the next build names differently: the version in the name of a metadata
   folder, the version of Python in a library folder, the hash that a repaired wheel's libraries have in their names;
   else, where there is no package either, its message; numbers of lines and layers that are named in it are left out,
4. the locked and the installed versions, for the rules that are about nothing but versions (`DR`, LK106, LK112): when
   another version floats in than the one that was accepted, that is a new finding.

Layers, instructions, digests, severity, wording, hints, chains, lines and the path of the lock are left out, so the
same drift has the same fingerprint after the image is built again, the lock is reordered or moved, or driftscan words
its message better. Findings that agree in all of it are numbered in the order of their messages.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence

from driftscan.finding import Finding

_METADATA = re.compile(r"(?<=/)([^/-]+)-[^/]+\.(dist-info|egg-info)(?=/|$)")
_CONDA_METADATA = re.compile(r"(/conda-meta/[^/]+)-[^/-]+-[^/-]+(\.json)$")
"""NAME-VERSION-BUILD.json: only names have dashes in them."""
_PYTHON_FOLDER = re.compile(r"/((?:lib|include)\w*)/(python|pypy)\d+(?:\.\d+)?t?(?=/|$)")
_NUMBERED = re.compile(r"\b(lines?|layers?) \d+")
_REPAIRED = re.compile(r"-[0-9a-f]{8}(?=\.)")
"""auditwheel puts the beginning of a library's SHA-256 between its name and its suffix."""


def fingerprints(findings: Sequence[Finding]) -> tuple[str, ...]:
    """One fingerprint per finding, 32 hexadecimal digits, in the order given; no two are equal.

    All findings of a run have to be given, those that are suppressed too, since findings that are alike are numbered.
    """
    seen: Counter[str] = Counter()
    found = [""] * len(findings)
    for index in sorted(range(len(findings)), key=lambda index: findings[index].message):
        identity = _identity(findings[index])
        found[index] = _digest(identity, seen[identity])
        seen[identity] += 1
    return tuple(found)


def stable_path(path: str) -> str:
    """`path` without what the next build names differently."""
    path = _CONDA_METADATA.sub(r"\1\2", path)
    path = _METADATA.sub(r"\1.\2", path)
    return _REPAIRED.sub("", _PYTHON_FOLDER.sub(r"/\1/\2", path))


def _identity(finding: Finding) -> str:
    versions: list[Iterable[str]] = []
    if _is_about_versions(finding.rule):
        versions = [sorted(finding.locked), sorted(finding.installed)]
    # ASCII, so that a lone surrogate of an undecodable path does no harm.
    return json.dumps([finding.rule, finding.package, _subject(finding), *versions])


def _is_about_versions(rule: str) -> bool:
    return rule.startswith("DR") or rule in ("LK106", "LK112")


def _subject(finding: Finding) -> list[str]:
    if finding.subject:
        return sorted({_stable_text(stable_path(each)) for each in finding.subject})
    if finding.path is not None and not finding.rule.startswith("LK"):
        return [stable_path(finding.path)]
    return [] if finding.package is not None else [_stable_text(finding.message)]


def _stable_text(text: str) -> str:
    return _NUMBERED.sub(r"\1", text)


def _digest(identity: str, occurrence: int) -> str:
    return hashlib.sha256(f"{identity}#{occurrence}".encode()).hexdigest()[:32]
