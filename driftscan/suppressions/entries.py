"""One entry, `[[suppress]]` in a configuration or a baseline file, and what it matches."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from driftscan.errors import UsageError
from driftscan.finding import Finding, Location, Suppression
from driftscan.rules import RULES, named
from driftscan.rules.rule import Rule
from driftscan.toml.table import Table, meant

FAMILY = "SU"
"""Findings about suppressions; nothing suppresses them."""

_CRITERIA = ("rule", "package", "path", "fingerprint")
_KEYS = (*_CRITERIA, "versions", "reason", "owner", "expires")
_FINGERPRINT = re.compile(r"[0-9a-f]{32}")
_GLOB = re.compile(r"\*\*/|\*\*|\*|\?|[^*?]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What a finding has to be to be suppressed: all that is given here.

    `rule` is a code, a slug, or the beginning of a code. `package` is the normalised name. `versions` is a range
    (version specifiers, PyPA) that all versions that are installed have to be in, or, where none is, all locked ones.
    `path` is a glob for the path in the image or, where there is none, of the lock: `*` and `?` stay in a folder, `**`
    does not. `expires` is the last day on which it holds. `location` is where the entry itself stands.
    """

    location: Location
    rule: str | None = None
    package: str | None = None
    versions: SpecifierSet | None = None
    path: str | None = None
    fingerprint: str | None = None
    reason: str | None = None
    owner: str | None = None
    expires: date | None = None
    is_baseline: bool = False

    def holds(self, day: date) -> bool:
        return self.expires is None or day <= self.expires

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Rules whose findings it can match."""
        candidates = RULES if self.rule is None else _named(self.rule)
        return tuple(rule for rule in candidates if not rule.code.startswith(FAMILY))

    def matches(self, finding: Finding, fingerprint: str) -> bool:
        """Whether `finding`, whose fingerprint is given, is what this entry means, whatever the day."""
        return (
            (self.fingerprint is None or self.fingerprint == fingerprint)
            and (self.package is None or self.package == finding.package)
            and (self.rule is None or _is_called(finding, self.rule))
            and (self.versions is None or _is_within(finding, self.versions))
            and (self.path is None or _lies_in(finding, self.path))
        )

    @property
    def suppression(self) -> Suppression:
        return Suppression(
            source=self.place,
            reason=self.reason,
            owner=self.owner,
            expires=self.expires,
            is_baseline=self.is_baseline,
        )

    @property
    def place(self) -> str:
        """`file:line`."""
        return self.location.path if self.location.line is None else f"{self.location.path}:{self.location.line}"

    @property
    def title(self) -> str:
        """`DR202 for six <2 in /opt/**`."""
        return " ".join(self._words())

    def _words(self) -> Iterator[str]:
        yield self.rule or "all rules"
        if self.package:
            yield f"for {self.package}"
        if self.versions is not None:
            yield str(self.versions) if self.package else f"for versions {self.versions}"
        if self.path:
            yield f"in {self.path}"
        if self.fingerprint and not self.package:
            yield f"with the fingerprint {self.fingerprint}"


class Index:
    """Entries by fingerprint, and those without: baselines have thousands of the former."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._entries = entries
        self._by_mark: dict[str, list[int]] = {}
        self._others: list[int] = []
        for position, entry in enumerate(entries):
            kept = self._others if entry.fingerprint is None else self._by_mark.setdefault(entry.fingerprint, [])
            kept.append(position)

    def matching(self, finding: Finding, fingerprint: str) -> list[Entry]:
        """The entries that match, in their order."""
        candidates = sorted((*self._by_mark.get(fingerprint, ()), *self._others))
        return [self._entries[each] for each in candidates if self._entries[each].matches(finding, fingerprint)]


def parse(table: Table, *, is_baseline: bool = False) -> Entry:
    """The entry that `table` is. Raises UsageError where it is none."""
    table.only(_KEYS, "key of a suppression")
    if not any(key in table.values for key in _CRITERIA):
        raise UsageError(
            "a suppression has to say what it is for", where=table.where(), hint=f"by {', '.join(_CRITERIA)}"
        )
    package = table.text("package")
    return Entry(
        location=Location(path=table.name, line=table.line()),
        rule=_rule(table),
        package=canonicalize_name(package) if package else None,
        versions=_versions(table),
        path=table.text("path"),
        fingerprint=_fingerprint(table),
        reason=_words(table, "reason"),
        owner=_words(table, "owner"),
        expires=table.day("expires"),
        is_baseline=is_baseline,
    )


def _words(table: Table, key: str) -> str | None:
    """Text that may be empty, as in a template that is not filled in yet; None then."""
    if isinstance(value := table.values.get(key), str) and not value.strip():
        return None
    return table.text(key)


def _rule(table: Table) -> str | None:
    name = table.text("rule")
    if name is None:
        return None
    if not _named(name):
        known = [*(rule.code for rule in RULES), *(rule.slug for rule in RULES)]
        raise UsageError(f"there is no rule {name!r}", where=table.where("rule"), hint=_meant_rule(name, known))
    if all(rule.code.startswith(FAMILY) for rule in _named(name)):
        raise UsageError(
            "findings about suppressions cannot be suppressed",
            where=table.where("rule"),
            hint=f'a rule that is not wanted is left out with `ignore = ["{name}"]`',
        )
    return name


def _meant_rule(name: str, known: list[str]) -> str:
    by_code = meant(name, [each.lower() for each in known], "rule")
    if by_code.startswith("did you mean"):
        found = by_code.removeprefix("did you mean ").removesuffix("?")
        return f"did you mean {found.upper() if found.upper() in known else found}?"
    return "`driftscan rules` lists them"


def _versions(table: Table) -> SpecifierSet | None:
    text = table.text("versions")
    try:
        return None if text is None else SpecifierSet(text, prereleases=True)
    except InvalidSpecifier as error:
        raise table.wrong("versions", 'a range of versions such as ">=1.2,<2"') from error


def _fingerprint(table: Table) -> str | None:
    text = table.text("fingerprint")
    if text is not None and not _FINGERPRINT.fullmatch(text):
        raise table.wrong("fingerprint", "32 hexadecimal digits in lower case, as a JSON report has them")
    return text


def _is_called(finding: Finding, name: str) -> bool:
    return finding.slug == name.lower() or finding.rule.startswith(name.upper())


def _is_within(finding: Finding, versions: SpecifierSet) -> bool:
    found = finding.installed or finding.locked
    return bool(found) and all(_contains(versions, version) for version in found)


def _contains(versions: SpecifierSet, version: str) -> bool:
    try:
        return versions.contains(Version(version))
    except InvalidVersion:
        return False


def _lies_in(finding: Finding, pattern: str) -> bool:
    path = finding.path or (finding.location.path if finding.location else None)
    return path is not None and _compiled(pattern).fullmatch(path) is not None


@cache
def _named(name: str) -> tuple[Rule, ...]:
    """A baseline names the same few rules thousands of times."""
    return named(name)


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    parts = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(parts.get(part, re.escape(part)) for part in _GLOB.findall(pattern)), re.DOTALL)
