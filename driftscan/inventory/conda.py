"""Conda packages: the records in a prefix's conda-meta folder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from driftscan.inventory import metadata
from driftscan.inventory.distributions import Context
from driftscan.inventory.paths import child, join, shown
from driftscan.inventory.record import Row
from driftscan.model.inventory import CondaPackage
from driftscan.model.lock import Unchecked


class CondaRecord(NamedTuple):
    """A conda package and the files it put into the prefix, with the hash each has there."""

    package: CondaPackage
    rows: tuple[Row, ...]


class CondaPrefix(NamedTuple):
    records: tuple[CondaRecord, ...] = ()
    unchecked: tuple[Unchecked, ...] = ()


def read(context: Context, prefix: str) -> CondaPrefix:
    """The packages of a conda prefix, by name."""
    records: list[CondaRecord] = []
    unchecked: list[Unchecked] = []
    folder = child(prefix, "conda-meta")
    for entry in context.rootfs.children(folder):
        if not entry.endswith(".json"):
            continue
        path = f"{folder}/{entry}"
        node = context.rootfs.get(path)
        data = context.rootfs.read(path)
        try:
            if data is None or node is None:
                raise ValueError("it is larger than a package record may be")
            document = metadata.json_object(data)
            package = _package(document, path, context, node.layer)
            records.append(CondaRecord(package, _rows(document, prefix)))
        except ValueError as error:
            unchecked.append(Unchecked(shown(path), f"the record of this conda package cannot be used: {error}"))
    return CondaPrefix(tuple(records), tuple(unchecked))


def _package(document: Mapping[str, object], path: str, context: Context, layer: int) -> CondaPackage:
    def text(key: str) -> str:
        value = document.get(key)
        return value if isinstance(value, str) else ""

    if not text("name") or not text("version"):
        raise ValueError("it gives no name or no version")
    url = metadata.without_credentials(text("url"))
    subdir = text("subdir") or (url.split("/")[-2] if url.count("/") > 1 else "")
    depends = document.get("depends")
    return CondaPackage(
        name=text("name").lower(),
        version=text("version"),
        build=text("build") or text("build_string"),
        channel=_channel(metadata.without_credentials(text("channel")), url, subdir),
        subdir=subdir,
        filename=text("fn") or url.rpartition("/")[2],
        url=url,
        path=shown(path),
        md5=text("md5").lower() or None,
        sha256=text("sha256").lower() or None,
        depends=tuple(str(item) for item in depends) if isinstance(depends, list) else (),
        layer=context.layer(layer),
    )


def _channel(channel: str, url: str, subdir: str) -> str:
    """The channel's address without the platform folder; the package's own URL tells it best."""
    base = url.rpartition("/")[0] or channel
    return base.removesuffix(f"/{subdir}") if subdir else base


def _rows(document: Mapping[str, object], prefix: str) -> tuple[Row, ...]:
    """Files with `sha256_in_prefix` (the hash after conda rewrote its placeholder), else `sha256`, else none."""
    paths_data = document.get("paths_data")
    described = paths_data.get("paths") if isinstance(paths_data, dict) else None
    rows: dict[str, Row] = {}
    files = document.get("files")
    for name in files if isinstance(files, list) else ():
        if isinstance(name, str) and (path := join(prefix, name)):
            rows[path] = Row(path)
    for item in described if isinstance(described, list) else ():
        if isinstance(item, dict) and (path := join(prefix, str(item.get("_path", "")))):
            digest = item.get("sha256_in_prefix") or item.get("sha256")
            is_link = item.get("path_type") == "softlink"
            rows[path] = Row(path, digest.lower() if isinstance(digest, str) and not is_link else None)
    return tuple(rows.values())
