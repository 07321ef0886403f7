"""What is to be locked: requirements, constraints and index options of requirements files and pyproject.toml."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from posixpath import basename

from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name

from driftscan.errors import LockError, ResolveError, UsageError
from driftscan.lock.document import Document, clean_url
from driftscan.lock.requirements_lines import logical_lines
from driftscan.lock.requirements_reader import Entry, Reader
from driftscan.lock.requirements_sources import Located
from driftscan.model.lock import Hash, OriginKind
from driftscan.resolve.project import Chosen, read_project

_FOLDERS = (OriginKind.DIRECTORY, OriginKind.EDITABLE)
_VARIABLE = re.compile(r"\$\{[A-Z0-9_]+\}")
_LOCKS = ("uv.lock", "poetry.lock", "pdm.lock", "Pipfile.lock")
_BUILT = ("setup.py", "setup.cfg")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One requirement or constraint.

    `text` is what an engine is told, without the marker; it can hold credentials. `by` says who asks, as comments in
    locks do (`-r requirements.in`, `shop (pyproject.toml)`), and is empty where they should not. `line` is 1-based.
    """

    name: NormalizedName
    text: str
    specifier: str
    extras: frozenset[str]
    marker: str | None
    file: str
    line: int | None
    by: str
    hashes: tuple[Hash, ...] = ()
    located: Located | None = None

    @property
    def where(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file

    @property
    def shown(self) -> str:
        """The requirement without what may be secret."""
        extras = f"[{','.join(sorted(self.extras))}]" if self.extras else ""
        place = f" @ {self.located.origin.location}" if self.located is not None else self.specifier
        return f"{self.name}{extras}{place}"

    @property
    def identity(self) -> str:
        """What two requirements share that mean the same."""
        place = str(tuple(map(str, self.located.origin))) if self.located is not None else ""
        specifier = ",".join(sorted(map(str, SpecifierSet(self.specifier)))) if not place else ""
        extras = ",".join(sorted(self.extras))
        return (
            f"{self.name}[{extras}]{specifier}{place} ; {self.marker or ''} {' '.join(map(str, self.hashes))}".strip()
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """All inputs together.

    `indexes` are URLs in the order in which pip would name them, credentials included, the empty string for the default
    one; `folders` are the values of `--find-links` with the file that has each.
    """

    files: tuple[str, ...]
    requirements: tuple[Wanted, ...]
    constraints: tuple[Wanted, ...] = ()
    indexes: tuple[str, ...] = ()
    folders: tuple[tuple[str, str], ...] = ()
    no_index: bool = False
    prereleases: bool = False
    no_binary: tuple[str, ...] = ()
    requires_python: str | None = None
    projects: frozenset[NormalizedName] = frozenset()
    notes: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """SHA-256 of what is asked for, however it is spelt and in whatever file."""
        wanted = [each.identity for each in self.requirements]
        constraints = [f"-c {each.identity}" for each in self.constraints]
        return hashlib.sha256("\n".join(sorted({*wanted, *constraints})).encode()).hexdigest()

    def asking(self, name: NormalizedName) -> tuple[Wanted, ...]:
        """The requirements and constraints on a project."""
        return tuple(each for each in (*self.requirements, *self.constraints) if each.name == name)


@dataclass(slots=True)
class _Gathered:
    requirements: list[Wanted] = field(default_factory=list)
    constraints: list[Wanted] = field(default_factory=list)
    indexes: list[str] = field(default_factory=list)
    folders: list[tuple[str, str]] = field(default_factory=list)
    no_index: bool = False
    prereleases: bool = False
    no_binary: list[str] = field(default_factory=list)
    requires_python: list[str] = field(default_factory=list)
    projects: list[NormalizedName] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read_inputs(
    documents: Sequence[Document],
    constraints: Sequence[Document] = (),
    *,
    chosen: Chosen = Chosen(),  # noqa: B008  # immutable
    allow_builds: bool = False,
    upgrades: Iterable[str] = (),
) -> Inputs:
    """What `documents`, with `constraints` beside them, ask for.

    `chosen` are the extras and groups of projects that are meant; `upgrades` are further constraints as they were
    written on the command line. Raises ResolveError for what no lock can hold or only a build would tell, and where
    nothing is asked for, LockError for what cannot be read, each with file and line; UsageError where no file is one of
    requirements.
    """
    gathered = _Gathered()
    is_project = False
    for document in documents:
        _refuse_others(document)
        if basename(document.name) == "pyproject.toml":
            is_project = True
            _take_project(document, chosen, gathered)
        else:
            _take_file(document, gathered, is_constraint=False)
    for document in constraints:
        _take_file(document, gathered, is_constraint=True)
    if chosen.any and not is_project:
        raise UsageError("extras and groups are those of a project", hint="name its pyproject.toml")
    for text in upgrades:
        gathered.constraints.append(_from_text(text, "", None, "-P"))
    _refuse_nothing(gathered, documents)
    for wanted in gathered.requirements:
        _refuse_unlockable(wanted, allow_builds=allow_builds)
    if gathered.no_binary and not allow_builds:
        raise ResolveError(
            "--no-binary asks for builds", where=gathered.no_binary[0].partition(" ")[0], hint="--allow-builds"
        )
    return Inputs(
        files=tuple(document.name for document in documents),
        requirements=tuple(gathered.requirements),
        constraints=tuple(gathered.constraints),
        indexes=tuple(dict.fromkeys(gathered.indexes)),
        folders=tuple(dict.fromkeys(gathered.folders)),
        no_index=gathered.no_index,
        prereleases=gathered.prereleases,
        no_binary=tuple(value.partition(" ")[2] for value in gathered.no_binary),
        requires_python=",".join(gathered.requires_python) or None,
        projects=frozenset(gathered.projects),
        notes=tuple(gathered.notes),
    )


def _refuse_nothing(gathered: _Gathered, documents: Sequence[Document]) -> None:
    """Of a file that was emptied by mistake, the lock would be one without any package."""
    if not gathered.requirements:
        told = "it asks for nothing" if len(documents) == 1 else "they ask for nothing"
        raise ResolveError(told, where=", ".join(document.name for document in documents))


def _refuse_others(document: Document) -> None:
    name = basename(document.name)
    if name in _BUILT:
        raise UsageError(
            "only running it would tell what it requires",
            where=document.name,
            hint="write the requirements into pyproject.toml or a requirements file",
        )
    if name in _LOCKS or name.startswith("pylock."):
        raise UsageError(
            "it is a lock already", where=document.name, hint=f"driftscan convert {document.name} -o requirements.txt"
        )


def _take_file(document: Document, gathered: _Gathered, *, is_constraint: bool) -> None:
    reader = Reader()
    reader.read(document, is_constraint=is_constraint, chain=())
    gathered.requirements += [_from_entry(entry, "-r") for entry in reader.entries]
    gathered.constraints += [_from_entry(entry, "-c") for entry in reader.constraints]
    for each in reader.documents:
        for line in logical_lines(each):
            if line.wanted is None:
                _take_options(line.options, each.name, line.number, gathered)


def _take_options(options: Iterable[tuple[str, str]], file: str, number: int, gathered: _Gathered) -> None:
    """Options that stand alone on their line, as pip combines them."""
    for name, value in options:
        _refuse_variables(value, f"{file}:{number}")
        if name in ("--index-url", "--pypi-url"):
            gathered.indexes = [value]
        elif name == "--extra-index-url":
            gathered.indexes = [*(gathered.indexes or [""]), value]
        elif name == "--no-index":
            gathered.no_index, gathered.indexes = True, []
        elif name == "--find-links":
            gathered.folders.append((value, file))
        elif name == "--pre":
            gathered.prereleases = True
        elif name == "--no-binary" and value != ":none:":
            gathered.no_binary.append(f"{file}:{number} {value}")


def _from_entry(entry: Entry, option: str) -> Wanted:
    where = f"{entry.file}:{entry.line}"
    _refuse_variables(entry.text, where)
    extras = f"[{','.join(sorted(entry.extras))}]" if entry.extras else ""
    located = entry.located
    return Wanted(
        name=entry.id.name,
        text=f"{entry.id.name}{extras}{entry.specifier}" if located is None else entry.text,
        specifier=entry.specifier,
        extras=entry.extras,
        marker=entry.marker,
        file=entry.file,
        line=entry.line,
        by=f"{option} {entry.file}",
        hashes=entry.hashes,
        located=located,
    )


def _take_project(document: Document, chosen: Chosen, gathered: _Gathered) -> None:
    project = read_project(document, chosen)
    by = f"{project.name or 'project'} (pyproject.toml)"
    for text, line in project.requirements:
        gathered.requirements.append(_from_text(text, document.name, line, by))
    gathered.requires_python += [project.requires_python] if project.requires_python else []
    gathered.projects += [project.name] if project.name else []
    gathered.notes += project.notes


def _from_text(text: str, file: str, line: int | None, by: str) -> Wanted:
    """A requirement as a pyproject.toml or the command line has it, read as a line of a requirements file is."""
    where = f"{file}:{line}" if line else file or by
    _refuse_variables(text, where)
    if "\n" in text or "\r" in text:
        raise LockError(f"the requirement {text[:80]!r} has more than one line", where=where)
    reader = Reader()
    reader.read(Document(file or by, text.encode()), is_constraint=False, chain=())
    if len(reader.entries) != 1:
        raise LockError(f"{text[:80]!r} is no requirement", where=where)
    wanted = _from_entry(reader.entries[0], "-r")
    return Wanted(
        name=wanted.name,
        text=wanted.text,
        specifier=wanted.specifier,
        extras=wanted.extras,
        marker=wanted.marker,
        file=file or by,
        line=line,
        by=by,
        located=wanted.located,
    )


def _refuse_variables(text: str, where: str) -> None:
    """Installers put variables of the environment in; the name alone is shown, whatever stands around it."""
    if match := _VARIABLE.search(text):
        raise ResolveError(
            f"it has the variable {match[0]}, and nothing of the environment is put into a lock",
            where=where,
            hint="give an index with credentials by --index-url, PIP_INDEX_URL, UV_INDEX or a netrc file",
        )


def _refuse_unlockable(wanted: Wanted, *, allow_builds: bool) -> None:
    located = wanted.located
    if located is None:
        return
    origin = located.origin
    if origin.kind in _FOLDERS:
        option = "-e " if origin.kind is OriginKind.EDITABLE else ""
        raise ResolveError(
            f"`{option}{origin.location}` is a folder, whose content no hash can pin",
            where=wanted.where,
            hint="lock what it requires: driftscan lock pyproject.toml",
        )
    if origin.kind is OriginKind.VCS and origin.commit is None:
        moving = f" at {origin.reference}" if origin.reference else ""
        raise ResolveError(
            f"{wanted.name} comes from {origin.location}{moving} without a commit, and what is there can change",
            where=wanted.where,
            hint="put the full id of a commit behind @",
        )
    is_wheel = located.filename is not None and located.filename.endswith(".whl")
    if not is_wheel and not allow_builds:
        raise ResolveError(
            f"only a build of {clean_url(origin.location)} tells what it requires, and nothing is built",
            where=wanted.where,
            hint="--allow-builds lets its code run on this machine",
        )


def name_of(text: str) -> NormalizedName:
    """The project that `NAME` or `NAME==VERSION` on the command line means; UsageError where it is neither."""
    match = re.match(r"\s*([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)", text)
    if match is None:
        raise UsageError(
            f"{text!r} names no project", hint="--upgrade-package flask, or --upgrade-package flask==3.0.3"
        )
    return canonicalize_name(match[1])
