"""Locks alone: what they leave open, and whether they can be installed on a target."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, NamedTuple

from driftscan import rules
from driftscan.api.scanning import default_environment, described, open_target, take_inventory
from driftscan.compare import Comparison
from driftscan.compare import compare as join
from driftscan.errors import UsageError
from driftscan.finding import Finding, LockInput, Report, Severity, TargetInput
from driftscan.graph import DependencyGraph
from driftscan.graph.view import whole
from driftscan.model.inventory import Environment
from driftscan.model.lock import Choice, Lock, OriginKind, Request, ScopeKind, Unchecked
from driftscan.model.target import Target
from driftscan.platforms import target as named_target
from driftscan.rules.wheels import all_files_are_named
from driftscan.witnesses import in_words, witnesses

if TYPE_CHECKING:
    from driftscan.api.online import Online

_FAMILY = "LK"


class Place(NamedTuple):
    """What locks are judged for: the image's interpreter, one that was named, or (neither) all that they support.

    `unchecked` is what is not known of an image that was read lazily.
    """

    target: Target | None = None
    environment: Environment | None = None
    image: TargetInput | None = None
    words: str | None = None
    unchecked: tuple[Unchecked, ...] = ()


def lock_input(lock: Lock) -> LockInput:
    return LockInput(path=lock.path, format=lock.format, sha256=lock.sha256, sources=lock.sources)


def place(
    reference: str | None = None,
    *,
    python: str | None = None,
    python_platform: str | None = None,
    environment: str | None = None,
    platform: str | None = None,
    offline: bool = False,
    cache: bool = True,
    lazy: bool = False,
) -> Place:
    """The target that an image `reference`, or a Python version and a platform, name.

    Raises UsageError where both are given, ImageError where the image cannot be read.
    """
    if reference is not None and (python or python_platform):
        raise UsageError("an image says itself which Python and platform it has", hint="leave --python or --for out")
    if reference is None:
        if python is None and python_platform is None:
            return Place()
        words = " on ".join(filter(None, (f"CPython {python}" if python else None, python_platform)))
        return Place(target=named_target(python, python_platform), words=words)
    with open_target(reference, platform=platform, offline=offline) as image:
        inventory = take_inventory(image, environment=environment, cache=cache, lazy=lazy)
        found = default_environment(inventory, image.reference)
        # What bills of materials leave out does not matter to whether a lock can be installed.
        unchecked = inventory.unchecked if lazy else ()
        return Place(target=found.target, environment=found, image=described(image), unchecked=unchecked)


def check(
    locks: Sequence[Lock],
    *,
    request: Request | None = None,
    judged: Place = Place(),  # noqa: B008  # immutable
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    fail_on: Severity | None = Severity.ERROR,
    online: Online | None = None,
) -> Report:
    """What `locks`, taken as one, leave open, and whether they can be installed where they are `judged` for.

    Without a `request` all extras, groups and members count, conflicting ones one after the other; without a target all
    the targets that the locks' markers tell apart. `select`, `ignore` and `fail_on` are as for a comparison.
    `online` asks package indexes for what the locks leave open.
    """
    requests = [request] if request is not None else list(everything(locks))
    # The markers of an index are no sign of what the locks are made for.
    targets = list(_targets(locks, judged))
    locks = locks if online is None else [online.told(lock) for lock in locks]
    graph = DependencyGraph.build(locks)
    comparisons = [_comparison(graph, locks, each, place, example) for place, example in targets for each in requests]
    if online is not None:
        comparisons = list(map(online.followed, comparisons))
    findings = [
        finding
        for comparison in comparisons
        for finding in rules.run(comparison, select=select or None, ignore=ignore, family=_FAMILY)
    ]
    return Report(
        locks=tuple(map(lock_input, locks)),
        target=judged.image,
        environment=judged.environment,
        judged_for=judged.words,
        locked=len({row.name for comparison in comparisons for row in comparison.all_rows}),
        findings=_distinct(findings),
        unchecked=(*_unchecked(comparisons, judged), *(online.unchecked if online is not None else ())),
        fail_on=fail_on,
        packages=tuple({key: each for one in comparisons for key, each in one.selection.packages.items()}.values()),
        dependencies=whole(graph),
    )


def everything(locks: Sequence[Lock]) -> Iterator[Request]:
    """Requests that together reach all of `locks`: extras and groups at once as far as they do not exclude each other.

    Several members of a workspace are asked for on their own as well, since a root project hides those that it does
    not require.
    """
    extras = frozenset[str]().union(*(lock.extras for lock in locks))
    groups = frozenset[str]().union(*(lock.groups for lock in locks if not lock.exclusive_groups))
    members = frozenset(package.id.name for lock in locks for package in lock.packages if package.is_member)
    exclusive = sorted(group for lock in locks if lock.exclusive_groups for group in lock.groups)
    for asked in [groups | {group} for group in exclusive] or [groups]:
        for dropped in _alternatives(locks):
            kept = Request(
                extras=extras - {choice.scope.name for choice in dropped if choice.scope.kind is ScopeKind.EXTRA},
                groups=asked - {choice.scope.name for choice in dropped if choice.scope.kind is ScopeKind.GROUP},
                default_groups=False,
            )
            yield kept
            if len(members) > 1:
                projects = {choice.package for choice in dropped if choice.scope.kind is ScopeKind.PRODUCTION}
                yield kept._replace(packages=members - projects)


def _alternatives(locks: Sequence[Lock]) -> Iterator[frozenset[Choice]]:
    """What to leave out of each request so that no two of a conflicting set are in it, and each is in one."""
    sets = [sorted(conflict) for lock in locks for conflict in lock.conflicts]
    if not sets:
        yield frozenset()
    for kept in zip_longest(*sets):
        chosen = [choice or choices[0] for choice, choices in zip(kept, sets, strict=True)]
        yield frozenset(each for choices, one in zip(sets, chosen, strict=True) for each in choices if each != one)


def _targets(locks: Sequence[Lock], judged: Place) -> Iterator[tuple[Target, str | None]]:
    if judged.target is not None:
        yield judged.target, None
    else:
        for witness in witnesses(locks):
            yield witness, in_words(witness)


def _comparison(
    graph: DependencyGraph, locks: Sequence[Lock], request: Request, place: Target, example: str | None
) -> Comparison:
    return join(graph, graph.select(place, request), locks, None, None, request, target=place, example=example)


def _distinct(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Each finding once, whatever targets and requests it holds for; the first tells the example."""
    found: dict[tuple[object, ...], Finding] = {}
    for finding in findings:
        key = finding.package if finding.package is not None else finding.message
        found.setdefault((finding.rule, key, finding.locked, finding.location), finding)
    return tuple(sorted(found.values(), key=rules.order))


def _unchecked(comparisons: Sequence[Comparison], judged: Place) -> Iterator[Unchecked]:
    """Markers that one of many targets leaves open are no matter; what the locks themselves leave open is."""
    seen = dict.fromkeys(item for comparison in comparisons for item in comparison.unchecked)
    if judged.target is not None:
        yield from seen
        yield from judged.unchecked
        if judged.environment is not None:
            yield from judged.environment.unchecked
        yield from _unnamed(comparisons)
        return
    own = {item for comparison in comparisons for lock in comparison.locks for item in lock.unchecked}
    yield from (item for item in seen if item in own)


def _unnamed(comparisons: Sequence[Comparison]) -> Iterator[Unchecked]:
    """Whether a package can be installed somewhere is told by the names of its files, and some formats have none."""
    for lock in comparisons[0].locks:
        names = {
            package.id.name
            for comparison in comparisons
            for key, package in comparison.selection.packages.items()
            if comparison.selection.lock_of[key] is lock
            and key.origin.kind is OriginKind.INDEX
            and not comparison.is_own(package)
            and not all_files_are_named(package)
        }
        if names:
            count = f"{len(names)} packages" if len(names) > 1 else min(names)
            yield Unchecked(
                f"whether the target can install {count} of {lock.path}",
                "the lock names no files of theirs, only hashes",
            )
