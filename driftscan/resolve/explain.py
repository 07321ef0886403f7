"""Why requirements cannot be satisfied, in terms of the lines that ask for them.

What can be seen on the index is said in its terms, whichever engine failed; only what takes a search to see is left to
the engine's own words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from driftscan import markers
from driftscan.errors import DriftscanError, MarkerError, PackageIndexError, ResolveError
from driftscan.index.floating import Required, parse_requirement
from driftscan.index.releases import Release
from driftscan.resolve.facts import Facts
from driftscan.resolve.inputs import Inputs, Wanted
from driftscan.resolve.places import Place
from driftscan.resolve.question import Impossible
from driftscan.resolve.verify import Platform, unfit

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_ASKED = re.compile(r"you require ([^,]+)")
_LONGEST = 600
_MOST_NAMES = 40
_BUILDS = "--allow-builds lets its code run on this machine"


@dataclass(frozen=True, slots=True)
class Explainer:
    """Looks for the reason on the index. `place` is None for all platforms at once."""

    inputs: Inputs
    facts: Facts
    place: Place | None
    cutoff: str | None
    allow_builds: bool

    def explain(self, impossible: Impossible) -> DriftscanError:
        """The error to raise."""
        try:
            return self._explained(impossible)
        except PackageIndexError as error:
            first = next(self._wanted(), None)
            where = first.where if first is not None else ", ".join(self.inputs.files)
            return ResolveError(f"the index does not tell why nothing was found: {error}", where=where)

    def _explained(self, impossible: Impossible) -> DriftscanError:
        names = dict.fromkeys(wanted.name for wanted in self._wanted())
        for name in names:
            if (error := self._alone(name, self._asking(name))) is not None:
                return error
        return self._pair(list(names)) or self._further(impossible, set(names)) or self._engine(impossible)

    def unreachable(self) -> DriftscanError | None:
        """Why the first requirement cannot even be looked up; None where it can."""
        for wanted in self._wanted():
            if (error := self._missing(wanted)) is not None:
                return error
        return None

    def _wanted(self) -> Iterator[Wanted]:
        """Requirements from indexes that count here."""
        yield from (wanted for wanted in self.inputs.requirements if wanted.located is None and self._counts(wanted))

    def _counts(self, wanted: Wanted) -> bool:
        return self.place is None or markers.evaluate(wanted.marker, self.place.target.markers) is not False

    def _asking(self, name: NormalizedName) -> Sequence[Wanted]:
        return [each for each in self.inputs.asking(name) if each.located is None and self._counts(each)]

    def _missing(self, wanted: Wanted) -> DriftscanError | None:
        try:
            self.facts.releases.project(wanted.name)
        except PackageIndexError as error:
            if error.message.startswith("there is no project"):
                place = f" on {error.where}" if error.where else ", and no index is asked"
                return ResolveError(
                    f"{error.message}{place}", where=wanted.where, hint="check its spelling, and the index"
                )
            return ResolveError(f"{wanted.name} cannot be looked up: {error}", where=wanted.where)
        return None

    def _alone(self, name: NormalizedName, asking: Sequence[Wanted]) -> DriftscanError | None:
        """What is wrong with the requirements on one project, whatever else is asked for."""
        if (error := self._missing(asking[0])) is not None:
            return error
        releases = self._before(name)
        if not releases and self.cutoff is None:
            return ResolveError(f"the index has no release of {name}", where=asking[0].where)
        if not releases:
            return ResolveError(
                f"no release of {name} was there before {self.cutoff}",
                where=asking[0].where,
                hint="a later --exclude-newer",
            )
        for wanted in asking:
            if not _admitted(wanted.specifier, releases):
                newest = max(releases)
                before = f" before {self.cutoff}" if self.cutoff else ""
                return ResolveError(
                    f"no release of {name} is {wanted.specifier}; the newest{before} is {newest}", where=wanted.where
                )
        whole = ",".join(wanted.specifier for wanted in asking if wanted.specifier)
        admitted = _admitted(whole, releases)
        if not admitted:
            return _excluding(asking, releases)
        return self._usable(asking[0], [releases[version] for version in sorted(admitted, reverse=True)])

    def _before(self, name: NormalizedName) -> dict[Version, Release]:
        found = {}
        for version, release in self.facts.releases.project(name).items():
            if files := tuple(self.facts.before(release.files)):
                found[version] = release._replace(files=files)
        return found

    def _usable(self, wanted: Wanted, admitted: Sequence[Release]) -> DriftscanError | None:
        """Whether one of the releases that are admitted may be installed here."""
        kept = [release for release in admitted if any(file.yanked is None for file in release.files)]
        title = f"{wanted.name}{wanted.specifier}"
        if not kept:
            reason = next((file.yanked for file in admitted[0].files if file.yanked), None)
            because = f" ({reason})" if reason else ""
            return ResolveError(
                f"{title} leaves only releases that were yanked, such as {admitted[0].version}{because}",
                where=wanted.where,
            )
        if self.place is None:
            return None
        platform = Platform.of(self.place.target)
        reasons = [unfit(release, platform, allow_builds=self.allow_builds) for release in kept]
        if None in reasons:
            return None
        words = self.place.asked or self.place.words
        hint = _BUILDS if reasons[0] and "nothing is built" in reasons[0] else None
        return ResolveError(f"{title} has nothing for {words}: {reasons[0]}", where=wanted.where, hint=hint)

    def _best(self, name: NormalizedName, asking: Sequence[Wanted]) -> Release | None:
        """The newest release that the inputs admit and that can be installed here."""
        releases = self._before(name)
        admitted = _admitted(",".join(wanted.specifier for wanted in asking if wanted.specifier), releases)
        platform = Platform.of(self.place.target) if self.place is not None else None
        for version in sorted(admitted, reverse=True):
            release = releases[version]
            if platform is None or unfit(release, platform, allow_builds=self.allow_builds) is None:
                return release
        return None

    def _pair(self, names: Sequence[NormalizedName]) -> DriftscanError | None:
        """Two requirements of which the newest release of one excludes the other."""
        for name in names:
            asking = self._asking(name)
            for required in self._requires(name, asking):
                others = self._asking(required.name)
                if not others or required.name == name:
                    continue
                releases = self._before(required.name)
                whole = ",".join(filter(None, (*(each.specifier for each in others), str(required.specifier))))
                if not _admitted(whole, releases):
                    best = self._best(name, asking)
                    return ResolveError(
                        f"{name} {best.version if best else ''} requires {required.text}, and {others[0].shown} is"
                        f" asked for ({others[0].where})",
                        where=asking[0].where,
                        hint="widen one of the two",
                    )
        return None

    def _requires(self, name: NormalizedName, asking: Sequence[Wanted]) -> Iterator[Required]:
        release = self._best(name, asking)
        if release is None or self.place is None:
            return
        extras = frozenset[str]().union(*(wanted.extras for wanted in asking))
        try:
            lines = self.facts.releases.metadata(release, self.place.target).requires
        except PackageIndexError:
            return
        for line in lines:
            required = parse_requirement(line)
            try:
                if required and markers.evaluate(required.marker, self.place.target.markers, extras=extras):
                    yield required
            except MarkerError:
                continue

    def _further(self, impossible: Impossible, direct: set[NormalizedName]) -> DriftscanError | None:
        """What the engine's words name that is nowhere in the inputs, and cannot be had."""
        root = self._root(impossible)
        if root is None:
            return None
        words = dict.fromkeys(canonicalize_name(word) for word in _NAME.findall(impossible.reason))
        named = [name for name in words if name not in direct and _is_required(name, impossible.reason)]
        for name in named[:_MOST_NAMES]:
            stand_in = replace(root, name=name, text=str(name), specifier="", extras=frozenset())
            if (error := self._alone(name, [stand_in])) is not None:
                error.message = f"{root.shown} brings in {name}, but {error.message}"
                return error
        return None

    def _root(self, impossible: Impossible) -> Wanted | None:
        """The requirement that the engine's words are about, the first one without any."""
        asked = " ".join(_ASKED.findall(impossible.reason)) or impossible.reason
        named = {canonicalize_name(word) for word in _NAME.findall(asked)}
        wanted = list(self._wanted())
        return next((each for each in wanted if each.name in named), wanted[0] if wanted else None)

    def _engine(self, impossible: Impossible) -> DriftscanError:
        root = self._root(impossible)
        where = root.where if root is not None else ", ".join(self.inputs.files)
        reason = impossible.reason
        shown = reason if len(reason) <= _LONGEST else f"…{reason[-_LONGEST:]}"
        return ResolveError(f"nothing satisfies all requirements: {shown}", where=where)


def _is_required(name: NormalizedName, words: str) -> bool:
    """Whether the words say that something depends on a project, or that it is not there."""
    spelling = re.sub(r"[-_.]+", "[-_.]", re.escape(str(name)).replace(r"\-", "-"))
    pattern = rf"(?:depends? on|requires?) {spelling}\b|{spelling}\S* (?:was not found|has no|have no|cannot be)"
    return re.search(pattern, words, re.IGNORECASE) is not None


def _admitted(specifier: str, releases: dict[Version, Release]) -> list[Version]:
    """Versions that a specifier admits; pre-releases too, where it admits nothing else."""
    found = SpecifierSet(specifier)
    return list(found.filter(releases)) or list(found.filter(releases, prereleases=True))


def _excluding(asking: Sequence[Wanted], releases: dict[Version, Release]) -> DriftscanError:
    """Two lines that have no release in common, or all of them."""
    for number, one in enumerate(asking):
        for other in asking[:number]:
            if not _admitted(f"{one.specifier},{other.specifier}", releases):
                return ResolveError(
                    f"{one.shown} is asked for, and {other.shown} too ({other.where}); no release is both",
                    where=one.where,
                )
    lines = ", ".join(wanted.where for wanted in asking[:-1])
    return ResolveError(f"no release of {asking[-1].name} is all that is asked for ({lines})", where=asking[-1].where)
