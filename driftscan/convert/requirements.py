"""requirements.txt as pip reads it: one requirement for each package and marker, with all hashes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from posixpath import dirname

from driftscan.convert.content import Content, Converted, Entry, clone_address, left_out, named
from driftscan.errors import LockError
from driftscan.model.lock import STRONG, OriginKind, Package

_LOCAL = (OriginKind.DIRECTORY, OriginKind.EDITABLE)


def write(content: Content) -> Converted:
    """The requirements file, and what of the lock it cannot say.

    Raises LockError where the lock holds conda packages, which pip cannot install.
    """
    for entry in content.entries:
        if entry.package.id.origin.kind is OriginKind.CONDA:
            raise LockError(
                f"{entry.package.id} is a conda package, and requirements.txt holds Python distributions only",
                where=content.lock.path,
                hint="conda installs from the lock itself, or from an explicit file",
            )
    blocks = [*_header(content), "", *_indexes(content), *(_entry(entry, content) for entry in content.entries)]
    return Converted(text="\n".join(blocks) + "\n", notes=tuple(_notes(content)))


def _header(content: Content) -> Iterator[str]:
    lock = content.lock
    if content.made is not None:
        yield f"# Made by driftscan {content.made.tool}. Change what it is made from, and run this again:"
        yield from ("#", f"#    {content.made.command}", "#")
        yield from (f"# {key}: {value}" for key, value in content.made.facts)
        return
    digest = f" (sha256:{lock.sha256})" if lock.sha256 else ""
    yield f"# Made by driftscan convert from {lock.path.rpartition('/')[2]}{digest}."
    if content.words is not None:
        yield f"# For {content.words}."
    elif lock.requires_python:
        yield f"# For Python {lock.requires_python}."


def _indexes(content: Content) -> Iterator[str]:
    """Indexes as pip combines them; without `--index-url` its own default is one of them."""
    named = [index.location for index in content.lock.indexes]
    locations = named or _by_use(content)
    is_default = "" in locations
    for position, location in enumerate(filter(_is_address, locations)):
        yield f"{'--extra-index-url' if position or is_default else '--index-url'} {location}"
    folders = {location for location in locations if location and not _is_address(location)}
    folders |= {dirname(path) for entry in content.entries for path in _local_files(entry.package)}
    for folder in sorted(folders):
        yield f"--find-links {content.path(folder)}"


def _by_use(content: Content) -> Sequence[str]:
    """Indexes that packages are from, the one that supplies most first; the empty string is the default one."""
    counted = Counter(_origin_index(entry.package) for entry in content.entries)
    ordered = sorted(((location, count) for location, count in counted.items() if location is not None), key=_use)
    return [location for location, _ in ordered]


def _use(item: tuple[str, int]) -> tuple[int, str]:
    location, count = item
    return -count, location


def _is_address(location: str) -> bool:
    return "://" in location


def _local_files(package: Package) -> Iterator[str]:
    if package.id.origin.kind is OriginKind.INDEX:
        places = (artifact.url for artifact in package.artifacts)
        yield from (place for place in places if place and "://" not in place)


def _entry(entry: Entry, content: Content) -> str:
    lines = [_requirement(entry, content)]
    if entry.package.id.origin.kind not in (*_LOCAL, OriginKind.VCS):
        lines += [f"    --hash={value}" for value in _hashes(entry.package)]
    text = " \\\n".join(lines)
    return f"{text}\n    # via {', '.join(entry.required_by)}" if entry.required_by else text


def _requirement(entry: Entry, content: Content) -> str:
    package, origin = entry.package, entry.package.id.origin
    extras = f"[{','.join(sorted(entry.condition.extras))}]" if entry.condition.extras else ""
    marker = entry.condition.marker
    if origin.kind in _LOCAL:
        option = "-e " if origin.kind is OriginKind.EDITABLE else ""
        return f"{option}{content.path(_below(origin.location, origin.subdirectory))}{extras}{_after(marker)}"
    if origin.kind is OriginKind.PATH:
        return f"{content.path(origin.location)}{extras}{_after(marker)}"
    fragment = f"#subdirectory={origin.subdirectory}" if origin.subdirectory else ""
    if origin.kind is OriginKind.VCS:
        revision = origin.commit or origin.reference
        address = f"git+{clone_address(origin.location)}{f'@{revision}' if revision else ''}{fragment}"
        return f"{package.id.name}{extras} @ {address}{_after(marker)}"
    if origin.kind is OriginKind.URL:
        return f"{package.id.name}{extras} @ {origin.location}{fragment}{_after(marker)}"
    version = f"=={package.id.version}" if package.pinned else package.specifier
    return f"{package.id.name}{extras}{version}{_after(marker)}"


def _below(folder: str, subdirectory: str | None) -> str:
    return f"{folder}/{subdirectory}" if subdirectory else folder


def _after(marker: str | None) -> str:
    # In front of the semicolon stands a blank: one that follows an address at once belongs to it.
    return f" ; {marker}" if marker is not None else ""


def _hashes(package: Package) -> list[str]:
    values = {value for artifact in package.artifacts for value in artifact.hashes if value.algorithm in STRONG}
    return sorted(map(str, values))


def _notes(content: Content) -> Iterator[str]:
    yield from left_out(content)
    packages = [entry.package for entry in content.entries]
    for kinds, words in (
        ((OriginKind.VCS,), "from version control, so pip cannot check hashes (--require-hashes refuses the file)"),
        (_LOCAL, "from a folder, so pip cannot check hashes (--require-hashes refuses the file)"),
    ):
        if found := [each.id.name for each in packages if each.id.origin.kind in kinds]:
            yield f"{named(found)} {_comes(found)} {words}"
    plain = [each for each in packages if each.id.origin.kind not in (*_LOCAL, OriginKind.VCS)]
    if found := [each.id.name for each in plain if not _hashes(each)]:
        yield f"the lock has no hash that pip accepts for {named(found)}"
    if found := [each.id.name for each in plain if not each.pinned]:
        yield f"{named(found)} {_is(found)} not pinned in the lock either"
    if len(content.lock.indexes or {_origin_index(each) for each in plain} - {None}) > 1:
        yield "which package comes from which index cannot be said; only the hashes decide"


def _origin_index(package: Package) -> str | None:
    return package.id.origin.location if package.id.origin.kind is OriginKind.INDEX else None


def _is(names: Iterable[str]) -> str:
    return "is" if len(set(names)) == 1 else "are"


def _comes(names: Iterable[str]) -> str:
    return "comes" if len(set(names)) == 1 else "come"
