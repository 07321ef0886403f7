"""Whether a conda-lock.yml agrees with the environment.yml files that it names as its sources.

Its content hash depends on which conda-lock wrote it and on what it assumed of machines, so a hash that differs proves
nothing. What is asked for is compared with the packages instead, as far as conda's way to compare versions is that of
Python: for plain numbers. Lines with a selector (`# [linux]`) are passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from posixpath import normpath
from typing import NamedTuple

from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from driftscan.errors import LockError
from driftscan.lock.document import Document
from driftscan.lock.standard import read_specifier, read_standard
from driftscan.lock.yaml_document import YamlList, YamlMap, load_yaml
from driftscan.model.lock import Difference, LockSource

_SPEC = re.compile(r"(?:[^\s\[\]]+::)?(?P<name>[A-Za-z0-9_][\w.-]*)(?P<rest>[\s=<>!~\[].*)?")
_NUMBER = r"\d+(?:\.\d+)*"
_PLAIN = re.compile(_NUMBER)
_FUZZY = re.compile(rf"=\s*({_NUMBER})(?:\.?\*)?")
_RANGE = re.compile(rf"(?:(?:>=|<=|==|!=|<|>)\s*{_NUMBER}\s*(?:,\s*|$))+")
_SELECTOR = re.compile(r"#.*\[[^\[\]]+\]")
_MAX_LINE = 2000


class Pin(NamedTuple):
    """A package of the lock: `manager` is conda or pip, `name` as that one writes it."""

    manager: str
    platform: str
    name: str
    version: str


class _Wish(NamedTuple):
    """A requirement of an environment.yml, with its 1-based line."""

    manager: str
    name: str
    rest: str
    line: int


def compare_with_sources(document: Document, data: YamlMap, pins: Iterable[Pin]) -> Iterator[LockSource]:
    """The environment.yml files that the lock `document` names; none where one of its sources cannot be read.

    `data` is the lock's content. A source replaces what one before it asks of a package.
    """
    locked: dict[tuple[str, str], dict[str, str]] = {}
    for pin in pins:
        locked.setdefault((pin.platform, pin.manager), {})[_key(pin.manager, pin.name)] = pin.version
    metadata = data.get("metadata")
    named = metadata.get("sources") if isinstance(metadata, YamlMap) else None
    read = [_wishes(document, path) for path in dict.fromkeys(map(str, named if isinstance(named, YamlList) else ()))]
    sources = [source for source in read if source is not None]
    if len(sources) < len(read):
        return
    last = {(wish.manager, wish.name): name for name, wishes in sources for wish in wishes}
    for name, wishes in sources:
        valid = [wish for wish in wishes if last[wish.manager, wish.name] == name]
        yield LockSource(name, "its requirements", tuple(_differences(valid, locked)))


def _key(manager: str, name: str) -> str:
    return canonicalize_name(name) if manager == "pip" else name.lower()


def _wishes(document: Document, path: str) -> tuple[str, tuple[_Wish, ...]] | None:
    """Name of an environment.yml, and what it asks for on all platforms; None where it cannot be read."""
    if not path.endswith((".yml", ".yaml")):
        return None
    try:
        source = document.sibling(normpath(path))
        listed = load_yaml(source).get("dependencies") if source is not None else None
    except LockError:
        return None
    if source is None or not isinstance(listed, YamlList):
        return None
    lines = source.text.split("\n")
    return source.name, tuple(wish for wish in _listed(listed) if not _is_conditional(lines[wish.line - 1]))


def _is_conditional(line: str) -> bool:
    return len(line) > _MAX_LINE or _SELECTOR.search(line) is not None


def _listed(items: YamlList) -> Iterator[_Wish]:
    for item, line in zip(items, items.lines, strict=True):
        if isinstance(item, str) and (match := _SPEC.fullmatch(item.strip())) is not None:
            yield _Wish("conda", match["name"].lower(), (match["rest"] or "").strip(), line)
        elif isinstance(item, YamlMap) and isinstance(pip := item.get("pip"), YamlList):
            yield from (_pip(text, place) for text, place in zip(pip, pip.lines, strict=True))


def _pip(text: object, line: int) -> _Wish:
    """An empty name where it is no plain requirement, or one that depends on the environment."""
    requirement = read_standard(str(text))
    if requirement is None:
        return _Wish("pip", "", "", line)
    is_plain = requirement.marker is None and requirement.url is None
    return _Wish("pip", canonicalize_name(requirement.name) if is_plain else "", str(requirement.specifier), line)


def _differences(wishes: Iterable[_Wish], locked: Mapping[tuple[str, str], Mapping[str, str]]) -> Iterator[Difference]:
    """One for each requirement, with all platforms that lack it; pip's may have been met by a conda package."""
    platforms = sorted({platform for platform, _ in locked})
    for wish in filter(lambda wish: wish.name, wishes):
        found = {each: locked.get((each, wish.manager), {}).get(wish.name) for each in platforms}
        absent = [each for each, version in found.items() if version is None] if wish.manager == "conda" else []
        wrong = {version for version in found.values() if version is not None and not _admits(wish, version)}
        name: NormalizedName = canonicalize_name(wish.name)
        if absent:
            where = "" if absent == platforms else f" for {' and '.join(absent)}"
            yield Difference(f"requires {wish.name}{wish.rest}, which the lock does not have{where}", name, wish.line)
        elif wrong:
            has = " and ".join(sorted(wrong))
            yield Difference(f"requires {wish.name}{wish.rest}, and the lock has {has}", name, wish.line)


def _admits(wish: _Wish, version: str) -> bool:
    """True too where that cannot be told: for builds, alternatives, and versions that are not plain numbers."""
    if wish.manager == "conda" and (fuzzy := _FUZZY.fullmatch(wish.rest)) is not None:
        return not _PLAIN.fullmatch(version) or _begins(version, fuzzy[1])
    specifier = read_specifier(wish.rest)
    is_plain = wish.manager == "pip" or (_RANGE.fullmatch(wish.rest) and _PLAIN.fullmatch(version))
    try:
        return specifier is None or not is_plain or specifier.contains(Version(version), prereleases=True)
    except ValueError:
        return True


def _begins(version: str, beginning: str) -> bool:
    """Whether a version has the parts of `beginning` at its start; what it has not is 0."""
    asked = [part.lstrip("0") for part in beginning.split(".")]
    parts = [part.lstrip("0") for part in version.split(".")] + [""] * len(asked)
    return parts[: len(asked)] == asked
