from __future__ import annotations

from dataclasses import replace
from datetime import date

from driftscan.finding import Suppression
from driftscan.report import text
from driftscan.report.view import View
from tests.builders import reports


def test_suppressed_findings_stay_visible_and_say_why() -> None:
    excuse = Suppression("pyproject.toml", "vendored\x1b until 2.3", "shop@example", date(2027, 1, 31))
    unexplained = Suppression("driftscan-baseline.json", is_baseline=True)
    findings = (replace(reports.MISMATCH, suppression=excuse), replace(reports.UNEXPECTED, suppression=unexplained))
    lines = text.render(reports.report(*findings), View(width=200)).splitlines()
    assert lines[0] == "clean: 44 of 45 packages match; 2 suppressed"
    assert lines[-3:] == [
        "suppressed",
        (
            "  numpy 2.1.3 is locked, 2.2.0 is installed · DR202 version-mismatch · vendored\\x1b until 2.3"
            " · shop@example · until 2027-01-31 · pyproject.toml"
        ),
        "  pip 24.0 is installed, and not locked; it is an installer · DR203 unexpected · driftscan-baseline.json",
    ]
