"""Baselines: all findings of a day as entries, written so that people can read, edit and review them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from packaging.utils import is_normalized_name

from driftscan.errors import UsageError
from driftscan.finding import Finding, Location, Report, Severity
from driftscan.fingerprint import fingerprints
from driftscan.suppressions.entries import FAMILY, Entry, Index, parse
from driftscan.toml.table import Table

SCHEMA = "driftscan.baseline/1"

_HEADER = f"""\
# Findings that are accepted for now, written by `driftscan baseline`. An entry holds through the day it expires on.
# Written again, the file keeps the entries that are still needed as they are, and loses those that are not.

schema = "{SCHEMA}"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """On what terms findings are accepted. `expires` is the last day."""

    reason: str
    owner: str | None = None
    expires: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A baseline: entries, each with what it was written for, and how many of them were not there before."""

    entries: tuple[tuple[Entry, str], ...]
    added: int
    dropped: int


def parse_baseline(table: Table) -> tuple[Entry, ...]:
    """The entries of a baseline file. Raises UsageError where it is none."""
    table.only(("schema", "suppress"), "key of a baseline")
    if (schema := table.text("schema")) is not None and schema != SCHEMA:
        raise UsageError(f"it is written in {schema}, and only {SCHEMA} is known", where=table.where("schema"))
    return tuple(parse(each, is_baseline=True) for each in table.tables("suppress"))


def baseline(reports: Iterable[Report], before: Sequence[Entry], terms: Terms, *, path: str, today: date) -> Written:
    """Entries for all findings of `reports` that nothing suppresses yet, on `terms`.

    The entries that were in the file `before` stay as they are where they match a finding and have not expired. Notes
    are left out, unless the reports fail on them.
    """
    index = Index(before)
    found: dict[str, Entry] = {}
    said: dict[str, str] = {}
    kept: dict[Entry, str] = {}
    for finding, mark in _accepted(reports):
        said.setdefault(mark, finding.message)
        old = next((entry for entry in index.matching(finding, mark) if entry.holds(today)), None)
        if old is not None:
            kept.setdefault(old, finding.message)
        else:
            found.setdefault(mark, _entry(finding, mark, terms, path))
    entries = [*kept.items(), *((entry, said[mark]) for mark, entry in found.items())]
    return Written(
        entries=tuple(sorted(entries, key=lambda pair: _order(pair[0]))),
        added=len(found),
        dropped=len(before) - len(kept),
    )


def render(written: Written) -> str:
    """The file."""
    return "\n".join([_HEADER, *(_block(entry, message) for entry, message in written.entries)])


def _accepted(reports: Iterable[Report]) -> Iterator[tuple[Finding, str]]:
    for report in reports:
        least = max(Severity.WARNING.rank, report.fail_on.rank if report.fail_on else 0)
        for finding, mark in zip(report.findings, fingerprints(report.findings), strict=True):
            is_about_entries = finding.rule.startswith(FAMILY)
            if finding.suppression is None and finding.severity.rank <= least and not is_about_entries:
                yield finding, mark


def _entry(finding: Finding, mark: str, terms: Terms, path: str) -> Entry:
    # The fingerprint says it all; the name, for readers, is left out where it is none.
    is_name = finding.package is not None and is_normalized_name(finding.package)
    return Entry(
        location=Location(path=path),
        rule=finding.rule,
        package=finding.package if is_name else None,
        fingerprint=mark,
        reason=terms.reason,
        owner=terms.owner,
        expires=terms.expires,
        is_baseline=True,
    )


def _order(entry: Entry) -> tuple[str, str, str, str]:
    return (
        entry.rule or "",
        entry.package or "",
        entry.fingerprint or "",
        repr(replace(entry, location=Location(path=""))),
    )


def _block(entry: Entry, message: str) -> str:
    texts: Mapping[str, str | None] = {
        "rule": entry.rule,
        "package": entry.package,
        "versions": str(entry.versions) if entry.versions is not None else None,
        "path": entry.path,
        "fingerprint": entry.fingerprint,
        "reason": entry.reason,
        "owner": entry.owner,
    }
    lines = [f"# {_comment(message)}", "[[suppress]]"]
    lines += [f"{key} = {_quoted(value)}" for key, value in texts.items() if value is not None]
    if entry.expires is not None:
        lines.append(f"expires = {entry.expires.isoformat()}")
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """A basic string (TOML 1.0.0)."""
    return '"' + "".join(_escaped(character) for character in text) + '"'


def _comment(text: str) -> str:
    """One line; what is invisible or could not be written is escaped."""
    return "".join(character if character.isprintable() else _unicode(character) for character in text)


def _escaped(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    return character if character.isprintable() else _unicode(character)


def _unicode(character: str) -> str:
    """An escape; a lone surrogate, which no TOML can hold, becomes U+FFFD."""
    code = ord(character)
    if 0xD800 <= code <= 0xDFFF:
        return "\\uFFFD"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
