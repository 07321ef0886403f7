"""One walk over one lock: which packages are reached on a target, and why the others are not."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from driftscan import markers
from driftscan.model.lock import Choice, Dependency, Lock, Package, PackageId, Request, Scope, ScopeKind, SelectionMode
from driftscan.model.target import Target

_FIXPOINT_ROUNDS = 16


@dataclass(slots=True)
class Walk:
    """Breadth first from the roots over (package, extra or none), edges taken where their markers hold.

    In a flat lock each package has a root edge and the walk ends there.
    """

    lock: Lock
    target: Target
    request: Request
    unknown_holds: bool = False
    parents: dict[PackageId, PackageId | None] = field(default_factory=dict)
    extras: dict[PackageId, set[str]] = field(default_factory=dict)
    excluded: dict[PackageId, str] = field(default_factory=dict)
    unknown: dict[PackageId, str] = field(default_factory=dict)
    specifiers: dict[PackageId, dict[str, None]] = field(default_factory=dict)
    """What the root edges that hold say of the versions of a package, each once."""
    active: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    root_extras: frozenset[str] = frozenset()
    members: frozenset[PackageId] = frozenset()
    packages: Mapping[PackageId, Package] = field(default_factory=dict)
    decided: dict[str, bool | None] = field(default_factory=dict)
    ambiguous: deque[tuple[PackageId | None, Dependency]] = field(default_factory=deque)

    def run(self) -> bool:
        """Walk until the extras that markers can ask for no longer change; False where they never settle.

        uv encodes conflicts as markers on extras of any package on the way (`extra-3-foo-bar`), so which are active
        is known only after a walk.
        """
        self.prepare()
        self.active = self.root_extras
        for _ in range(_FIXPOINT_ROUNDS):
            active = self.root_extras | self._walk()
            if active == self.active:
                return True
            self.active = active
            self._forget()
        self._walk()
        return False

    def choices(self) -> frozenset[Choice]:
        """The projects that are roots, and the extras and groups of them that are asked for."""
        self.prepare()
        names = {key.name for root in self.roots() for key in root.candidates if key in self.members}
        scopes = [Scope(), *(Scope(ScopeKind.EXTRA, name) for name in self.root_extras)]
        scopes += [Scope(ScopeKind.GROUP, name) for name in self.groups]
        return frozenset(Choice(name, scope) for name in names for scope in scopes)

    def prepare(self) -> None:
        """Find out what is asked for: members, groups and extras of the root."""
        self.packages = {package.id: package for package in self.lock.packages}
        self.members = frozenset(package.id for package in self.lock.packages if package.is_member)
        self.groups = self.request.groups | self._default_groups()
        self.root_extras = self.request.extras | (self.lock.extras if self.request.all_extras else frozenset())

    def _default_groups(self) -> frozenset[str]:
        replaced = self.lock.exclusive_groups and self.request.groups & self.lock.groups
        return self.lock.default_groups if self.request.default_groups and not replaced else frozenset()

    def _forget(self) -> None:
        self.parents, self.extras, self.excluded, self.unknown, self.decided = {}, {}, {}, {}, {}
        self.specifiers = {}

    def _walk(self) -> frozenset[str]:
        pending: deque[tuple[PackageId, str]] = deque()
        visited: set[tuple[PackageId, str]] = set()
        for root in self.roots():
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
                elif not extra and self._is_root(key) and (reason := self._out_of_scope(dependency.scope)):
                    self._exclude(dependency, reason)
        return frozenset(atom for key, extra in visited for atom in self._atoms(self.packages[key], extra))

    def roots(self) -> Iterator[Dependency]:
        """Root edges, limited to the members asked for; those members get a root edge if they have none."""
        names = self.request.packages
        if not names:
            yield from self.lock.roots
            return
        for package in self.lock.packages:
            if package.is_member and package.id.name in names:
                yield Dependency(name=package.id.name, candidates=(package.id,), line=package.line)

    def _follow(self, parent: PackageId | None, edge: Dependency, pending: deque[tuple[PackageId, str]]) -> None:
        if parent is None and (reason := self._out_of_scope(edge.scope)):
            self._exclude(edge, reason)
            return
        match self.holds(edge.marker):
            case None:
                for key in edge.candidates:
                    self.unknown.setdefault(key, edge.marker or "")
            case False:
                self._exclude(edge, f"its marker `{edge.marker}` does not hold")
            case True if len(edge.candidates) > 1:
                self.ambiguous.append((parent, edge))
            case True:
                for key in edge.candidates:
                    if parent is None:
                        self.specifiers.setdefault(key, {})[edge.specifier] = None
                    self._reach(parent, key, edge.extras, pending)

    def _exclude(self, edge: Dependency, reason: str) -> None:
        for key in edge.candidates:
            self.excluded.setdefault(key, reason)

    def _reach(
        self, parent: PackageId | None, key: PackageId, extras: frozenset[str], pending: deque[tuple[PackageId, str]]
    ) -> None:
        self.parents.setdefault(key, parent)
        pending.append((key, ""))
        if parent is None and key in self.members:
            extras = extras | self.root_extras
        pending.extend((key, extra) for extra in sorted(extras))

    def _settle(self, parent: PackageId | None, edge: Dependency, pending: deque[tuple[PackageId, str]]) -> None:
        """Where an edge can mean several packages, the one that other edges ask for anyway, or the first that fits."""
        fitting = [key for key in edge.candidates if self._fits(key)] or list(edge.candidates)
        chosen = next((key for key in fitting if key in self.parents), fitting[0])
        self._follow(parent, replace(edge, candidates=(chosen,)), pending)

    def _fits(self, key: PackageId) -> bool:
        """Whether a package admits the target's Python, as far as both are known."""
        required = self.packages[key].requires_python
        python = self.target.python_version
        try:
            return not required or not python or SpecifierSet(required).contains(python, prereleases=True)
        except InvalidSpecifier:
            return True

    def _is_root(self, key: PackageId) -> bool:
        return key in self.members and self.parents[key] is None

    def _out_of_scope(self, scope: Scope) -> str | None:
        """Why a root edge is not asked for."""
        if scope.kind is ScopeKind.EXTRA and scope.name not in self.root_extras:
            return f"the extra {scope.name!r} was not asked for"
        if scope.kind is ScopeKind.GROUP and scope.name not in self.groups:
            return f"the group {scope.name!r} was not asked for"
        return None

    def _in_state(self, package: Package, scope: Scope, extra: str) -> bool:
        """Whether an edge of `package` counts while it is visited for `extra` (empty: for itself)."""
        if scope.kind is ScopeKind.GROUP:
            return not extra and scope.name in self.groups and self._is_root(package.id)
        return scope.name == extra

    def holds(self, marker: str | None) -> bool | None:
        """Whether a marker holds on the target with what is active; None where that cannot be known."""
        if marker is None:
            return True
        if marker not in self.decided:
            holds = markers.evaluate(marker, self.target.markers, extras=self.active, groups=self.groups)
            self.decided[marker] = True if holds is None and self.unknown_holds else holds
        return self.decided[marker]

    def _atoms(self, package: Package, extra: str) -> Iterator[str]:
        """uv's names for the extras, groups and projects that are active; `length` keeps them unambiguous."""
        name = package.id.name
        if extra:
            yield f"extra-{len(name)}-{name}-{extra}"
        elif package.is_member:
            yield f"project-{len(name)}-{name}"
            if self._is_root(package.id):
                yield from (f"group-{len(name)}-{name}-{group}" for group in self.groups)
