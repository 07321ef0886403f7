"""Bytes to a Dockerfile: instructions to stages, with what ARG and ENV make of them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from driftscan.dockerfile import expand
from driftscan.dockerfile.model import Dockerfile, Expanded, Instruction, Stage, Step
from driftscan.dockerfile.reading import Read, read
from driftscan.dockerfile.words import Malformed
from driftscan.errors import DockerfileError

MAX_BYTES = 4 << 20
MAX_STAGES = 1000
MAX_VARIABLES = 500
"""Of one stage."""
_STAGE_NAME = re.compile(r"[a-z][a-z0-9-_.]*")
_PLATFORM_ARGUMENTS = tuple(
    f"{role}{part}" for role in ("BUILD", "TARGET") for part in ("PLATFORM", "OS", "OSVERSION", "ARCH", "VARIANT")
)
"""What BuildKit sets by itself in front of the first FROM."""
_EXPANDED = frozenset({"ADD", "COPY", "ENV", "EXPOSE", "LABEL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR"})
"""Instructions whose arguments the builder expands; a shell expands those of the others."""
_DEFAULT_SHELL = ("/bin/sh", "-c")

Values = Mapping[str, str | None]


def parse(data: bytes, path: str, build_arguments: Mapping[str, str] = MappingProxyType({})) -> Dockerfile:
    """The Dockerfile in `data`, called `path` in errors, as it is built with `build_arguments`.

    An ARG that has neither a default nor a value there is unknown. Raises DockerfileError, with the line, for what
    builders refuse, and for what is larger than they would ever be given.
    """
    if len(data) > MAX_BYTES:
        raise DockerfileError(f"it is larger than {MAX_BYTES >> 20} MiB", where=path)
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in data:
        raise DockerfileError(
            "it is not text in UTF-8", where=path, hint="save it as UTF-8; builders read nothing else"
        )
    text = data.decode("utf-8", "surrogateescape")
    found = read(text, path)
    builder = _Builder(found, path, build_arguments)
    return Dockerfile(
        path=path,
        text=text,
        sha256=hashlib.sha256(data).hexdigest(),
        directives=found.directives,
        arguments=builder.arguments,
        instructions=found.instructions,
        stages=builder.stages(),
    )


class _Builder:
    def __init__(self, found: Read, path: str, build_arguments: Mapping[str, str]) -> None:
        self._path = path
        self._given = build_arguments
        self._escape = found.escape
        heads = [position for position, each in enumerate(found.instructions) if each.keyword == "FROM"]
        self.arguments = found.instructions[: heads[0] if heads else None]
        self._rest = found.instructions[len(self.arguments) :]
        if early := next((each for each in self.arguments if each.keyword != "ARG"), None):
            raise self._error(f"{early.keyword} stands in front of the first FROM", early)
        if len(heads) > MAX_STAGES:
            raise self._error(f"there are more than {MAX_STAGES} stages", found.instructions[heads[MAX_STAGES]])
        if not heads:
            raise DockerfileError("it holds no FROM", where=path)
        self._global: dict[str, str | None] = dict.fromkeys(_PLATFORM_ARGUMENTS)
        self._global |= {name: value for name, value in build_arguments.items() if name in _PLATFORM_ARGUMENTS}
        for instruction in self.arguments:
            self._global |= self._declared(instruction, self._global, self._global)

    def _error(self, message: str, instruction: Instruction) -> DockerfileError:
        return DockerfileError(message, where=f"{self._path}:{instruction.line}")

    def _expanded(self, text: str, values: Values, instruction: Instruction) -> Expanded:
        try:
            return expand.expand(text, values, self._escape)
        except Malformed as error:
            raise self._error(f"{instruction.keyword}: {error}", instruction) from error

    def _declared(self, instruction: Instruction, values: Values, inherited: Values) -> dict[str, str | None]:
        """What an ARG declares; each of its arguments sees those in front of it."""
        found: dict[str, str | None] = {}
        if not instruction.arguments:
            raise self._error("ARG: a name must follow", instruction)
        for argument in instruction.arguments:
            name, has_default, default = argument.partition("=")
            if not name:
                raise self._error("ARG: a name must stand in front of the =", instruction)
            if name in self._given:
                found[name] = self._given[name]
            elif has_default:
                value = self._expanded(default, {**values, **found}, instruction)
                found[name] = None if value.unknown else value.text
            else:
                found[name] = inherited.get(name)
        return found

    def stages(self) -> tuple[Stage, ...]:
        """In order: a stage that continues another one begins with what that one set."""
        found: list[Stage] = []
        scopes: list[_Scope] = []
        for head, *others in self._groups():
            stage = self._stage(head, found)
            scopes.append(_Scope(scopes[stage.parent] if stage.parent is not None else None))
            found.append(replace(stage, steps=tuple(self._step(each, scopes[-1]) for each in others)))
        return tuple(found)

    def _groups(self) -> Iterator[list[Instruction]]:
        """The instructions of each stage, its FROM first."""
        group: list[Instruction] = []
        for instruction in self._rest:
            if instruction.keyword == "FROM" and group:
                yield group
                group = []
            group.append(instruction)
        yield group

    def _stage(self, instruction: Instruction, before: Sequence[Stage]) -> Stage:
        words = instruction.arguments
        if len(words) not in (1, 3) or (len(words) == 3 and words[1].lower() != "as"):
            raise self._error("FROM: it must be `FROM IMAGE` or `FROM IMAGE AS NAME`", instruction)
        name = words[2].lower() if len(words) == 3 else None
        if name is not None and not _STAGE_NAME.fullmatch(name):
            raise self._error(f"FROM: {words[2][:40]!r} cannot be the name of a stage", instruction)
        base = self._expanded(words[0], self._global, instruction)
        if not base.text and not base.unknown:
            raise self._error(f"FROM: {words[0][:60]!r} comes to nothing", instruction)
        platform = instruction.flag("platform")
        parent = None
        if not base.unknown:
            parent = next((each.index for each in reversed(before) if each.name == base.text.lower()), None)
        return Stage(
            index=len(before),
            base=base,
            instruction=instruction,
            name=name,
            parent=parent,
            platform=self._expanded(platform, self._global, instruction) if platform is not None else None,
        )

    def _step(self, instruction: Instruction, scope: _Scope) -> Step:
        values = scope.values
        arguments = tuple(self._arguments(instruction, values))
        step = Step(instruction=instruction, arguments=arguments, environment=values, shell=scope.shell)
        if instruction.keyword == "ENV":
            pairs = zip(arguments[::2], arguments[1::2], strict=True)
            scope.set({name.text: None if value.unknown else value.text for name, value in pairs if not name.unknown})
        elif instruction.keyword == "ARG":
            scope.declare(self._declared(instruction, values, self._global))
        if len(scope.values) > MAX_VARIABLES:
            raise self._error(f"the stage has more than {MAX_VARIABLES} variables", instruction)
        if instruction.keyword == "SHELL":
            if not instruction.is_json or not instruction.arguments:
                raise self._error("SHELL: it must be an array in JSON form", instruction)
            scope.shell = instruction.arguments
        return step

    def _arguments(self, instruction: Instruction, values: Values) -> Iterator[Expanded]:
        for argument in instruction.arguments:
            if instruction.keyword in _EXPANDED:
                yield self._expanded(argument, values, instruction)
            else:
                yield Expanded(argument)


class _Scope:
    """Variables and shell while the instructions of a stage go by. ENV wins over ARG, wherever it stands."""

    def __init__(self, parent: _Scope | None) -> None:
        self.env: dict[str, str | None] = dict(parent.env) if parent is not None else {}
        self._arguments: dict[str, str | None] = {}
        self.shell: tuple[str, ...] = parent.shell if parent is not None else _DEFAULT_SHELL
        self._values: Values | None = None

    @property
    def values(self) -> Values:
        if self._values is None:
            self._values = MappingProxyType({**self._arguments, **self.env})
        return self._values

    def set(self, values: Values) -> None:
        self.env |= values
        self._values = None

    def declare(self, values: Values) -> None:
        self._arguments |= values
        self._values = None
