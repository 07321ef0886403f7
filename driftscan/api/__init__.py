"""The use cases: read locks, open an image, take its inventory, compare.

Everything here may touch files, daemons and registries; what it calls in between is pure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from os import PathLike, fspath
from typing import TYPE_CHECKING, TypeAlias

from driftscan import lock as lock_formats
from driftscan import rules
from driftscan.api import checking, linting
from driftscan.api import request as requests
from driftscan.api.checking import lock_input
from driftscan.api.scanning import Progress, default_environment, described, open_target, take_inventory
from driftscan.compare import Comparison
from driftscan.compare import compare as join
from driftscan.errors import UsageError
from driftscan.finding import Report, Severity, TargetInput
from driftscan.graph import DependencyGraph
from driftscan.graph.view import selected
from driftscan.model.inventory import Inventory
from driftscan.model.lock import Lock, Request
from driftscan.reading import read_document

if TYPE_CHECKING:
    from datetime import date

    from driftscan.api.adopting import Adopted
    from driftscan.api.conversion import Conversion
    from driftscan.api.online import Online
    from driftscan.suppressions.entries import Entry

__all__ = [
    "Proving",
    "adopt",
    "check",
    "compare",
    "convert",
    "inspect",
    "open_target",
    "read_baseline",
    "read_lock",
    "suppress",
    "survey",
    "take_inventory",
]

Path: TypeAlias = "str | PathLike[str]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proving:
    """Where the locked files are looked for that prove what is installed.

    `wheels` is a folder that holds some. With `index`, package indexes are asked (`index_urls`, or else those that the
    locks or this machine's settings name) for the list of files in each wheel, with `download` for the whole of it.
    `warn` is told of indexes that are not secured.
    """

    wheels: Path | None = None
    index: bool = False
    download: bool = False
    index_urls: tuple[str, ...] = ()
    warn: Callable[[str], None] | None = None


EVERYTHING = Request()

COMPARED = ("LK", "DR", "NW", "IN", "SU", "IM543")
"""Families of rules that a comparison asks by itself; what the others find is in its scorecard."""


def read_lock(path: Path, format: str | None = None) -> Lock:  # noqa: A002 (the name that every caller would guess)
    """The lock at `path`, in the format of that name or the one that its name and content tell.

    Raises LockError where it is missing, in no known format, or broken.
    """
    return lock_formats.parse(read_document(fspath(path)), format)


def compare(
    locks: Sequence[Path],
    target: Path,
    *,
    request: Request = EVERYTHING,
    environment: str | None = None,
    platform: str | None = None,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    fail_on: Severity | None = Severity.ERROR,
    lock_format: str | None = None,
    offline: bool = False,
    cache: bool = True,
    lazy: bool = False,
    progress: Progress | None = None,
    proving: Proving | None = None,
) -> Report:
    """Whether the image that `target` names contains what `locks`, taken as one, say, and nothing else.

    `request` is the part of the locks that is meant, `environment` the path of the Python environment in the image
    (without it, the one its entrypoint runs), `platform` (`os/architecture[/variant]`) which of several images.
    `select` and `ignore` hold codes of rules, beginnings of codes (`DR`), or slugs. `fail_on` is the least severity
    that makes the verdict drift, None for never. With `cache`, layers that were read before are not read again; with
    `lazy`, layers in a registry are read by their tables of contents where they have any, and the verdict is incomplete
    at best. With `proving`, what is installed is compared with the locked files too. An environment on this machine
    (`env:`) was not built as an image is, so the practices are not judged. Raises DriftscanError where something cannot
    be read.
    """
    if not locks:
        raise UsageError("there is no lock to compare with")
    _check_proving(proving, offline=offline)
    parsed = [read_lock(path, lock_format) for path in locks]
    wanted = requests.resolved(request, parsed)
    requests.check_rules([*select, *ignore])
    graph = DependencyGraph.build(parsed)
    with open_target(fspath(target), platform=platform, offline=offline) as image:
        inventory = take_inventory(
            image,
            environment=environment,
            progress=progress,
            cache=cache,
            lazy=lazy,
            with_contents=proving is not None,
            with_traces=True,
        )
        found = default_environment(inventory, image.reference)
    selection = graph.select(found.target, wanted)
    comparison = join(graph, selection, parsed, inventory, found, wanted)
    if proving is not None:
        comparison = _proved(comparison, proving, cache=cache)
    comparison = linting.with_image_locks(comparison)
    findings = rules.run(comparison, select=select or None, ignore=ignore, family="" if select else COMPARED)
    return Report(
        locks=tuple(map(lock_input, parsed)),
        target=described(image),
        environment=found,
        locked=comparison.locked,
        installed=comparison.installed,
        matching=comparison.matching_without(rules.wrong(findings)),
        findings=findings,
        unchecked=comparison.unchecked,
        practices=linting.scorecard(comparison, ignore) if image.source != "env" else (),
        packages=tuple(selection.packages.values()),
        dependencies=selected(graph, selection, found.target),
        inventory=inventory,
        proofs=comparison.proofs,
        fail_on=fail_on,
    )


def _check_proving(proving: Proving | None, *, offline: bool) -> None:
    if proving is None:
        return
    if offline and (proving.index or proving.download):
        raise UsageError(
            "a package index cannot be asked offline",
            hint="give the locked wheels with --wheels, or leave --offline out",
        )
    if proving.index_urls and not (proving.index or proving.download):
        raise UsageError("an index is only asked with --prove or --download", hint="add --prove")


def _proved(comparison: Comparison, proving: Proving, *, cache: bool) -> Comparison:
    """The comparison with what the locked files say about what is installed."""
    from driftscan.api import proving as provers

    return provers.proved(comparison, proving, cache=cache)


def check(
    locks: Sequence[Path],
    *,
    request: Request | None = None,
    target: Path | None = None,
    python: str | None = None,
    python_platform: str | None = None,
    environment: str | None = None,
    platform: str | None = None,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    fail_on: Severity | None = Severity.ERROR,
    lock_format: str | None = None,
    offline: bool = False,
    cache: bool = True,
    lazy: bool = False,
    online: bool = False,
    index_urls: Sequence[str] = (),
    warn: Callable[[str], None] | None = None,
) -> Report:
    """What `locks`, taken as one, leave open, and whether they can be installed on a target.

    The target is the image that `target` names, or the `python` version on the `python_platform`; without either, all
    targets that the locks' markers tell apart. `request` is the part of the locks that is meant, None for all of it.
    With `online`, package indexes are asked what the locks leave open: `index_urls`, or else those that the locks name,
    or else those that this machine is set up to use; `warn` is told of indexes that are not secured. The rest is as for
    `compare`. Raises DriftscanError where something cannot be read.
    """
    if not locks:
        raise UsageError("there is no lock to check")
    _check_online(online=online, offline=offline, index_urls=index_urls)
    parsed = [read_lock(path, lock_format) for path in locks]
    requests.check_rules([*select, *ignore])
    judged = checking.place(
        fspath(target) if target is not None else None,
        python=python,
        python_platform=python_platform,
        environment=environment,
        platform=platform,
        offline=offline,
        cache=cache,
        lazy=lazy,
    )
    with _online(parsed, judged, index_urls, warn) if online else nullcontext() as asked:
        return checking.check(
            parsed,
            request=requests.resolved(request, parsed) if request is not None else None,
            judged=judged,
            select=select,
            ignore=ignore,
            fail_on=fail_on,
            online=asked,
        )


def _check_online(*, online: bool, offline: bool, index_urls: Sequence[str]) -> None:
    if online and offline:
        raise UsageError("a package index cannot be asked offline", hint="leave --online or --offline out")
    if index_urls and not online:
        raise UsageError("an index is only asked with --online", hint="add --online")


def _online(
    locks: Sequence[Lock], judged: checking.Place, urls: Sequence[str], warn: Callable[[str], None] | None
) -> Online:
    from driftscan.api.online import Online

    return Online(locks, target=judged.target, asked=urls, warn=warn)


def convert(
    lock: Path,
    to: str,
    *,
    request: Request | None = None,
    target: Path | None = None,
    python: str | None = None,
    python_platform: str | None = None,
    environment: str | None = None,
    platform: str | None = None,
    lock_format: str | None = None,
    folder: str = ".",
    online: bool = False,
    index_urls: Sequence[str] = (),
    offline: bool = False,
    cache: bool = True,
    warn: Callable[[str], None] | None = None,
) -> Conversion:
    """The lock in the format `to`, `requirements` or `pylock`, without resolving again.

    It is for the image that `target` names, or for the `python` version on the `python_platform`; without either, for
    all that the lock supports. Without a `request`, a pylock.toml leaves extras and groups to be asked for, and a
    requirements file has what is installed by default. `folder` leads from the new file's folder to the lock's. With
    `online`, addresses of files that the lock does not record are asked of the package index, by their hashes: of
    `index_urls`, or of those that the lock or this machine's settings name. Raises LockError where the format cannot
    hold the lock, PackageIndexError where an index does not answer.
    """
    from driftscan.api import conversion

    _check_online(online=online, offline=offline, index_urls=index_urls)
    parsed = read_lock(lock, lock_format)
    judged = checking.place(
        fspath(target) if target is not None else None,
        python=python,
        python_platform=python_platform,
        environment=environment,
        platform=platform,
        offline=offline,
        cache=cache,
    )
    wanted = requests.resolved(request, [parsed]) if request is not None else None
    if online:
        with _online([parsed], judged, index_urls, warn) as asked:
            parsed = asked.located(parsed)
    return conversion.convert(parsed, to, request=wanted, judged=judged, folder=folder)


def adopt(
    target: Path,
    to: str,
    *,
    environment: str | None = None,
    platform: str | None = None,
    cache: bool = True,
    lazy: bool = False,
    index_urls: Sequence[str] = (),
    hashes: str = "all",
    universal: bool = False,
    output: Path | None = None,
    progress: Progress | None = None,
    warn: Callable[[str], None] | None = None,
) -> Adopted:
    """The lock that brings back what the image `target` contains, in the format `to` (`requirements` or `pylock`).

    `hashes` says of which files of each release: `all`, or `exact` for the installed one alone. With `universal` it is
    for all platforms and the image's Python or newer: what the image holds is pinned everywhere, and what other
    platforms need beside it is resolved with uv; else it is for the image's own platform. Package indexes are
    asked: `index_urls`, or those of this machine's settings; `warn` is told of those that are not secured. `output` is
    where the lock is going to be written, for the command in it that makes it again. The rest is as for `compare`.
    Raises DriftscanError where something cannot be read or asked.
    """
    from driftscan.api import adopting

    with open_target(fspath(target), platform=platform) as image:
        inventory = take_inventory(
            image, environment=environment, progress=progress, cache=cache, lazy=lazy, with_contents=True
        )
        found = default_environment(inventory, image.reference)
    options = adopting.Options(
        index_urls=tuple(index_urls),
        hashes=hashes,
        universal=universal,
        output=fspath(output) if output is not None else None,
        environment=environment,
        platform=platform,
        cache=cache,
        warn=warn,
    )
    digest = (image.digest or "").partition(":")[2]
    adopted = adopting.adopt(
        inventory, found, asked=fspath(target), reference=image.reference, digest=digest, to=to, options=options
    )
    return replace(adopted, unchecked=(*inventory.unchecked, *adopted.unchecked)) if lazy else adopted


def inspect(
    target: Path,
    *,
    environment: str | None = None,
    platform: str | None = None,
    offline: bool = False,
    cache: bool = True,
    lazy: bool = False,
    progress: Progress | None = None,
) -> Inventory:
    """What the image that `target` names contains. `cache` and `lazy` are as for `compare`."""
    found, _ = survey(
        target,
        environment=environment,
        platform=platform,
        offline=offline,
        cache=cache,
        lazy=lazy,
        progress=progress,
    )
    return found


def survey(
    target: Path,
    *,
    environment: str | None = None,
    platform: str | None = None,
    offline: bool = False,
    cache: bool = True,
    lazy: bool = False,
    progress: Progress | None = None,
) -> tuple[Inventory, TargetInput]:
    """What `inspect` gives, and which image it was."""
    with open_target(fspath(target), platform=platform, offline=offline) as image:
        found = take_inventory(image, environment=environment, progress=progress, cache=cache, lazy=lazy)
        return found, described(image)


def read_baseline(path: Path) -> tuple[Entry, ...]:
    """The entries of the baseline file at `path`, as `driftscan baseline` writes it, for `suppress`.

    Raises UsageError where there is none or it is wrong.
    """
    from driftscan.api import configuration

    return configuration.read_baseline(fspath(path))


def suppress(report: Report, entries: Sequence[Entry], *, today: date) -> Report:
    """`report` with the findings marked that `entries` accept on the day `today`, and so do not count.

    What is wrong with an entry is among the findings of the new report, except that it matches nothing: only the caller
    knows whether there was something that it could match.
    """
    from driftscan.suppressions.apply import Judged, applied

    asked = frozenset(rule.code for rule in rules.RULES)
    (found,) = applied([Judged(report, tuple(entries))], today=today, asked=asked, undecided=frozenset(entries))
    return found
