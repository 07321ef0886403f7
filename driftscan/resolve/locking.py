"""From inputs to the text of a lock: engines asked, facts fetched, everything verified."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

from packaging.utils import NormalizedName, canonicalize_name

from driftscan.errors import DriftscanError, PackageIndexError, ResolveError
from driftscan.model.lock import Lock, OriginKind, PackageId, Unchecked
from driftscan.model.target import Target
from driftscan.resolve.choice import Answers, Choice, agreed_pins, merged
from driftscan.resolve.explain import Explainer
from driftscan.resolve.facts import Fact, Facts
from driftscan.resolve.places import Place
from driftscan.resolve.plan import Plan
from driftscan.resolve.question import Impossible, Pin, Running
from driftscan.resolve.verify import Closure, Platform, Verdict, roots_of, unfit, yanked


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """Choices with the facts about them; `edges` are who requires whom, `unchecked` what could not be verified."""

    choices: tuple[Choice, ...]
    facts: Mapping[PackageId, Fact]
    edges: Mapping[PackageId, tuple[PackageId, ...]]
    unchecked: tuple[Unchecked, ...] = ()
    notes: tuple[str, ...] = ()


def resolve(
    plan: Plan, facts: Facts, first: Running | None = None, meanwhile: Callable[[], object] = lambda: None
) -> Resolved:
    """Pick versions, look at what the index says of them, and prove that they are a lock.

    `first` is an engine that was asked already, for the first place; `meanwhile` is called while it works.

    Raises ResolveError with file and line where there is no solution or it may not be used, PackageIndexError where an
    index cannot be asked.
    """
    facts.ahead(_ahead(plan))
    meanwhile()
    dropped: frozenset[NormalizedName] = frozenset()
    notes: list[str] = []
    while True:
        choices = merged(_asked(plan, facts, dropped, first))
        found = _facts(plan, facts, choices)
        kept = {choice.package.id.name: reason for choice, reason in yanked(choices, found)}
        again = kept.keys() & _previous_names(plan) - dropped
        if not again:
            break
        # An engine keeps what was locked before, though it was taken back since.
        notes += [f"{name} was yanked since it was locked{_because(kept[name])}" for name in sorted(again)]
        dropped |= again
        first = None
    return replace(
        _proved(plan, choices, found),
        notes=(*notes, *_absent_extras(plan, choices, found), *_shared(plan, choices, found)),
    )


def _previous_names(plan: Plan) -> frozenset[NormalizedName]:
    if plan.previous is None:
        return frozenset()
    return frozenset(package.id.name for package in plan.previous.packages) - plan.upgraded


def _asked(plan: Plan, facts: Facts, dropped: frozenset[NormalizedName], first: Running | None) -> Answers:
    """One answer for each place. Places that follow are asked to keep what the first ones got."""
    answers: list[tuple[Place | None, Lock]] = []
    for place in plan.places or (None,):
        pins = {pin.name: pin for _, lock in reversed(answers) for pin in _pins_of(lock)} if place is not None else {}
        own = list(plan.pins(place, dropped))
        kept = own if place is None else [*({**pins, **{pin.name: pin for pin in own}}).values()]
        answers.append((place, _answer(plan, facts, place, kept, None if answers else first)))
    if len(answers) > 1 and (pins_for_all := agreed_pins(answers)):
        answers = [(place, _answer(plan, facts, place, pins_for_all)) for place, _ in answers]
    return answers


def _ahead(plan: Plan) -> Mapping[NormalizedName, str | None]:
    """What an answer is likely to hold: what is asked for, and what was locked before."""
    names: dict[NormalizedName, str | None] = {
        wanted.name: None for wanted in plan.inputs.requirements if wanted.located is None
    }
    for package in plan.previous.packages if plan.previous is not None else ():
        if package.id.origin.kind is OriginKind.INDEX:
            names[package.id.name] = package.id.version if package.id.name not in plan.upgraded else None
    return names


def _pins_of(lock: Lock) -> Iterator[Pin]:
    for package in lock.packages:
        if package.id.version is not None and package.id.origin.kind is OriginKind.INDEX:
            yield Pin(package.id.name, package.id.version)


def _answer(
    plan: Plan,
    facts: Facts,
    place: Place | None,
    pins: Sequence[Pin],
    first: Running | None = None,
) -> Lock:
    example = place or next(iter(plan.samples), None)
    explainer = Explainer(plan.inputs, facts, example, plan.cutoff, plan.allow_builds)
    with ExitStack() as stack:
        running = first or plan.engine.begin(plan.question(place, pins))
        stack.callback(running.close)
        answer = _result(running)
    if isinstance(answer, Impossible):
        raise explainer.explain(answer)
    if isinstance(answer, ResolveError):
        raise explainer.unreachable() or _broken(plan, answer)
    return answer


def _broken(plan: Plan, error: ResolveError) -> ResolveError:
    other = "pip-tools" if plan.engine.name == "uv" else "uv"
    hint = f"try the other engine: --engine {other}" if plan.places else None  # one alone can lock for all platforms
    return ResolveError(error.message, where=", ".join(plan.inputs.files), hint=error.hint or hint)


def _result(running: Running) -> Lock | Impossible | ResolveError:
    try:
        return running.result()
    except ResolveError as error:
        return error


def _facts(plan: Plan, facts: Facts, choices: Sequence[Choice]) -> Mapping[PackageId, Fact]:
    try:
        found = facts.all([choice.package for choice in choices])
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
        if choice.package.id.name in plan.in_use:
            continue
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
    """The places; for a universal lock its samples, and targets that stand for all that its markers tell apart."""
    for place in plan.places or plan.samples:
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


def _absent_extras(plan: Plan, choices: Sequence[Choice], facts: Mapping[PackageId, Fact]) -> Iterator[str]:
    """Extras that are asked for and that a release does not have: installers leave them out."""
    for choice in choices:
        metadata = facts[choice.package.id].metadata
        known = set(map(canonicalize_name, metadata.extras)) if metadata is not None else set()
        for wanted in plan.inputs.asking(choice.package.id.name) if metadata is not None else ():
            for extra in sorted(wanted.extras - known):
                yield f"{wanted.where}: {choice.package.id} has no extra {extra}"


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
