"""Practice 2: packages of the operating system come in one layer, from a fixed state, and leave nothing behind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from driftscan.compare import Comparison
from driftscan.finding import Outcome
from driftscan.listing import listed
from driftscan.model.image import LayerId
from driftscan.model.traces import Waste
from driftscan.practices import scope, system
from driftscan.practices.actions import Action, places
from driftscan.practices.statements import Grade, Statement, failed, passed, unknown
from driftscan.practices.system import APK, APT, Manager, Use
from driftscan.practices.words import files, mebibytes

_ASK_BASE = "which layers are the base image's is not known; give the Dockerfile, or the base image with --base"


class _Step(NamedTuple):
    """An instruction with the uses of one package manager in it."""

    action: Action
    manager: Manager
    uses: tuple[Use, ...]

    @property
    def installs(self) -> bool:
        return any(use.installs for use in self.uses)


def judge(comparison: Comparison) -> Iterator[Statement]:
    actions = scope.shipped(comparison)
    steps = tuple(_steps(actions))
    is_text = comparison.build.dockerfile is not None
    if is_text:
        yield from _left(steps)
        yield from _split(steps)
    if scope.image(comparison) is not None:
        yield from _layers(comparison, is_text=is_text)
    all_steps = tuple(step for found in scope.stages(comparison) for step in _steps(found))
    yield from _floating(comparison, all_steps)
    for action in actions:
        for reason in action.unread:
            where = next(places((action,)), "")
            yield unknown("IM522", action.grade, f"what {where} does (`{action.text[:60]}`)", f"{reason}")


def _steps(actions: tuple[Action, ...]) -> Iterator[_Step]:
    for action in actions:
        uses = [use for command in action.commands if (use := system.use_of(command)) is not None]
        for manager in system.MANAGERS:
            mine = tuple(use for use in uses if use.manager is manager and (use.installs or use.updates))
            if mine:
                yield _Step(action, manager, mine)


def _fail(rule: str, action: Action, text: str, hint: str) -> Statement:
    return failed(rule, action.grade, text, hint, action.location, action.layer)


def _left(steps: tuple[_Step, ...]) -> Iterator[Statement]:
    """Lists that an instruction fetches and leaves in its layer."""
    found = False
    for action, manager, uses in steps:
        fetches = any(use.updates for use in uses) if manager is APT else not all(use.keeps_nothing for use in uses)
        if not fetches:
            continue
        found = True
        is_clean = any(system.cleans(command, manager) for command in action.commands)
        if is_clean or system.is_mounted(manager, action.kept_out):
            continue
        yield _fail(
            "IM521",
            action,
            f"the package lists of {manager.name} stay in the layer: nothing in this instruction removes them",
            f"use `{manager.cleaning}`"
            if manager is APK
            else f"end it with `&& {manager.cleaning}`, or mount a cache there",
        )
    if found:
        yield passed("IM521", Grade.DOCKERFILE, "what fetches package lists removes them")
    else:
        yield passed("IM521", Grade.DOCKERFILE, "no instruction fetches package lists")


def _split(steps: tuple[_Step, ...]) -> Iterator[Statement]:
    for step in steps:
        if step.manager is APT and step.installs and not any(use.updates for use in step.uses):
            yield _fail(
                "IM522",
                step.action,
                "packages are installed from lists that another layer fetched: the builder's cache keeps old lists",
                "put `apt-get update` in front of it, in the same RUN",
            )
    installing = tuple(step.action for step in steps if step.installs)
    distinct = tuple(dict.fromkeys(action.location for action in installing))
    if len(distinct) > 1:
        where = ", ".join(places(installing))
        yield _fail(
            "IM522",
            installing[1],
            f"packages of the operating system are installed by {len(distinct)} instructions ({where})",
            "install all of them in one RUN, in front of everything that changes more often",
        )
    elif distinct:
        yield passed("IM522", Grade.DOCKERFILE, "one instruction installs the packages of the operating system")
    else:
        yield passed("IM522", Grade.DOCKERFILE, "no instruction installs packages of the operating system")


def _floating(comparison: Comparison, steps: tuple[_Step, ...]) -> Iterator[Statement]:
    installing = [step for step in steps if step.installs]
    grade = installing[0].action.grade if installing else Grade.HISTORY
    snapshot = any(map(system.names_snapshot, scope.texts(comparison)))
    traces = scope.traces(comparison)
    if traces is not None and any(map(system.names_snapshot, traces.sources)):
        yield passed("IM523", Grade.LAYER, "the package sources in the image are a snapshot")
        return
    own = {layer.index for layer in scope.own_layers(comparison)}
    if traces is not None and not own & {layer.index for layer in traces.package_layers} and not installing:
        yield passed("IM523", Grade.LAYER, "no layer above the base image installs packages of the operating system")
        return
    if snapshot:
        yield passed("IM523", grade, "packages come from a snapshot of the distribution")
        return
    for action, _, uses in installing:
        floating = [name for use in uses if use.installs for name in use.floating]
        unread = [name for use in uses if use.installs for name in use.unread]
        everything = any(use.installs and use.all_packages for use in uses)
        if floating or everything:
            names = "everything that is there" if everything and not floating else listed(floating)
            yield _fail(
                "IM523",
                action,
                f"neither versions nor a snapshot fix {names}",
                "set a snapshot of the distribution as the source of packages (exact versions vanish from archives)",
            )
        elif unread:
            yield unknown(
                "IM523",
                action.grade,
                f"which versions `{action.text[:60]}` installs",
                f"only a build knows {listed(unread)}",
            )
    if installing:
        yield passed("IM523", grade, "versions of the operating system's packages are written down")
    elif comparison.build.dockerfile is not None:
        yield passed("IM523", Grade.DOCKERFILE, "no instruction installs packages of the operating system")
    elif scope.image(comparison) is not None:
        yield unknown(
            "IM523",
            Grade.HISTORY,
            "whether versions or a snapshot fix the packages of the operating system",
            "the history does not say how they were installed; give the Dockerfile",
        )


def _layers(comparison: Comparison, *, is_text: bool) -> Iterator[Statement]:
    """What the layers themselves hold."""
    inventory = scope.image(comparison)
    traces = inventory.traces if inventory is not None else None
    if traces is None:
        return
    own = {layer.index for layer in scope.own_layers(comparison)}
    waste = [each for each in traces.waste if each.layer.index in own]
    for each in waste:
        yield _waste(each)
    if not waste:
        above = _above(comparison) if traces.waste else ""
        yield passed("IM521", Grade.LAYER, f"no layer{above} holds package lists or caches")
    removed = [each for each in traces.removed if each.layer.index in own]
    for gone in removed:
        yield Statement(
            rule="IM524",
            outcome=Outcome.FAIL,
            grade=Grade.LAYER,
            text=f"{mebibytes(gone.size)} of this layer ({files(gone.files)}) are deleted or replaced later, "
            f"and still ship (such as {gone.example})",
            hint="delete in the instruction that creates, or build in a stage of its own and copy the result",
            layer=gone.layer,
            path=gone.example,
        )
    if not removed:
        above = _above(comparison) if traces.removed else ""
        yield passed("IM524", Grade.LAYER, f"what the layers{above} bring is in the image")
    if not is_text:
        yield from _changes(comparison, tuple(each for each in traces.package_layers if each.index in own))


def _above(comparison: Comparison) -> str:
    """Which layers are judged, where others hold what is looked for."""
    known = scope.base_size(comparison) is not None
    return " above the base image's" if known else " above the root filesystem at the bottom"


def _waste(each: Waste) -> Statement:
    return Statement(
        rule="IM521",
        outcome=Outcome.FAIL,
        grade=Grade.LAYER,
        text=f"{each.kind} stay in the layer: {mebibytes(each.size)} in {files(each.files)} under {each.path}",
        hint="remove them in the instruction that fetches them, or mount a cache there",
        layer=each.layer,
        path=each.path,
    )


def _changes(comparison: Comparison, layers: tuple[LayerId, ...]) -> Iterator[Statement]:
    """Layers that changed the database of the package manager."""
    if len(layers) <= 1:
        yield passed("IM522", Grade.LAYER, f"{len(layers) or 'no'} layer installs packages of the operating system")
    elif scope.base_size(comparison) is None:
        numbers = ", ".join(str(layer.index) for layer in layers)
        what = f"whether packages of the operating system come in one own layer (layers {numbers} change them)"
        yield unknown("IM522", Grade.LAYER, what, _ASK_BASE)
    else:
        numbers = ", ".join(str(layer.index) for layer in layers)
        yield failed(
            rule="IM522",
            grade=Grade.LAYER,
            text=f"packages of the operating system are installed in {len(layers)} own layers ({numbers})",
            hint="install all of them in one RUN",
        )
