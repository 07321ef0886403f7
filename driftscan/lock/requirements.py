"""requirements.txt in pip's grammar, as written by hand, by pip-compile and by uv.

Every entry stands for itself, so the lock is flat. Who requires what is known from `# via` comments, where the file has
them. `${VARIABLES}` stay as they are written: what this machine's environment holds is none of the lock's business.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from posixpath import basename, normpath

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import InvalidVersion, Version

from driftscan.errors import LockError, MarkerError
from driftscan.lock.document import Document, clean_url, load_toml
from driftscan.lock.requirements_lines import Line, decode_head, logical_lines
from driftscan.lock.requirements_sources import Located, locate
from driftscan.markers import parse as parse_marker
from driftscan.model.lock import (
    Artifact,
    Dependency,
    Hash,
    Lock,
    Note,
    NoteKind,
    Origin,
    Package,
    PackageId,
    SelectionMode,
)

_NAME = re.compile(
    r"(?:.*[-_.])?(?:requirements|constraints)(?:[-_.].*)?\.(?:txt|in|lock)|.*\.txt|.*\.in", re.IGNORECASE
)
_ENTRY = re.compile(
    r"[ \t]*(?:[A-Za-z0-9][\w.-]*[ \t]*(?:\[[^\]\n]*\])?[ \t]*(?:[=!~]=|[<>@;#\\]|--|$)"
    r"|-[A-Za-z-]|\.{0,2}/|(?:[a-z]+\+)?[a-z]+://)"
)
_HASH = re.compile(r"(sha256|sha384|sha512|sha1|md5):([0-9a-fA-F]+)")
_VIA = re.compile(r"\s*via\b:?\s*(.*)", re.DOTALL)
_MAX_DEPTH = 32


def matches(name: str, head: bytes) -> bool:
    """Whether a file can be a requirements file: by its name's end, and by a line that reads as a requirement."""
    if _NAME.fullmatch(basename(name)) is None:
        return False
    lines = [line for line in decode_head(head).split("\n") if line.strip() and not line.lstrip().startswith("#")]
    return not lines or any(_ENTRY.match(line.rstrip("\r")) for line in lines)


def parse(document: Document) -> Lock:
    """Read a requirements file and what it includes.

    Raises LockError with file and line for a line that pip refuses, an include that is missing, remote, outside of
    the project or circular, and a merge conflict.
    """
    reader = _Reader()
    reader.read(document, is_constraint=False, chain=())
    entries = [_constrained(entry, reader.constraints) for entry in reader.entries]
    ids = [entry.id for entry in entries]
    children = _children(entries)
    packages = tuple(_package(entry, ids, children, document) for entry in entries)
    return Lock(
        path=document.name,
        format="requirements",
        sha256=document.sha256,
        mode=SelectionMode.FLAT,
        packages=_merged(packages),
        roots=tuple(_root(entry) for entry in entries),
        project_name=_project_name(document),
        hashes_required=reader.require_hashes or any(entry.hashes for entry in entries),
        notes=tuple(reader.orphans),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
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

    @property
    def pinned(self) -> bool:
        return self.located is not None or self.id.version is not None


@dataclass(slots=True)
class _Reader:
    """Collects the entries of a file and of the files it includes."""

    entries: list[_Entry] = field(default_factory=list)
    constraints: dict[NormalizedName, _Entry] = field(default_factory=dict)
    orphans: list[Note] = field(default_factory=list)
    require_hashes: bool = False
    index: str = ""

    def read(self, document: Document, *, is_constraint: bool, chain: tuple[str, ...]) -> None:
        chain = (*chain, normpath(document.name))
        if len(chain) > _MAX_DEPTH:
            raise LockError(f"files include each other more than {_MAX_DEPTH} levels deep", where=document.name)
        for line in logical_lines(document):
            self._read_line(document, line, is_constraint=is_constraint, chain=chain)

    def _read_line(self, document: Document, line: Line, *, is_constraint: bool, chain: tuple[str, ...]) -> None:
        options = dict(reversed(line.options))
        editable = options.get("--editable")
        if line.requirement or editable is not None:
            self._add(_entry(document, line, editable, self.index), is_constraint=is_constraint)
            return
        self.require_hashes = self.require_hashes or "--require-hashes" in options
        self.index = clean_url(options.get("--index-url", options.get("--pypi-url", self.index)))
        for name, value in line.options:
            if name == "--hash":
                self._orphan(document, line.number, value)
        for name, constraint in (("--requirement", False), ("--constraint", True)):
            if name in options:
                # As pip has it, a file included by a constraints file is one of requirements again.
                included = _include(document, line.number, options[name], chain)
                self.read(included, is_constraint=constraint, chain=chain)
                return

    def _add(self, entry: _Entry, *, is_constraint: bool) -> None:
        if is_constraint:
            self.constraints.setdefault(entry.id.name, entry)
        else:
            self.entries.append(entry)

    def _orphan(self, document: Document, number: int, value: str) -> None:
        if not self.entries:
            raise LockError("a --hash stands before any requirement", where=f"{document.name}:{number}")
        last = self.entries[-1]
        text = f"`--hash={value[:20]}…` is cut off from {last.id.name} by the comment before it, so pip ignores it"
        note = Note(NoteKind.ORPHANED_HASH, text, number)
        self.entries[-1] = replace(last, notes=(*last.notes, note))


def _include(document: Document, number: int, path: str, chain: tuple[str, ...]) -> Document:
    where = f"{document.name}:{number}"
    if "://" in path:
        raise LockError(
            f"it includes {clean_url(path)}, and nothing is fetched", where=where, hint="keep the file in the project"
        )
    included = document.sibling(path)
    if included is None:
        raise LockError(f"it includes {path}, which does not exist", where=where)
    if normpath(included.name) in chain:
        raise LockError(f"{path} includes itself", where=where, hint="remove one of the -r or -c lines in the circle")
    return included


def _entry(document: Document, line: Line, editable: str | None, index: str) -> _Entry:
    where = f"{document.name}:{line.number}"
    text = editable if editable is not None else line.requirement
    located = locate(text, editable=editable is not None, where=where)
    hashes = tuple(_hashes(line, where))
    if located is not None:
        hashes = hashes or located.hashes
        notes = tuple(Note(kind, reason, line.number) for kind, reason in located.notes(hashes))
        return _Entry(
            id=PackageId(located.name, located.version, located.origin),
            specifier="",
            extras=located.extras,
            marker=_marker(located.marker, where),
            hashes=hashes,
            located=located,
            file=document.name,
            line=line.number,
            via=_via(line),
            notes=notes,
        )
    requirement = _requirement(text, where)
    return _Entry(
        id=PackageId(canonicalize_name(requirement.name), _pin(requirement), Origin(location=index)),
        specifier=str(requirement.specifier),
        extras=frozenset(map(canonicalize_name, requirement.extras)),
        marker=_marker(str(requirement.marker) if requirement.marker else None, where),
        hashes=hashes,
        located=None,
        file=document.name,
        line=line.number,
        via=_via(line),
    )


def _requirement(text: str, where: str) -> Requirement:
    try:
        return Requirement(text)
    except (InvalidRequirement, RecursionError) as error:
        reason = str(error).split("\n", 1)[0]
        shown = text if len(text) < 100 else f"{text[:100]}…"
        hint = "conda packages (`name=version=build`) are not requirements" if re.match(r"[\w.-]+=[^=]", text) else None
        raise LockError(f"`{shown}` is no requirement: {reason}", where=where, hint=hint) from error


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
            listed = [match[1], *line.comments[position + 1 :]]
            return tuple(name.strip() for text in listed for name in text.split(",") if name.strip())
    return None


def _constrained(entry: _Entry, constraints: dict[NormalizedName, _Entry]) -> _Entry:
    """The entry, pinned and hashed by a constraints file where that says more."""
    constraint = constraints.get(entry.id.name)
    if constraint is None or entry.located is not None:
        return entry
    hashes = entry.hashes or constraint.hashes
    if entry.hashes and constraint.hashes:
        hashes = tuple(value for value in entry.hashes if value in constraint.hashes)
    package_id = entry.id
    if package_id.version is None:
        package_id = package_id._replace(version=constraint.id.version, origin=constraint.id.origin)
    return replace(entry, id=package_id, hashes=hashes)


def _children(entries: list[_Entry]) -> dict[str, list[NormalizedName]] | None:
    """What each package requires, from the `via` comments turned around; None where there are no comments."""
    if all(entry.via is None for entry in entries):
        return None
    children: dict[str, list[NormalizedName]] = {}
    for entry in entries:
        for parent in entry.via or ():
            if not parent.startswith(("-r", "-c", "(")) and " " not in parent.split(" (")[0]:
                children.setdefault(canonicalize_name(parent.split("[")[0].split(" (")[0]), []).append(entry.id.name)
    return children


def _package(
    entry: _Entry, ids: list[PackageId], children: dict[str, list[NormalizedName]] | None, document: Document
) -> Package:
    dependencies = None
    if children is not None:
        dependencies = tuple(
            Dependency(name=child, candidates=tuple(dict.fromkeys(key for key in ids if key.name == child)))
            for child in children.get(entry.id.name, ())
        )
    located = entry.located
    artifact = Artifact(
        filename=located.filename if located else None,
        url=located.origin.location if located and located.filename else None,
        hashes=entry.hashes,
    )
    return Package(
        id=entry.id,
        pinned=entry.pinned,
        specifier=entry.specifier,
        artifacts=(artifact,) if entry.hashes or artifact.filename else (),
        dependencies=dependencies,
        path=entry.file if entry.file != document.name else None,
        line=entry.line,
        notes=entry.notes,
    )


def _merged(packages: tuple[Package, ...]) -> tuple[Package, ...]:
    """One package for entries that differ in marker or extras only; their hashes stay alternatives."""
    found: dict[PackageId, Package] = {}
    for package in packages:
        known = found.get(package.id)
        if known is None:
            found[package.id] = package
        elif known.artifacts != package.artifacts:
            found[package.id] = replace(known, artifacts=(*known.artifacts, *package.artifacts))
    return tuple(found.values())


def _root(entry: _Entry) -> Dependency:
    return Dependency(
        name=entry.id.name,
        specifier=entry.specifier,
        extras=entry.extras,
        marker=entry.marker,
        candidates=(entry.id,),
        line=entry.line,
    )


def _project_name(document: Document) -> NormalizedName | None:
    """The project in whose folder the lock lies, from its pyproject.toml."""
    pyproject = document.sibling("pyproject.toml")
    if pyproject is None:
        return None
    project = load_toml(pyproject).get("project")
    name = project.get("name") if isinstance(project, dict) else None
    return canonicalize_name(name) if isinstance(name, str) else None
