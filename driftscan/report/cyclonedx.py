"""The report of a comparison as a CycloneDX 1.6 document of the image, with the lock's pins and the drift."""

from __future__ import annotations

from driftscan.errors import UsageError
from driftscan.finding import Report
from driftscan.report.bom import Drift, document
from driftscan.report.view import View


def render(report: Report, view: View) -> str:  # noqa: ARG001 (every format is called alike)
    """Raises UsageError where no image was compared."""
    if report.inventory is None or report.target is None or report.environment is None:
        raise UsageError("a CycloneDX document is of an image, and none was compared")
    facts = [("verdict", report.verdict.value)]
    facts += [("lock", f"{lock.path} sha256:{lock.sha256}") for lock in report.locks]
    facts += [("not-checked", f"{what}: {why}") for what, why in report.unchecked]
    drift = Drift(report.environment.path, report.packages, report.findings, facts)
    return document(report.inventory, report.target, drift)
