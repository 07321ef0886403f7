"""The dependency graph of one or several locks, and what an installer would take from it for a target."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, Self, TypeAlias

from driftscan.errors import LockError
from driftscan.graph.walk import Walk
from driftscan.model.lock import (
    Choice,
    Lock,
    Package,
    PackageId,
    Request,
    ScopeKind,
    SelectionMode,
    Unchecked,
)
from driftscan.model.target import Target

if TYPE_CHECKING:
    from networkx import MultiDiGraph

    Network: TypeAlias = MultiDiGraph[PackageId]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What an installer would install, in the order of the locks.

    `excluded` are the locked packages that are not selected, with the reason in words. `unknown` are those for which
    that depends on facts the target does not tell, with the marker that asks for them; they are in neither. `extras`
    are those that were requested of a selected package. `parents` maps a selected package to the one that first led
    to it, None for a root. A package that several locks hold is that of the first that selects it.
    """

    packages: Mapping[PackageId, Package]
    excluded: Mapping[PackageId, str]
    unknown: Mapping[PackageId, str]
    extras: Mapping[PackageId, frozenset[str]]
    parents: Mapping[PackageId, PackageId | None]
    lock_of: Mapping[PackageId, Lock]
    unchecked: tuple[Unchecked, ...] = ()

    def chain(self, package: PackageId) -> tuple[str, ...]:
        """Names on a shortest way from a root of the lock to `package`, both included."""
        names = [str(package.name)]
        at = self.parents.get(package)
        while at is not None:
            names.append(str(at.name))
            at = self.parents.get(at)
        return tuple(reversed(names))


class DependencyGraph:
    """Packages of all locks as nodes, their dependencies as edges; never keyed by a name alone."""

    def __init__(self, locks: Sequence[Lock]) -> None:
        self.locks = tuple(locks)

    @classmethod
    def build(cls, locks: Sequence[Lock]) -> Self:
        """The graph of `locks` taken as one."""
        return cls(locks)

    @cached_property
    def network(self) -> Network:
        """A networkx MultiDiGraph keyed by `PackageId`; nodes carry `package`, edges `dependency`.

        Made when it is first asked for: a selection walks the locks themselves, and importing networkx takes longer
        than a small comparison.
        """
        import networkx

        network: Network = networkx.MultiDiGraph()
        for lock in self.locks:
            network.add_nodes_from((package.id, {"package": package}) for package in lock.packages)
        network.add_edges_from(
            (package.id, target, {"dependency": dependency})
            for lock in self.locks
            for package in lock.packages
            for dependency in package.dependencies or ()
            for target in dependency.candidates
        )
        return network

    def select(self, target: Target, request: Request = Request()) -> Selection:  # noqa: B008  # immutable
        """What an installer would install on `target` for `request`.

        Raises LockError where an extra, a group or a workspace member is asked for that no lock has, and where what is
        asked for conflicts.
        """
        _check_request(self.locks, request)
        for lock in self.locks:
            _check_conflicts(lock, request)
        parts = [_select_one(lock, target, request) for lock in self.locks]
        packages: dict[PackageId, Package] = {}
        lock_of: dict[PackageId, Lock] = {}
        extras: dict[PackageId, frozenset[str]] = {}
        for lock, part in zip(self.locks, parts, strict=True):
            for key, package in part.packages.items():
                packages.setdefault(key, package)
                lock_of.setdefault(key, lock)
            for key, names in part.extras.items():
                extras[key] = extras.get(key, frozenset()) | names
        return Selection(
            packages=packages,
            excluded={key: why for part in parts for key, why in part.excluded.items() if key not in packages},
            unknown={key: why for part in parts for key, why in part.unknown.items() if key not in packages},
            extras=extras,
            parents={key: parent for part in reversed(parts) for key, parent in part.parents.items()},
            lock_of=lock_of,
            unchecked=tuple(_unchecked(self.locks, parts, packages)),
        )


def _check_request(locks: Sequence[Lock], request: Request) -> None:
    members = frozenset(str(package.id.name) for lock in locks for package in lock.packages if package.is_member)
    known_extras = frozenset[str]().union(*(lock.extras for lock in locks))
    known_groups = frozenset[str]().union(*(lock.groups for lock in locks))
    for kind, asked, known in (
        ("extra", request.extras, known_extras),
        ("group", request.groups, known_groups),
        ("workspace member", frozenset(map(str, request.packages)), members),
    ):
        if missing := sorted(asked - known):
            there = ", ".join(sorted(known)) or "none"
            raise LockError(
                f"there is no {kind} {missing[0]!r} in it",
                where=", ".join(lock.path for lock in locks),
                hint=f"{kind}s there are: {there}",
            )


def _check_conflicts(lock: Lock, request: Request) -> None:
    """uv refuses such a request as well; what it would install cannot be said."""
    if not lock.conflicts:
        return
    walk = Walk(lock, Target(), request)
    asked = walk.choices()
    for conflict in lock.conflicts:
        if len(both := sorted(asked & conflict)) > 1:
            names = " and ".join(map(_shown_choice, both[:2]))
            raise LockError(
                f"{names} conflict, so they cannot be asked for together",
                where=lock.path,
                hint="ask for one of them with --extra or --group; --no-default-groups leaves the default groups out",
            )


def _shown_choice(choice: Choice) -> str:
    match choice.scope.kind:
        case ScopeKind.PRODUCTION:
            return f"the project {choice.package!r}"
        case kind:
            return f"the {kind} {choice.scope.name!r} of {choice.package}"


def _unchecked(
    locks: Iterable[Lock], parts: Iterable[_Part], selected: Mapping[PackageId, Package]
) -> Iterator[Unchecked]:
    for lock, part in zip(locks, parts, strict=True):
        for key, marker in part.unknown.items():
            if key not in selected:
                yield Unchecked(
                    f"whether {key} belongs on this target",
                    f"the marker `{marker}` depends on what the image does not tell",
                )
        if not part.settled:
            yield Unchecked(
                f"which packages of {lock.path} belong on this target", "its markers on extras contradict each other"
            )


class _Part(NamedTuple):
    """The selection from one lock."""

    packages: dict[PackageId, Package]
    excluded: dict[PackageId, str]
    unknown: dict[PackageId, str]
    extras: dict[PackageId, frozenset[str]]
    parents: dict[PackageId, PackageId | None]
    settled: bool


def _select_one(lock: Lock, target: Target, request: Request) -> _Part:
    walk = Walk(lock, target, request)
    settled = walk.run()
    order = walk.packages
    selected = {key: _narrowed(package, walk) for key, package in order.items() if key in walk.parents}
    unknown = _possible(walk, selected) if walk.unknown else {}
    left = [key for key in order if key not in selected and key not in unknown]
    reasons = _reasons(walk, left)
    return _Part(
        packages=selected,
        excluded={key: reasons.get(key, "nothing that is selected requires it") for key in left},
        unknown=unknown,
        extras={key: frozenset(names) for key, names in walk.extras.items()},
        parents=walk.parents if lock.mode is SelectionMode.WALK else _explained(selected, walk),
        settled=settled,
    )


def _narrowed(package: Package, walk: Walk) -> Package:
    """An entry without a version, with what all lines of it that apply here say of the version.

    A flat lock can have several for different environments (`a<2; python_version < "3.9"`), which are one package.
    """
    if package.pinned or walk.lock.mode is SelectionMode.WALK:
        return package
    lines = sum(package.id in root.candidates for root in walk.lock.roots)
    said = walk.specifiers.get(package.id, {})
    return replace(package, specifier=",".join(filter(None, said))) if lines > 1 else package


def _possible(walk: Walk, selected: Mapping[PackageId, Package]) -> dict[PackageId, str]:
    """What would be selected too if every unknown marker held, with the marker that it depends on."""
    lenient = Walk(walk.lock, walk.target, walk.request, unknown_holds=True)
    lenient.run()
    found: dict[PackageId, str] = {}
    for key in walk.packages:
        if key not in selected and (key in lenient.parents or key in walk.unknown):
            at: PackageId | None = key
            while at is not None and at not in walk.unknown:
                at = lenient.parents.get(at)
            found[key] = walk.unknown[at] if at is not None else next(iter(walk.unknown.values()))
    return found


def _reasons(walk: Walk, excluded: Sequence[PackageId]) -> dict[PackageId, str]:
    """Why packages are excluded: their own reason, or that of the first one above them that has one."""
    left = frozenset(excluded)
    reasons = {key: walk.excluded[key] for key in excluded if key in walk.excluded}
    if walk.lock.mode is SelectionMode.FLAT:
        return reasons
    pending = deque((key, key) for key in reasons)
    while pending:
        top, at = pending.popleft()
        for dependency in walk.packages[at].dependencies or ():
            for key in dependency.candidates:
                if key in left and key not in reasons:
                    reasons[key] = f"{top.name} leads to it, and {walk.excluded[top]}"
                    pending.append((top, key))
    return reasons


def _explained(selected: Mapping[PackageId, Package], walk: Walk) -> dict[PackageId, PackageId | None]:
    """Parents in a flat lock: a shortest way from packages that nothing else requires, over the edges it records."""
    edges: dict[PackageId, list[PackageId]] = {key: [] for key in selected}
    required: set[PackageId] = set()
    for key, package in selected.items():
        for dependency in package.dependencies or ():
            if walk.holds(dependency.marker) is True:
                targets = [target for target in dependency.candidates if target in selected and target != key]
                edges[key] += targets
                required.update(targets)
    parents: dict[PackageId, PackageId | None] = {}
    _reach([key for key in selected if key not in required], edges, parents)
    for key in selected:
        # What is left stands in a circle that nothing leads to; its first package counts as a root.
        _reach([key], edges, parents)
    return parents


def _reach(
    roots: Sequence[PackageId],
    edges: Mapping[PackageId, Sequence[PackageId]],
    parents: dict[PackageId, PackageId | None],
) -> None:
    """Add to `parents` what can be reached from those of `roots` that are not in it yet."""
    pending = deque(root for root in roots if root not in parents)
    parents.update(dict.fromkeys(pending))
    while pending:
        at = pending.popleft()
        for target in edges[at]:
            if target not in parents:
                parents[target] = at
                pending.append(target)
