"""What a pixi.lock is made of: packages with their details, and the references to them from environments."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote

from packaging.utils import canonicalize_name

from driftscan.errors import LockError
from driftscan.lock.conda_names import CondaFile, conda_file, conda_package
from driftscan.lock.document import clean_url
from driftscan.lock.yaml_document import YamlList, YamlMap
from driftscan.model.lock import Origin, OriginKind, PackageId

DAMAGED = "the lock is damaged; run `pixi lock`"
_KINDS = ("conda", "pypi", "conda_source")
_SOURCE = re.compile(r"(?P<name>[^\[\s]+)(?:\[(?P<variant>[^\]]*)\])? @ (?P<path>\S.*)")
_VCS = ("git+", "hg+")
_ARCHIVES = (".whl", ".tar.gz", ".zip", ".tar.bz2", ".tgz")
_TELLING = ("name", "version", "build", "subdir")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """One line of an environment: `kind` is `conda`, `conda_source` or `pypi`, `place` the URL or path of the package.

    `subdir` is the conda platform that `platform`, a name of the workspace's own from version 7 on, stands for.
    """

    environment: str
    platform: str
    kind: str
    place: str
    facts: Mapping[str, str]
    extras: frozenset[str]
    where: str
    subdir: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One item of `packages`."""

    kind: str
    place: str
    file: CondaFile | None
    key: PackageId
    data: YamlMap
    where: str

    @property
    def provides(self) -> frozenset[str]:
        """Normalised names of the Python projects that a conda package is (`purls`), or of the project itself."""
        if self.kind == "pypi":
            return frozenset((self.key.name,))
        purls = self.data.get("purls")
        names = [_purl_name(text) for text in texts(purls)] if isinstance(purls, YamlList) else [self.key.name]
        return frozenset(name for name in names if name)


def _purl_name(text: str) -> str:
    """`pkg:pypi/NAME@VERSION?…` (package-url)."""
    if not text.startswith("pkg:pypi/"):
        return ""
    return canonicalize_name(text.removeprefix("pkg:pypi/").split("@")[0].split("?")[0])


class Entries:
    """Details of packages, by what environments refer to them with."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.entries = tuple(entries)
        self._by_place: dict[tuple[str, str], list[Entry]] = {}
        for entry in entries:
            self._by_place.setdefault((entry.kind, entry.place), []).append(entry)

    def find(self, reference: Reference) -> Entry:
        """The one entry that a reference means; a package built from source needs more than its path."""
        found = self._by_place.get((reference.kind, reference.place), [])
        if len(found) > 1:
            found = [entry for entry in found if _agrees(reference, entry)]
        if len(found) > 1:
            found = [entry for entry in found if entry.data.get("subdir") in (reference.subdir, "noarch")] or found[:1]
        if not found:
            place = clean_url(reference.place)[:200]
            raise LockError(
                f"the environment {reference.environment!r} refers to {place}, and it is not there",
                where=reference.where,
                hint=DAMAGED,
            )
        return found[0]


def _agrees(reference: Reference, entry: Entry) -> bool:
    return all(entry.data.get(key, value) == value for key, value in reference.facts.items() if key in _TELLING)


def read_references(data: YamlMap, name: str) -> Iterator[Reference]:
    for environment, content in mapping(data, "environments").items():
        if not isinstance(content, YamlMap):
            raise LockError(f"the environment {environment!r} is no mapping", where=name, hint=DAMAGED)
        for platform, items in mapping(content, "packages").items():
            if not isinstance(items, YamlList):
                raise LockError(f"the packages for {platform!r} are no list", where=name, hint=DAMAGED)
            for item, line in zip(items, items.lines, strict=True):
                if not isinstance(item, YamlMap):
                    raise LockError("it is no reference to a package", where=f"{name}:{line}", hint=DAMAGED)
                yield _reference(environment, platform, item, f"{name}:{line}")


def _reference(environment: str, platform: str, item: YamlMap, where: str) -> Reference:
    facts = {key: value for key, value in item.items() if isinstance(value, str)}
    kind = next((kind for kind in _KINDS if kind in facts), None)
    if kind is None:
        raise LockError("it refers to a package of no kind that is known", where=where, hint=DAMAGED)
    extras = item.get("extras")
    return Reference(
        environment=canonicalize_name(environment),
        platform=platform,
        kind=kind,
        place=facts[kind],
        facts=facts,
        extras=frozenset(map(canonicalize_name, texts(extras))) if isinstance(extras, YamlList) else frozenset(),
        where=where,
    )


def read_entry(item: YamlMap, name: str) -> Entry:
    where = f"{name}:{item.line}"
    kind, place = _kind_and_place(item, where)
    file = conda_file(place) if kind == "conda" and "://" in place else None
    return Entry(kind=kind, place=place, file=file, key=_key(item, kind, place, file, where), data=item, where=where)


def _kind_and_place(item: YamlMap, where: str) -> tuple[str, str]:
    """Up to version 5 the kind and the place have keys of their own; later the kind is the key of the place."""
    kind = item.get("kind")
    if not isinstance(kind, str):
        kind = next((each for each in _KINDS if each in item), "")
        place = item.get(kind)
    else:
        place = item.get("url") or item.get("path")
    if kind not in _KINDS or not isinstance(place, str):
        raise LockError("the entry is neither a conda nor a pypi package", where=where, hint=DAMAGED)
    return kind, place


def _key(item: YamlMap, kind: str, place: str, file: CondaFile | None, where: str) -> PackageId:
    if file is not None:
        return conda_package(file, ()).id
    name, version = item.get("name"), item.get("version")
    if (source := _SOURCE.fullmatch(place)) is not None and kind == "conda_source":
        # The part in brackets tells variants of one source apart, as a build string does.
        origin = Origin(OriginKind.DIRECTORY, source["path"], build=source["variant"])
        return PackageId(canonicalize_name(source["name"]), None, origin)
    if not isinstance(name, str):
        raise LockError('"name" is missing', where=where, hint=DAMAGED)
    number = version if isinstance(version, str) else None
    return PackageId(canonicalize_name(name), number, _origin(item, kind, place))


def _origin(item: YamlMap, kind: str, place: str) -> Origin:
    if place.startswith(_VCS):
        address, _, commit = place.partition("+")[2].partition("#")
        query = parse_qs(address.partition("?")[2])
        reference = next((query[key][0] for key in ("rev", "tag", "branch") if key in query), None)
        return Origin(OriginKind.VCS, clean_url(address), unquote(commit) or None, reference)
    if "://" in place:
        # pixi keeps no trace of whether a URL was asked for or came from an index; an index is the usual case.
        return Origin()
    if kind == "pypi" and place.endswith(_ARCHIVES):
        return Origin(OriginKind.PATH, place)
    editable = item.get("editable") == "true"
    return Origin(OriginKind.EDITABLE if editable else OriginKind.DIRECTORY, place)


def mapping(data: YamlMap, key: str) -> Mapping[str, object]:
    value = data.get(key)
    return value if isinstance(value, YamlMap) else {}


def texts(value: object) -> Iterator[str]:
    yield from (item for item in value if isinstance(item, str)) if isinstance(value, YamlList) else ()


def maps(data: YamlMap, key: str, name: str) -> Iterator[YamlMap]:
    value = data.get(key)
    if value is None or (isinstance(value, str) and not value):
        return
    if not isinstance(value, YamlList):
        raise LockError(f'"{key}" has to be a list', where=name, hint=DAMAGED)
    for item, line in zip(value, value.lines, strict=True):
        if not isinstance(item, YamlMap):
            raise LockError(f'"{key}" has to hold mappings', where=f"{name}:{line}", hint=DAMAGED)
        yield item
