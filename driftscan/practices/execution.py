"""Practice 5: ENTRYPOINT and CMD say how the image runs, in exec form, and what they name is there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from driftscan.compare import Comparison
from driftscan.dockerfile.model import Dockerfile, Step
from driftscan.dockerfile.shell import read_script
from driftscan.finding import Location
from driftscan.model.inventory import Inventory
from driftscan.practices import scope
from driftscan.practices.statements import Grade, Statement, failed, passed, unknown

_SHELLS = frozenset({"sh", "bash", "dash", "ash", "zsh"})
_SET = ("ENTRYPOINT", "CMD")
_NOT_A_PROGRAM = frozenset({"cd", "exec", "export", "set", ".", "source", "eval", "ulimit", "umask", "trap", "wait"})
_MADE = re.compile(r"\s*(?:/bin/sh -c #\(nop\)\s+)?(ENTRYPOINT|CMD)\b")


def judge(comparison: Comparison) -> Iterator[Statement]:
    dockerfile, inventory = comparison.build.dockerfile, scope.image(comparison)
    if dockerfile is not None:
        yield from _text(dockerfile)
    if inventory is not None:
        if dockerfile is None:
            yield from _configuration(comparison, inventory)
        yield from _files(inventory)


def _last(dockerfile: Dockerfile) -> dict[str, Step]:
    """The ENTRYPOINT and CMD that count: setting ENTRYPOINT takes away the CMD of an earlier stage or image."""
    found: dict[str, Step] = {}
    for stage in dockerfile.lineage(scope.final_stage(dockerfile)):
        for step in stage.steps:
            if step.keyword in _SET:
                found[step.keyword] = step
    return found


def _text(dockerfile: Dockerfile) -> Iterator[Statement]:
    found = _last(dockerfile)
    if not found:
        stage = scope.final_stage(dockerfile)
        yield failed(
            "IM551",
            Grade.DOCKERFILE,
            "the final stage sets neither ENTRYPOINT nor CMD: the image runs whatever its base image does",
            'say what it runs: ENTRYPOINT ["python", "-m", "app"]',
            Location(path=dockerfile.path, line=stage.line),
        )
        return
    names = " and ".join(name for name in _SET if name in found)
    yield passed("IM551", Grade.DOCKERFILE, f"the final stage sets {names}")
    shells = [step for step in found.values() if _shell_form(step)]
    for step in shells:
        yield failed(
            "IM552",
            Grade.DOCKERFILE,
            f"{step.keyword} {_shell_form(step)}: signals go to the shell, and its variables decide what runs",
            f"write it as an array: {step.keyword} {_array(step)}",
            Location(path=dockerfile.path, line=step.line),
        )
    if not shells:
        yield passed("IM552", Grade.DOCKERFILE, f"{names} {'are' if len(found) > 1 else 'is'} in exec form")


def _shell_form(step: Step) -> str:
    """Why an instruction runs through a shell; empty where it does not."""
    instruction = step.instruction
    if not instruction.is_json:
        if instruction.arguments and instruction.arguments[0].startswith("["):
            return "is no valid JSON array, so that builders take it for a shell's text"
        return "is in shell form" if instruction.arguments else ""
    words = instruction.arguments
    if len(words) > 1 and words[0].rpartition("/")[2] in _SHELLS and _is_inline(words[1]):
        return "gives a text to a shell"
    return ""


def _is_inline(option: str) -> bool:
    return option.startswith("-") and not option.startswith("--") and "c" in option


def _array(step: Step) -> str:
    words = exec_words(step)
    return json.dumps(list(words), ensure_ascii=False) if words is not None else '["python", "-m", "app"]'


def exec_words(step: Step) -> tuple[str, ...] | None:
    """The words of a shell form that is one plain command; None for all others."""
    instruction = step.instruction
    if instruction.is_json or not instruction.arguments or instruction.arguments[0].startswith("["):
        return None
    script = read_script(instruction.arguments[0])
    if script.unread or len(script.commands) != 1:
        return None
    command = script.commands[0]
    words = command.words[1:] if command.name == "exec" else command.words
    is_plain = all(word.is_literal for word in words) and not command.assignments and command.output is None
    operators = re.search(r"[;&|<>()$`~\n]|(?:^|\s)#", instruction.arguments[0])
    if not words or not is_plain or operators or words[0].text in _NOT_A_PROGRAM:
        return None
    return tuple(word.text for word in words)


def _configuration(comparison: Comparison, inventory: Inventory) -> Iterator[Statement]:
    config = inventory.config
    if not config.entrypoint and not config.cmd:
        yield failed(
            rule="IM551",
            grade=Grade.CONFIGURATION,
            text="the image has neither an entrypoint nor a command",
            hint='say what it runs: ENTRYPOINT ["python", "-m", "app"]',
        )
        return
    yield _own(comparison, inventory)
    words = config.entrypoint or config.cmd
    if len(words) > 1 and words[0].rpartition("/")[2] in _SHELLS and _is_inline(words[1]):
        yield failed(
            rule="IM552",
            grade=Grade.CONFIGURATION,
            text=f"the image runs a text through {words[0]}: it gets the signals, and its variables decide what runs",
            hint='write ENTRYPOINT and CMD as arrays: ENTRYPOINT ["python", "-m", "app"]',
        )
    else:
        yield passed("IM552", Grade.CONFIGURATION, "the image runs its program without a shell")


def _own(comparison: Comparison, inventory: Inventory) -> Statement:
    """Whether entrypoint or command were set above the base image."""
    history = inventory.config.history
    keywords = [match[1] if (match := _MADE.match(entry.created_by)) is not None else "" for entry in history]
    last = max((position for position, keyword in enumerate(keywords) if keyword), default=None)
    if last is None:
        return unknown(
            "IM551",
            Grade.HISTORY,
            "whether the image sets what it runs itself",
            "the history does not say; give the Dockerfile",
        )
    base = scope.base_size(comparison)
    # Buildah without layers of its own notes the one layer at the last instruction, whichever that is.
    below = sum(not entry.empty_layer for entry in history[: last + 1])
    layers = sum(not entry.empty_layer for entry in history)
    runs = (*inventory.config.entrypoint, *inventory.config.cmd)
    is_own = below == layers if base is None else below > base or runs != comparison.build.base_runs
    if is_own:
        return passed("IM551", Grade.HISTORY, f"{keywords[last]} is set above the base image")
    if base is not None:
        return failed(
            rule="IM551",
            grade=Grade.HISTORY,
            text=f"what the image runs is merely inherited from its base image ({keywords[last]})",
            hint='say what it runs: ENTRYPOINT ["python", "-m", "app"]',
        )
    return unknown(
        "IM551",
        Grade.HISTORY,
        "whether what the image runs is its own or inherited",
        "layers follow after it was set; give the Dockerfile, or the base image with --base",
    )


def _files(inventory: Inventory) -> Iterator[Statement]:
    traces = inventory.traces
    if traces is None or not (inventory.config.entrypoint or inventory.config.cmd):
        return
    run = traces.execution
    if run.missing is not None:
        yield failed(
            rule="IM553",
            grade=Grade.LAYER,
            text=f"the image cannot run: {run.missing}",
            hint="copy it into the final stage, or correct ENTRYPOINT, CMD, WORKDIR or PATH",
        )
    elif run.unclear is not None:
        yield unknown("IM553", Grade.LAYER, "whether what the image runs is in it", run.unclear)
    else:
        yield passed("IM553", Grade.LAYER, f"what it runs is there: {', '.join(run.found)}")
