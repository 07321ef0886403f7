"""What a check of a practice says: pass, fail or unknown, and on which evidence."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from driftscan.finding import Location, Outcome, Severity
from driftscan.model.image import LayerId


class Grade(StrEnum):
    """Where evidence comes from."""

    DOCKERFILE = "Dockerfile"
    PROVENANCE = "provenance"
    LAYER = "layer"
    CONFIGURATION = "configuration"
    HISTORY = "history"
    LOCK = "lock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What one rule says of one thing.

    `text` is the fact that passes or fails, or what is unknown; `why` then says what would settle it. The rest is as in
    a finding.
    """

    rule: str
    outcome: Outcome
    grade: Grade
    text: str
    why: str = ""
    severity: Severity | None = None
    hint: str | None = None
    location: Location | None = None
    layer: LayerId | None = None
    path: str | None = None
    package: str | None = None


def passed(rule: str, grade: Grade, text: str) -> Statement:
    return Statement(rule=rule, outcome=Outcome.PASS, grade=grade, text=text)


def failed(
    rule: str, grade: Grade, text: str, hint: str, location: Location | None = None, layer: LayerId | None = None
) -> Statement:
    return Statement(rule=rule, outcome=Outcome.FAIL, grade=grade, text=text, hint=hint, location=location, layer=layer)


def unknown(rule: str, grade: Grade, text: str, why: str) -> Statement:
    return Statement(rule=rule, outcome=Outcome.UNKNOWN, grade=grade, text=text, why=why)
