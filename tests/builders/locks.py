"""Locks as values, for tests of what reads a lock and not of how one is written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from packaging.utils import NormalizedName, canonicalize_name

from driftscan.model.lock import Dependency, Lock, Origin, Package, PackageId, Scope, ScopeKind, SelectionMode
from driftscan.model.target import Target

PRODUCTION = Scope()
LINUX = Target(
    markers=MappingProxyType({"os_name": "posix", "python_full_version": "3.11.4", "python_version": "3.11"})
)


def key(text: str) -> PackageId:
    """`name` or `name version`."""
    name, _, version = text.partition(" ")
    return PackageId(canonicalize_name(name), version or "1", Origin())


def edge(
    *candidates: str,
    marker: str | None = None,
    extras: Iterable[str] = (),
    extra: str | None = None,
    group: str | None = None,
) -> Dependency:
    """An edge to what `candidates` name; `extras` are asked of it, `extra` or `group` say which part asks."""
    scope = Scope(ScopeKind.EXTRA, extra) if extra else Scope(ScopeKind.GROUP, group) if group else PRODUCTION
    keys = tuple(key(candidate) for candidate in candidates)
    return Dependency(name=keys[0].name, candidates=keys, marker=marker, extras=frozenset(extras), scope=scope)


def package(text: str, *dependencies: Dependency, member: bool = False, requires_python: str | None = None) -> Package:
    return Package(id=key(text), dependencies=dependencies, is_member=member, requires_python=requires_python)


def lock(
    packages: Iterable[Package],
    roots: Iterable[Dependency],
    *,
    mode: SelectionMode = SelectionMode.WALK,
    path: str = "a.lock",
    default_groups: Iterable[str] = (),
) -> Lock:
    """A lock whose extras and groups are those that its edges name."""
    packages, roots = tuple(packages), tuple(roots)
    scopes = {each.scope for each in (*roots, *(edge for one in packages for edge in one.dependencies or ()))}
    return Lock(
        path=path,
        format="uv",
        sha256="0" * 64,
        mode=mode,
        packages=packages,
        roots=roots,
        extras=frozenset(scope.name for scope in scopes if scope.kind is ScopeKind.EXTRA),
        groups=frozenset(scope.name for scope in scopes if scope.kind is ScopeKind.GROUP),
        default_groups=frozenset(default_groups),
    )


def named(mapping: Mapping[PackageId, object]) -> list[str]:
    """`name version` of the keys, in order; the version only where it is not 1."""
    return [str(each.name) if each.version == "1" else str(each) for each in mapping]


def names(*texts: str) -> frozenset[NormalizedName]:
    return frozenset(map(canonicalize_name, texts))
