"""uv.lock, every revision of version 1 (uv documents the format in its source: crates/uv-resolver/src/lock).

A universal lock: packages are reached from the workspace members over edges with markers, and one project may be
locked in several versions. An edge names version and source only where the name alone would be ambiguous.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from posixpath import basename
from typing import TypeAlias
from urllib.parse import parse_qs, unquote

from packaging.utils import NormalizedName, canonicalize_name

from driftscan.errors import LockError, MarkerError
from driftscan.lock.document import Document, clean_url, header_lines, load_toml, url_filename
from driftscan.lock.table import Table
from driftscan.lock.uv_judge import Locked
from driftscan.lock.uv_source import compare_with_sources
from driftscan.markers import parse as parse_marker
from driftscan.model.lock import (
    Artifact,
    Choice,
    Dependency,
    Hash,
    Lock,
    Note,
    NoteKind,
    Origin,
    OriginKind,
    Package,
    PackageId,
    Scope,
    ScopeKind,
    SelectionMode,
    Unchecked,
)

VERSION = 1
REVISION = 5
"""The newest revision that is known; revisions only add."""
_LOCAL = (OriginKind.EDITABLE, OriginKind.VIRTUAL, OriginKind.DIRECTORY)
_Index: TypeAlias = Mapping[NormalizedName, tuple[PackageId, ...]]


def matches(name: str, head: bytes) -> bool:
    """Whether a file is a uv.lock: by its name, or by the keys it starts with."""
    return basename(name) == "uv.lock" or (head.startswith(b"version = ") and b"\nrequires-python = " in head)


def parse(document: Document) -> Lock:
    """Read a uv.lock, and the default groups from the pyproject.toml beside it.

    Raises LockError where it is no TOML, of a version that is not supported, or where an edge leads to no package or
    to several.
    """
    data = Table(load_toml(document), document.name)
    unchecked = tuple(_check_version(data, document.name))
    key = "package" if "package" in data.values else "distribution"
    lines = _lines(document, key, len(data.tables(key)))
    entries = [
        Table(entry.values, f"{document.name}:{line}" if line else document.name)
        for entry, line in zip(data.tables(key), lines, strict=True)
    ]
    ids = [_package_id(entry) for entry in entries]
    index = _by_name(ids)
    members = _members(data, ids)
    packages = tuple(
        _package(entry, line, package_id, index, members)
        for entry, line, package_id in zip(entries, lines, ids, strict=True)
    )
    roots = (*_roots(packages), *_manifest_roots(data, index))
    return Lock(
        path=document.name,
        format="uv",
        sha256=document.sha256,
        mode=SelectionMode.WALK,
        packages=packages,
        roots=roots,
        requires_python=data.text("requires-python"),
        environments=data.texts("supported-markers"),
        extras=frozenset(_extras(entries, ids, members)),
        groups=frozenset(_groups(data, entries, ids, members)),
        default_groups=_default_groups(document),
        conflicts=tuple(_conflicts(data)),
        sources=compare_with_sources(document, Locked(data, entries, ids, members)),
        overrides=frozenset(_overrides(data)),
        project_name=_project_name(roots),
        unchecked=unchecked,
    )


def _check_version(data: Table, name: str) -> Iterator[Unchecked]:
    version, revision = _number(data, "version"), _number(data, "revision") or 0
    if version is None:
        raise LockError('"version" is missing', where=name, hint="the lock is damaged; run `uv lock`")
    if version != VERSION:
        raise LockError(
            f"it is a uv.lock of version {version}",
            where=name,
            hint=f"supported is version {VERSION}; lock with a uv that writes it, or export a pylock.toml",
        )
    if revision > REVISION:
        yield Unchecked(
            f"what revision {revision} of {name} adds",
            f"revisions up to {REVISION} are known; a newer driftscan may read more",
        )


def _lines(document: Document, key: str, count: int) -> list[int | None]:
    """Lines of the entries' headers; None for all where headers and entries do not match one by one."""
    lines = header_lines(document, key)
    return [*lines] if len(lines) == count else [None] * count


def _required(entry: Table, key: str) -> str:
    value = entry.text(key)
    if value is None:
        raise LockError(f'"{key}" is missing', where=entry.where, hint="the lock is damaged; run `uv lock`")
    return value


def _name(entry: Table) -> NormalizedName:
    return canonicalize_name(_required(entry, "name"))


def _number(entry: Table, key: str) -> int | None:
    value = entry.values.get(key)
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise entry.wrong(key, "a whole number")


def _package_id(entry: Table) -> PackageId:
    return PackageId(_name(entry), entry.text("version"), _origin(entry.table("source")))


def _origin(source: Table) -> Origin:
    if (url := source.text("git")) is not None:
        return _git_origin(url)
    for key, kind in (
        ("registry", OriginKind.INDEX),
        ("url", OriginKind.URL),
        ("path", OriginKind.PATH),
        ("directory", OriginKind.DIRECTORY),
        ("editable", OriginKind.EDITABLE),
        ("virtual", OriginKind.VIRTUAL),
    ):
        if (location := source.text(key)) is not None:
            return Origin(kind, clean_url(location), subdirectory=source.text("subdirectory"))
    raise LockError("its source is of no kind that is known", where=source.where)


def _git_origin(url: str) -> Origin:
    """`URL?rev=REQUESTED&subdirectory=PATH#COMMIT`."""
    address, _, commit = url.partition("#")
    query = parse_qs(address.partition("?")[2])
    reference = next((query[key][0] for key in ("rev", "tag", "branch") if key in query), None)
    subdirectory = query.get("subdirectory", [None])[0]
    return Origin(OriginKind.VCS, clean_url(url), unquote(commit) or None, reference, subdirectory)


def _by_name(ids: Iterable[PackageId]) -> _Index:
    index: dict[NormalizedName, tuple[PackageId, ...]] = {}
    for package_id in ids:
        index[package_id.name] = (*index.get(package_id.name, ()), package_id)
    return index


def _members(data: Table, ids: Iterable[PackageId]) -> frozenset[PackageId]:
    """The workspace's own projects: listed in the manifest, or else the one that stands at the lock itself."""
    names = {canonicalize_name(name) for name in data.table("manifest").texts("members")}
    if names:
        return frozenset(key for key in ids if key.name in names and key.origin.kind in _LOCAL)
    return frozenset(key for key in ids if key.origin.kind in _LOCAL and key.origin.location == ".")


def _package(entry: Table, line: int | None, key: PackageId, index: _Index, members: frozenset[PackageId]) -> Package:
    member = key in members
    return Package(
        id=key,
        pinned=key.version is not None or key.origin.kind is not OriginKind.INDEX,
        artifacts=tuple(_artifacts(entry)),
        dependencies=tuple(_dependencies(entry, line, index)),
        is_member=member,
        line=line,
        notes=() if member else tuple(_notes(key, line)),
    )


def _artifacts(entry: Table) -> Iterator[Artifact]:
    files = entry.tables("wheels")
    sdist = entry.table("sdist")
    for file in (*files, sdist) if sdist.values else files:
        location = file.text("url") or file.text("path")
        name = file.text("filename") or (url_filename(location) if location else None)
        digest = file.text("hash")
        yield Artifact(
            filename=name,
            url=clean_url(location) if location else None,
            hashes=(_hash(digest, file.where),) if digest else (),
            size=_number(file, "size"),
        )


def _hash(value: str, where: str) -> Hash:
    algorithm, _, digest = value.partition(":")
    if not digest or digest.strip("0123456789abcdefABCDEF"):
        raise LockError(f"the hash {value[:100]!r} is not of the form algorithm:hexadecimal", where=where)
    return Hash(algorithm.lower(), digest.lower())


def _notes(key: PackageId, line: int | None) -> Iterator[Note]:
    origin = key.origin
    if origin.kind is OriginKind.VCS and origin.commit is None:
        yield Note(NoteKind.UNPINNED_VCS, f"{origin.location} without a commit", line)
    if origin.kind in (OriginKind.DIRECTORY, OriginKind.EDITABLE):
        yield Note(NoteKind.LOCAL_SOURCE, f"{origin.kind} {origin.location}", line)


def _dependencies(entry: Table, line: int | None, index: _Index) -> Iterator[Dependency]:
    for dependency in entry.tables("dependencies"):
        yield _dependency(dependency, line, Scope(), index)
    groups = "dev-dependencies" if "dev-dependencies" in entry.values else "dependency-groups"
    for key, kind in (("optional-dependencies", ScopeKind.EXTRA), (groups, ScopeKind.GROUP)):
        lists = entry.table(key)
        for name in lists.values:
            scope = Scope(kind, canonicalize_name(name))
            for dependency in lists.tables(name):
                yield _dependency(dependency, line, scope, index)


def _dependency(edge: Table, line: int | None, scope: Scope, index: _Index) -> Dependency:
    name = _name(edge)
    return Dependency(
        name=name,
        extras=frozenset(map(canonicalize_name, edge.texts("extra"))),
        marker=_marker(edge),
        scope=scope,
        candidates=(_resolve(edge, name, index),),
        line=line,
    )


def _marker(edge: Table) -> str | None:
    text = edge.text("marker")
    if text is not None:
        try:
            parse_marker(text)
        except MarkerError as error:
            raise LockError(error.message, where=edge.where, hint="the lock is damaged; run `uv lock`") from error
    return text


def _resolve(edge: Table, name: NormalizedName, index: _Index) -> PackageId:
    """The one package that an edge means, by name, and by version and source where it gives them."""
    found = index.get(name, ())
    version = edge.text("version")
    if version is not None:
        found = tuple(key for key in found if key.version == version)
    if len(found) > 1 and "source" in edge.values:
        origin = _origin(edge.table("source"))
        found = tuple(key for key in found if key.origin == origin)
    if len(found) != 1:
        count = "no package" if not found else f"{len(found)} packages"
        asked = f"{name} {version}" if version else name
        raise LockError(
            f"the dependency on {asked} leads to {count} of the lock",
            where=edge.where,
            hint="the lock is damaged; run `uv lock`",
        )
    return found[0]


def _roots(packages: Iterable[Package]) -> Iterator[Dependency]:
    """Edges to the project at the lock, as `uv sync` installs it; without one, to all members."""
    members = [package for package in packages if package.is_member]
    own = [package for package in members if package.id.origin.location == "."]
    for package in own or members:
        yield Dependency(name=package.id.name, candidates=(package.id,), line=package.line)


def _manifest_roots(data: Table, index: _Index) -> Iterator[Dependency]:
    """Requirements and groups of a workspace root that is no project itself, or of a script."""
    manifest = data.table("manifest")
    for entry in manifest.tables("requirements"):
        yield _manifest_root(entry, Scope(), index)
    groups = manifest.table("dependency-groups")
    for group in groups.values:
        for entry in groups.tables(group):
            yield _manifest_root(entry, Scope(ScopeKind.GROUP, canonicalize_name(group)), index)


def _manifest_root(entry: Table, scope: Scope, index: _Index) -> Dependency:
    """Requirements here are as the user wrote them, so they may mean several locked versions of a project."""
    name = _name(entry)
    return Dependency(
        name=name,
        specifier=entry.text("specifier") or "",
        extras=frozenset(map(canonicalize_name, entry.texts("extras"))),
        marker=_marker(entry),
        scope=scope,
        candidates=index.get(name, ()),
    )


def _members_own(
    entries: Iterable[Table], ids: Iterable[PackageId], members: frozenset[PackageId]
) -> Iterator[tuple[Table, Table]]:
    """Entries of the workspace's projects with their metadata, which some revisions leave out."""
    for entry, key in zip(entries, ids, strict=True):
        if key in members:
            yield entry, entry.table("metadata")


def _extras(entries: Iterable[Table], ids: Iterable[PackageId], members: frozenset[PackageId]) -> Iterator[str]:
    """Extras of the members; those without a single requirement stand in the metadata only."""
    for entry, metadata in _members_own(entries, ids, members):
        yield from map(canonicalize_name, entry.table("optional-dependencies").values)
        yield from map(canonicalize_name, metadata.texts("provides-extras"))


def _groups(
    data: Table, entries: Iterable[Table], ids: Iterable[PackageId], members: frozenset[PackageId]
) -> Iterator[str]:
    """Dependency groups of the members and of a workspace root that is no project, empty ones included."""
    yield from map(canonicalize_name, data.table("manifest").table("dependency-groups").values)
    for entry, metadata in _members_own(entries, ids, members):
        for table in (entry, metadata):
            for key in ("dev-dependencies", "dependency-groups", "requires-dev"):
                yield from map(canonicalize_name, table.table(key).values)


def _conflicts(data: Table) -> Iterator[frozenset[Choice]]:
    """Sets of extras, groups and whole projects that uv was told to resolve apart from each other."""
    for members in data.items("conflicts"):
        if not isinstance(members, list):
            raise data.wrong("conflicts", "an array of arrays")
        yield frozenset(map(_choice, Table({"set": members}, data.where).tables("set")))


def _choice(member: Table) -> Choice:
    for key, kind in (("extra", ScopeKind.EXTRA), ("group", ScopeKind.GROUP)):
        if (name := member.text(key)) is not None:
            return Choice(canonicalize_name(_required(member, "package")), Scope(kind, canonicalize_name(name)))
    return Choice(canonicalize_name(_required(member, "package")), Scope())


def _overrides(data: Table) -> Iterator[NormalizedName]:
    """Projects whose requirements the user replaced (`override-dependencies`) or removed (`exclude-dependencies`)."""
    manifest = data.table("manifest")
    yield from (_name(entry) for entry in manifest.tables("overrides"))
    yield from map(canonicalize_name, manifest.texts("excludes"))


def _default_groups(document: Document) -> frozenset[str]:
    """`tool.uv.default-groups` of the project; `dev` where it says nothing, as uv does."""
    pyproject = document.sibling("pyproject.toml")
    if pyproject is None:
        return frozenset(("dev",))
    data = Table(load_toml(pyproject), pyproject.name)
    settings = data.table("tool").table("uv")
    if "default-groups" not in settings.values:
        return frozenset(("dev",))
    if settings.values["default-groups"] == "all":
        legacy = ("dev",) if "dev-dependencies" in settings.values else ()
        return frozenset(map(canonicalize_name, (*data.table("dependency-groups").values, *legacy)))
    return frozenset(map(canonicalize_name, settings.texts("default-groups")))


def _project_name(roots: Iterable[Dependency]) -> NormalizedName | None:
    return next((root.name for root in roots if root.scope.kind is ScopeKind.PRODUCTION), None)
