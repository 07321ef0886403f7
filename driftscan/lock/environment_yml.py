"""environment.yml of conda: a list of what is wanted, not a lock. Read so that it can be said what in it is loose.

`name==1.2` and `name=1.2=build` mean one version; `name=1.2` means any that begins like that (conda's MatchSpec). The
list below `pip:` is in the grammar of requirements files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from posixpath import basename
from typing import NamedTuple

from packaging.utils import canonicalize_name

from driftscan.errors import LockError
from driftscan.lock.conda_names import PLATFORM_MARKERS
from driftscan.lock.document import Document
from driftscan.lock.requirements import parse as parse_requirements
from driftscan.lock.yaml_document import YamlList, YamlMap, load_yaml
from driftscan.model.lock import CondaBuild, Dependency, Lock, Origin, OriginKind, Package, PackageId, SelectionMode

_NAME = re.compile(r"(?:.*[-_.])?environment(?:[-_.].*)?\.ya?ml", re.IGNORECASE)
_LIST = re.compile(rb"^dependencies:[ \t]*(?:#.*)?\r?$", re.MULTILINE)
_SPEC = re.compile(
    r"(?:(?P<channel>[^\s:\[\]]+(?:/[^\s:\[\]]+)*)::?)?(?P<name>[A-Za-z0-9_][\w.-]*)\s*(?P<rest>[^\[]*)(?:\[(?P<extra>.*)\])?"
)
_BRACKET = re.compile(r"""(\w+)\s*=\s*(?:'([^']*)'|"([^"]*)"|([^,\s]+))""")
_EXACT = re.compile(r"==\s*(?P<version>[^\s,|=*<>!~]+)(?:[=\s]\s*(?P<build>[^\s,|=<>!~]+))?")
_FUZZY_BUILD = re.compile(r"=?\s*(?P<version>[^\s,|=*<>!~]+)[=\s]\s*(?P<build>[^\s,|=*<>!~]+)")
_SELECTOR = re.compile(r"sel\((?P<system>linux|osx|win|unix)\)")
_SYSTEMS = {
    "linux": "sys_platform == 'linux'",
    "osx": "sys_platform == 'darwin'",
    "win": "sys_platform == 'win32'",
    "unix": "os_name == 'posix'",
}


class Spec(NamedTuple):
    """A conda requirement; `version` and `build` where it admits one alone, `text` what it says of both."""

    name: str
    channel: str
    version: str | None
    build: str | None
    text: str


def matches(name: str, head: bytes) -> bool:
    """Whether a file is an environment.yml: by its name and a list of dependencies at the top level."""
    filename = basename(name)
    if not filename.endswith((".yml", ".yaml")):
        return False
    named = _NAME.fullmatch(filename) is not None
    return _LIST.search(head) is not None and (named or b"\nchannels:" in b"\n" + head)


def parse(document: Document) -> Lock:
    """Read an environment.yml; LockError with the line for what is no requirement."""
    data = load_yaml(document)
    listed = data.get("dependencies")
    if not isinstance(listed, YamlList):
        raise LockError('it has no list "dependencies"', where=document.name)
    packages: list[Package] = []
    roots: list[Dependency] = []
    for item, line in zip(listed, listed.lines, strict=True):
        for package, root in _item(item, line, document):
            packages.append(package)
            roots.append(root)
    return Lock(
        path=document.name,
        format="environment",
        sha256=document.sha256,
        mode=SelectionMode.FLAT,
        packages=tuple({package.id: package for package in packages}.values()),
        roots=tuple(roots),
        environments=tuple(_environments(data)),
        hashes_required=False,
    )


def _item(item: object, line: int, document: Document) -> Iterator[tuple[Package, Dependency]]:
    where = f"{document.name}:{line}"
    match item:
        case str():
            yield _package(item, line, None, where)
        case YamlMap() if isinstance(pip := item.get("pip"), YamlList):
            yield from _pip(pip, document)
        case YamlMap():
            for key, value in item.items():
                selector = _SELECTOR.fullmatch(key)
                if key == "pip" and value is None:
                    continue
                if selector is None or not isinstance(value, str):
                    raise LockError(f"`{key[:100]}` is no requirement", where=where)
                yield _package(value, line, _SYSTEMS[selector["system"]], where)
        case _:
            raise LockError("it is no requirement", where=where)


def _package(text: str, line: int, marker: str | None, where: str) -> tuple[Package, Dependency]:
    spec = read_spec(text)
    if spec is None:
        raise LockError(f"`{text[:100]}` is no requirement that conda knows", where=where)
    origin = Origin(OriginKind.CONDA, spec.channel, build=spec.build)
    key = PackageId(canonicalize_name(spec.name), spec.version, origin)
    filename = f"{spec.name}-{spec.version or ''}-{spec.build or ''}"
    package = Package(
        id=key,
        pinned=spec.version is not None,
        specifier=spec.text,
        conda=CondaBuild(spec.build or "", spec.channel, "", filename),
        line=line,
    )
    return package, Dependency(name=key.name, specifier=spec.text, marker=marker, candidates=(key,), line=line)


def read_spec(text: str) -> Spec | None:
    """A MatchSpec as far as it tells one version or not; None where it is none.

    https://docs.conda.io/projects/conda/en/stable/user-guide/concepts/pkg-specs.html
    """
    match = _SPEC.fullmatch(text.strip())
    if match is None:
        return None
    bracket = {key: first or second or third for key, first, second, third in _BRACKET.findall(match["extra"] or "")}
    rest = match["rest"].strip()
    written = " ".join(part for part in (rest, f"[{match['extra']}]" if match["extra"] else "") if part)
    channel = match["channel"] or bracket.get("channel", "")
    exact = _EXACT.fullmatch(rest) or _FUZZY_BUILD.fullmatch(rest)
    version, build = (exact["version"], exact["build"]) if exact is not None else (None, None)
    asked = bracket.get("version", "")
    if version is None and asked.startswith("==") and "*" not in asked:
        version = asked[2:].strip()
    if build is not None and "*" in build:
        build = None
    return Spec(match["name"], channel, version, build or bracket.get("build"), written)


def _pip(items: YamlList, document: Document) -> Iterator[tuple[Package, Dependency]]:
    """The entries as a requirements file of their own, so that `-r` and options mean what they do there."""
    lines = [""] * max(items.lines, default=0)
    for item, line in zip(items, items.lines, strict=True):
        if not isinstance(item, str) or "\n" in item:
            raise LockError("it is no requirement for pip", where=f"{document.name}:{line}")
        lines[line - 1] = item
    text = "\n".join(lines) + "\n"
    lock = parse_requirements(Document(document.name, text.encode("utf-8"), document.sibling))
    packages = {package.id: package for package in lock.packages}
    for root in lock.roots:
        for key in root.candidates:
            yield packages[key], replace(root, candidates=(key,))


def _environments(data: YamlMap) -> Iterator[str]:
    """`platforms`, which conda-lock reads in such a file."""
    platforms = data.get("platforms")
    known = [PLATFORM_MARKERS.get(str(name)) for name in platforms] if isinstance(platforms, YamlList) else []
    if None not in known:
        yield from (marker for marker in known if marker is not None)
