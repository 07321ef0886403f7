"""Pipfile.lock, the lock of pipenv.

Each section but `_meta` is a category: `default` is what the project needs, `develop` and the categories that a Pipfile
names itself are groups, and pipenv installs none of them unless it is asked to. The lock is flat, and it records no
edges. A package that names no source comes from the first one; only where the Pipfile sets
`install_search_all_sources` can it come from any.

https://github.com/pypa/pipfile describes the format in general; the rest is in pipenv's source.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from posixpath import basename
from typing import NamedTuple

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from driftscan.errors import LockError
from driftscan.lock.document import Document, clean_url, load_toml
from driftscan.lock.pipfile_entries import Entry, read_entry
from driftscan.lock.pipfile_json import keys, load_json
from driftscan.lock.pipfile_source import compare_with_source
from driftscan.lock.table import Table
from driftscan.model.lock import (
    Artifact,
    Dependency,
    Index,
    Lock,
    Origin,
    OriginKind,
    Package,
    PackageId,
    Scope,
    ScopeKind,
    SelectionMode,
    Unchecked,
)

NEWEST = 6
"""The newest `pipfile-spec` that is known."""

_META = "_meta"
_DEFAULT = "default"
_OPERATOR = re.compile(r"[=<>!~]")


class _Section(NamedTuple):
    """A category: its entries with the lines they begin on."""

    name: str
    entries: tuple[Entry, ...]

    @property
    def scope(self) -> Scope:
        return Scope() if self.name == _DEFAULT else Scope(ScopeKind.GROUP, self.name)


class _Source(NamedTuple):
    name: str | None
    place: Index


def matches(name: str, head: bytes) -> bool:
    """Whether a file is a Pipfile.lock: by its name, or by its header."""
    return basename(name) == "Pipfile.lock" or (head.lstrip()[:1] == b"{" and b'"pipfile-spec"' in head)


def parse(document: Document) -> Lock:
    """Read a Pipfile.lock, and what the Pipfile beside it says of its sources and of whether it is up to date.

    Raises LockError where it is no JSON (with the line), has values of the wrong type, or pins what is no version.
    """
    data = Table(load_json(document), document.name)
    if _META not in data.values and _DEFAULT not in data.values:
        raise LockError(f"there is neither {_META} nor {_DEFAULT}, so this is no Pipfile.lock", where=document.name)
    lines: dict[tuple[str, ...], int] = {key.path: key.line for key in keys(document.text) if len(key.path) == 2}
    sections = tuple(_sections(data, lines))
    meta = data.table(_META)
    beside = _pipfile(document)
    pipfile = Table(load_toml(beside) if beside.text.strip() else {}, beside.name) if beside else None
    sources = tuple(_sources(meta, lines.get((_META, "sources"))))
    any_source = pipfile is not None and pipfile.table("pipenv").flag("install_search_all_sources")
    located = [_located(section, sources, any_source=any_source) for section in sections]
    return Lock(
        path=document.name,
        format="pipfile",
        sha256=document.sha256,
        mode=SelectionMode.FLAT,
        packages=_packages(entry for section in located for entry in section.entries),
        roots=tuple(_root(entry, section.scope) for section in located for entry in section.entries),
        requires_python=_requires_python(meta.table("requires")),
        groups=frozenset(section.name for section in sections) - {_DEFAULT},
        indexes=tuple(source.place for source in (sources if any_source else sources[:1])),
        sources=compare_with_source(
            beside,
            pipfile,
            meta.table("hash").text("sha256"),
            {section.name: section.entries for section in sections},
        )
        if beside and pipfile
        else (),
        unchecked=(*_newer(document.name, meta), *_unread(document.name, sections, sources)),
    )


def _pipfile(document: Document) -> Document | None:
    """The Pipfile that the lock was made from; pipenv appends `.lock` to whatever it is called."""
    name = basename(document.name)
    return document.sibling(name.removesuffix(".lock")) if name.endswith(".lock") else None


def _sections(data: Table, lines: Mapping[tuple[str, ...], int]) -> Iterator[_Section]:
    for name, value in data.values.items():
        if name == _META or value is None:
            continue
        entries = data.table(name).values
        yield _Section(
            name,
            tuple(
                read_entry(written, entry, _place(data.where, line := lines.get((name, written))), line)
                for written, entry in entries.items()
            ),
        )


def _place(name: str, line: int | None) -> str:
    return f"{name}:{line}" if line else name


def _sources(meta: Table, line: int | None) -> Iterator[_Source]:
    for source in Table(meta.values, _place(meta.where, line)).tables("sources"):
        verified = source.values.get("verify_ssl", True)
        yield _Source(
            source.text("name"), Index(clean_url(source.text("url") or ""), line, is_trusted=verified is False)
        )


def _located(section: _Section, sources: Sequence[_Source], *, any_source: bool) -> _Section:
    """The section with the index of each package that is tied to another one than the default."""
    others = {} if any_source else {source.name: source.place.location for source in sources[1:]}
    return section._replace(
        entries=tuple(
            entry._replace(id=entry.id._replace(origin=Origin(location=others[entry.source])))
            if entry.id.origin.kind is OriginKind.INDEX and entry.source in others
            else entry
            for entry in section.entries
        )
    )


def _packages(entries: Iterable[Entry]) -> tuple[Package, ...]:
    """One package for the entries that several sections have for it, its files those of any of them."""
    packages: dict[PackageId, Package] = {}
    for entry in entries:
        package = packages.get(entry.id)
        packages[entry.id] = _merged(package, entry) if package else _package(entry)
    return tuple(packages.values())


def _package(entry: Entry) -> Package:
    return Package(
        id=entry.id,
        pinned=entry.pinned,
        specifier=entry.specifier,
        artifacts=entry.artifacts,
        line=entry.line,
        notes=entry.notes,
    )


def _merged(package: Package, entry: Entry) -> Package:
    specifiers = dict.fromkeys(text for text in (package.specifier, entry.specifier) if text)
    return replace(
        package, specifier=",".join(specifiers), artifacts=_merged_artifacts(package.artifacts, entry.artifacts)
    )


def _merged_artifacts(first: tuple[Artifact, ...], second: tuple[Artifact, ...]) -> tuple[Artifact, ...]:
    if not first or not second:
        return first or second
    hashes = dict.fromkeys(value for artifact in (*first, *second) for value in artifact.hashes)
    name = first[0].filename if len(hashes) < 2 else None
    return (Artifact(filename=name, url=first[0].url, hashes=tuple(hashes)),)


def _root(entry: Entry, scope: Scope) -> Dependency:
    return Dependency(
        name=entry.id.name,
        specifier=entry.specifier or (f"=={entry.id.version}" if entry.id.version else ""),
        extras=entry.extras,
        marker=entry.marker,
        scope=scope,
        candidates=(entry.id,),
        line=entry.line,
    )


def _requires_python(requires: Table) -> str | None:
    """`python_full_version` names one Python, `python_version` all patch releases; either can be a specifier."""
    full = (requires.text("python_full_version") or "").strip()
    minor = (requires.text("python_version") or "").strip()
    written = full or (minor if _OPERATOR.match(minor) or minor.endswith("*") else f"{minor}.*")
    try:
        return str(SpecifierSet(written if _OPERATOR.match(written) else f"=={written}")) if full or minor else None
    except InvalidSpecifier:
        return None


def _newer(name: str, meta: Table) -> Iterator[Unchecked]:
    spec = meta.values.get("pipfile-spec")
    if isinstance(spec, int) and spec > NEWEST:
        yield Unchecked(
            f"what is new in pipfile-spec {spec} of {name}",
            f"driftscan knows pipfile-spec {NEWEST}; a newer driftscan may read more",
        )


def _unread(name: str, sections: Iterable[_Section], sources: Iterable[_Source]) -> Iterator[Unchecked]:
    known = {source.name for source in sources} | {None}
    for section in sections:
        for entry in section.entries:
            if entry.has_unread_marker:
                yield Unchecked(
                    f"what `marker` of {entry.id.name} in {name} means",
                    "pipenv reads `markers` and no `marker`, so it installs the package everywhere; lock again",
                )
            if entry.source not in known and entry.id.origin.kind is OriginKind.INDEX:
                yield Unchecked(
                    f"which index {entry.id.name} in {name} comes from",
                    f"the entry names {entry.source!r}, and {_META}.sources has none of that name; lock again",
                )
