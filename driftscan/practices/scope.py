"""Which actions a practice looks at: those of the Dockerfile where there is one, else those that the history tells."""

from __future__ import annotations

from collections.abc import Iterator

from driftscan.compare import Comparison
from driftscan.dockerfile.model import Dockerfile, Stage
from driftscan.model.image import LayerId
from driftscan.model.inventory import Inventory
from driftscan.model.traces import Traces
from driftscan.practices import actions
from driftscan.practices.actions import Action
from driftscan.practices.once import once


def image(comparison: Comparison) -> Inventory | None:
    """The image, where there is one and it was looked at how its layers were made."""
    inventory = comparison.inventory
    return inventory if inventory is not None and inventory.traces is not None else None


def traces(comparison: Comparison) -> Traces | None:
    seen = image(comparison)
    return seen.traces if seen is not None else None


def final_stage(dockerfile: Dockerfile) -> Stage:
    return dockerfile.final


def used_stages(dockerfile: Dockerfile) -> tuple[Stage, ...]:
    """The final stage and all stages that it is made of, in the order of the file; a builder skips the others."""
    wanted = {final_stage(dockerfile).index}
    for stage in reversed(dockerfile.stages):
        if stage.index not in wanted:
            continue
        if stage.parent is not None:
            wanted.add(stage.parent)
        for step in stage.steps:
            inner = step.instruction.trigger or step.instruction
            names = [inner.flag("from"), *(each.get("from") for each in inner.mounts)]
            found = (dockerfile.stage(name, stage.index) for name in names if name)
            wanted |= {each.index for each in found if each is not None}
    return tuple(stage for stage in dockerfile.stages if stage.index in wanted)


@once(2)
def shipped(comparison: Comparison) -> tuple[Action, ...]:
    """Actions whose layers are in the image: the final stage's and those of the stages that it continues."""
    dockerfile = comparison.build.dockerfile
    if dockerfile is not None:
        return actions.of_stage(dockerfile, final_stage(dockerfile))
    return history(comparison)


@once(2)
def stages(comparison: Comparison) -> tuple[tuple[Action, ...], ...]:
    """The actions of each stage that is used; of an image those of its history."""
    dockerfile = comparison.build.dockerfile
    if dockerfile is None:
        found = history(comparison)
        return (found,) if found else ()
    used = used_stages(dockerfile)
    # What continues another stage has its actions in front of its own; the other one is told once.
    continued = {stage.parent for stage in used}
    return tuple(actions.of_stage(dockerfile, stage) for stage in used if stage.index not in continued)


@once(2)
def history(comparison: Comparison) -> tuple[Action, ...]:
    """Actions of the image's own layers, as far as its own can be told from its base's; all of them otherwise."""
    inventory = image(comparison)
    if inventory is None:
        return ()
    made = [(layer, layer.created_by) for layer in own_layers(comparison) if layer.created_by]
    return actions.of_history(tuple((layer, text) for layer, text in made if text), dict(inventory.config.env))


def own_layers(comparison: Comparison) -> tuple[LayerId, ...]:
    """The layers above the base image; where that is not known, all above the root filesystem at the bottom."""
    inventory = image(comparison)
    if inventory is None:
        return ()
    count = base_size(comparison)
    if count is None:
        first = inventory.layers[0].created_by if inventory.layers else None
        count = int(not (first or "").startswith(("RUN", "COPY")))
    return inventory.layers[count:]


def base_size(comparison: Comparison) -> int | None:
    """How many layers the base image has; None where that is not known."""
    inventory, base = image(comparison), comparison.build.base_layers
    if inventory is None or base is None:
        return None
    diff_ids = tuple(layer.diff_id for layer in inventory.layers)
    return len(base) if diff_ids[: len(base)] == base else None


def texts(comparison: Comparison) -> Iterator[str]:
    """All that instructions say, for what is looked for in any of them."""
    dockerfile = comparison.build.dockerfile
    if dockerfile is not None:
        for instruction in dockerfile.instructions:
            yield instruction.text
            yield from (each.content for each in instruction.heredocs)
    else:
        yield from (action.text for action in history(comparison))
