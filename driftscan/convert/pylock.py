"""pylock.toml (PEP 751): every file by address, size and hashes.

https://packaging.python.org/specifications/pylock-toml/
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import tomlkit
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from tomlkit.items import AoT, Array, InlineTable, Table

from driftscan.convert.content import Content, Converted, Entry, Made, clone_address, left_out
from driftscan.errors import LockError
from driftscan.lock.document import url_filename
from driftscan.model.lock import Artifact, OriginKind, Package, PackageId

VERSION = "1.0"
_SDISTS = (".tar.gz", ".zip", ".tar.bz2", ".tgz", ".tar.xz")
_WAYS_OUT = "--online asks the package index for addresses; a requirements file needs no more than the hashes"


def write(content: Content) -> Converted:
    """The pylock.toml, and what of the lock it cannot say.

    Raises LockError where the lock does not tell what the standard asks for: an address and a hash of every file.
    """
    document = tomlkit.document()
    for key, value in _head(content):
        document.add(key, value)
    packages = AoT([])
    names = Counter(entry.package.id.name for entry in content.entries)
    kept = {entry.package.id: names[entry.package.id.name] == 1 for entry in content.entries}
    for entry in content.entries:
        packages.append(_package(entry, kept, content))
    document.add("packages", packages if content.entries else tomlkit.array())
    if content.made is not None:
        document.add("tool", _tool(content.made))
    return Converted(text=tomlkit.dumps(document), notes=tuple(left_out(content)))


def _head(content: Content) -> Iterator[tuple[str, Any]]:
    lock = content.lock
    yield "lock-version", VERSION
    environments = (content.environment,) if content.environment else lock.environments
    if environments:
        yield "environments", _texts(environments)
    if lock.requires_python and _is_specifier(lock.requires_python):
        yield "requires-python", lock.requires_python
    if content.is_open:
        if lock.extras:
            yield "extras", _texts(sorted(lock.extras))
        if lock.groups:
            yield "dependency-groups", _texts(sorted(lock.groups))
        if lock.default_groups:
            yield "default-groups", _texts(sorted(lock.default_groups))
    yield "created-by", "driftscan"


def _tool(made: Made) -> Table:
    """The table that the standard leaves to tools; a fact that there are several of is an array."""
    own = tomlkit.table()
    own.add("command", made.command)
    for key in dict(made.facts):
        values = [value for name, value in made.facts if name == key]
        own.add(key, values[0] if len(values) == 1 else _texts(values))
    tool = tomlkit.table(is_super_table=True)
    tool.add("driftscan", own)
    return tool


def _is_specifier(text: str) -> bool:
    try:
        SpecifierSet(text)
    except InvalidSpecifier:
        return False
    return True


def _package(entry: Entry, kept: Mapping[PackageId, bool], content: Content) -> Table:
    package, origin = entry.package, entry.package.id.origin
    table = tomlkit.table()
    if content.made is not None and entry.required_by:
        table.comment(f"via {', '.join(entry.required_by)}")
    table.add("name", package.id.name)
    if package.id.version is not None and origin.kind not in (OriginKind.DIRECTORY, OriginKind.EDITABLE):
        table.add("version", package.id.version)
    if entry.condition.marker is not None:
        table.add("marker", entry.condition.marker)
    if package.requires_python and _is_specifier(package.requires_python):
        table.add("requires-python", package.requires_python)
    if dependencies := list(_dependencies(package, kept)):
        table.add("dependencies", _array(dependencies))
    for key, value in _source(package, content):
        table.add(key, value)
    return table


def _dependencies(package: Package, kept: Mapping[PackageId, bool]) -> Iterator[InlineTable]:
    """References to other entries, by name where that is enough (`kept` tells), else by version as well."""
    keys = {key for edge in package.dependencies or () for key in edge.candidates if key in kept and key != package.id}
    for key in sorted(keys, key=str):
        told: dict[str, Any] = {"name": key.name}
        if not kept[key] and key.version is not None:
            told["version"] = key.version
        yield _inline(told)


def _source(package: Package, content: Content) -> Iterator[tuple[str, Any]]:
    origin = package.id.origin
    match origin.kind:
        case OriginKind.VCS:
            if origin.commit is None:
                raise _refused(package, content, "is from version control without a commit")
            yield "vcs", _vcs(package)
        case OriginKind.DIRECTORY | OriginKind.EDITABLE:
            place: dict[str, Any] = {"path": content.path(origin.location).removeprefix("./")}
            if origin.kind is OriginKind.EDITABLE:
                place["editable"] = True
            yield "directory", _inline(_with_subdirectory(place, package))
        case OriginKind.URL | OriginKind.PATH:
            yield "archive", _archive(package, content)
        case OriginKind.INDEX:
            if not package.pinned:
                raise _refused(package, content, "is not pinned")
            yield from _files(package, content)
        case OriginKind.CONDA | OriginKind.VIRTUAL:
            raise _refused(package, content, f"is a {origin.kind} package, which the standard does not know")


def _vcs(package: Package) -> InlineTable:
    origin = package.id.origin
    told: dict[str, Any] = {"type": "git", "url": clone_address(origin.location)}
    if origin.reference and origin.reference != origin.commit:
        told["requested-revision"] = origin.reference
    told["commit-id"] = origin.commit
    return _inline(_with_subdirectory(told, package))


def _with_subdirectory(told: dict[str, Any], package: Package) -> dict[str, Any]:
    subdirectory = package.id.origin.subdirectory
    return {**told, "subdirectory": subdirectory} if subdirectory else told


def _archive(package: Package, content: Content) -> InlineTable:
    origin = package.id.origin
    is_url = origin.kind is OriginKind.URL
    told: dict[str, Any] = {"url": origin.location} if is_url else {"path": content.path(origin.location)}
    if len(package.artifacts) == 1 and (size := package.artifacts[0].size) is not None:
        told["size"] = size
    found = {value.algorithm: value.digest for artifact in package.artifacts for value in artifact.hashes}
    if not found:
        raise _refused(package, content, "is an archive without a hash")
    told["hashes"] = _inline(found)
    return _inline(_with_subdirectory(told, package))


def _files(package: Package, content: Content) -> Iterator[tuple[str, Any]]:
    if "://" in package.id.origin.location:
        yield "index", package.id.origin.location
    files = [(artifact, _file(artifact, package, content)) for artifact in package.artifacts]
    if not files:
        raise _refused(package, content, "has neither files nor hashes")
    sources = [told for artifact, told in files if (artifact.filename or "").endswith(_SDISTS)]
    wheels = [told for artifact, told in files if not (artifact.filename or "").endswith(_SDISTS)]
    if sources:
        # The standard has room for one; where a release has several formats, installers prefer the tar archive.
        yield "sdist", _inline(sources[0])
    if wheels:
        yield "wheels", _array([_inline(told) for told in wheels])


def _file(artifact: Artifact, package: Package, content: Content) -> dict[str, Any]:
    if artifact.filename is None or artifact.url is None:
        raise _refused(package, content, "has hashes, but no addresses of files")
    if not artifact.hashes:
        raise _refused(package, content, f"has a file without a hash, {artifact.filename}")
    # The standard wants the name only where the address does not end with it.
    told: dict[str, Any] = {"name": artifact.filename} if url_filename(artifact.url) != artifact.filename else {}
    if "://" in artifact.url:
        told["url"] = artifact.url
    else:
        told["path"] = content.path(artifact.url)
    if artifact.size is not None:
        told["size"] = artifact.size
    told["hashes"] = _inline({value.algorithm: value.digest for value in artifact.hashes})
    return told


def _refused(package: Package, content: Content, reason: str) -> LockError:
    where = f"{content.lock.path}:{package.line}" if package.line else content.lock.path
    return LockError(
        f"{package.id} {reason}, and pylock.toml has an address and a hash of every file",
        where=where,
        hint=_WAYS_OUT,
    )


def _texts(values: Iterable[str]) -> Array:
    found = tomlkit.array()
    found.extend(values)
    return found


def _array(tables: Sequence[InlineTable]) -> Array:
    found = tomlkit.array()
    found.multiline(multiline=True)
    found.extend(tables)
    return found


def _inline(values: Mapping[str, Any]) -> InlineTable:
    table = tomlkit.inline_table()
    for key, value in values.items():
        table.append(key, value)
    return table
