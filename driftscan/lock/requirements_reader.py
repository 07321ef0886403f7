"""Entries of a requirements file and of the files that it includes, with what constraints add to them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import accumulate, takewhile
from posixpath import basename, dirname, join, normpath

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import InvalidVersion, Version

from driftscan.errors import LockError, MarkerError
from driftscan.lock.document import Document, clean_url, load_toml
from driftscan.lock.requirements_indexes import Indexes
from driftscan.lock.requirements_lines import Line, logical_lines
from driftscan.lock.requirements_sources import Located, locate
from driftscan.markers import MAX_NESTING
from driftscan.markers import parse as parse_marker
from driftscan.model.lock import Hash, Note, NoteKind, Origin, PackageId

_HASH = re.compile(r"(sha256|sha384|sha512|sha1|md5):([0-9a-fA-F]+)")
_VIA = re.compile(r"\s*via\b:?\s*(.*)", re.DOTALL)
_MAX_DEPTH = 32
_MAX_FILES = 256
_MAX_VERSION = 256
_TOO_DEEP = f"it is nested more than {MAX_NESTING} levels deep"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One requirement line."""

    id: PackageId
    specifier: str
    extras: frozenset[str]
    marker: str | None
    hashes: tuple[Hash, ...]
    located: Located | None
    file: str
    line: int
    via: tuple[str, ...] | None
    notes: tuple[Note, ...] = ()
    text: str = ""
    """The requirement as it is written, which can hold credentials, without the options behind it."""

    @property
    def pinned(self) -> bool:
        return self.located is not None or self.id.version is not None


@dataclass(slots=True)
class Reader:
    """Collects the entries of a file and of the files it includes."""

    entries: list[Entry] = field(default_factory=list)
    constraints: list[Entry] = field(default_factory=list)
    require_hashes: bool | None = None
    """What an option says; None where no option says anything, and pip requires hashes if any requirement has one."""
    has_hashes: bool = False
    indexes: Indexes = field(default_factory=Indexes)
    documents: list[Document] = field(default_factory=list)

    def read(self, document: Document, *, is_constraint: bool, chain: tuple[str, ...]) -> None:
        chain = (*chain, normpath(document.name))
        if len(chain) > _MAX_DEPTH:
            raise LockError(f"files include each other more than {_MAX_DEPTH} levels deep", where=document.name)
        self.documents.append(document)
        if len(self.documents) > _MAX_FILES:
            raise LockError(f"more than {_MAX_FILES} files are included", where=document.name)
        for line in logical_lines(document):
            self._read_line(document, line, is_constraint=is_constraint, chain=chain)

    def _read_line(self, document: Document, line: Line, *, is_constraint: bool, chain: tuple[str, ...]) -> None:
        options = dict(reversed(line.options))
        entries = self.constraints if is_constraint else self.entries
        if line.wanted is not None:
            entries.append(_entry(document, line, line.wanted))
            self.has_hashes = self.has_hashes or ("--hash" in options and "--editable" not in options)
            return
        for name, value in line.options:
            if name == "--hash":
                _orphan(entries, document, line.number, value)
            elif name in ("--require-hashes", "--no-require-hashes"):
                self._require_hashes(name == "--require-hashes", f"{document.name}:{line.number}")
        self.indexes.read(line.options, line.number if len(chain) == 1 else None)
        for name, constraint in (("--requirement", False), ("--constraint", True)):
            if name in options:
                # As pip has it, a file included by a constraints file is one of requirements again.
                included = _include(document, line.number, options[name], chain)
                self.read(included, is_constraint=constraint, chain=chain)
                return

    def _require_hashes(self, wanted: bool, where: str) -> None:
        if self.require_hashes is (not wanted):
            raise LockError("--require-hashes and --no-require-hashes exclude each other", where=where)
        self.require_hashes = wanted

    @property
    def hashes_required(self) -> bool:
        return self.has_hashes if self.require_hashes is None else self.require_hashes

    def constrained(self) -> Iterator[Entry]:
        """The entries, pinned and hashed by the constraints on them where those say more."""
        by_name: dict[NormalizedName, list[Entry]] = {}
        for constraint in self.constraints:
            by_name.setdefault(constraint.id.name, []).append(constraint)
        for entry in self.entries:
            yield from self._constrained(entry, by_name.get(entry.id.name, []))

    def _constrained(self, entry: Entry, found: list[Entry]) -> Iterator[Entry]:
        """The entry under the constraints on its project: one entry for each marker of theirs."""
        if entry.located is None:
            entry = replace(entry, id=entry.id._replace(origin=Origin(location=self.indexes.only)))
        always = [each for each in found if each.marker in (None, entry.marker)]
        for constraint in always:
            entry = _constrain(entry, constraint)
        if entry.pinned or always or not any(each.pinned for each in found):
            yield entry
            return
        # Constraints with markers of their own: one entry for each that pins.
        for constraint in found:
            marker = f"({entry.marker}) and ({constraint.marker})" if entry.marker else constraint.marker
            yield replace(_constrain(entry, constraint), marker=marker)


def _constrain(entry: Entry, constraint: Entry) -> Entry:
    entry = replace(
        entry, hashes=intersection(entry.hashes, constraint.hashes), notes=(*entry.notes, *constraint.notes)
    )
    if entry.pinned or not constraint.pinned:
        return entry
    if constraint.located is not None:
        return replace(entry, id=constraint.id, located=constraint.located)
    return replace(entry, id=entry.id._replace(version=constraint.id.version))


def intersection(one: tuple[Hash, ...], other: tuple[Hash, ...]) -> tuple[Hash, ...]:
    """Hashes that both allow; none at all allows any."""
    return tuple(value for value in one if value in other) if one and other else one or other


def _orphan(entries: list[Entry], document: Document, number: int, value: str) -> None:
    where = f"{document.name}:{number}"
    if not entries:
        raise LockError("a --hash stands before any requirement", where=where, hint="lock again")
    last = entries[-1]
    text = f"`--hash={value[:20]}…` is cut off from {last.id.name} by the comment before it, so pip ignores it"
    entries[-1] = replace(last, notes=(*last.notes, Note(NoteKind.ORPHANED_HASH, text, number)))


def _include(document: Document, number: int, path: str, chain: tuple[str, ...]) -> Document:
    where = f"{document.name}:{number}"
    if "://" in path:
        raise LockError(
            f"it includes {clean_url(path)}, and nothing is fetched", where=where, hint="keep the file in the project"
        )
    try:
        included = document.sibling(path)
    except LockError as error:
        if error.where != document.name:
            raise
        raise LockError(error.message, where=where, hint=error.hint) from error
    if included is None:
        raise LockError(f"it includes {path}, which does not exist", where=where)
    if normpath(included.name) in chain:
        raise LockError(f"{path} includes itself", where=where, hint="remove one of the -r or -c lines in the circle")
    return included


def _entry(document: Document, line: Line, text: str) -> Entry:
    where = f"{document.name}:{line.number}"
    editable = line.is_editable
    if editable and line.requirement and locate(text, editable=False, where=where) is None:
        raise LockError(
            f"`{text[:100]}` is no folder, and pip takes it for the one that -e is about",
            where=where,
            hint="write -e on a line of its own",
        )
    located = locate(text, editable=editable, where=where)
    # pip takes no options for editables, and there is nothing to hash.
    hashes = () if editable else tuple(_hashes(line, where))
    if located is not None:
        hashes = hashes or located.hashes
        notes = tuple(Note(kind, reason, line.number) for kind, reason in located.notes(hashes))
        name = _directory_name(document, located)
        return Entry(
            id=PackageId(name, located.version, located.origin),
            specifier="",
            extras=located.extras,
            marker=_marker(located.marker, where),
            hashes=hashes,
            located=located,
            file=document.name,
            line=line.number,
            via=_via(line),
            notes=notes,
            text=text,
        )
    requirement = _requirement(text, where)
    return Entry(
        id=PackageId(canonicalize_name(requirement.name), _pin(requirement), Origin()),
        specifier=str(requirement.specifier),
        extras=frozenset(map(canonicalize_name, requirement.extras)),
        marker=_marker(str(requirement.marker) if requirement.marker else None, where),
        hashes=hashes,
        located=None,
        file=document.name,
        line=line.number,
        via=_via(line),
        text=text,
    )


def _requirement(text: str, where: str) -> Requirement:
    try:
        if _is_nested_deeply(text):
            raise InvalidRequirement(_TOO_DEEP)
        requirement = Requirement(text)
        if any(len(specifier.version) > _MAX_VERSION for specifier in requirement.specifier):
            raise InvalidRequirement("its version is too long to be real")
        return requirement
    except (InvalidRequirement, RecursionError) as error:
        reason = _TOO_DEEP if isinstance(error, RecursionError) else str(error).split("\n", 1)[0]
        shown = text if len(text) < 100 else f"{text[:100]}…"
        hint = "conda packages (`name=version=build`) are not requirements" if re.match(r"[\w.-]+=[^=]", text) else None
        raise LockError(f"`{shown}` is no requirement: {reason}", where=where, hint=hint) from error


def _is_nested_deeply(text: str) -> bool:
    """Whether parentheses are nested past what markers may be; how deep packaging goes differs by its version."""
    if text.count("(") <= MAX_NESTING:
        return False
    return max(accumulate((character == "(") - (character == ")") for character in text)) > MAX_NESTING


def _marker(text: str | None, where: str) -> str | None:
    if text is not None:
        try:
            parse_marker(text)
        except MarkerError as error:
            raise LockError(error.message, where=where) from error
    return text


def _pin(requirement: Requirement) -> str | None:
    """The one version that `==` or `===` allows; None for anything looser, `==1.*` included."""
    for specifier in requirement.specifier:
        if specifier.operator == "===":
            return specifier.version
        if specifier.operator == "==" and not specifier.version.endswith(".*"):
            try:
                return str(Version(specifier.version))
            except InvalidVersion:
                return specifier.version
    return None


def _hashes(line: Line, where: str) -> Iterator[Hash]:
    for name, value in line.options:
        if name != "--hash":
            continue
        match = _HASH.fullmatch(value)
        if match is None:
            raise LockError(
                f"the hash {value[:100]!r} is not of the form sha256:hexadecimal", where=where, hint="lock again"
            )
        yield Hash(match[1], match[2].lower())


def _via(line: Line) -> tuple[str, ...] | None:
    """Who requires the entry, from its `# via` comment in one line or several; None where it has none."""
    for position, comment in enumerate(line.comments):
        if (match := _VIA.fullmatch(comment)) is not None:
            # The rest of a list is indented; other comments can follow it.
            further = takewhile(lambda text: text.startswith("  "), line.comments[position + 1 :])
            listed = [match[1], *further]
            return tuple(name.strip() for text in listed for name in text.split(",") if name.strip())
    return None


def project_name(document: Document, path: str) -> NormalizedName | None:
    """The name in the pyproject.toml at `path` from the document."""
    pyproject = document.sibling(path)
    if pyproject is None:
        return None
    project = load_toml(pyproject).get("project")
    name = project.get("name") if isinstance(project, dict) else None
    return canonicalize_name(name) if isinstance(name, str) else None


def _directory_name(document: Document, located: Located) -> NormalizedName:
    """The project's name; a folder without a name in the requirement tells it in its pyproject.toml, if at all."""
    if not located.is_folder:
        return located.name
    try:
        name = project_name(document, normpath(join(located.origin.location, "pyproject.toml")))
    except LockError:
        # It lies outside of the project or is broken, and neither makes the lock unreadable.
        name = None
    if name is None and normpath(located.origin.location) == ".":
        return canonicalize_name(basename(dirname(document.name)) or "project")
    return name or located.name
