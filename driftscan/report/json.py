"""The report of a comparison for programs: `driftscan.report/1`.

Keys that do not apply are absent. The same report gives the same bytes, all of them ASCII; a byte of a path that is
not UTF-8 is written as `\\xNN`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TypeAlias

from driftscan.finding import Finding, LockInput, Practice, Report, Severity, Suppression, TargetInput
from driftscan.fingerprint import fingerprints
from driftscan.model.image import LayerId
from driftscan.model.inventory import Environment
from driftscan.model.proof import Proof
from driftscan.report.escape import unicode_text
from driftscan.report.view import View

SCHEMA = "driftscan.report/1"

Value: TypeAlias = "str | int | bool | list[Value] | dict[str, Value]"


def render(report: Report, view: View) -> str:  # noqa: ARG001 (every format is called alike)
    return dumps(_report(report))


def dumps(document: Mapping[str, Value]) -> str:
    return json.dumps(document, indent=2) + "\n"


def present(**members: Value | str | None) -> dict[str, Value]:
    """An object without the members that are None or empty; its strings encode as UTF-8."""
    return {
        key: unicode_text(value) if isinstance(value, str) else value
        for key, value in members.items()
        if value is not None and value not in ("", [], {})
    }


def strings(values: tuple[str, ...]) -> list[Value]:
    return [unicode_text(value) for value in values]


def texts(values: Mapping[str, str]) -> dict[str, Value]:
    """All members of `values`, empty ones too, by key."""
    return {unicode_text(key): unicode_text(values[key]) for key in sorted(values)}


def layer_object(layer: LayerId | None) -> dict[str, Value] | None:
    return present(index=layer.index, diff_id=layer.diff_id, created_by=layer.created_by) if layer else None


def _report(report: Report) -> dict[str, Value]:
    document: dict[str, Value] = {"schema": SCHEMA, "verdict": report.verdict.value, "inputs": _inputs(report)}
    if report.environment:
        document["environment"] = _environment(report.environment)
    document["summary"] = _summary(report)
    marks = fingerprints(report.findings)
    document["findings"] = [_finding(*pair) for pair in zip(report.findings, marks, strict=True)]
    if report.proofs:
        document["proofs"] = [_proof(proof) for proof in report.proofs]
    if report.practices:
        document["practices"] = [_practice(practice) for practice in report.practices]
    document["unchecked"] = [{"what": unicode_text(what), "why": unicode_text(why)} for what, why in report.unchecked]
    return document


def _inputs(report: Report) -> dict[str, Value]:
    document: dict[str, Value] = {"locks": [_lock(lock) for lock in report.locks]}
    if report.target:
        document["target"] = _target(report.target)
    if report.dockerfile:
        document["dockerfile"] = present(path=report.dockerfile.path, sha256=report.dockerfile.sha256)
    return document


def _lock(lock: LockInput) -> dict[str, Value]:
    return present(path=lock.path, format=lock.format, sha256=lock.sha256)


def _target(target: TargetInput) -> dict[str, Value]:
    return present(reference=target.reference, source=target.source, digest=target.digest, platform=target.platform)


def _environment(environment: Environment) -> dict[str, Value]:
    interpreter, target = environment.interpreter, environment.target
    return present(
        path=environment.path,
        python=interpreter.version,
        implementation=interpreter.implementation,
        machine=target.machine,
        libc=str(target.libc) if target.libc else None,
    )


def _summary(report: Report) -> dict[str, Value]:
    counts = {severity.value: report.count(severity) for severity in Severity}
    compared = {"installed": report.installed, "matching": report.matching}
    suppressed = {"suppressed": len(report.suppressed)} if report.suppressed else {}
    known = {key: count for key, count in compared.items() if count is not None}
    return {"locked": report.locked, **known, **counts, **suppressed}


def _finding(finding: Finding, fingerprint: str) -> dict[str, Value]:
    return present(
        rule=finding.rule,
        slug=finding.slug,
        severity=finding.severity.value,
        package=finding.package,
        message=finding.message,
        locked=strings(finding.locked),
        installed=strings(finding.installed),
        path=finding.path,
        location=present(path=finding.location.path, line=finding.location.line) if finding.location else None,
        layer=layer_object(finding.layer),
        chain=strings(finding.chain),
        hint=finding.hint,
        fingerprint=fingerprint,
        suppression=_suppression(finding.suppression) if finding.suppression else None,
    )


def _practice(practice: Practice) -> dict[str, Value]:
    evidence: list[Value] = [
        present(rule=each.rule, outcome=each.outcome.value, grade=each.grade, text=each.text)
        for each in practice.evidence
    ]
    return present(number=practice.number, title=practice.title, outcome=practice.outcome.value, evidence=evidence)


def _proof(proof: Proof) -> dict[str, Value]:
    return present(
        package=proof.name,
        version=proof.version,
        grade=proof.grade.value,
        file=proof.filename,
        hash=str(proof.hash) if proof.hash else None,
        why=proof.why,
    )


def _suppression(suppression: Suppression) -> dict[str, Value]:
    return present(
        source=suppression.source,
        reason=suppression.reason,
        owner=suppression.owner,
        expires=suppression.expires.isoformat() if suppression.expires else None,
        is_baseline=suppression.is_baseline,
    )
