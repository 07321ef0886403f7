"""The check of a lock as a whole: files read, the three steps taken, each as far as it is needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

from driftscan.errors import PackageIndexError, ResolveError, UsageError
from driftscan.lock import parse
from driftscan.model.lock import Lock
from driftscan.model.target import Target
from driftscan.reading import read_document
from driftscan.resolve.check import Checked, State, Step, audit, by_itself
from driftscan.resolve.facts import Facts
from driftscan.resolve.locking import resolve
from driftscan.resolve.options import STDOUT, Locate, Options
from driftscan.resolve.session import Task, prepare, seen_from
from driftscan.resolve.writing import changes, write
from driftscan.witnesses import in_words, witnesses


def check(
    paths: Sequence[str], options: Options, *, locate: Locate, warn: Callable[[str], None] | None = None
) -> Checked:
    """Whether the lock at `options.output` is still what `paths` ask for; nothing is written.

    What is not named (the target, the cutoff, the engine) is as the lock records it. Raises DriftscanError where
    something cannot be read.
    """
    if options.output == STDOUT or not Path(options.output).exists():
        where = None if options.output == STDOUT else options.output
        raise UsageError("there is no lock to check", where=where, hint="leave --check out, and it is made")
    task = prepare(paths, replace(options, upgrade=False), locate, warn)
    task, differences = _as_recorded(task)
    old = task.previous or parse(read_document(options.output))
    first = by_itself(task.inputs, old, task.record.inputs, [target for _, target in _examples(task, old)])
    if differences:
        lines = first.lines if first.state is State.STALE else ()
        first = Step("inputs", State.STALE, (*differences, *lines))
    return Checked(options.output, (first, *_asked(task, old, first)))


def _as_recorded(task: Task) -> tuple[Task, tuple[str, ...]]:
    """The task with the cutoff that the lock records, and what it records other than was asked for."""
    options, record = task.options, task.record
    differences = []
    if record.places and record.places != task.words:
        differences.append(f"{options.output} is for {' and '.join(record.places)}, not for {' and '.join(task.words)}")
    if options.exclude_newer and record.inputs and task.cutoff != record.cutoff:
        was = f"files before {record.cutoff}" if record.cutoff else "files of any time"
        differences.append(f"{options.output} has {was}, not those before {task.cutoff}")
    if not options.exclude_newer:
        task = replace(task, cutoff=record.cutoff)
    return task, tuple(differences)


def _examples(task: Task, old: Lock) -> Iterator[tuple[str, Target]]:
    if task.places:
        yield from ((place.words, place.target) for place in task.places)
        return
    for target in witnesses([replace(old, requires_python=f">={task.python}")]):
        yield in_words(target), target


def _asked(task: Task, old: Lock, first: Step) -> Iterator[Step]:
    """The steps that need an index."""
    is_known = first.state is State.FINE and task.record.inputs == task.inputs.digest
    if task.options.offline:
        state = State.SKIPPED if is_known or first.state is State.STALE else State.OPEN
        yield Step(
            "resolve",
            state,
            ("not needed: the lock was made from these inputs" if is_known else "not done: it needs the index",),
        )
        yield Step("audit", State.SKIPPED, ("not done: it needs the index",))
        return
    with task.facts(asks_again=True) as facts:
        if is_known:
            yield Step("resolve", State.SKIPPED, ("not needed: the lock was made from these inputs",))
        else:
            yield _resolved_again(task, old, facts)
        yield audit(old, facts, all_files=task.record.hashes == "all")


def _resolved_again(task: Task, old: Lock, facts: Facts) -> Step:
    """What would change. Pins are kept as far as they can be, so what does is what the inputs ask for."""
    plan = replace(task.plan(), previous=old)
    try:
        with closing(plan.begin()) as first:
            resolved = resolve(plan, facts, first)
        result = write(plan, resolved, task.options.to, task.made(), "all", partial(seen_from, task.options.output))
    except (ResolveError, PackageIndexError) as error:
        state = State.OPEN if "cannot be looked up" in error.message else State.STALE
        return Step("resolve", state, (str(error),))
    lines = tuple(changes(old, result.lock))
    return Step("resolve", State.STALE, lines) if lines else Step("resolve", State.FINE, ("the same pins",))
