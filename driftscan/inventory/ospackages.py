"""What the operating system's package manager installed: dpkg, apk, and that there is rpm."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from driftscan.inventory.paths import child, name, parent
from driftscan.model.image import LayerId
from driftscan.model.inventory import OsPackage
from driftscan.rootfs import RootFS

_RPM_DATABASES = (
    "var/lib/rpm/rpmdb.sqlite",
    "var/lib/rpm/Packages",
    "var/lib/rpm/Packages.db",
    "usr/lib/sysimage/rpm/rpmdb.sqlite",
    "usr/lib/sysimage/rpm/Packages.db",
)
_PYTHON_PATH = re.compile(r"python|pypy|(?:^|/)bin/")
_MD5SUM = re.compile(r"[0-9a-f]{32} [ *](.+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class OsIndex:
    """OS packages, and the package that owns a path (Python's paths and those in a bin directory only)."""

    packages: tuple[OsPackage, ...]
    owners: Mapping[str, str]
    has_rpm: bool
    release: Mapping[str, str]

    @property
    def is_debian(self) -> bool:
        return "debian" in f"{self.release.get('ID', '')} {self.release.get('ID_LIKE', '')}".split() or any(
            package.manager == "dpkg" for package in self.packages
        )

    def version_of(self, package: str) -> str | None:
        return next((found.version for found in self.packages if found.name == package), None)


def read(rootfs: RootFS, layers: Sequence[LayerId] = ()) -> OsIndex:
    """Reads the package databases of an image, whose layers are named by `layers`."""
    packages: dict[OsPackage, None] = {}
    owners: dict[str, str] = {}
    for package, files in (*_dpkg(rootfs, layers), *_distroless(rootfs, layers), *_apk(rootfs)):
        packages[package] = None
        for path in files:
            if _PYTHON_PATH.search(path):
                owners[_real(rootfs, path)] = package.name
    return OsIndex(
        packages=tuple(sorted(packages, key=lambda package: (package.manager, package.name, package.version))),
        owners=owners,
        has_rpm=any(rootfs.get(path) is not None for path in _RPM_DATABASES),
        release=_release(rootfs),
    )


def _real(rootfs: RootFS, path: str) -> str:
    """The path with a symlinked first directory followed: package lists still say /lib where that is /usr/lib."""
    first, slash, rest = path.partition("/")
    if first not in ("bin", "sbin", "lib", "lib64", "lib32"):
        return path
    target = rootfs.resolve(first) if slash else None
    return child(target, rest) if target else path


def _release(rootfs: RootFS) -> dict[str, str]:
    data = rootfs.read("etc/os-release") or rootfs.read("usr/lib/os-release") or b""
    pairs = (line.partition("=") for line in data.decode("utf-8", "replace").splitlines())
    return {key.strip(): value.strip().strip("\"'") for key, sign, value in pairs if sign}


def _layer(rootfs: RootFS, path: str | None, layers: Sequence[LayerId]) -> LayerId | None:
    """The layer that wrote the file in which the package manager keeps what it knows of a package."""
    node = rootfs.lookup(path) if path is not None else None
    return layers[node.layer] if node is not None and node.layer < len(layers) else None


def _dpkg(rootfs: RootFS, layers: Sequence[LayerId]) -> Iterator[tuple[OsPackage, tuple[str, ...]]]:
    status = rootfs.read("var/lib/dpkg/status")
    if status is None:
        return
    lists: dict[str, str] = {}
    for filename in rootfs.children("var/lib/dpkg/info"):
        if filename.endswith(".list"):
            lists[filename.removesuffix(".list")] = f"var/lib/dpkg/info/{filename}"
    for fields in _stanzas(status):
        package, version = fields.get("Package"), fields.get("Version")
        if package and version and fields.get("Status", "").endswith(" installed"):
            path = lists.get(package) or lists.get(f"{package}:{fields.get('Architecture', '')}")
            files = (rootfs.read(path) or b"" if path else b"").decode("utf-8", "surrogateescape").split("\n")
            found = OsPackage(name=package, version=version, manager="dpkg", layer=_layer(rootfs, path, layers))
            yield found, tuple(file.lstrip("/") for file in files)


def _distroless(rootfs: RootFS, layers: Sequence[LayerId]) -> Iterator[tuple[OsPackage, tuple[str, ...]]]:
    """status.d holds one stanza a package, and beside it the package's md5sums."""
    folder = "var/lib/dpkg/status.d"
    for filename in rootfs.children(folder):
        if filename.endswith(".md5sums"):
            continue
        for fields in _stanzas(rootfs.read(f"{folder}/{filename}") or b""):
            package, version = fields.get("Package"), fields.get("Version")
            if package and version:
                sums = (rootfs.read(f"{folder}/{filename}.md5sums") or b"").decode("utf-8", "surrogateescape")
                matches = (_MD5SUM.fullmatch(line) for line in sums.split("\n"))
                files = tuple(match[1].removeprefix("./").lstrip("/") for match in matches if match)
                layer = _layer(rootfs, f"{folder}/{filename}", layers)
                yield OsPackage(name=package, version=version, manager="dpkg", layer=layer), files


def _stanzas(data: bytes) -> Iterator[dict[str, str]]:
    """The paragraphs of a deb822 file, continuation lines left out."""
    for paragraph in re.split(r"\n[ \t]*\n", data.decode("utf-8", "surrogateescape")):
        pairs = (line.partition(":") for line in paragraph.split("\n") if line[:1] not in (" ", "\t", ""))
        yield {key: value.strip() for key, colon, value in pairs if colon}


def _apk(rootfs: RootFS) -> Iterator[tuple[OsPackage, tuple[str, ...]]]:
    """apk's database: P name, V version, F a directory and R a file in it."""
    for database in ("lib/apk/db/installed", "usr/lib/apk/db/installed"):
        data = rootfs.read(database)
        if data is None or (parent(database) == "lib/apk/db" and rootfs.resolve("lib") == "usr/lib"):
            continue
        for paragraph in data.decode("utf-8", "surrogateescape").split("\n\n"):
            if (found := _apk_package(paragraph)) is not None:
                yield found


def _apk_package(paragraph: str) -> tuple[OsPackage, tuple[str, ...]] | None:
    fields: dict[str, str] = {}
    files: list[str] = []
    folder = ""
    for line in paragraph.split("\n"):
        key, _, value = line.partition(":")
        if key == "F":
            folder = value
        elif key == "R":
            files.append(child(folder, value))
        elif key in ("P", "V"):
            fields[key] = value
    if "P" not in fields or "V" not in fields:
        return None
    return OsPackage(name=fields["P"], version=fields["V"], manager="apk"), tuple(files)


def owner_of(index: OsIndex, folder: str) -> str | None:
    """The package that owns a metadata folder, or the file of that path."""
    if folder in index.owners:
        return index.owners[folder]
    return index.owners.get(f"{folder}/METADATA") or index.owners.get(f"{folder}/PKG-INFO")


def is_system_site(site: str) -> bool:
    """Whether a distribution's own packages install into that site directory (`usr/lib/python3/dist-packages`)."""
    return parent(parent(site)) in ("usr/lib", "usr/lib64") and name(site) in ("site-packages", "dist-packages")
