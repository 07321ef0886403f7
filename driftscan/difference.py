"""The differences between what images contain and locks say; nothing is judged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from typing import NamedTuple

from packaging.utils import NormalizedName

from driftscan.compare import Comparison, uninstalled
from driftscan.model.differences import Change, Part
from driftscan.model.image import ImageConfig, LayerId
from driftscan.model.inventory import Distribution, Environment, Interpreter, Inventory
from driftscan.model.lock import Lock, OriginKind, Package
from driftscan.model.proof import Contents, InstalledFile

_PARTS = tuple(Part)
_OWN_FILES = ("INSTALLER", "REQUESTED", "RECORD", "direct_url.json", "uv_cache.json", "uv_build.json")
"""Files of a dist-info that tell how it was installed, and nothing of what."""


class _Moved(NamedTuple):
    """What is different of a distribution whose version is the same, and the last layer that did it."""

    note: str
    layer: LayerId | None


def of_images(
    before: Inventory, after: Inventory, environments: tuple[Environment | None, Environment | None]
) -> tuple[Change, ...]:
    """What moved from one image to the other, in the environments that are given."""
    old, new = environments
    changes = [
        *_facts(Part.BASE, {"operating system": before.os_name}, {"operating system": after.os_name}),
        *_facts(Part.CONFIGURATION, _configuration(before.config), _configuration(after.config)),
        *_facts(Part.INTERPRETER, _interpreter(old), _interpreter(new)),
        *_distributions(before, after, old, new),
        *_conda(old, new),
        *_os_packages(before, after),
        *_layers(before.layers, after.layers),
    ]
    return _sorted(changes)


def of_locks(before: Sequence[Package], after: Sequence[Package]) -> tuple[Change, ...]:
    """What moved from one lock to the other: versions and sources, and files where these are the same."""
    return _sorted(_packages(_locked(before), _locked(after)))


def of_lock_and_image(comparison: Comparison) -> tuple[Change, ...]:
    """What is installed otherwise than it is locked, whatever the reason."""
    locked = {row.name: _joined(_title(package) for package in row.locked) for row in comparison.all_rows if row.locked}
    installed = {
        row.name: _joined(found.version for found in row.installed)
        for row in comparison.all_rows
        if row.installed and (row.locked or any(getattr(found, "owner", None) is None for found in row.installed))
    }
    removals = uninstalled(comparison.inventory, comparison.environment)
    layers: dict[str, LayerId | None] = {name: removed.layer for name, removed in removals.items()}
    layers |= {row.name: row.installed[0].layer for row in comparison.all_rows if row.installed}
    matching = {row.name for row in comparison.all_rows if row.matches}
    own = {row.name for row in comparison.rows if row.locked and all(map(comparison.is_own, row.locked))}
    names = (locked.keys() | installed.keys()) - matching - own
    return _sorted(
        Change(
            part=Part.PACKAGES,
            subject=name,
            before=locked.get(name),
            after=installed.get(name),
            layer=layers.get(name),
        )
        for name in names
    )


def shared_layers(before: Sequence[LayerId], after: Sequence[LayerId]) -> int:
    """How many of the lowest layers are the same."""
    pairs = zip(before, after, strict=False)
    found = (index for index, (old, new) in enumerate(pairs) if old.diff_id is None or old.diff_id != new.diff_id)
    return next(found, min(len(before), len(after)))


def _sorted(changes: Iterable[Change]) -> tuple[Change, ...]:
    """Layers stay in their order; the rest goes by subject."""
    found = list(changes)
    ordered = sorted((each for each in found if each.part is not Part.LAYERS), key=_order)
    return (*ordered, *(each for each in found if each.part is Part.LAYERS))


def _order(change: Change) -> tuple[int, str]:
    return _PARTS.index(change.part), change.subject


def _facts(part: Part, before: Mapping[str, str | None], after: Mapping[str, str | None]) -> Iterator[Change]:
    for subject in before.keys() | after.keys():
        old, new = before.get(subject), after.get(subject)
        if old != new:
            yield Change(part=part, subject=subject, before=old, after=new)


def _configuration(config: ImageConfig) -> dict[str, str | None]:
    facts: dict[str, str | None] = {
        "platform": config.platform or None,
        "ENTRYPOINT": _words(config.entrypoint),
        "CMD": _words(config.cmd),
        "USER": config.user or None,
        "WORKDIR": config.working_dir or None,
    }
    facts |= {f"ENV {name}": value for name, value in config.env.items()}
    return facts | {f"LABEL {name}": value for name, value in config.labels.items()}


def _words(command: Sequence[str]) -> str | None:
    return " ".join(command) or None


def _interpreter(environment: Environment | None) -> dict[str, str | None]:
    if environment is None:
        return {}
    found: Interpreter = environment.interpreter
    target = environment.target
    return {
        "environment": environment.path,
        "Python": f"{found.implementation} {found.version}" if found.version else None,
        "ABI": found.soabi,
        "machine": target.machine,
        "C library": str(target.libc) if target.libc else None,
    }


def _distributions(
    before: Inventory, after: Inventory, old: Environment | None, new: Environment | None
) -> Iterator[Change]:
    """Python distributions that the operating system does not own: those move with its packages."""
    ours, theirs = _importable(old), _importable(new)
    removals = uninstalled(after, new)
    for name in ours.keys() | theirs.keys():
        mine, other = ours.get(name), theirs.get(name)
        moved = _moved(before.contents, after.contents, mine, other) if mine is not None and other is not None else None
        versions = mine.version if mine is not None else None, other.version if other is not None else None
        if versions[0] != versions[1] or moved is not None:
            did = moved or other or removals.get(name)
            yield Change(
                part=Part.PACKAGES,
                subject=name,
                before=versions[0],
                after=versions[1],
                note=moved.note if moved is not None else None,
                layer=did.layer if did is not None else None,
            )


def _importable(environment: Environment | None) -> dict[NormalizedName, Distribution]:
    found = environment.distributions if environment is not None else ()
    return {each.name: each for each in reversed(found) if each.shadowed_by is None and each.owner is None}


def _moved(
    before: Mapping[str, Contents], after: Mapping[str, Contents], old: Distribution, new: Distribution
) -> _Moved | None:
    """What else is different: where it is from, or its files."""
    if old.version != new.version:
        return None
    if old.direct_url != new.direct_url:
        return _Moved("from another source", new.layer)
    ours, theirs = _files(before.get(old.path), old), _files(after.get(new.path), new)
    kinds = {"other": _changed(ours, theirs), "gone": _there(ours, theirs), "new": _there(theirs, ours)}
    notes = [_counted(paths, word) for word, paths in kinds.items() if paths]
    if not notes:
        return None
    files = [theirs[path] for paths in kinds.values() for path in paths if path in theirs]
    layers = sorted({each.layer for each in files if each.layer is not None}, key=lambda layer: layer.index)
    if len(layers) > 1:
        notes.append(f"by layers {', '.join(str(layer.index) for layer in layers)}")
    return _Moved("; ".join(notes), layers[-1] if layers else new.layer)


def _counted(paths: Sequence[str], word: str) -> str:
    return f"{len(paths)} {'file is' if len(paths) == 1 else 'files are'} {word}: {paths[0]}"


def _files(contents: Contents | None, found: Distribution) -> dict[str, InstalledFile]:
    """Files by path, seen from the directory that modules are imported from."""
    site = found.site.rstrip("/") + "/"
    return {
        file.path.removeprefix(site): file
        for file in (contents.files if contents is not None else ())
        if file.path.rpartition("/")[2] not in _OWN_FILES and "/bin/" not in file.path
    }


def _changed(old: Mapping[str, InstalledFile], new: Mapping[str, InstalledFile]) -> list[str]:
    """Files that both have, with other bytes; not those whose bytes are not known."""
    both = ((path, old[path].digests, new[path].digests) for path in old.keys() & new.keys())
    return sorted(path for path, mine, other in both if mine and other and mine.isdisjoint(other))


def _there(here: Mapping[str, InstalledFile], elsewhere: Mapping[str, InstalledFile]) -> list[str]:
    """Files that are there and not elsewhere; those that are listed there and whose bytes are not known are there."""
    return sorted(path for path, file in here.items() if _exists(file) and not _exists(elsewhere.get(path)))


def _exists(file: InstalledFile | None) -> bool:
    return file is not None and file.digests != frozenset()


def _conda(old: Environment | None, new: Environment | None) -> Iterator[Change]:
    ours = {each.name: each for each in (old.conda if old is not None else ())}
    theirs = {each.name: each for each in (new.conda if new is not None else ())}
    for name in ours.keys() | theirs.keys():
        mine, other = ours.get(name), theirs.get(name)
        before = f"{mine.version} {mine.build}" if mine is not None else None
        after = f"{other.version} {other.build}" if other is not None else None
        if before != after:
            layer = other.layer if other is not None else None
            yield Change(part=Part.CONDA, subject=name, before=before, after=after, layer=layer)


def _os_packages(before: Inventory, after: Inventory) -> Iterator[Change]:
    ours = {each.name: each for each in before.os_packages}
    theirs = {each.name: each for each in after.os_packages}
    for name in ours.keys() | theirs.keys():
        mine, other = ours.get(name), theirs.get(name)
        old, new = mine.version if mine is not None else None, other.version if other is not None else None
        if old != new:
            layer = other.layer if other is not None else None
            yield Change(part=Part.OS_PACKAGES, subject=name, before=old, after=new, layer=layer)


def _layers(before: Sequence[LayerId], after: Sequence[LayerId]) -> Iterator[Change]:
    """Layers that the images do not share; those of one instruction are one layer that was made again."""
    pairs = SequenceMatcher(None, [each.diff_id for each in before], [each.diff_id for each in after], autojunk=False)
    for kind, start, end, first, last in pairs.get_opcodes():
        if kind != "equal":
            yield from _replaced(before[start:end], after[first:last])


def _replaced(before: Sequence[LayerId], after: Sequence[LayerId]) -> Iterator[Change]:
    same = SequenceMatcher(
        None, [each.created_by for each in before], [each.created_by for each in after], autojunk=False
    )
    for kind, start, end, first, last in same.get_opcodes():
        if kind == "equal":
            for old, new in zip(before[start:end], after[first:last], strict=True):
                yield _layer(old, new, "made again by the same instruction")
            continue
        for old in before[start:end]:
            yield _layer(old, None)
        for new in after[first:last]:
            yield _layer(None, new)


def _layer(old: LayerId | None, new: LayerId | None, note: str | None = None) -> Change:
    return Change(
        part=Part.LAYERS,
        subject=f"layer {(new or old or LayerId(0, None, None)).index}",
        before=_instruction(old),
        after=_instruction(new),
        note=note,
        layer=new,
    )


def _instruction(layer: LayerId | None) -> str | None:
    return None if layer is None else layer.created_by or "no instruction is known"


def _locked(packages: Iterable[Package]) -> dict[str, list[Package]]:
    found: dict[str, list[Package]] = {}
    for package in packages:
        if package.id.origin.kind is not OriginKind.VIRTUAL:
            found.setdefault(package.id.name, []).append(package)
    return found


def _packages(before: Mapping[str, Sequence[Package]], after: Mapping[str, Sequence[Package]]) -> Iterator[Change]:
    for name in before.keys() | after.keys():
        old = _joined(map(_title, before[name])) if name in before else None
        new = _joined(map(_title, after[name])) if name in after else None
        note = _other_files(before[name], after[name]) if old is not None and old == new else None
        if old != new or note is not None:
            yield Change(part=Part.PACKAGES, subject=name, before=old, after=new, note=note)


def _other_files(before: Sequence[Package], after: Sequence[Package]) -> str | None:
    """A file that one lock allows and the other does not; where one has no hashes at all, nothing is known."""
    old, new = _hashes(before), _hashes(after)
    if not old or not new or old == new:
        return None
    words = [f"{len(found)} {word}" for found, word in ((new - old, "added"), (old - new, "gone")) if found]
    return f"hashes: {', '.join(words)}"


def _hashes(packages: Sequence[Package]) -> frozenset[str]:
    return frozenset(str(value) for each in packages for artifact in each.artifacts for value in artifact.hashes)


def _title(package: Package) -> str:
    """Version, and what tells the source where that is no index."""
    origin = package.id.origin
    version = package.id.version or package.specifier
    if origin.kind is OriginKind.INDEX:
        return version or "any version"
    if origin.kind is OriginKind.CONDA:
        return f"{version} {package.conda.build}" if package.conda is not None else str(version)
    source = origin.commit or origin.location
    return f"{version} ({source})" if version else source


def _joined(texts: Iterable[str]) -> str:
    return " and ".join(sorted(set(texts)))


def packages_of(locks: Sequence[Lock]) -> tuple[Package, ...]:
    """All packages of locks, whatever they are selected for; without the projects that the locks were made for."""
    return tuple(package for lock in locks for package in lock.packages if not package.is_member)
