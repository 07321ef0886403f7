"""Requirements as a uv.lock records them and as the pyproject.toml of a project has them, and when they are the same.

A lock holds what was asked for as tables (`requires-dist`), with sources resolved by `tool.uv.sources`
(https://docs.astral.sh/uv/concepts/projects/dependencies/#dependency-sources) and markers in uv's own spelling. What
cannot be compared with certainty counts as the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from posixpath import isabs, join, normpath
from typing import NamedTuple
from urllib.parse import parse_qs

from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from driftscan import markers
from driftscan.errors import MarkerError
from driftscan.lock.document import clean_url
from driftscan.lock.standard import read_specifier, read_standard
from driftscan.lock.table import Table
from driftscan.model.lock import Dependency, Lock, SelectionMode
from driftscan.witnesses import witnesses

_LOCAL_KEYS = ("path", "directory", "editable", "virtual")
_CONDITIONS = ("marker", "extra", "group")
"""Keys of a source that make it one of several."""
_VERSIONS = ("python_version", "python_full_version", "implementation_version")
_STRING_OPERATORS = ("==", "!=", "in", "not in")
_NAME = re.compile(r"\s*([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)")
_EXTRA = re.compile(r"""extra\s*==\s*["']([^"']+)["']""")
_ENDS = (".dev0", "rc1", "", ".post1")
_MAX_NAME = 256
_MAX_MARKER = 2000


class Place(NamedTuple):
    """Where a requirement is to come from: kind, normalised URL or path from the lock, and what else tells it."""

    kind: str = "any index"
    location: str = ""
    reference: str = ""


UNKNOWN = Place("unknown")
"""A source that depends on the environment, or that is in no form that can be compared."""
_DEFAULT = Place()


class Requirement(NamedTuple):
    """One requirement. `specifier` is None where it cannot be read; `marker` holds the extra that it belongs to."""

    name: NormalizedName
    specifier: SpecifierSet | None = SpecifierSet()
    extras: frozenset[str] = frozenset()
    marker: str | None = None
    place: Place = _DEFAULT

    def __str__(self) -> str:
        extras = f"[{','.join(sorted(self.extras))}]" if self.extras else ""
        at = f" at {self.place.reference}" if self.place.reference else ""
        place = f" from {self.place.location}{at}" if self.place.location else ""
        marker = f" ; {self.marker}" if self.marker else ""
        return f"{self.name}{extras}{self.specifier or ''}{place}{marker}"


class Sources(NamedTuple):
    """`tool.uv.sources` by name, URLs of indexes by name, and the folder (from the lock) that paths start at."""

    tables: Mapping[NormalizedName, object]
    indexes: Mapping[str, str]
    folder: str

    def place(self, name: NormalizedName) -> Place | None:
        """The place that the sources give a project; None where they say nothing of it."""
        source = self.tables.get(name)
        if source is None:
            return None
        if not isinstance(source, Mapping) or any(key in source for key in _CONDITIONS):
            return UNKNOWN
        values = {key: value for key, value in source.items() if isinstance(value, str)}
        if source.get("workspace") is True:
            return Place("workspace")
        if "git" in values:
            reference = next((values[key] for key in ("rev", "tag", "branch") if key in values), "")
            return _git(values["git"], reference, values.get("subdirectory", ""))
        if "url" in values:
            return Place("url", clean_url(values["url"]), values.get("subdirectory", ""))
        if "path" in values:
            return local(values["path"], self.folder)
        url = self.indexes.get(values.get("index", ""), "")
        return Place("index", clean_url(url)) if url.startswith(("http://", "https://")) else UNKNOWN


def read_sources(pyproject: Table, root: Table, folder: str) -> Sources:
    """The sources of a project in `folder`: its own, and those of the workspace's `root` for what it does not name."""
    tables: dict[NormalizedName, object] = {}
    indexes: dict[str, str] = {}
    for table in (root, pyproject):
        settings = table.table("tool").table("uv")
        tables |= {canonicalize_name(name): value for name, value in settings.table("sources").values.items()}
        for index in settings.tables("index"):
            indexes[index.text("name") or ""] = index.text("url") or ""
    inherited = root.table("tool").table("uv").table("sources").values if folder not in ("", ".") else {}
    own = {canonicalize_name(name) for name in pyproject.table("tool").table("uv").table("sources").values}
    for name in set(map(canonicalize_name, inherited)) - own:
        source = tables[name]
        if isinstance(source, Mapping) and "path" in source:  # it starts at the root, not here
            tables[name] = {"path": normpath(join("/".join(".." for _ in folder.split("/")), str(source["path"])))}
    return Sources(tables, indexes, folder)


def declared(text: str, sources: Sources, extra: str | None = None) -> Requirement | None:
    """The requirement that a string of a pyproject.toml is, for one extra of the project; None where it has no name."""
    standard = read_standard(text)
    if standard is None:
        name = _NAME.match(text[:_MAX_NAME])
        return Requirement(canonicalize_name(name[1]), None, place=UNKNOWN) if name else None
    name_ = canonicalize_name(standard.name)
    condition = f"extra == '{canonicalize_name(extra)}'" if extra is not None else None
    marker = str(standard.marker) if standard.marker else None
    place = _direct(standard.url) if standard.url else sources.place(name_)
    return Requirement(
        name_,
        standard.specifier,
        frozenset(map(canonicalize_name, standard.extras)),
        f"({marker}) and {condition}" if marker and condition else marker or condition,
        place or _DEFAULT,
    )


def recorded(entry: Table) -> Requirement:
    """The requirement that a table of a lock is."""
    return Requirement(
        canonicalize_name(entry.text("name") or ""),
        read_specifier(entry.text("specifier") or ""),
        frozenset(map(canonicalize_name, entry.texts("extras"))),
        entry.text("marker"),
        _recorded_place(entry),
    )


def same_but_for_marker(wanted: Requirement, locked: Requirement) -> bool:
    """Whether what a project asks for is what a lock was made for, wherever it asks."""
    if UNKNOWN in (wanted.place, locked.place):
        return wanted.name == locked.name
    is_located = wanted.place.kind not in ("any index", "index")  # there uv records no versions
    return (
        wanted.name == locked.name
        and wanted.extras == locked.extras
        and _same_place(wanted.place, locked.place)
        and (is_located or same_versions(wanted.specifier, locked.specifier))
    )


def same_versions(one: SpecifierSet | None, other: SpecifierSet | None, *, finals: bool = False) -> bool:
    """Whether two specifiers admit the same versions: those at, just below and just above all that they name.

    `finals` leaves out versions before and after a release.
    """
    if one is None or other is None or one == other:
        return True
    try:
        named = {Version(each.version.removesuffix(".*")).release for each in (*one, *other)}
    except ValueError:
        return True
    near = {
        version + end for release in named for version in _near(release) for end in (_ENDS if not finals else ("",))
    }
    return all(one.contains(version, prereleases=True) == other.contains(version, prereleases=True) for version in near)


def _near(release: tuple[int, ...]) -> Iterator[str]:
    steps = [release, (*release, 1)]
    for place, number in enumerate(release):
        steps.append((*release[:place], number + 1))
        steps += [(*release[:place], number - 1, 99)] if number else []
    yield from (".".join(map(str, step)) for step in steps)


@lru_cache(maxsize=4096)
def same_marker(one: str | None, other: str | None, requires_python: str | None) -> bool:
    """Whether two markers hold in the same environments, with the same extras, as far as targets tell them apart.

    Versions on the left (`'3.9' <= python_version`) are not compared.
    """
    if one == other:
        return True
    texts = [text for text in (one, other) if text is not None]
    if not all(map(_is_plain, texts)):
        return True
    extras = sorted({canonicalize_name(name) for text in texts for name in _EXTRA.findall(text)})
    try:
        return all(
            markers.evaluate(one, target, extras=active) == markers.evaluate(other, target, extras=active)
            for target in _targets(texts, requires_python)
            for active in (frozenset[str](), *(frozenset((extra,)) for extra in extras))
        )
    except MarkerError:
        return True


@lru_cache(maxsize=4096)
def never_holds(marker: str | None, requires_python: str | None) -> bool:
    """Whether no Python that the lock is for has a target where the marker holds."""
    if marker is None:
        return False
    if len(marker) > _MAX_MARKER:
        return False
    extras = frozenset(map(canonicalize_name, _EXTRA.findall(marker)))
    try:
        targets = _targets([marker], requires_python)
        return all(markers.evaluate(marker, target, extras=extras) is False for target in targets)
    except MarkerError:
        return False


def local(path: str, folder: str) -> Place:
    """A place in the project, `path` from `folder`; unknown where it is no relative path."""
    if isabs(path) or "://" in path or path.startswith(("~", "file:")) or "\\" in path or "$" in path:
        return UNKNOWN
    return Place("local", normpath(join(folder, path)))


def _targets(texts: Iterable[str], requires_python: str | None) -> list[Mapping[str, str]]:
    """Environments that tell markers apart: those of a lock that has nothing but each comparison in them."""
    comparisons = {each for text in texts for each in _comparisons(markers.parse(text))}
    lock = Lock(
        path="",
        format="uv",
        sha256="",
        mode=SelectionMode.FLAT,
        packages=(),
        roots=tuple(Dependency(name=canonicalize_name("any"), marker=each) for each in sorted(comparisons)),
        requires_python=requires_python,
    )
    return [target.markers for target in witnesses([lock])]


def _is_plain(text: str) -> bool:
    """Whether uv reads a marker as others do: it leaves out comparisons that make no sense to it."""
    try:
        return len(text) <= _MAX_MARKER and all(map(_makes_sense, _parts(markers.parse(text))))
    except MarkerError:
        return False


def _makes_sense(part: markers.Comparison) -> bool:
    variable, literal = (part.left, part.right) if part.left_is_variable else (part.right, part.left)
    if variable not in _VERSIONS:
        return part.operator in _STRING_OPERATORS
    words = literal.split() if part.operator in ("in", "not in") else [literal.removesuffix(".*")]
    try:
        return bool([Version(word) for word in words]) and part.left_is_variable
    except ValueError:
        return False


def _comparisons(marker: markers.Marker) -> Iterator[str]:
    for part in _parts(marker):
        left = part.left if part.left_is_variable else f'"{part.left}"'
        right = part.right if part.right_is_variable else f'"{part.right}"'
        yield f"{left} {part.operator} {right}"


def _parts(marker: markers.Marker) -> Iterator[markers.Comparison]:
    if isinstance(marker, markers.Comparison):
        yield marker
    else:
        yield from (each for part in marker.parts for each in _parts(part))


def _recorded_place(entry: Table) -> Place:
    if (git := entry.text("git")) is not None:
        address, _, rest = git.partition("#")[0].partition("?")
        query = parse_qs(rest)
        reference = next((query[key][0] for key in ("rev", "tag", "branch") if key in query), "")
        return _git(address, reference, query.get("subdirectory", [""])[0])
    if (url := entry.text("url")) is not None:
        return Place("url", clean_url(url), entry.text("subdirectory") or "")
    for key in _LOCAL_KEYS:
        if (path := entry.text(key)) is not None:
            return local(path, "")
    index = entry.text("index")
    return Place("index", clean_url(index)) if index else _DEFAULT


def _direct(url: str) -> Place:
    """A PEP 508 URL: uv records a path where it is a file's."""
    if url.startswith("git+"):
        address, _, fragment = url.removeprefix("git+").partition("#")
        head, at, reference = address.rpartition("@")
        subdirectory = parse_qs(fragment).get("subdirectory", [""])[0]
        is_reference = at and "/" in head.partition("://")[2]
        return _git(head if is_reference else address, reference if is_reference else "", subdirectory)
    if not url.startswith(("http://", "https://")):
        return UNKNOWN
    address, _, fragment = url.partition("#")
    return Place("url", clean_url(address), parse_qs(fragment).get("subdirectory", [""])[0])


def _git(address: str, reference: str, subdirectory: str) -> Place:
    location = clean_url(address).removesuffix(".git")
    return Place("git", location, "#".join(filter(None, (reference, subdirectory))))


def _same_place(wanted: Place, locked: Place) -> bool:
    if wanted.kind == "workspace":
        return locked.kind in ("local", _DEFAULT.kind)  # some uv record no place for the project at the root
    if wanted.kind == locked.kind == "local" and wanted.location.startswith("..") > locked.location.startswith(".."):
        return True  # a path that leaves the lock's folder can come back
    return wanted == locked
