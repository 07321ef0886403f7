"""What is different between two images, two locks, or a lock and an image."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from driftscan import difference
from driftscan import lock as lock_formats
from driftscan.api import request as requests
from driftscan.api.graphs import Scope
from driftscan.api.scanning import Progress, default_environment, described, open_target, take_inventory
from driftscan.compare import compare
from driftscan.finding import TargetInput
from driftscan.graph import DependencyGraph
from driftscan.model.differences import Differences, Side
from driftscan.model.inventory import Environment, Inventory
from driftscan.model.lock import Lock, Package, Request, Unchecked
from driftscan.model.target import Target
from driftscan.platforms import target as named_target
from driftscan.reading import is_lock, read_document


class _Image(NamedTuple):
    inventory: Inventory
    environment: Environment | None
    target: TargetInput


def diff(before: str, after: str, scope: Scope, *, progress: Progress | None = None) -> Differences:
    """What is different in `after`, seen from `before`; each is the path of a lock or names an image.

    `scope` says which part of locks is meant and for what, and which environment of images. Raises DriftscanError where
    something cannot be read.
    """
    if is_lock(before) and is_lock(after):
        return _locks(_lock(before, scope), _lock(after, scope), scope)
    if is_lock(before):
        return _lock_and_image(_lock(before, scope), _image(after, scope, progress), scope)
    if is_lock(after):
        return _reversed(_lock_and_image(_lock(after, scope), _image(before, scope, progress), scope))
    return _images(_image(before, scope, progress), _image(after, scope, progress))


def _lock(path: str, scope: Scope) -> Lock:
    return lock_formats.parse(read_document(path), scope.lock_format)


def _image(reference: str, scope: Scope, progress: Progress | None) -> _Image:
    with open_target(reference, platform=scope.platform, offline=scope.offline) as image:
        found = take_inventory(
            image,
            environment=scope.environment,
            progress=progress,
            cache=scope.cache,
            lazy=scope.lazy,
            with_contents=True,
            with_traces=True,
        )
        environment = found.environments[found.default] if found.default is not None else None
        return _Image(found, environment, described(image))


def _images(before: _Image, after: _Image) -> Differences:
    changes = difference.of_images(before.inventory, after.inventory, (before.environment, after.environment))
    return Differences(
        before=_side(before),
        after=_side(after),
        changes=changes,
        shared_layers=difference.shared_layers(before.inventory.layers, after.inventory.layers),
        unchecked=tuple(dict.fromkeys((*_open(before), *_open(after)))),
    )


def _side(image: _Image) -> Side:
    platform = image.target.platform
    facts = (f"{image.target.reference} ({image.target.source})", image.inventory.os_name, platform)
    return Side(name=image.target.reference, facts=tuple(filter(None, facts)), layers=len(image.inventory.layers))


def _open(image: _Image) -> Iterator[Unchecked]:
    """What could not be read of an image, with its name before it."""
    for what, why in image.inventory.unchecked:
        yield Unchecked(f"{image.target.reference}: {what}", why)
    if image.environment is None and image.inventory.environments:
        paths = ", ".join(each.path for each in image.inventory.environments)
        yield Unchecked(
            f"{image.target.reference}: Python packages",
            f"nothing says which of its environments is meant; choose one with --environment: {paths}",
        )
    for what, why in image.environment.unchecked if image.environment is not None else ():
        yield Unchecked(f"{image.target.reference}: {what}", why)


def _locks(before: Lock, after: Lock, scope: Scope) -> Differences:
    old, new = _meant(before, scope), _meant(after, scope)
    return Differences(
        before=Side(name=before.path, facts=(before.path, before.format)),
        after=Side(name=after.path, facts=(after.path, after.format)),
        changes=difference.of_locks(old, new),
        unchecked=(*before.unchecked, *after.unchecked),
    )


def _meant(lock: Lock, scope: Scope) -> tuple[Package, ...]:
    """All packages of a lock; with a target or a part of it asked for, those that would be installed."""
    if scope.request is None and scope.python is None and scope.python_platform is None:
        return difference.packages_of([lock])
    target = named_target(scope.python, scope.python_platform) if scope.python or scope.python_platform else Target()
    request = requests.resolved(scope.request or Request(), [lock])
    selection = DependencyGraph.build([lock]).select(target, request)
    return tuple(package for package in selection.packages.values() if not package.is_member)


def _lock_and_image(lock: Lock, image: _Image, scope: Scope) -> Differences:
    environment = image.environment or default_environment(image.inventory, image.target.reference)
    request = requests.resolved(scope.request or Request(), [lock])
    graph = DependencyGraph.build([lock])
    selection = graph.select(environment.target, request)
    comparison = compare(graph, selection, [lock], image.inventory, environment, request)
    return Differences(
        before=Side(name=lock.path, facts=(lock.path, lock.format)),
        after=_side(image),
        changes=difference.of_lock_and_image(comparison),
        unchecked=comparison.unchecked,
    )


def _reversed(found: Differences) -> Differences:
    changes = tuple(replace(each, before=each.after, after=each.before) for each in found.changes)
    return replace(found, before=found.after, after=found.before, changes=changes)
