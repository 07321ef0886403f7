"""Rules and their pages, which lie beside them in the package."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files

from driftscan.api.request import check_rules
from driftscan.rules import named
from driftscan.rules.page import Explained, parse
from driftscan.rules.rule import Rule


def explain(names: Sequence[str]) -> tuple[Explained, ...]:
    """Rules with their pages, by code, slug or family (`DR202`, `version-mismatch`, `DR`), each once.

    Raises UsageError for a name that no rule has.
    """
    check_rules(names)
    return tuple(explained(rule) for rule in dict.fromkeys(rule for name in names for rule in named(name)))


def explained(rule: Rule) -> Explained:
    return Explained(rule=rule, page=parse((files("driftscan.rules") / "pages" / f"{rule.code}.md").read_text("utf-8")))
