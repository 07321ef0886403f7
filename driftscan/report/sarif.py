"""The report of a comparison in SARIF 2.1.0 (docs.oasis-open.org/sarif/sarif/v2.1.0), for code scanning.

A finding stands at its line of a lock, or else where `Anchors` puts it. What could not be checked is a notification of
the run. `partialFingerprints` hold the finding's fingerprint twice: under a name of its own, and as
`primaryLocationLineHash`, the only one that GitHub goes by; without it all findings of a rule on one line would be one
alert.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from urllib.parse import quote

from driftscan._version import __version__
from driftscan.finding import Finding, Location, Report, Severity, Suppression
from driftscan.fingerprint import fingerprints
from driftscan.report.escape import plain, unicode_text
from driftscan.report.json import Value, layer_object, present, strings
from driftscan.report.ruledocs import default_severity, of_code
from driftscan.report.view import View
from driftscan.report.words import Anchors, repository_path

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
MOST = 25_000
"""Results of a run; GitHub refuses a file with more (docs.github.com, SARIF support for code scanning)."""
_ROOT = "%SRCROOT%"
_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
_MARKUP = str.maketrans({"\\": "\\\\", "[": "\\[", "]": "\\]", "{": "{{", "}": "}}"})
"""Embedded links and placeholders of message strings (SARIF 3.11.5, 3.11.6)."""


def render(report: Report, view: View) -> str:
    marks = fingerprints(report.findings)
    kept = report.findings[:MOST]
    first = {finding.rule: finding for finding in reversed(report.findings)}
    index = {code: position for position, code in enumerate(sorted(first))}
    driver: dict[str, Value] = {
        "name": "driftscan",
        "semanticVersion": __version__,
        "rules": [_rule(first[code]) for code in index],
    }
    anchors = Anchors(report)
    results: list[Value] = [
        _result(finding, mark, anchors.of(finding), index[finding.rule], view)
        for finding, mark in zip(kept, marks[:MOST], strict=True)
    ]
    run: dict[str, Value] = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {_ROOT: {"description": {"text": "The top of the repository."}}},
        "invocations": [{"executionSuccessful": True, **_notifications(report)}],
        "results": results,
        "properties": {"verdict": report.verdict.value},
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=1) + "\n"


def _notifications(report: Report) -> dict[str, Value]:
    texts = [f"not checked: {item.what}: {item.why}" for item in report.unchecked]
    if len(report.findings) > MOST:
        texts.append(f"{len(report.findings) - MOST} findings are left out: code scanning takes {MOST} of a run")
    found: list[Value] = [{"level": "warning", "message": _message(text)} for text in texts]
    return {"toolExecutionNotifications": found} if found else {}


def _rule(finding: Finding) -> dict[str, Value]:
    rule = of_code(finding.rule)
    level = _LEVELS[default_severity(finding)]
    described: dict[str, Value] = {
        "id": finding.rule,
        "name": _pascal(finding.slug),
        "defaultConfiguration": {"level": level},
        "properties": {"tags": [finding.rule[:2], finding.slug], "precision": "very-high"},
    }
    if rule is None:
        return {**described, "shortDescription": {"text": finding.slug.replace("-", " ")}}
    help_text = f"{rule.why}\n\nWhat to do: {rule.remedy}\n\nEvidence: {rule.evidence}"
    help_markdown = f"{rule.why}\n\n**What to do:** {rule.remedy}\n\n**Evidence:** {rule.evidence}"
    return {
        **described,
        "shortDescription": {"text": _sentence(rule.summary)},
        "fullDescription": {"text": f"{_sentence(rule.summary)} {rule.why}"},
        "help": {"text": help_text, "markdown": help_markdown},
    }


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _pascal(slug: str) -> str:
    return "".join(part.capitalize() for part in slug.split("-"))


def _result(finding: Finding, mark: str, where: Location | None, rule: int, view: View) -> dict[str, Value]:
    result: dict[str, Value] = {
        "ruleId": finding.rule,
        "ruleIndex": rule,
        "level": _LEVELS[finding.severity],
        "message": _message(*_texts(finding)),
        "partialFingerprints": {"driftscan/1": mark, "primaryLocationLineHash": f"{mark[:16]}:1"},
        "properties": present(
            package=finding.package,
            locked=strings(finding.locked),
            installed=strings(finding.installed),
            path=finding.path,
            layer=layer_object(finding.layer),
            chain=strings(finding.chain),
            hint=finding.hint,
        ),
    }
    if where is not None:
        result["locations"] = [_location(where, finding, view)]
    if finding.suppression is not None:
        result["suppressions"] = [_suppression(finding.suppression)]
    return result


def _texts(finding: Finding) -> Sequence[str]:
    texts = [finding.message]
    if finding.layer is not None:
        made = f", made by {finding.layer.created_by}" if finding.layer.created_by else ""
        texts.append(f"Layer {finding.layer.index}{made}")
    if finding.hint:
        texts.append(f"Fix: {finding.hint}")
    return texts


def _message(*texts: str) -> dict[str, Value]:
    return {"text": "\n".join(plain(text).translate(_MARKUP) for text in texts)}


def _location(where: Location, finding: Finding, view: View) -> dict[str, Value]:
    path = repository_path(where.path, view)
    uri = quote(unicode_text(path), safe="/~")
    artifact: dict[str, Value] = {"uri": uri, "uriBaseId": _ROOT}
    if path.startswith("/"):
        artifact = {"uri": f"file://{uri}"}
    location: dict[str, Value] = {
        "physicalLocation": {"artifactLocation": artifact, "region": {"startLine": where.line or 1}}
    }
    if finding.package:
        location["logicalLocations"] = [{"name": unicode_text(finding.package), "kind": "module"}]
    return location


def _suppression(suppression: Suppression) -> dict[str, Value]:
    properties = present(
        source=suppression.source,
        owner=suppression.owner,
        expires=suppression.expires.isoformat() if suppression.expires else None,
        is_baseline=suppression.is_baseline,
    )
    shown: dict[str, Value] = {"kind": "external", "properties": properties}
    return {**shown, "justification": plain(suppression.reason)} if suppression.reason else shown
