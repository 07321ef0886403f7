"""Where images are pulled from: registries.conf of Podman, Buildah and Skopeo, read as they do.

The format is containers-registries.conf(5), version 2, with drop-in files: `CONTAINERS_REGISTRIES_CONF`, else
`~/.config/containers/registries.conf`, else that of the system; then `*.conf` of `registries.conf.d`. Tables for
short names are not looked at: a name without a host belongs to the default registry, whoever asks.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from driftscan.errors import ImageError, UsageError
from driftscan.image.paths import home
from driftscan.image.references import ImageName, parse_image_name

SYSTEM_FILE = Path("/etc/containers/registries.conf")
SYSTEM_DROP_INS = Path("/etc/containers/registries.conf.d")
_LARGEST = 4 << 20
_WILDCARD = "*."
_MIRRORED = ("", "all", "digest-only", "tag-only")


class Endpoint(NamedTuple):
    """A place where an image may be. `insecure` allows plain http, and certificates of unknown authorities."""

    name: ImageName
    insecure: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mirror:
    location: str
    insecure: bool
    pulls: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Registry:
    prefix: str
    location: str
    insecure: bool
    blocked: bool
    mirrors: tuple[_Mirror, ...]
    source: Path

    def endpoints(self, name: ImageName) -> Iterator[Endpoint]:
        """Mirrors that serve such a name, then the place itself."""
        for mirror in self.mirrors:
            if mirror.pulls != ("tag-only" if name.digest else "digest-only"):
                yield Endpoint(self._moved(name, mirror.location), mirror.insecure)
        yield Endpoint(self._moved(name, self.location), self.insecure)

    def _moved(self, name: ImageName, location: str) -> ImageName:
        if not location:
            return name
        full = str(name)
        moved = location + full[_matched(full, self.prefix) :]
        with suppress(ImageError):
            parsed = parse_image_name(moved)
            # A location without a host would come out as one at the default registry.
            if str(parsed) == moved:
                return parsed
        message = f"the location {location!r} makes {moved!r} of {full}, which is not the full name of an image"
        raise UsageError(message, where=str(self.source))


def find_endpoints(name: ImageName) -> tuple[Endpoint, ...]:
    """Where to look for an image, in this order.

    Raises ImageError where the configuration blocks it, UsageError where that cannot be read.
    """
    matching = [entry for entry in _registries().values() if _matched(_path(name), entry.prefix) >= 0]
    if not matching:
        return (Endpoint(name),)
    chosen = max(matching, key=lambda entry: len(entry.prefix))
    if chosen.blocked:
        raise ImageError(f"{chosen.source} blocks images of {chosen.prefix}", where=str(name))
    return tuple(chosen.endpoints(name))


def _path(name: ImageName) -> str:
    return f"{name.registry}/{name.repository}"


def _matched(full: str, prefix: str) -> int:
    """How much of an image's name the prefix takes up; -1 where it is not one."""
    if prefix.startswith(_WILDCARD):
        start = full.find(prefix[1:])
        end = start + len(prefix) - 1
        if start < 0 or "/" in full[:start]:
            return -1
    else:
        end = len(prefix)
        if not full.startswith(prefix):
            return -1
    return end if full[end : end + 1] in ("", ":", "/", "@") else -1


def _registries() -> Mapping[str, _Registry]:
    """Tables by prefix; what a later file says of a prefix replaces what an earlier one says."""
    found: dict[str, _Registry] = {}
    for path, required in _files():
        try:
            if path.stat().st_size > _LARGEST:
                raise UsageError("the file is too large for a list of registries", where=str(path))
            document = tomllib.loads(path.read_text("utf-8"))
        except FileNotFoundError:
            if required:
                raise UsageError("the list of registries is not there", where=str(path)) from None
            continue
        except (OSError, ValueError, RecursionError) as error:
            raise UsageError(f"the list of registries cannot be read ({error})", where=str(path)) from error
        found |= {entry.prefix: entry for entry in _tables(document, path)}
    return found


def _files() -> Iterator[tuple[Path, bool]]:
    """The files in the order in which they are read, and whether each has to be there."""
    user = home() / ".config/containers/registries.conf"
    drop_ins = [SYSTEM_DROP_INS, user.with_name("registries.conf.d")]
    if explicit := os.environ.get("CONTAINERS_REGISTRIES_CONF"):
        yield Path(explicit), True
    elif user.exists():
        # With one's own file, the system's folder does not count either.
        yield user, True
        del drop_ins[0]
    else:
        yield SYSTEM_FILE, False
    for folder in drop_ins:
        yield from ((path, False) for path in sorted(folder.glob("*.conf")) if not path.is_dir())


def _tables(document: Mapping[str, object], path: Path) -> Iterator[_Registry]:
    if "registries" in document:
        hint = "write [[registry]] tables instead of [registries.insecure] and the like"
        raise UsageError("the list of registries is of the old version 1", where=str(path), hint=hint)
    for table in _arrays(document, "registry", path):
        location = _location(table, path)
        prefix = _text(table, "prefix", path).rstrip("/") or location
        if not prefix or not (location or prefix.startswith(_WILDCARD)):
            raise UsageError("a [[registry]] has no location", where=str(path))
        if prefix.startswith(_WILDCARD) and set(prefix) & set("/@:"):
            raise UsageError(f"a prefix with a wildcard is a host alone, unlike {prefix!r}", where=str(path))
        by_digest = _flag(table, "mirror-by-digest-only", path)
        yield _Registry(
            prefix=prefix,
            location=location,
            insecure=_flag(table, "insecure", path),
            blocked=_flag(table, "blocked", path),
            mirrors=tuple(_mirror(item, path, by_digest) for item in _arrays(table, "mirror", path)),
            source=path,
        )


def _mirror(table: Mapping[str, object], path: Path, by_digest: bool) -> _Mirror:
    location, pulls = _location(table, path), _text(table, "pull-from-mirror", path)
    if not location:
        raise UsageError("a [[registry.mirror]] has no location", where=str(path))
    if pulls not in _MIRRORED or (by_digest and pulls):
        raise UsageError(f"the mirror {location} cannot have pull-from-mirror = {pulls!r}", where=str(path))
    return _Mirror(
        location=location, insecure=_flag(table, "insecure", path), pulls="digest-only" if by_digest else pulls
    )


def _location(table: Mapping[str, object], path: Path) -> str:
    location = _text(table, "location", path).rstrip("/")
    if location.startswith(("http://", "https://")):
        raise UsageError(f"the location {location!r} is a URL; leave out its scheme", where=str(path))
    return location


def _arrays(table: Mapping[str, object], key: str, path: Path) -> list[Mapping[str, object]]:
    value = table.get(key, [])
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise UsageError(f"{key!r} is no array of tables", where=str(path))
    return value


def _text(table: Mapping[str, object], key: str, path: Path) -> str:
    value = table.get(key, "")
    if not isinstance(value, str):
        raise UsageError(f"{key!r} is no text", where=str(path))
    return value


def _flag(table: Mapping[str, object], key: str, path: Path) -> bool:
    value = table.get(key, False)
    if not isinstance(value, bool):
        raise UsageError(f"{key!r} is neither true nor false", where=str(path))
    return value
