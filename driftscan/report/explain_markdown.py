"""What rules mean, as Markdown: the page of each under its title, with what the rule itself says of it."""

from __future__ import annotations

from collections.abc import Sequence

from driftscan.report.view import View
from driftscan.rules import page
from driftscan.rules.page import Explained


def render(explained: Sequence[Explained], view: View) -> str:  # noqa: ARG001 (every format is called alike)
    """One page after the other."""
    return "\n".join(map(_page, explained))


def _page(explained: Explained) -> str:
    rule, told = explained.rule, explained.page
    blocks = [
        f"# {rule.code} {rule.slug}",
        f"{rule.severity.value.capitalize()}: {rule.summary}.",
        f"## {page.WRONG}",
        rule.why,
        told.wrong,
        "## Evidence",
        f"It looks at {rule.evidence}.",
        f"## {page.UNKNOWN}",
        told.unknown,
        f"## {page.SEVERITY}",
        told.severity,
        f"## {page.REMEDY}",
        f"In short: {rule.remedy}.",
        told.remedy,
        f"## {page.BAD}",
        told.bad.text,
        f"## {page.GOOD}",
        told.good.text,
    ]
    return "\n\n".join(blocks) + "\n"
