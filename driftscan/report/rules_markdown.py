"""The list of rules as Markdown, which links to the page of each in the same folder."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from driftscan.report.view import View
from driftscan.rules.page import family
from driftscan.rules.rule import Rule

_HEAD = """# Rules

A rule has a code, a name, and a severity that it has by default. `driftscan explain CODE` shows its page in a terminal,
`--select` and `--ignore` take codes, names and families.

The examples are run by driftscan's tests. Their images are written as what each instruction puts into a Debian 12 with
Python 3.11 and a virtual environment in `/opt/venv`; the hashes in them stand for real ones.
"""


def render(rules: Sequence[Rule], view: View) -> str:  # noqa: ARG001 (every format is called alike)
    """A table a family."""
    tables = [_table(title, list(found)) for title, found in groupby(rules, key=family)]
    return "\n".join([_HEAD, *tables])


def _table(title: str, rules: Sequence[Rule]) -> str:
    rows = [
        f"| [{rule.code}]({rule.code}.md) | {rule.slug} | {rule.severity.value} | {_cell(rule)} |" for rule in rules
    ]
    return "\n".join(
        [f"## {title.capitalize()}", "", "| rule | name | severity | holds when |", "|---|---|---|---|", *rows, ""]
    )


def _cell(rule: Rule) -> str:
    return rule.summary.replace("|", "\\|")
