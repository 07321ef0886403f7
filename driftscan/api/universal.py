"""What an image holds as a lock for all platforms.

An image tells what it needs itself, and nothing of other platforms. So what it holds is pinned as it is, everywhere;
what other platforms need beside that is picked by uv and verified as for `driftscan lock --universal`. On the image's
own target the lock installs what the image holds and nothing else, or it is not made.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TypeAlias

from packaging.utils import NormalizedName

from driftscan.adopting import Extras, LeftOut
from driftscan.api.conversion import Conversion
from driftscan.convert.content import Made
from driftscan.errors import ImageError, LockError
from driftscan.graph import DependencyGraph
from driftscan.index.pagecache import PageCache
from driftscan.index.releases import Releases
from driftscan.index.transport import Web
from driftscan.lock.document import Document
from driftscan.model.lock import Lock, OriginKind, Package, Request
from driftscan.model.target import Target
from driftscan.resolve.facts import Facts
from driftscan.resolve.inputs import Inputs, Wanted, read_inputs
from driftscan.resolve.locking import resolve
from driftscan.resolve.places import place
from driftscan.resolve.plan import Plan
from driftscan.resolve.record import UNIVERSAL
from driftscan.resolve.uv import Uv
from driftscan.resolve.writing import write
from driftscan.store import default_folder

_WAY_OUT = "leave --universal out, and the lock is for the image's own platform"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What is made into a lock.

    `lock` holds what the image `reference` has, with edges as its metadata record them, `text` is it as a requirements
    file for the image's `target`. `left_out` is what it cannot hold, `extras` are those that are in use. `command`
    makes the lock again, `digest` is the image's, if it has one. `indexes` are URLs with credentials.
    """

    lock: Lock
    text: str
    target: Target
    left_out: Sequence[LeftOut]
    extras: Extras
    reference: str
    command: str
    digest: str
    indexes: tuple[str, ...]
    cache: bool


def widened(source: Source, to: str) -> Conversion:
    """The lock for all platforms, and the image's Python or newer, in the format `to`.

    Raises ImageError where only a build would tell what a package requires elsewhere, ResolveError where the pins
    cannot be together on all platforms, LockError where the lock would not install on the image's target what it holds.
    """
    plan = _plan(source)
    with closing(plan.begin()) as first, _facts(source) as facts:
        resolved = resolve(plan, facts, first)
    result = write(plan, resolved, to, _made(source, plan), "all", lambda path: path)
    _compare(source, result.lock)
    return Conversion(
        text=result.text,
        packages=len(result.lock.packages),
        notes=(*_asked(plan), *_more(source.lock, result.lock), *resolved.notes, *result.notes),
        unchecked=resolved.unchecked,
    )


def _plan(source: Source) -> Plan:
    python = source.target.python_version
    if python is None:
        raise ImageError("which Python it has is not known, and so not for which the lock is", where=source.reference)
    folder = default_folder() if source.cache else None
    return Plan(
        inputs=_inputs(source),
        engine=Uv(),
        samples=(place(source.target, source.reference),),
        python=python,
        indexes=source.indexes,
        in_use=frozenset(package.id.name for package in source.lock.packages),
        cache=str(folder) if folder is not None else None,
    )


def _inputs(source: Source) -> Inputs:
    """What nothing requires is asked for, the rest narrows what that brings in: where, their own markers say."""
    for package in source.lock.packages:
        _refuse_unknown(package, source.reference)
    found = read_inputs([Document("requirements.txt", source.text.encode())])
    edges = _edges(source.lock)
    extras = _asked_extras(edges, source.extras)
    for name, brought in extras.items():
        edges[name] = edges[name].union(*brought.values())
    roots = _roots(edges) | extras.keys()
    told = [_told(wanted, source.reference, extras.get(wanted.name, {})) for wanted in found.requirements]
    return replace(
        found,
        files=(source.reference,),
        requirements=tuple(wanted for wanted in told if wanted.name in roots),
        constraints=tuple(wanted for wanted in told if wanted.name not in roots),
    )


def _refuse_unknown(package: Package, reference: str) -> None:
    is_wheel = all((artifact.filename or "").endswith(".whl") for artifact in package.artifacts)
    if package.id.origin.kind is OriginKind.VCS or (package.id.origin.kind is OriginKind.URL and not is_wheel):
        raise ImageError(
            f"only a build of {package.id.name} from {package.id.origin.location} tells what it requires elsewhere",
            where=reference,
            hint=_WAY_OUT,
        )


def _told(wanted: Wanted, reference: str, extras: Iterable[str]) -> Wanted:
    """A pin as the image's. Engines are asked for extras; in the lock is what they bring in."""
    names = sorted(extras) if wanted.located is None else []
    text = f"{wanted.name}[{','.join(names)}]{wanted.specifier}" if names else wanted.text
    return replace(wanted, text=text, extras=frozenset(names), file=reference, line=None, by="")


_Edges: TypeAlias = dict[NormalizedName, frozenset[NormalizedName]]


def _edges(lock: Lock) -> _Edges:
    return {
        package.id.name: frozenset(edge.name for edge in package.dependencies or ()) - {package.id.name}
        for package in lock.packages
    }


def _asked_extras(edges: _Edges, extras: Extras) -> Extras:
    """Extras that bring in what nothing else does: without them it would be asked for on every platform."""
    alone = _roots(edges)
    return {
        name: asked
        for name, brought in extras.items()
        if (asked := {extra: names for extra, names in brought.items() if names & alone})
    }


def _roots(edges: _Edges) -> set[NormalizedName]:
    """What nothing else requires, and one of each circle that is not reached from there."""
    roots = set(edges).difference(*edges.values())
    reached = _reached(roots, edges)
    for name in sorted(edges.keys() - reached):
        if name not in reached:
            roots.add(name)
            reached |= _reached({name}, edges)
    return roots


def _reached(names: set[NormalizedName], edges: _Edges) -> set[NormalizedName]:
    reached, pending = set(names), list(names)
    while pending:
        fresh = edges.get(pending.pop(), frozenset()) - reached
        reached |= fresh
        pending += fresh
    return reached


def _facts(source: Source) -> Facts:
    folder = default_folder() if source.cache else None
    cache = PageCache(folder) if folder is not None else None
    web = Web(source.indexes)
    return Facts(web, Releases(web, source.indexes, cache=cache), source.target, cache=cache)


def _made(source: Source, plan: Plan) -> Made:
    digest = (("image", f"sha256:{source.digest}"),) if source.digest else ()
    return Made(
        command=source.command,
        facts=(
            *digest,
            ("for", f"{UNIVERSAL}{plan.python} and newer"),
            ("engine", f"{plan.engine.name} {plan.engine.version}"),
        ),
        tool="adopt",
    )


def _compare(source: Source, written: Lock) -> None:
    """On the image's own target the new lock installs the same as the one that is for that alone."""
    narrow, wide = (
        {
            package.id.name: (
                package.id.version,
                frozenset(value for artifact in package.artifacts for value in artifact.hashes),
            )
            for package in DependencyGraph.build([lock]).select(source.target, Request()).packages.values()
        }
        for lock in (source.lock, written)
    )
    for name in sorted(narrow.keys() | wide.keys()):
        if narrow.get(name) != wide.get(name):
            raise LockError(
                f"a lock for all platforms would not install there what it holds: {_difference(name, source, wide)}",
                where=source.reference,
                hint=_WAY_OUT,
            )


def _difference(name: NormalizedName, source: Source, wide: Mapping[NormalizedName, tuple[str | None, object]]) -> str:
    held = {package.id.name for package in source.lock.packages}
    if name not in wide:
        return f"{name} would be missing"
    version = wide[name][0]
    if name in held:
        return f"{name} {version} would have other hashes or another version"
    why = next((each.why for each in source.left_out if each.name == name), "nobody installed it")
    return f"{name} {version} would come in, and {why}"


def _asked(plan: Plan) -> Iterator[str]:
    if found := [wanted.shown.partition("=")[0] for wanted in plan.inputs.requirements if wanted.extras]:
        yield f"taken to be asked for, since all of it is there: {', '.join(found)}"


def _more(narrow: Lock, wide: Lock) -> Iterator[str]:
    held = {package.id.name for package in narrow.packages}
    more = sorted(f"{package.id.name} {package.id.version}" for package in wide.packages if package.id.name not in held)
    if more:
        yield f"for other platforms: {', '.join(more)}"
