"""Whether a lock that is going to be written holds what it has to, by the index's own words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import NamedTuple

from packaging.specifiers import SpecifierSet
from packaging.tags import Tag
from packaging.utils import InvalidWheelFilename, NormalizedName, canonicalize_name, parse_wheel_filename
from packaging.version import Version

from driftscan import markers
from driftscan.errors import MarkerError
from driftscan.index.floating import parse_requirement
from driftscan.index.page import File
from driftscan.index.releases import Release
from driftscan.model.lock import PackageId
from driftscan.model.target import Target
from driftscan.resolve.choice import Choice
from driftscan.resolve.facts import Fact
from driftscan.resolve.inputs import Inputs, Wanted


class Problem(NamedTuple):
    """Why a lock may not be written: a sentence, the input line that it goes back to, and the way out."""

    message: str
    wanted: Wanted | None = None
    hint: str | None = None


@dataclass(slots=True, kw_only=True)
class Verdict:
    """`edges` are who requires whom by the index's metadata; `unknown` what nothing but a build would tell."""

    problems: list[Problem] = field(default_factory=list)
    edges: dict[PackageId, dict[PackageId, None]] = field(default_factory=dict)
    unknown: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Closure:
    """The walk from the inputs over what each release requires, on one target."""

    inputs: Inputs
    choices: Sequence[Choice]
    facts: Mapping[PackageId, Fact]
    target: Target
    words: str
    verdict: Verdict
    _chosen: dict[NormalizedName, Choice] = field(init=False)
    _seen: dict[PackageId, set[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._chosen = {choice.package.id.name: choice for choice in self.choices if choice.holds(self.target)}

    def run(self) -> None:
        for wanted in self.inputs.requirements:
            if markers.evaluate(wanted.marker, self.target.markers) is not False:
                self._root(wanted)

    def _root(self, wanted: Wanted) -> None:
        chosen = self._chosen.get(wanted.name)
        if chosen is None:
            if markers.evaluate(wanted.marker, self.target.markers):
                self._fail(f"{wanted.shown} is asked for, and left out for {self.words}", wanted)
            return
        if wanted.located is None and not _admits(wanted.specifier, chosen):
            self._fail(f"{wanted.shown} is asked for, and {chosen.package.id.version} was picked", wanted)
        self._visit(chosen, wanted.extras, wanted)

    def _visit(self, start: Choice, extras: frozenset[str], wanted: Wanted) -> None:
        """All that a root requirement brings in; a package is looked at again for further extras."""
        pending = [(start, extras)]
        while pending:
            choice, asked = pending.pop()
            key = choice.package.id
            known = self._seen.get(key)
            if known is not None and asked <= known:
                continue
            self._seen[key] = (known or set()) | asked
            fact = self.facts[key]
            if fact.metadata is None:
                self.verdict.unknown.setdefault(str(key), fact.unknown or "")
            lines = fact.metadata.requires if fact.metadata is not None else ()
            extras = frozenset(self._seen[key])
            pending += filter(None, (self._required(choice, extras, line, wanted) for line in lines))

    def _required(
        self, parent: Choice, extras: frozenset[str], line: str, wanted: Wanted
    ) -> tuple[Choice, frozenset[str]] | None:
        required = parse_requirement(line)
        if required is None:
            self.verdict.unknown.setdefault(str(parent.package.id), f"its requirement {line[:80]!r} cannot be read")
            return None
        try:
            holds = markers.evaluate(required.marker, self.target.markers, extras=extras)
        except MarkerError as error:
            self.verdict.unknown.setdefault(str(parent.package.id), error.message)
            return None
        if holds is False:
            return None
        child = self._chosen.get(required.name)
        if child is None:
            reason = f"{parent.package.id} requires {required.text}, which was left out for {self.words}"
            if holds:
                self._fail(reason, wanted)
            else:
                self.verdict.unknown.setdefault(str(parent.package.id), f"the marker `{required.marker}` is not known")
            return None
        if required.url is None and not _admits(str(required.specifier), child):
            self._fail(
                f"{parent.package.id} requires {required.text}, and {child.package.id.version} was picked", wanted
            )
        if child is not parent:
            self.verdict.edges.setdefault(parent.package.id, {})[child.package.id] = None
        return child, required.extras

    def _fail(self, message: str, wanted: Wanted) -> None:
        self.verdict.problems.append(Problem(message, wanted, "this is a fault of the engine; try the other one"))


def _admits(specifier: str, choice: Choice) -> bool:
    version = choice.package.id.version
    return version is None or SpecifierSet(specifier).contains(Version(version), prereleases=True)


class Platform(NamedTuple):
    """A target, and the tags of its wheels as a set; None where they are not known."""

    target: Target
    supported: AbstractSet[Tag] | None

    @classmethod
    def of(cls, target: Target) -> Platform:
        return cls(target, frozenset(target.tags) if target.tags is not None else None)


def unfit(release: Release, platform: Platform, *, allow_builds: bool) -> str | None:
    """Why a release cannot be installed on a platform; None where it can."""
    title = f"{release.name} {release.version}"
    required = {file.requires_python for file in release.files}  # mostly one, of some hundred files
    admitted = {each for each in required if markers.admits_python(each, platform.target.markers)}
    usable = [file for file in release.files if file.requires_python in admitted]
    if release.files and not usable:
        asked = next((file.requires_python for file in release.files if file.requires_python), "")
        return f"{title} requires Python {asked}"
    wheels = [file for file in usable if file.is_wheel]
    if any(fits(file, platform.supported) for file in wheels) or not release.files:
        return None
    if len(wheels) == len(usable):
        return f"{title} has no file for it"
    if allow_builds:
        return None
    return f"{title} has only a source distribution for it, and nothing is built"


def fits(file: File, supported: AbstractSet[Tag] | None) -> bool:
    """Whether an interpreter that supports these tags accepts a wheel; true where they are not known."""
    if supported is None:
        return True
    try:
        return not parse_wheel_filename(file.filename)[3].isdisjoint(supported)
    except InvalidWheelFilename:
        return False


def roots_of(key: PackageId, inputs: Inputs, edges: Mapping[PackageId, Iterable[PackageId]]) -> tuple[Wanted, ...]:
    """The input lines that a package goes back to, over those that require it."""
    parents: dict[PackageId, set[PackageId]] = {}
    for parent, children in edges.items():
        for child in children:
            parents.setdefault(child, set()).add(parent)
    names, pending, seen = {key.name}, [key], {key}
    while pending:
        for parent in parents.get(pending.pop(), ()):
            if parent not in seen:
                seen.add(parent)
                pending.append(parent)
                names.add(parent.name)
    direct = [wanted for wanted in inputs.requirements if wanted.name == canonicalize_name(key.name)]
    return tuple(direct) or tuple(wanted for wanted in inputs.requirements if wanted.name in names)


def yanked(choices: Iterable[Choice], facts: Mapping[PackageId, Fact]) -> Iterator[tuple[Choice, str]]:
    """Releases that were taken back, with the reason."""
    for choice in choices:
        reason = facts[choice.package.id].yanked
        if reason is not None:
            yield choice, reason
