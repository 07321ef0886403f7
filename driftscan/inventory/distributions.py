"""Installed distributions of one site directory, as their metadata tells."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from driftscan.inventory import metadata, ospackages, record
from driftscan.inventory.paths import child, join, name, parent, shown
from driftscan.model.image import EntryKind, LayerId
from driftscan.model.inventory import DirectUrl, Distribution, DistributionForm, WheelFacts
from driftscan.model.lock import Unchecked
from driftscan.rootfs import Node, RootFS

_Parsed = TypeVar("_Parsed")
EGG_NAME = re.compile(r"(?P<name>[^-]+)-(?P<version>[^-]+?)(?:-py\d[\d.]*(?:-[^/]+)?)?")
"""The name of an egg-info without its suffix; that of a dist-info is a shorter one of these."""
_LOCAL_PLATFORM = re.compile(r"linux_\w+")
_OS_INSTALLERS = ("rpm", "debian", "apk")


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What every reader of a distribution needs."""

    rootfs: RootFS
    layers: tuple[LayerId, ...]
    os_index: ospackages.OsIndex

    def layer(self, index: int | None) -> LayerId | None:
        return self.layers[index] if index is not None and 0 <= index < len(self.layers) else None


class Files(NamedTuple):
    """The files that a distribution lists. `rows` is None where nothing lists them; `names` are then the top-level
    modules that it is known to have."""

    rows: tuple[record.Row, ...] | None
    names: frozenset[str] = frozenset()


class Found(NamedTuple):
    """A distribution and its files."""

    distribution: Distribution
    files: Files


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One directory that modules are imported from."""

    path: str
    found: tuple[Found, ...] = ()
    stale: tuple[str, ...] = ()
    unchecked: tuple[Unchecked, ...] = ()


class _Reader:
    """Reads one metadata folder and gathers what could not be read."""

    def __init__(self, context: Context, folder: str) -> None:
        self.rootfs = context.rootfs
        self.folder = folder
        self.unchecked: list[Unchecked] = []

    def data(self, leaf: str) -> bytes | None:
        """Content of a file in the folder; None where it is absent, and where it is too large with a note."""
        path = f"{self.folder}/{leaf}" if leaf else self.folder
        content = self.rootfs.read(path)
        node = self.rootfs.get(path)
        if content is None and node is not None and node.entry.kind is EntryKind.FILE:
            self.unchecked.append(Unchecked(shown(path), "it was not read: it is larger than metadata may be"))
        return content

    def parsed(self, leaf: str, parse: Callable[[bytes], _Parsed]) -> _Parsed | None:
        data = self.data(leaf)
        if data is None:
            return None
        try:
            return parse(data)
        except ValueError as error:
            path = f"{self.folder}/{leaf}" if leaf else self.folder
            self.unchecked.append(Unchecked(shown(path), f"{leaf or 'the file'} cannot be used: {error}"))
            return None

    def text(self, leaf: str) -> str | None:
        data = self.data(leaf)
        return None if data is None else data.decode("utf-8", "replace").strip()


def read_site(context: Context, site: str) -> Site:
    """The distributions directly in `site`, in name order. Folders without metadata are `stale`."""
    found: list[Found] = []
    stale: list[str] = []
    unchecked: list[Unchecked] = []
    for entry in context.rootfs.children(site):
        path = child(site, entry)
        form = _form(context.rootfs, path)
        if form is None:
            unchecked += _zipped_egg(context.rootfs, path)
            continue
        if entry.startswith("~"):
            stale.append(path)
            continue
        result, problems = _READERS[form](context, site, path)
        unchecked += problems
        if result is not None:
            found.append(result)
        elif not problems:
            stale.append(path)
    return Site(path=site, found=tuple(found), stale=tuple(stale), unchecked=tuple(unchecked))


def _zipped_egg(rootfs: RootFS, path: str) -> list[Unchecked]:
    node = rootfs.get(path) if path.endswith(".egg") else None
    is_file = node is not None and node.entry.kind is EntryKind.FILE
    return [Unchecked(shown(path), "it is a zipped egg, and these are not read")] if is_file else []


def _form(rootfs: RootFS, path: str) -> DistributionForm | None:
    filename = name(path)
    if filename.endswith(".dist-info"):
        return DistributionForm.DIST_INFO
    if filename.endswith(".egg-info") or (filename == "EGG-INFO" and rootfs.get(f"{path}/PKG-INFO") is not None):
        return DistributionForm.EGG_INFO
    return DistributionForm.EGG_LINK if filename.endswith(".egg-link") else None


def _dist_info(context: Context, site: str, path: str) -> tuple[Found | None, list[Unchecked]]:
    reader = _Reader(context, path)
    node = context.rootfs.get(f"{path}/METADATA")
    core = reader.parsed("METADATA", metadata.core_metadata)
    if core is None or node is None:
        return None, reader.unchecked
    owner = _owner(context, site, path, reader.text("INSTALLER"))
    if owner is None and (mismatch := _mismatch(path, ".dist-info", core)) is not None:
        reader.unchecked.append(mismatch)
    # One that lists nothing, not even itself, is none.
    rows = reader.parsed("RECORD", lambda data: record.rows(data, site)) or None
    wheel = reader.parsed("WHEEL", metadata.wheel)
    distribution = Distribution(
        name=core.name,
        version=core.version,
        path=shown(path),
        site=shown(site),
        requires=core.requires,
        requires_python=core.requires_python,
        provides_extras=core.provides_extras,
        installer=reader.text("INSTALLER") or None,
        requested=context.rootfs.get(f"{path}/REQUESTED") is not None,
        direct_url=reader.parsed("direct_url.json", metadata.direct_url),
        wheel=wheel,
        built_on_the_spot=_built_on_the_spot(reader, wheel),
        has_record=rows is not None,
        record_files=len(rows or ()),
        owner=owner,
        layer=context.layer(node.layer),
    )
    return Found(distribution, Files(rows, _top_level(reader, core.name))), reader.unchecked


def _mismatch(path: str, suffix: str, core: metadata.CoreMetadata) -> Unchecked | None:
    """Where the folder's name and the metadata in it tell of different distributions."""
    stem = name(path).removesuffix(suffix)
    project, _, version = stem.partition("-")
    if canonicalize_name(project) == core.name and (not version or _same_version(version, core.version)):
        return None
    return Unchecked(shown(path), f"the metadata in it says {core.name} {core.version}, its own name says otherwise")


def _same_version(first: str, second: str) -> bool:
    try:
        return Version(first.replace("_", "-")) == Version(second)
    except InvalidVersion:
        return first.replace("_", "-") == second.replace("_", "-")


def _built_on_the_spot(reader: _Reader, wheel: WheelFacts | None) -> str | None:
    if reader.data("uv_build.json") is not None:
        return "uv left uv_build.json, the settings that it was built with"
    platforms = sorted({tag.platform for tag in wheel.tags} if wheel else ())
    local = next((platform for platform in platforms if _LOCAL_PLATFORM.fullmatch(platform)), None)
    return f"its WHEEL carries the tag {local}, which package indexes do not accept" if local else None


def _owner(context: Context, site: str, path: str, installer: str | None) -> str | None:
    owner = ospackages.owner_of(context.os_index, path)
    if owner is not None:
        return owner
    is_rpm = context.os_index.has_rpm and ospackages.is_system_site(site) and installer in ("rpm", None, "")
    return "rpm" if is_rpm else None


def _top_level(reader: _Reader, project: str) -> frozenset[str]:
    text = reader.text("top_level.txt")
    return frozenset(text.split()) if text else frozenset({project.replace("-", "_")})


def _egg_info(context: Context, site: str, path: str) -> tuple[Found | None, list[Unchecked]]:
    """An egg-info folder, or the single file that distutils wrote."""
    reader = _Reader(context, path)
    node = context.rootfs.get(path)
    leaf = "" if node is not None and node.entry.kind is EntryKind.FILE else "PKG-INFO"
    core = reader.parsed(leaf, metadata.core_metadata)
    node = context.rootfs.get(f"{path}/{leaf}" if leaf else path)
    if core is None or node is None:
        return None, reader.unchecked
    found = _egg(context, reader, (site, path), core, node)
    is_named = name(path) != "EGG-INFO" and found.distribution.owner is None
    if is_named and (mismatch := _egg_mismatch(path, core)) is not None:
        reader.unchecked.append(mismatch)
    return found, reader.unchecked


def _egg(context: Context, reader: _Reader, place: tuple[str, str], core: metadata.CoreMetadata, node: Node) -> Found:
    site, path = place
    is_folder = node.path != path
    rows = reader.parsed("installed-files.txt", lambda data: _installed_files(data, path)) if is_folder else None
    requires = reader.parsed("requires.txt", metadata.egg_requires) if is_folder else None
    distribution = Distribution(
        name=core.name,
        version=core.version,
        path=shown(path),
        site=shown(site),
        form=DistributionForm.EGG_INFO,
        requires=core.requires or requires or (),
        requires_python=core.requires_python,
        provides_extras=core.provides_extras,
        installer=(reader.text("INSTALLER") if is_folder else None) or None,
        direct_url=reader.parsed("direct_url.json", metadata.direct_url) if is_folder else None,
        owner=_owner(context, site, path, None),
        layer=context.layer(node.layer),
    )
    names = _top_level(reader, core.name) if is_folder else frozenset({core.name.replace("-", "_")})
    return Found(distribution, Files(rows, names))


def _egg_mismatch(path: str, core: metadata.CoreMetadata) -> Unchecked | None:
    match = EGG_NAME.fullmatch(name(path).removesuffix(".egg-info"))
    stem = f"{match['name']}-{match['version']}" if match else name(path).removesuffix(".egg-info")
    return _mismatch(stem, "", core) and _mismatch(path, ".egg-info", core)


def _installed_files(data: bytes, folder: str) -> tuple[record.Row, ...]:
    """installed-files.txt of an old pip: paths relative to the egg-info folder."""
    paths = (join(folder, line) for line in data.decode("utf-8", "surrogateescape").split("\n") if line.strip())
    return tuple(record.Row(path.strip()) for path in paths if path)


def _egg_link(context: Context, site: str, path: str) -> tuple[Found | None, list[Unchecked]]:
    """A `setup.py develop` install: the link's first line is the folder that holds the egg-info."""
    reader = _Reader(context, path)
    lines = (reader.text("") or "").split("\n")
    folder = join(site, lines[0].strip()) if lines[0].strip() else None
    entries = context.rootfs.children(folder) if folder else ()
    eggs = [child(folder or "", entry) for entry in entries if entry.endswith(".egg-info")]
    if len(eggs) != 1:
        why = f"it points to {lines[0].strip() or 'nothing'}, which holds no metadata in this image"
        return None, [*reader.unchecked, Unchecked(shown(path), why)]
    found, unchecked = _egg_info(context, parent(eggs[0]), eggs[0])
    if found is None:
        return None, unchecked
    return Found(_as_link(found.distribution, site, path, shown(folder or "")), Files(None)), unchecked


def _as_link(egg: Distribution, site: str, path: str, folder: str) -> Distribution:
    return Distribution(
        name=egg.name,
        version=egg.version,
        path=shown(path),
        site=shown(site),
        form=DistributionForm.EGG_LINK,
        requires=egg.requires,
        requires_python=egg.requires_python,
        provides_extras=egg.provides_extras,
        direct_url=DirectUrl(f"file://{folder}", "dir", editable=True),
        layer=egg.layer,
    )


_READERS: Mapping[DistributionForm, Callable[[Context, str, str], tuple[Found | None, list[Unchecked]]]] = {
    DistributionForm.DIST_INFO: _dist_info,
    DistributionForm.EGG_INFO: _egg_info,
    DistributionForm.EGG_LINK: _egg_link,
}
