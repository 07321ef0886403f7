"""Under which condition a lock installs each of its packages, for all targets at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from driftscan.errors import LockError, MarkerError
from driftscan.graph.walk import Walk
from driftscan.markersets import EVERYWHERE, NOWHERE, Atom, Diagram, Diagrams
from driftscan.model.lock import Dependency, Lock, Package, PackageId, Request, Scope, ScopeKind, SelectionMode
from driftscan.model.target import Target

_ROUNDS = 16
_ONE_TARGET = "convert it for one target: --python 3.12 --python-platform linux"
_SETS = ("extra", "extras", "dependency_groups")
_State: TypeAlias = tuple[PackageId, str]
"""A package, and the extra of it that is asked for (empty: itself)."""


class Condition(NamedTuple):
    """When a package is installed (a marker, or None: always), and which of its extras are asked for whenever it is."""

    marker: str | None
    extras: frozenset[str] = frozenset()


def supports(lock: Lock, environment: str) -> bool:
    """Whether a lock is made for any target that the marker `environment` holds on, by the Pythons and environments
    that it names."""
    diagrams = Diagrams((environment, *lock.environments, *_required_python(lock)))
    return diagrams.is_possible(diagrams.all_of(diagrams.marker(environment), _supported(lock, diagrams)))


def conditions(lock: Lock, request: Request | None, within: str | None = None) -> Mapping[PackageId, Condition]:
    """The condition of each package that is ever installed, in the order of the lock.

    Markers hold `within` the environments of that marker that the lock supports, and say nothing of others. With a
    `request` its extras and groups are decided; without one they stay open, and markers ask for `extras` and
    `dependency_groups` (PEP 751). Raises LockError where an edge can mean several packages and only a target tells
    which, or where no marker can say the condition.
    """
    try:
        whole = _Conditions(lock, request, within)
        whole.settle()
        extras = whole.extras()
        return {
            package.id: Condition(whole.written(package.id), frozenset(extras.get(package.id, ())))
            for package in lock.packages
            if whole.is_reached(package.id)
        }
    except MarkerError as error:
        raise LockError(error.message, where=lock.path, hint=_ONE_TARGET) from None


@dataclass(slots=True)
class _Conditions:
    lock: Lock
    request: Request | None
    within: str | None
    walk: Walk = field(init=False)
    diagrams: Diagrams = field(init=False)
    supported: Diagram = field(init=False)
    packages: Mapping[PackageId, Package] = field(init=False)
    states: dict[_State, Diagram] = field(default_factory=dict)
    rooted: dict[PackageId, Diagram] = field(default_factory=dict)
    """Under which conditions a package is itself asked for, not only required."""
    active: Mapping[str, Diagram] = field(default_factory=dict)
    """Under which conditions uv's names of extras, groups and projects hold (`extra-3-foo-bar`)."""
    known: dict[str, Diagram] = field(default_factory=dict)
    """Markers of this round, with what is active put in."""

    def __post_init__(self) -> None:
        self.packages = {package.id: package for package in self.lock.packages}
        self.walk = Walk(self.lock, Target(), self.request or Request())
        self.walk.prepare()
        self.diagrams = Diagrams(filter(None, (*_texts(self.lock), self.within)))
        supported = _supported(self.lock, self.diagrams)
        self.supported = self.diagrams.all_of(supported, self.diagrams.marker(self.within))

    def settle(self) -> None:
        """Walk until the extras that markers ask for no longer change, as an installer has to."""
        for _ in range(_ROUNDS):
            self.states, self.rooted, self.known = {}, {}, {}
            self._spread()
            before, self.active = self.active, self._names()
            if self.active == before:
                return
        raise LockError("its markers on extras contradict each other", where=self.lock.path, hint=_ONE_TARGET)

    def is_reached(self, key: PackageId) -> bool:
        condition = self.states.get((key, ""), NOWHERE)
        return self.diagrams.is_possible(self.diagrams.all_of(condition, self.supported))

    def written(self, key: PackageId) -> str | None:
        return self.diagrams.written(self.states[key, ""], self.supported)

    def extras(self) -> Mapping[PackageId, Sequence[str]]:
        """Extras that are asked for whenever their package is installed."""
        found: dict[PackageId, list[str]] = {}
        for (key, extra), condition in self.states.items():
            here = self.diagrams.all_of(self.states[key, ""], self.supported)
            if extra and self.diagrams.all_of(here, self.diagrams.negated(condition)) == NOWHERE:
                found.setdefault(key, []).append(extra)
        return found

    def _spread(self) -> None:
        """Breadth first from the roots; a state is visited again when its condition has grown."""
        pending: deque[_State] = deque()
        for root in self.walk.roots():
            condition = self._narrowed(self._asked(root.scope), root.marker)
            for key in self._candidates(root):
                self.rooted[key] = self.diagrams.any_of(self.rooted.get(key, NOWHERE), condition)
                self._reach(key, root.extras, condition, pending)
                self._reach_own_extras(key, condition, pending)
        while pending and self.lock.mode is SelectionMode.WALK:
            state = pending.popleft()
            for edge in self.packages[state[0]].dependencies or ():
                condition = self._narrowed(self._in_state(state, edge.scope), edge.marker)
                if condition != NOWHERE:
                    for key in self._candidates(edge):
                        self._reach(key, edge.extras, condition, pending)

    def _reach(self, key: PackageId, extras: frozenset[str], condition: Diagram, pending: deque[_State]) -> None:
        for extra in ("", *sorted(extras)):
            known = self.states.get((key, extra), NOWHERE)
            grown = self.diagrams.any_of(known, condition)
            if grown != known:
                self.states[key, extra] = grown
                pending.append((key, extra))

    def _reach_own_extras(self, key: PackageId, condition: Diagram, pending: deque[_State]) -> None:
        """Extras that are asked for are those of the projects that the lock was made for."""
        if key in self.walk.members:
            for extra in sorted(self.lock.extras):
                asked = self.diagrams.all_of(condition, self._asked(Scope(ScopeKind.EXTRA, extra)))
                self._reach(key, frozenset((extra,)), asked, pending)

    def _candidates(self, edge: Dependency) -> tuple[PackageId, ...]:
        if len(edge.candidates) > 1:
            names = " or ".join(map(str, edge.candidates[:3]))
            raise LockError(
                f"whether {edge.name} means {names} depends on the target", where=self.lock.path, hint=_ONE_TARGET
            )
        return edge.candidates

    def _in_state(self, state: _State, scope: Scope) -> Diagram:
        """When an edge of a package counts while it is visited for an extra, or (empty) for itself."""
        key, extra = state
        if scope.kind is ScopeKind.GROUP:
            own = self.rooted.get(key, NOWHERE) if key in self.walk.members and not extra else NOWHERE
            return self.diagrams.all_of(own, self._asked(scope))
        return self.states[state] if scope.name == extra else NOWHERE

    def _asked(self, scope: Scope) -> Diagram:
        """When a part of the root project is asked for."""
        if scope.kind is ScopeKind.PRODUCTION:
            return EVERYWHERE
        is_extra = scope.kind is ScopeKind.EXTRA
        if self.request is None:
            return self.diagrams.marker(_extra_marker(scope.name) if is_extra else _group_marker(scope.name))
        return int(scope.name in (self.walk.root_extras if is_extra else self.walk.groups))

    def _narrowed(self, condition: Diagram, marker: str | None) -> Diagram:
        if condition == NOWHERE or marker is None:
            return condition
        if marker not in self.known:
            self.known[marker] = self.diagrams.marker(marker, self._meaning)
        return self.diagrams.all_of(condition, self.known[marker])

    def _meaning(self, atom: Atom) -> Diagram | None:
        """What a marker asks of extras and groups, in terms of what can be asked for."""
        if atom.variable not in _SETS:
            return None
        name = canonicalize_name(atom.literal)
        if name in self.active:
            return self.active[name]
        kind, known = ScopeKind.EXTRA, self.lock.extras
        if atom.variable == "dependency_groups":
            kind, known = ScopeKind.GROUP, self.lock.groups
        found = next((each for each in known if canonicalize_name(each) == name), None)
        return self._asked(Scope(kind, found)) if found is not None else NOWHERE

    def _names(self) -> Mapping[str, Diagram]:
        """uv's names for what is active, and when; those of one name with several versions hold with any of them."""
        found: dict[str, Diagram] = {}
        for (key, extra), condition in self.states.items():
            if extra:
                self._name(found, f"extra-{len(key.name)}-{key.name}-{extra}", condition)
            elif key in self.walk.members:
                self._name(found, f"project-{len(key.name)}-{key.name}", condition)
                for group in self.lock.groups if key in self.rooted else ():
                    asked = self.diagrams.all_of(self.rooted[key], self._asked(Scope(ScopeKind.GROUP, group)))
                    self._name(found, f"group-{len(key.name)}-{key.name}-{group}", asked)
        return found

    def _name(self, found: dict[str, Diagram], name: str, condition: Diagram) -> None:
        key = canonicalize_name(name)
        found[key] = self.diagrams.any_of(found.get(key, NOWHERE), condition)


def _texts(lock: Lock) -> Iterator[str]:
    """All markers that are going to be combined."""
    edges = (*lock.roots, *(edge for package in lock.packages for edge in package.dependencies or ()))
    yield from dict.fromkeys(edge.marker for edge in edges if edge.marker is not None)
    yield from lock.environments
    yield from _required_python(lock)
    yield from map(_extra_marker, lock.extras)
    yield from map(_group_marker, lock.groups)


def _supported(lock: Lock, diagrams: Diagrams) -> Diagram:
    found = EVERYWHERE
    for text in _required_python(lock):
        found = diagrams.all_of(found, diagrams.marker(text))
    environments = NOWHERE if lock.environments else EVERYWHERE
    for text in lock.environments:
        environments = diagrams.any_of(environments, diagrams.marker(text))
    return diagrams.all_of(found, environments)


def _required_python(lock: Lock) -> Iterator[str]:
    """`requires-python` as markers; what is no specifier (poetry's `^3.9` was translated before) limits nothing."""
    try:
        specifiers = SpecifierSet(lock.requires_python or "")
    except InvalidSpecifier:
        return
    for each in sorted(specifiers, key=str):
        yield f"python_full_version {each.operator} '{each.version}'"


def _extra_marker(name: str) -> str:
    return f"'{name}' in extras"


def _group_marker(name: str) -> str:
    return f"'{name}' in dependency_groups"
