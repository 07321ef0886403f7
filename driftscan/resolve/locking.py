"""From inputs to the text of a lock: engines asked, facts fetched, everything verified."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

from packaging.utils import NormalizedName

from driftscan import markers
from driftscan.errors import DriftscanError, PackageIndexError, ResolveError
from driftscan.model.lock import Lock, OriginKind, PackageId, Unchecked
from driftscan.model.target import Target
from driftscan.resolve.choice import Answers, Choice, agreed_pins, merged
from driftscan.resolve.explain import Explainer
from driftscan.resolve.facts import Fact, Facts
from driftscan.resolve.inputs import Inputs
from driftscan.resolve.places import Place
from driftscan.resolve.question import Engine, Impossible, Pin, Question
from driftscan.resolve.verify import Closure, Platform, Verdict, roots_of, unfit, yanked


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be locked, for what, and with what.

    Without `places` it is for all platforms and all Pythons from `python` on. `previous` is the lock whose pins are
    kept, apart from those of `upgraded` projects.
    """

    inputs: Inputs
    engine: Engine
    places: tuple[Place, ...] = ()
    python: str = ""
    indexes: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    cutoff: str | None = None
    previous: Lock | None = None
    upgraded: frozenset[NormalizedName] = frozenset()
    allow_builds: bool = False

    def question(self, place: Place | None, pins: Sequence[Pin]) -> Question:
        return Question(
            requirements=self.inputs.requirements,
            constraints=self.inputs.constraints,
            place=place,
            python=place.python if place is not None else self.python,
            indexes=self.indexes,
            folders=self.folders,
            cutoff=self.cutoff,
            pins=tuple(pins),
            prereleases=self.inputs.prereleases,
            allow_builds=self.allow_builds,
            no_binary=self.inputs.no_binary,
        )

    def pins(self, place: Place | None, dropped: frozenset[NormalizedName]) -> Iterator[Pin]:
        """What to keep of the previous lock in one place."""
        for root in self.previous.roots if self.previous is not None else ():
            for key in root.candidates:
                if (
                    key.version is None
                    or key.origin.kind is not OriginKind.INDEX
                    or key.name in self.upgraded | dropped
                ):
                    continue
                if place is None:
                    yield Pin(key.name, key.version, root.marker)
                elif markers.evaluate(root.marker, place.target.markers) is not False:
                    yield Pin(key.name, key.version)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """Choices with the facts about them; `edges` are who requires whom, `unchecked` what could not be verified."""

    choices: tuple[Choice, ...]
    facts: Mapping[PackageId, Fact]
    edges: Mapping[PackageId, tuple[PackageId, ...]]
    unchecked: tuple[Unchecked, ...] = ()
    notes: tuple[str, ...] = ()


def resolve(plan: Plan, facts: Facts) -> Resolved:
    """Pick versions, look at what the index says of them, and prove that they are a lock.

    Raises ResolveError with file and line where there is no solution or it may not be used, PackageIndexError where an
    index cannot be asked.
    """
    for place in plan.places or (None,):
        if (reason := plan.engine.refusal(plan.question(place, ()))) is not None:
            other = "pip-tools" if plan.engine.name == "uv" else "uv"
            raise ResolveError(reason, hint=f"--engine {other}")
    dropped: frozenset[NormalizedName] = frozenset()
    notes: list[str] = []
    while True:
        choices = merged(_asked(plan, facts, dropped))
        found = _facts(plan, facts, choices)
        kept = {choice.package.id.name: reason for choice, reason in yanked(choices, found)}
        again = kept.keys() & _previous_names(plan) - dropped
        if not again:
            break
        # An engine keeps what was locked before, though it was taken back since.
        notes += [f"{name} was yanked since it was locked{_because(kept[name])}" for name in sorted(again)]
        dropped |= again
    return replace(_proved(plan, choices, found), notes=(*notes, *_shared(plan, choices, found)))


def _previous_names(plan: Plan) -> frozenset[NormalizedName]:
    if plan.previous is None:
        return frozenset()
    return frozenset(package.id.name for package in plan.previous.packages) - plan.upgraded


def _asked(plan: Plan, facts: Facts, dropped: frozenset[NormalizedName]) -> Answers:
    """One answer for each place. Places that follow are asked to keep what the first ones got."""
    names = [*(wanted.name for wanted in plan.inputs.requirements if wanted.located is None), *_previous_names(plan)]
    answers: list[tuple[Place | None, Lock]] = []
    for place in plan.places or (None,):
        pins = {pin.name: pin for _, lock in reversed(answers) for pin in _pins_of(lock)} if place is not None else {}
        own = list(plan.pins(place, dropped))
        kept = own if place is None else [*({**pins, **{pin.name: pin for pin in own}}).values()]
        answers.append((place, _answer(plan, facts, place, kept, [] if answers else names)))
    if len(answers) > 1 and (pins_for_all := agreed_pins(answers)):
        answers = [(place, _answer(plan, facts, place, pins_for_all, [])) for place, _ in answers]
    return answers


def _pins_of(lock: Lock) -> Iterator[Pin]:
    for package in lock.packages:
        if package.id.version is not None and package.id.origin.kind is OriginKind.INDEX:
            yield Pin(package.id.name, package.id.version)


def _answer(
    plan: Plan, facts: Facts, place: Place | None, pins: Sequence[Pin], names: Iterable[NormalizedName]
) -> Lock:
    explainer = Explainer(plan.inputs, facts, place, plan.cutoff, plan.allow_builds)
    with ExitStack() as stack:
        running = plan.engine.begin(plan.question(place, pins))
        stack.callback(running.close)
        facts.ahead(names)
        try:
            answer = running.result()
        except ResolveError as error:
            raise explainer.unreachable() or error from error
    if isinstance(answer, Impossible):
        raise explainer.explain(answer)
    return answer


def _facts(plan: Plan, facts: Facts, choices: Sequence[Choice]) -> Mapping[PackageId, Fact]:
    target = plan.places[0].target if plan.places else Target()
    try:
        found = facts.all([choice.package for choice in choices], target)
    except PackageIndexError as error:
        raise _placed(plan, error) from error
    return {choice.package.id: fact for choice, fact in zip(choices, found, strict=True)}


def _placed(plan: Plan, error: PackageIndexError) -> DriftscanError:
    files = ", ".join(plan.inputs.files)
    return ResolveError(f"the index does not tell all that a lock needs: {error}", where=files)


def _proved(plan: Plan, choices: Sequence[Choice], facts: Mapping[PackageId, Fact]) -> Resolved:
    """Everything that is required is there, can be installed and was not yanked; ResolveError otherwise."""
    verdict = Verdict()
    for words, target in targets(plan, choices):
        Closure(plan.inputs, choices, facts, target, words, verdict).run()
    for problem in verdict.problems:
        where = problem.wanted.where if problem.wanted is not None else None
        raise ResolveError(problem.message, where=where, hint=problem.hint)
    edges = {key: tuple(children) for key, children in verdict.edges.items()}
    for choice, reason in yanked(choices, facts):
        root = next(iter(roots_of(choice.package.id, plan.inputs, edges)), None)
        raise ResolveError(
            f"{choice.package.id}{_by(root, choice)} was yanked{_because(reason)}",
            where=root.where if root is not None else None,
            hint="ask for another version",
        )
    _refuse_unfit(plan, choices, facts, edges)
    engine_edges = _engine_edges(choices, facts)
    return Resolved(
        choices=tuple(choices),
        facts=facts,
        edges={key: edges.get(key) or engine_edges.get(key, ()) for key in facts},
        unchecked=tuple(
            Unchecked(f"what {name} requires", reason or "its metadata cannot be had")
            for name, reason in verdict.unknown.items()
        ),
    )


def targets(plan: Plan, choices: Sequence[Choice]) -> Iterator[tuple[str, Target]]:
    """The places; for a universal lock, targets that stand for all that its markers tell apart."""
    for place in plan.places:
        yield place.asked or place.words, place.target
    if not plan.places:
        from driftscan.resolve.everywhere import examples

        yield from examples(choices, plan.python)


def _refuse_unfit(
    plan: Plan,
    choices: Sequence[Choice],
    facts: Mapping[PackageId, Fact],
    edges: Mapping[PackageId, Iterable[PackageId]],
) -> None:
    for place in plan.places:
        platform = Platform.of(place.target)
        for choice in choices:
            if not choice.holds(place.target):
                continue
            reason = unfit(facts[choice.package.id].release, platform, allow_builds=plan.allow_builds)
            if reason is not None:
                root = next(iter(roots_of(choice.package.id, plan.inputs, edges)), None)
                raise ResolveError(
                    f"{reason} ({place.asked or place.words}){_by(root, choice)}",
                    where=root.where if root is not None else None,
                )


def _by(root: object, choice: Choice) -> str:
    shown = getattr(root, "shown", None)
    direct = getattr(root, "name", None) == choice.package.id.name
    return f", which {shown} brings in," if shown and not direct else ""


def _because(reason: str) -> str:
    return f" ({reason})" if reason else ""


def _engine_edges(
    choices: Sequence[Choice], facts: Mapping[PackageId, Fact]
) -> Mapping[PackageId, tuple[PackageId, ...]]:
    """What an engine's comments say, for releases that only a build tells the requirements of."""
    return {
        choice.package.id: tuple(
            key for edge in choice.package.dependencies or () for key in edge.candidates if key in facts
        )
        for choice in choices
        if facts[choice.package.id].metadata is None
    }


def _shared(plan: Plan, choices: Sequence[Choice], facts: Mapping[PackageId, Fact]) -> Iterator[str]:
    """Names that more than one index has: which of them it is matters to whoever asks for it."""
    for choice in choices:
        fact = facts[choice.package.id]
        if fact.others:
            wanted = plan.inputs.asking(choice.package.id.name)
            place = f"{wanted[0].where}: " if wanted else ""
            others = " and ".join(fact.others)
            name = choice.package.id.name
            yield f"{place}{name} is on {others} too; it is taken from {fact.index}, which comes first"
