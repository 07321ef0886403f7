"""The report of a comparison in GitHub Flavored Markdown: for job summaries, and for comments on a pull request.

GitHub takes 65,536 characters of a comment and 1 MiB of a job summary, GitLab 1,000,000 characters of a comment; what
does not fit into the smallest of these is counted. Text from an image or a lock shows as itself: it makes no markup,
no link, no image, no mention of a person or a team, and no reference to an issue.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from driftscan.finding import Finding, Outcome, Practice, Report, Severity, Verdict
from driftscan.report.escape import plain
from driftscan.report.view import View
from driftscan.report.words import (
    about,
    counted,
    excuse,
    headline,
    instruction,
    lock_facts,
    place,
    proof_facts,
    target_facts,
)

LIMIT = 65_000
"""Bytes of the whole; a comment may have 65,536 characters."""
_RESERVE = 600
"""Bytes that are kept for what is said about the rest."""
_KEPT = 15_000
"""Bytes that findings leave for the rest, so that what was not checked is told beside however many findings."""
_LONGEST = 600
"""Characters of one text that are shown."""
_MARKS = {Verdict.DRIFT: "❌", Verdict.INCOMPLETE: "⚠️", Verdict.CLEAN: "✅"}
_SEVERITY_MARKS = {Severity.ERROR: "❌ error", Severity.WARNING: "⚠️ warning", Severity.INFO: "ℹ️ info"}
_OUTCOME_MARKS = {Outcome.PASS: "✅ pass", Outcome.FAIL: "❌ fail", Outcome.UNKNOWN: "⚠️ unknown"}

_ENTITIES = {character: f"&#{ord(character)};" for character in "&<>`|\\[]{}"}
"""Entities make no markup anywhere, whatever stands around them and whichever of its dialects reads them."""
_ESCAPED = {character: f"\\{character}" for character in "*_~$"}
_TABLE = str.maketrans(_ENTITIES | _ESCAPED)
_LIVE = re.compile(
    r"@(?!(?<=\w@)sha(?:256|512):)(?=[A-Za-z0-9])|(?<=:)//|(?<=\bwww)\.|[#!](?=\d)|(?<=\bGH)-(?=\d)", re.IGNORECASE
)
"""Where forges turn text into mentions, links and references, after the Markdown has been read; a digest behind the
name of an image is none of these, and people copy it."""
_BREAK = "&#8203;"
"""A zero-width space: nothing that shows keeps a forge from it."""


def render(report: Report, view: View) -> str:  # noqa: ARG001 (every format is called alike)
    """Verdict, facts, a table of findings, and folded what does not count, was not checked, or is only worth a note."""
    writer = _Writer(LIMIT)
    for line in _header(report):
        writer.add(line)
    matters = [finding for finding in report.active if finding.severity is not Severity.INFO]
    notes = [finding for finding in report.active if finding.severity is Severity.INFO]
    head = ("", "| | package | finding | layer |", "|---|---|---|---|")
    writer.rows(head, map(_row, matters), counted, "finding", total=len(matters), keep=_KEPT)
    practices = report.practices
    writer.folded("practices", map(_practice, practices), total=len(practices))
    unchecked = (f"- {text(what)}: {text(why)}" for what, why in report.unchecked)
    writer.folded("not checked", unchecked, total=len(report.unchecked), opened=True)
    writer.folded("info", (_line(finding) for finding in notes), total=len(notes))
    writer.folded("suppressed", (_suppressed(finding) for finding in report.suppressed), total=len(report.suppressed))
    return writer.finished()


def text(untrusted: str) -> str:
    """`untrusted` on one line, as text and nothing else; what is very long is cut in the middle."""
    shown = plain(untrusted)
    if len(shown) > _LONGEST:
        shown = f"{shown[: _LONGEST // 2]} … {shown[-_LONGEST // 2 :]}"
    return _BREAK.join(_pieces(shown))


def _pieces(shown: str) -> Iterator[str]:
    """Escaped text, cut where it has to be broken."""
    start = 0
    for found in _LIVE.finditer(shown):
        end = found.end() if found[0] in "@#!" else found.start()
        yield shown[start:end].translate(_TABLE)
        start = end
    yield shown[start:].translate(_TABLE)


def _header(report: Report) -> Iterator[str]:
    verdict = report.verdict
    yield f"### {_MARKS[verdict]} {verdict}: {text(headline(report))}"
    for facts in (target_facts(report), lock_facts(report), proof_facts(report)):
        if line := " · ".join(map(text, facts)):
            yield ""
            yield line


def _row(finding: Finding) -> str:
    """Message with rule, place, chain and way out; the instruction is what a reader looks for next."""
    context = [f"{finding.rule} {finding.slug}", *filter(None, [place(finding)])]
    if len(finding.chain) > 1:
        context.append(f"via {' > '.join(finding.chain)}")
    cell = f"{text(finding.message)}<br><sub>{' · '.join(map(text, context))}</sub>"
    if finding.hint:
        cell += f"<br><sub>fix: {text(finding.hint)}</sub>"
    layer = f"{finding.layer.index}: {text(instruction(finding.layer))}" if finding.layer else ""
    return f"| {_SEVERITY_MARKS[finding.severity]} | {text(about(finding))} | {cell} | {layer} |"


def _practice(practice: Practice) -> str:
    """How it ended, and what decided that."""
    deciding = [each for each in practice.evidence if each.outcome is practice.outcome]
    mark = f"- {_OUTCOME_MARKS[practice.outcome]} {practice.number} {text(practice.title)}"
    if practice.outcome is Outcome.PASS or not deciding:
        return mark
    return f"{mark}: {'; '.join(f'{text(each.text)} ({text(each.rule)})' for each in deciding)}"


def _line(finding: Finding, *more: str) -> str:
    facts = [f"{finding.rule} {finding.slug}", *([f"layer {finding.layer.index}"] if finding.layer else []), *more]
    return f"- {text(finding.message)} · {' · '.join(map(text, facts))}"


def _suppressed(finding: Finding) -> str:
    return _line(finding, *excuse(finding.suppression))


def _plainly(number: int, title: str) -> str:
    return f"{number} {title}"


class _Writer:
    """Lines up to a number of bytes; what does not fit is counted."""

    def __init__(self, limit: int) -> None:
        self._left = limit - _RESERVE
        self._lines: list[str] = []
        self._missing: list[str] = []

    def add(self, *lines: str) -> bool:
        """Whether all of `lines` fitted; none is added otherwise."""
        size = sum(len(line.encode()) + 1 for line in lines)
        if size > self._left:
            return False
        self._left -= size
        self._lines += lines
        return True

    def rows(
        self,
        head: Sequence[str],
        rows: Iterable[str],
        words: Callable[[int, str], str],
        noun: str,
        *,
        total: int,
        keep: int = 0,
    ) -> None:
        """Rows under `head`, as many as fit when `keep` bytes are left for what follows."""
        self._left -= keep
        shown = 0
        if total and self.add(*head):
            for row in rows:
                if not self.add(row):
                    break
                shown += 1
        if shown < total:
            self._missing.append(words(total - shown, noun))
        self._left += keep

    def folded(self, title: str, rows: Iterable[str], *, total: int, opened: bool = False) -> None:
        end = ("", "</details>")
        head = ("", f"<details{' open' if opened else ''}><summary>{total} {title}</summary>", "")
        before = len(self._lines)
        self.rows(head, rows, _plainly, title, total=total, keep=sum(len(line) + 1 for line in end))
        if len(self._lines) > before:
            self.add(*end)

    def finished(self) -> str:
        if self._missing:
            left = ", ".join(self._missing)
            self._lines += ["", f"Left out, since this has a limit: {left}. The other reports have all."]
        return "\n".join(self._lines) + "\n"
