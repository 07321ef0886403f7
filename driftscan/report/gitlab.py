"""The report of a comparison as a GitLab code quality report (docs.gitlab.com/ci/testing/code_quality).

An array of objects, each at a line of a file of the repository (see `Anchors`). The format knows nothing that does not
count, so what is suppressed is `info` and says so, and what could not be checked is `minor`.
"""

from __future__ import annotations

import hashlib
import json

from driftscan.finding import Finding, Location, Report, Severity
from driftscan.fingerprint import fingerprints
from driftscan.model.lock import Unchecked
from driftscan.report.escape import plain, unicode_text
from driftscan.report.json import Value
from driftscan.report.view import View
from driftscan.report.words import Anchors, excuse, instruction, repository_path

_SEVERITIES = {Severity.ERROR: "critical", Severity.WARNING: "major", Severity.INFO: "info"}


def render(report: Report, view: View) -> str:
    marks = fingerprints(report.findings)
    anchors = Anchors(report)
    found = [_finding(*pair, anchors, view) for pair in zip(report.findings, marks, strict=True)]
    found += [_unchecked(each, anchors, view) for each in report.unchecked]
    return json.dumps(found, indent=2) + "\n"


def _finding(finding: Finding, mark: str, anchors: Anchors, view: View) -> dict[str, Value]:
    message = finding.message
    if finding.layer is not None:
        message += f" (layer {finding.layer.index}: {instruction(finding.layer)})"
    if finding.suppression is not None:
        message = f"suppressed ({', '.join(excuse(finding.suppression))}): {message}"
    severity = "info" if finding.suppression is not None else _SEVERITIES[finding.severity]
    return _issue(message, f"{finding.rule} {finding.slug}", mark, severity, anchors.of(finding), view)


def _unchecked(item: Unchecked, anchors: Anchors, view: View) -> dict[str, Value]:
    mark = hashlib.sha256(f"unchecked {unicode_text(item.what)}".encode()).hexdigest()[:32]
    return _issue(f"not checked: {item.what}: {item.why}", "unchecked", mark, "minor", anchors.start, view)


def _issue(
    message: str, rule: str, mark: str, severity: str, location: Location | None, view: View
) -> dict[str, Value]:
    where = location or Location(path=".", line=1)
    path: Value = plain(repository_path(where.path, view))
    return {
        "description": plain(message),
        "check_name": rule,
        "fingerprint": mark,
        "severity": severity,
        "location": {"path": path, "lines": {"begin": where.line or 1}},
    }
