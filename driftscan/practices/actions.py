"""The instructions of a Dockerfile or of an image's history as actions: what they run and copy, with place and text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from driftscan.dockerfile.model import Dockerfile, Instruction, Stage, Step
from driftscan.dockerfile.shell import Script, SimpleCommand, Word, read_script
from driftscan.finding import Location
from driftscan.model.image import LayerId
from driftscan.practices.once import once
from driftscan.practices.statements import Grade

_SHELLS = frozenset({"sh", "bash", "dash", "ash", "zsh"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One instruction that changes files. `text` is the instruction on one line, `sources` and `destination` what COPY
    and ADD name (None: not known), `origin` the stage or image of `--from`. `values` are the variables it sees.
    """

    keyword: str
    text: str
    grade: Grade
    location: Location | None = None
    layer: LayerId | None = None
    commands: tuple[SimpleCommand, ...] = ()
    unread: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    destination: str | None = None
    origin: str | None = None
    mounts: tuple[Mapping[str, str], ...] = ()
    values: Mapping[str, str | None] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def kept_out(self) -> tuple[str, ...]:
        """Folders whose content is no part of the layer: cache and tmpfs mounts."""
        return tuple(
            each.get("target", "") for each in self.mounts if each["type"] in ("cache", "tmpfs") and each.get("target")
        )

    @property
    def bound(self) -> tuple[str, ...]:
        """Sources in the build context that the instruction sees without copying them."""
        return tuple(each.get("source", ".") for each in self.mounts if each["type"] == "bind" and "from" not in each)


def of_stage(dockerfile: Dockerfile, stage: Stage) -> tuple[Action, ...]:
    """What a stage does, those that it continues included, in order."""
    return tuple(action for each in dockerfile.lineage(stage) for _, action in of_steps(dockerfile.path, each))


def of_steps(path: str, stage: Stage) -> Iterator[tuple[Step, Action]]:
    """A stage's own steps that change files, and what they do."""
    for step in stage.steps:
        action = _action(path, step)
        if action is not None:
            yield step, action


def _action(path: str, step: Step) -> Action | None:
    instruction = step.instruction
    if instruction.keyword not in ("RUN", "COPY", "ADD"):
        return None
    place = Location(path=path, line=instruction.line)
    if instruction.keyword == "RUN":
        script = _script(step)
        return Action(
            keyword="RUN",
            text=flat(instruction),
            grade=Grade.DOCKERFILE,
            location=place,
            commands=script.commands,
            unread=script.unread,
            mounts=instruction.mounts,
            values=step.environment,
        )
    words = [argument.text for argument in step.arguments]
    return Action(
        keyword=instruction.keyword,
        text=flat(instruction),
        grade=Grade.DOCKERFILE,
        location=place,
        sources=tuple(word for word in words[:-1] if not word.startswith("<<")),
        destination=words[-1] if words else None,
        origin=instruction.flag("from"),
        values=step.environment,
    )


@once(1 << 14)
def _script(step: Step) -> Script:
    return script_of(step.instruction, step.environment, step.shell)


def flat(instruction: Instruction) -> str:
    """The instruction on one line, blanks joined."""
    return " ".join(instruction.text.split())


def script_of(instruction: Instruction, values: Mapping[str, str | None], shell: tuple[str, ...]) -> Script:
    """The commands of RUN, in exec form, in shell form, or in a heredoc."""
    if instruction.is_json:
        return _reread(tuple(Word(argument) for argument in instruction.arguments))
    if shell[0].rpartition("/")[2] not in _SHELLS:
        return Script((), (f"the commands are for {shell[0]}, which is not a POSIX shell",))
    text = instruction.arguments[0] if instruction.arguments else ""
    if not instruction.heredocs:
        return read_script(text, values)
    first = text.lstrip()
    if not first.startswith("<<"):
        bodies = "".join(f"{each.content}{each.name}\n" for each in instruction.heredocs)
        return read_script(f"{text}\n{bodies}", values)
    content = instruction.heredocs[0].content
    if content.startswith("#!") and content[2:].split("\n")[0].split()[0].rpartition("/")[2] not in (*_SHELLS, "env"):
        return Script((), ("the heredoc is for another program than a shell",))
    return read_script(content, values)


def _reread(words: tuple[Word, ...]) -> Script:
    """An exec form, whose words are what they are; `["sh", "-c", TEXT]` is read as a shell reads it."""
    quoted = " ".join("'" + word.text.replace("'", "'\\''") + "'" for word in words)
    return read_script(quoted)


def of_history(made: tuple[tuple[LayerId, str], ...], values: Mapping[str, str | None]) -> tuple[Action, ...]:
    """What the layers of an image say made them, lowest first: pairs of layer and instruction."""
    return tuple(_made(layer, text, values) for layer, text in made)


def _made(layer: LayerId, text: str, values: Mapping[str, str | None]) -> Action:
    keyword, _, rest = text.strip().partition(" ")
    flat_text = " ".join(text.split())
    if keyword == "RUN":
        script = read_script(_without_flags(rest), values)
        return Action(
            keyword=keyword,
            text=flat_text,
            grade=Grade.HISTORY,
            layer=layer,
            commands=script.commands,
            unread=script.unread,
            values=values,
        )
    words = [word for word in rest.split() if not word.startswith("--")]
    # The classic builder and Buildah write a digest instead of names, and `in` before the destination.
    is_digest = bool(words) and words[0].startswith(("file:", "dir:", "multi:"))
    return Action(
        keyword=keyword,
        text=flat_text,
        grade=Grade.HISTORY,
        layer=layer,
        sources=() if is_digest else tuple(words[:-1]),
        destination=words[-1] if words else None,
        origin=next((word.partition("=")[2] for word in rest.split() if word.startswith("--from=")), None),
        values=values,
    )


def _without_flags(text: str) -> str:
    while text.startswith("--"):
        _, _, text = text.partition(" ")
    return text


def places(actions: tuple[Action, ...]) -> Iterator[str]:
    """Where actions stand, in words."""
    for action in actions:
        if action.location is not None:
            yield f"line {action.location.line}"
        elif action.layer is not None:
            yield f"layer {action.layer.index}"
