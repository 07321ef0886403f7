"""The dependency graph of one or several locks, and what an installer would take from it for a target."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from packaging.specifiers import SpecifierSet

from driftscan import markers
from driftscan.errors import LockError
from driftscan.model.lock import (
    Dependency,
    Lock,
    Package,
    PackageId,
    Request,
    Scope,
    ScopeKind,
    SelectionMode,
    Unchecked,
)
from driftscan.model.target import Target

if TYPE_CHECKING:
    from networkx import MultiDiGraph

    Network: TypeAlias = MultiDiGraph[PackageId]

_FIXPOINT_ROUNDS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What an installer would install, in the order of the locks.

    `excluded` are the locked packages that are not selected, with the reason in words. `unknown` are those for which
    that depends on facts the target does not tell; they are in neither. `extras` are those that were requested of a
    selected package. `parents` maps a selected package to the one that first led to it, None for a root.
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

    def __init__(self, locks: Sequence[Lock], network: Network) -> None:
        self.locks = tuple(locks)
        self.network = network
        """A networkx MultiDiGraph; nodes carry `package`, edges `dependency`."""

    @classmethod
    def build(cls, locks: Sequence[Lock]) -> DependencyGraph:
        """The graph of `locks` taken as one."""
        # Imported here: it takes longer than everything else that `--version` needs.
        import networkx

        network: Network = networkx.MultiDiGraph()
        for lock in locks:
            network.add_nodes_from((package.id, {"package": package}) for package in lock.packages)
        network.add_edges_from(
            (package.id, target, {"dependency": dependency})
            for lock in locks
            for package in lock.packages
            for dependency in package.dependencies or ()
            for target in dependency.candidates
        )
        return cls(locks, network)

    def select(self, target: Target, request: Request = Request()) -> Selection:  # noqa: B008  # immutable
        """What an installer would install on `target` for `request`.

        Raises LockError where an extra, a group or a workspace member is asked for that no lock has.
        """
        _check_request(self.locks, request)
        parts = [_select_one(lock, target, request) for lock in self.locks]
        lock_of: dict[PackageId, Lock] = {}
        for lock, part in zip(self.locks, parts, strict=True):
            for package in part.packages:
                lock_of.setdefault(package, lock)
        packages = {key: value for part in parts for key, value in part.packages.items()}
        return Selection(
            packages=packages,
            excluded={key: why for part in parts for key, why in part.excluded.items() if key not in packages},
            unknown={key: why for part in parts for key, why in part.unknown.items() if key not in packages},
            extras={key: names for part in parts for key, names in part.extras.items()},
            parents={key: parent for part in reversed(parts) for key, parent in part.parents.items()},
            lock_of=lock_of,
            unchecked=tuple(_unchecked(parts)),
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


def _unchecked(parts: Iterable[_Part]) -> Iterator[Unchecked]:
    for part in parts:
        for key, marker in part.unknown.items():
            yield Unchecked(
                f"whether {key} belongs on this target",
                f"the marker `{marker}` depends on what the image does not tell",
            )


class _Part(NamedTuple):
    """The selection from one lock."""

    packages: dict[PackageId, Package]
    excluded: dict[PackageId, str]
    unknown: dict[PackageId, str]
    extras: dict[PackageId, frozenset[str]]
    parents: dict[PackageId, PackageId | None]


def _select_one(lock: Lock, target: Target, request: Request) -> _Part:
    walk = _Walk(lock, target, request)
    walk.run()
    order = {package.id: package for package in lock.packages}
    selected = {key: package for key, package in order.items() if key in walk.parents}
    parents = walk.parents if lock.mode is SelectionMode.WALK else _explained(selected, walk)
    unknown = {key: why for key, why in walk.unknown.items() if key not in selected}
    return _Part(
        selected,
        {
            key: walk.excluded.get(key, "nothing that is selected requires it")
            for key in order
            if key not in selected and key not in unknown
        },
        unknown,
        {key: frozenset(names) for key, names in walk.extras.items()},
        parents,
    )


@dataclass(slots=True)
class _Walk:
    """Breadth first from the roots over (package, extra or none), edges taken where their markers hold.

    In a flat lock each package has a root edge and the walk ends there.
    """

    lock: Lock
    target: Target
    request: Request
    parents: dict[PackageId, PackageId | None] = field(default_factory=dict)
    extras: dict[PackageId, set[str]] = field(default_factory=dict)
    excluded: dict[PackageId, str] = field(default_factory=dict)
    unknown: dict[PackageId, str] = field(default_factory=dict)
    active: frozenset[str] = frozenset()
    members: frozenset[PackageId] = frozenset()
    packages: Mapping[PackageId, Package] = field(default_factory=dict)
    ambiguous: deque[tuple[PackageId | None, Dependency]] = field(default_factory=deque)

    def run(self) -> None:
        """Walk until the extras that markers can ask for no longer change.

        uv encodes conflicts as markers on extras of any package on the way (`extra-3-foo-bar`), so which are active
        is known only after a walk.
        """
        self.packages = {package.id: package for package in self.lock.packages}
        self.members = frozenset(package.id for package in self.lock.packages if package.is_member)
        self.active = self.request.extras | (self.lock.extras if self.request.all_extras else frozenset())
        asked = self.active
        for _ in range(_FIXPOINT_ROUNDS):
            atoms = self._walk()
            if asked | atoms == self.active:
                return
            self.active = asked | atoms
            self._forget()

    def _forget(self) -> None:
        self.parents, self.extras, self.excluded, self.unknown = {}, {}, {}, {}

    def _walk(self) -> frozenset[str]:
        pending: deque[tuple[PackageId, str]] = deque()
        visited: set[tuple[PackageId, str]] = set()
        for root in self._roots():
            self._follow(None, root, pending)
        while pending or self.ambiguous:
            if not pending:
                self._settle(*self.ambiguous.popleft(), pending)
                continue
            state = pending.popleft()
            if state in visited:
                continue
            visited.add(state)
            key, extra = state
            package = self.packages[key]
            if extra:
                self.extras.setdefault(key, set()).add(extra)
            for dependency in package.dependencies or () if self.lock.mode is SelectionMode.WALK else ():
                if self._in_state(package, dependency.scope, extra):
                    self._follow(key, dependency, pending)
        return frozenset(atom for key, extra in visited for atom in self._atoms(self.packages[key], extra))

    def _roots(self) -> Iterator[Dependency]:
        """Root edges, limited to the members asked for; those members get a root edge if they have none."""
        names = self.request.packages
        if not names:
            yield from self.lock.roots
            return
        for package in self.lock.packages:
            if package.is_member and package.id.name in names:
                yield Dependency(name=package.id.name, candidates=(package.id,), line=package.line)

    def _follow(self, parent: PackageId | None, edge: Dependency, pending: deque[tuple[PackageId, str]]) -> None:
        reason = self._out_of_scope(edge.scope) if parent is None else None
        holds = None if reason else self.holds(edge.marker)
        if holds and len(edge.candidates) > 1:
            self.ambiguous.append((parent, edge))
            return
        for key in edge.candidates:
            if reason:
                self.excluded.setdefault(key, reason)
            elif holds is None:
                self.unknown.setdefault(key, edge.marker or "")
            elif not holds:
                self.excluded[key] = f"its marker `{edge.marker}` does not hold"
            else:
                self.parents.setdefault(key, parent)
                pending.append((key, ""))
                pending.extend((key, extra) for extra in sorted(edge.extras))
                if parent is None and key in self.members:
                    pending.extend((key, extra) for extra in sorted(self._root_extras()))

    def _settle(self, parent: PackageId | None, edge: Dependency, pending: deque[tuple[PackageId, str]]) -> None:
        """Where an edge can mean several packages, the one that other edges ask for anyway, or the first that fits."""
        fitting = [key for key in edge.candidates if self._fits(key)] or list(edge.candidates)
        chosen = next((key for key in fitting if key in self.parents), fitting[0])
        self._follow(parent, replace(edge, candidates=(chosen,)), pending)

    def _fits(self, key: PackageId) -> bool:
        """Whether a package admits the target's Python, as far as both are known."""
        required = self.packages[key].requires_python
        python = self.target.python_version
        return not required or not python or SpecifierSet(required).contains(python, prereleases=True)

    def _root_extras(self) -> frozenset[str]:
        return self.lock.extras if self.request.all_extras else self.request.extras

    @property
    def _groups(self) -> frozenset[str]:
        return self.request.groups | (self.lock.default_groups if self.request.default_groups else frozenset())

    def _out_of_scope(self, scope: Scope) -> str | None:
        """Why a root edge is not asked for."""
        if scope.kind is ScopeKind.EXTRA and scope.name not in self._root_extras():
            return f"the extra {scope.name!r} was not asked for"
        if scope.kind is ScopeKind.GROUP and scope.name not in self._groups:
            return f"the group {scope.name!r} was not asked for"
        return None

    def _in_state(self, package: Package, scope: Scope, extra: str) -> bool:
        """Whether an edge of `package` counts while it is visited for `extra` (empty: for itself)."""
        if scope.kind is ScopeKind.GROUP:
            chosen = not self.request.packages or package.id.name in self.request.packages
            is_root = package.id in self.parents and self.parents[package.id] is None
            return not extra and chosen and is_root and scope.name in self._groups
        return scope.name == extra

    def holds(self, marker: str | None) -> bool | None:
        """Whether a marker holds on the target with what is active; None where that cannot be known."""
        if marker is None:
            return True
        return markers.evaluate(marker, self.target.markers, extras=self.active, groups=self._groups)

    def _atoms(self, package: Package, extra: str) -> Iterator[str]:
        """uv's names for the extras, groups and projects that are active; `length` keeps them unambiguous."""
        name = package.id.name
        if extra:
            yield f"extra-{len(name)}-{name}-{extra}"
        elif package.is_member:
            yield f"project-{len(name)}-{name}"
            if self.parents.get(package.id, name) is None:
                yield from (f"group-{len(name)}-{name}-{group}" for group in self._groups)


def _explained(selected: Mapping[PackageId, Package], walk: _Walk) -> dict[PackageId, PackageId | None]:
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
