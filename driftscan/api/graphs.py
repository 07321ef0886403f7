"""Dependency graphs of locks and images, and why a package is in them."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import NamedTuple

from packaging.utils import NormalizedName, canonicalize_name

from driftscan import lock as lock_formats
from driftscan.api import request as requests
from driftscan.api.scanning import default_environment, open_target, take_inventory
from driftscan.errors import UsageError
from driftscan.graph import DependencyGraph
from driftscan.graph.chains import Chains, shortest
from driftscan.graph.installed import installed
from driftscan.graph.view import selected, whole
from driftscan.model.dependencies import Dependencies
from driftscan.model.lock import Lock, Request
from driftscan.platforms import target as named_target
from driftscan.reading import is_lock, read_document


class Scope(NamedTuple):
    """Which part of locks and which environment of an image is meant.

    Without `request`, `python` and `python_platform` a lock is meant as a whole.
    """

    request: Request | None = None
    python: str | None = None
    python_platform: str | None = None
    environment: str | None = None
    platform: str | None = None
    lock_format: str | None = None
    offline: bool = False
    cache: bool = True
    lazy: bool = False


class Answer(NamedTuple):
    """What a lock or an image says of a package: its graph, and the ways to each node of that project."""

    graph: Dependencies
    found: tuple[Chains, ...]


def graph(arguments: Sequence[str], scope: Scope = Scope()) -> Dependencies:  # noqa: B008  # immutable
    """The graph of the locks, taken as one, or of the one image that `arguments` name.

    Raises UsageError where both kinds are named, DriftscanError where something cannot be read.
    """
    locks = [argument for argument in arguments if _is_lock(argument, scope)]
    if locks and len(locks) < len(arguments):
        other = next(argument for argument in arguments if argument not in locks)
        raise UsageError(
            f"one graph is of locks or of an image, and {other} is no lock",
            hint="`driftscan why PACKAGE` looks at both side by side",
        )
    if not locks and len(arguments) != 1:
        raise UsageError("a graph is of one image", hint=f"driftscan graph {arguments[0]}" if arguments else None)
    return _of_locks(locks, scope) if locks else _of_image(arguments[0], scope)


def why(package: str, arguments: Sequence[str], scope: Scope = Scope()) -> tuple[Answer, ...]:  # noqa: B008
    """What leads to `package` in each of the locks and images that `arguments` name.

    Raises DriftscanError where something cannot be read.
    """
    name = canonicalize_name(package)
    graphs = [
        _of_locks([argument], scope) if _is_lock(argument, scope) else _of_image(argument, scope)
        for argument in arguments
    ]
    return tuple(Answer(each, tuple(shortest(each, node) for node in each.find(name))) for each in graphs)


def alike(package: str, answers: Sequence[Answer]) -> str | None:
    """A project of nearly that name in one of the graphs; None where it is known where that very project is."""
    if any(answer.graph.elsewhere(canonicalize_name(package)) for answer in answers):
        return None
    names: list[NormalizedName] = [node.name for answer in answers for node in answer.graph.nodes]
    close = difflib.get_close_matches(canonicalize_name(package), names, n=1)
    return close[0] if close else None


def _is_lock(argument: str, scope: Scope) -> bool:
    return scope.lock_format is not None or is_lock(argument)


def _of_locks(paths: Sequence[str], scope: Scope) -> Dependencies:
    locks = [lock_formats.parse(read_document(path), scope.lock_format) for path in paths]
    built = DependencyGraph.build(locks)
    if scope.request is None and scope.python is None and scope.python_platform is None:
        return whole(built)
    target = named_target(scope.python, scope.python_platform)
    return selected(built, built.select(target, _resolved(scope.request, locks)), target)


def _resolved(request: Request | None, locks: Sequence[Lock]) -> Request:
    return requests.resolved(request, locks) if request is not None else Request()


def _of_image(reference: str, scope: Scope) -> Dependencies:
    with open_target(reference, platform=scope.platform, offline=scope.offline) as image:
        inventory = take_inventory(image, environment=scope.environment, cache=scope.cache)
        found = default_environment(inventory, image.reference)
    others = [each for each in inventory.environments if each.path != found.path]
    return installed(found, image.reference, others)
