"""What a Dockerfile says, in the terms of its builders (Dockerfile reference; BuildKit `frontend/dockerfile`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple


class Heredoc(NamedTuple):
    """A here-document. `content` has its newlines, without the terminating line; `expand` tells that its word was not
    quoted, `chomp` that it was opened with `<<-`.
    """

    name: str
    content: str
    expand: bool = True
    chomp: bool = False
    descriptor: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruction:
    """One instruction, variables not expanded.

    `keyword` is upper-case. `flags` are the builder's (`--from=build`), quotes taken off. `arguments` are the strings
    of a JSON array (`is_json`), names and values in turn for ENV and LABEL, words for others, and for RUN, CMD,
    ENTRYPOINT and the like in shell form the one string that goes to the shell. `text` is the whole instruction with
    its lines joined, `line` and `end_line` are 1-based. `comments` are those right above it. `trigger` is what
    ONBUILD holds.
    """

    keyword: str
    text: str
    line: int
    end_line: int
    flags: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    is_json: bool = False
    heredocs: tuple[Heredoc, ...] = ()
    comments: tuple[str, ...] = ()
    trigger: Instruction | None = None

    def flag(self, name: str) -> str | None:
        """Value of the last `--name=value`; empty for `--name`, None without one."""
        found = [each.partition("=")[2] for each in self.flags if each.partition("=")[0] == f"--{name}"]
        return found[-1] if found else None

    @property
    def mounts(self) -> tuple[Mapping[str, str], ...]:
        """The fields of each `--mount`, keys in lower case and by their long names."""
        return tuple(_mount(each.partition("=")[2]) for each in self.flags if each.startswith("--mount="))


_MOUNT_KEYS = {"src": "source", "dst": "target", "destination": "target", "ro": "readonly", "rw": "readwrite"}


def _mount(text: str) -> Mapping[str, str]:
    pairs = (part.strip('"').partition("=") for part in text.split(","))
    found = {_MOUNT_KEYS.get(key.strip().lower(), key.strip().lower()): value for key, _, value in pairs}
    return MappingProxyType({"type": "bind", **found})


class Expanded(NamedTuple):
    """Text after expansion. `unknown` names the variables in it whose values only a build has."""

    text: str
    unknown: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """An instruction of a stage where it takes effect.

    `arguments` are those of the instruction, expanded where the builder does. `environment` holds what ENV and ARG say
    in front of it, None for what only a build knows; what the base image sets is not in it. `shell` is the shell of the
    shell form.
    """

    instruction: Instruction
    arguments: tuple[Expanded, ...] = ()
    environment: Mapping[str, str | None] = field(default_factory=lambda: MappingProxyType({}))
    shell: tuple[str, ...] = ("/bin/sh", "-c")

    @property
    def keyword(self) -> str:
        return self.instruction.keyword

    @property
    def line(self) -> int:
        return self.instruction.line


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One build stage. `base` is the image or stage that FROM names; `parent` indexes the stage that it is, if it is
    one. `name` is lower-case, None where it has none.
    """

    index: int
    base: Expanded
    instruction: Instruction
    name: str | None = None
    parent: int | None = None
    platform: Expanded | None = None
    steps: tuple[Step, ...] = ()

    @property
    def line(self) -> int:
        return self.instruction.line


class Directive(NamedTuple):
    """A parser directive: `# name=value`."""

    name: str
    value: str
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Dockerfile:
    """A whole Dockerfile. `path` is as the user named it; `arguments` are the ARG instructions above the first FROM.

    `target` indexes the stage that is built, the last one unless another was asked for.
    """

    path: str
    text: str
    sha256: str
    directives: tuple[Directive, ...] = ()
    arguments: tuple[Instruction, ...] = ()
    instructions: tuple[Instruction, ...] = ()
    stages: tuple[Stage, ...] = ()
    target: int = -1

    @property
    def final(self) -> Stage:
        """The stage that becomes the image."""
        return self.stages[self.target]

    def directive(self, name: str) -> Directive | None:
        return next((each for each in self.directives if each.name == name), None)

    def stage(self, name: str, before: int | None = None) -> Stage | None:
        """The stage that `name`, a name or a number, means in the stage at `before`; None: it is an image."""
        held = self.stages[:before]
        if name.isascii() and name.isdigit() and int(name) < len(held):
            return held[int(name)]
        return next((each for each in reversed(held) if each.name == name.lower()), None)

    def lineage(self, stage: Stage) -> tuple[Stage, ...]:
        """The stages that `stage` continues, the first one first, and `stage` itself."""
        found = [stage]
        while (parent := found[-1].parent) is not None:
            found.append(self.stages[parent])
        return tuple(reversed(found))
