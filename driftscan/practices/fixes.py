"""Changes to a Dockerfile that settle findings without changing what it builds, and those that a person has to make.

Every change is tried: it stands only where the Dockerfile can be read afterwards and the changed instruction does what
it should.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeAlias

from driftscan.compare import Comparison
from driftscan.dockerfile import Dockerfile, Instruction, Step, parse
from driftscan.errors import DockerfileError
from driftscan.finding import Outcome
from driftscan.practices import base, execution, hardware, judged, scope, system
from driftscan.practices.actions import Action, of_steps
from driftscan.practices.installs import Source, installs

_INSTALL = re.compile(r"\b(?:apt-get|apt)((?:[ \t]+|\\\r?\n[ \t]*)-\S+)*(?:[ \t]+|\\\r?\n[ \t]*)install\b")
_APK_ADD = re.compile(r"\bapk((?:[ \t]+|\\\r?\n[ \t]*)-\S+)*(?:[ \t]+|\\\r?\n[ \t]*)add\b")
_PIP_INSTALL = re.compile(r"\bpip[\d.]*((?:[ \t]+|\\\r?\n[ \t]*)-\S+)*(?:[ \t]+|\\\r?\n[ \t]*)install\b")
_ALONE = 20
"""Changes of one kind that are tried on their own, where all of them together cannot be made."""
_PASSES = 10
"""How often each kind of change is looked for, until nothing changes."""
_COMMENT = re.compile(r"(?:^|[\s;&|()])#")
"""What may begin a comment of the shell, which goes on to the end of the joined lines."""


class Edit(NamedTuple):
    """New text for the lines `first` to `last` (1-based, both included; with `last` in front of `first` nothing is
    replaced), and what it does in words.
    """

    first: int
    last: int
    text: str
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fixed:
    """The Dockerfile with its safe changes, what they are, and what else should change but is for a person to do."""

    path: str
    before: str
    text: str
    changes: tuple[str, ...] = ()
    proposals: tuple[str, ...] = ()


Fixer: TypeAlias = Callable[[Comparison, Dockerfile], Iterator[Edit]]


def fixed(comparison: Comparison, build_arguments: Mapping[str, str]) -> Fixed:
    """All safe changes to the Dockerfile of `comparison`, one kind after the other."""
    original = comparison.build.dockerfile
    if original is None:
        return Fixed(path="", before="", text="")
    changes: list[str] = []
    current = original
    for fixer in _FIXERS:
        for _ in range(_PASSES):
            # A second edit of one instruction waits for the next pass.
            edits = list({edit.first: edit for edit in fixer(_with(comparison, current), current)}.values())
            accepted = _accepted(current, edits, build_arguments)
            if accepted is None:
                break
            current, done = accepted
            changes += [edit.what for edit in done]
    return Fixed(
        path=original.path,
        before=original.text,
        text=current.text,
        changes=tuple(dict.fromkeys(changes)),
        proposals=tuple(_proposals(_with(comparison, current))),
    )


def _accepted(
    dockerfile: Dockerfile, edits: list[Edit], build_arguments: Mapping[str, str]
) -> tuple[Dockerfile, list[Edit]] | None:
    """The Dockerfile after all edits, or after the first that can be made; None where none can."""
    for group in [edits, *([edit] for edit in edits[:_ALONE])] if len(edits) > 1 else [edits]:
        tried = _tried(dockerfile, group, build_arguments) if group else None
        if tried is not None:
            return tried, group
    return None


def diff(fix: Fixed) -> str:
    """A unified diff; empty where nothing changes."""
    lines = difflib.unified_diff(
        fix.before.splitlines(keepends=True), fix.text.splitlines(keepends=True), fix.path, fix.path, n=2
    )
    ended = (line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)
    return "".join(ended)


def _with(comparison: Comparison, dockerfile: Dockerfile) -> Comparison:
    return replace(comparison, build=replace(comparison.build, dockerfile=dockerfile))


def _tried(dockerfile: Dockerfile, edits: list[Edit], build_arguments: Mapping[str, str]) -> Dockerfile | None:
    """The Dockerfile after the edits; None where it cannot be read then, or where other instructions changed too."""
    lines = dockerfile.text.splitlines(keepends=True)
    end = "\r\n" if lines and lines[0].endswith("\r\n") else "\n"
    if lines and not lines[-1].endswith("\n") and any(edit.first > len(lines) for edit in edits):
        lines[-1] += end
    # From the end, so that the lines in front keep their numbers.
    for edit in sorted(edits, reverse=True):
        lines[edit.first - 1 : edit.last] = [f"{line}{end}" for line in edit.text.splitlines()]
    try:
        text = "".join(lines).encode("utf-8", "surrogateescape")
        found = parse(text, dockerfile.path, build_arguments)
    except DockerfileError:
        return None
    replaced = {edit.first for edit in edits if edit.first <= edit.last}
    untouched = [each.text for each in dockerfile.instructions if each.line not in replaced]
    left = [each.text for each in found.instructions]
    expected = len(dockerfile.instructions) + sum(edit.last < edit.first for edit in edits)
    if len(left) != expected or not _is_subsequence(untouched, left):
        return None
    return replace(found, target=dockerfile.target)


def _is_subsequence(wanted: list[str], of: list[str]) -> bool:
    remaining = iter(of)
    return all(each in remaining for each in wanted)


def _source(dockerfile: Dockerfile, instruction: Instruction) -> str:
    """The lines of an instruction as they stand in the file, their ends as one newline."""
    lines = dockerfile.text.splitlines()
    return "\n".join(lines[instruction.line - 1 : instruction.end_line])


def _edit(instruction: Instruction, text: str, what: str) -> Edit:
    return Edit(instruction.line, instruction.end_line, text, what)


# Images


def _pins(comparison: Comparison, dockerfile: Dockerfile) -> Iterator[Edit]:
    """Digests behind the names of images, where a registry or a daemon told them."""
    by_line: dict[int, tuple[Instruction, list[str]]] = {}
    for name, instruction in base.images(dockerfile):
        if not base.is_pinned(name):
            by_line.setdefault(instruction.line, (instruction, []))[1].append(name)
    for instruction, names in by_line.values():
        text = _source(dockerfile, instruction)
        told = []
        for name in dict.fromkeys(names):
            now = comparison.build.images.get(name)
            pattern = re.compile(rf"(?<![\w./:@-]){re.escape(name)}(?![\w./:@-])")
            if now is not None and now.digest is not None and len(pattern.findall(text)) == 1:
                pinned = f"{name}@{now.digest}"
                text = pattern.sub(lambda _, pinned=pinned: pinned, text)  # type: ignore[misc]
                told.append(f"{name} is pinned to what {now.source} has")
        if told:
            yield _edit(instruction, text, "; ".join(told))


# Packages of the operating system


def _shell_runs(dockerfile: Dockerfile) -> Iterator[tuple[Step, Action]]:
    """RUN instructions in shell form, without heredocs, of all stages."""
    for stage in dockerfile.stages:
        for step, action in of_steps(dockerfile.path, stage):
            instruction = step.instruction
            if step.keyword == "RUN" and not instruction.is_json and not instruction.heredocs and not action.unread:
                yield step, action


def _recommends(_comparison: Comparison, dockerfile: Dockerfile) -> Iterator[Edit]:
    for step, action in _shell_runs(dockerfile):
        uses = [use for command in action.commands if (use := system.use_of(command)) is not None]
        asks = [use for use in uses if use.manager is system.APT and use.verb == "install"]
        is_set = "--no-install-recommends" in step.instruction.text or "Install-Recommends" in dockerfile.text
        if asks and not is_set:
            text, count = _INSTALL.subn(r"\g<0> --no-install-recommends", _source(dockerfile, step.instruction))
            if count == len(asks):
                yield _edit(step.instruction, text, "apt installs no recommended packages")


def _cleaning(_comparison: Comparison, dockerfile: Dockerfile) -> Iterator[Edit]:
    for step, action in _shell_runs(dockerfile):
        for manager in system.MANAGERS:
            uses = [
                use
                for command in action.commands
                if (use := system.use_of(command)) is not None and use.manager is manager
            ]
            is_clean = any(system.cleans(command, manager) for command in action.commands)
            if is_clean or system.is_mounted(manager, action.kept_out) or not any(use.installs for use in uses):
                continue
            source = _source(dockerfile, step.instruction)
            if manager is system.APK:
                text, count = _APK_ADD.subn(r"\g<0> --no-cache", source)
                if count and not all(use.keeps_nothing for use in uses):
                    yield _edit(step.instruction, text, "apk keeps no lists")
            elif manager is not system.APT or any(use.updates for use in uses):
                program = next(
                    command.name for command in action.commands if system.use_of(command) in uses and command.name
                )
                cleaning = manager.cleaning if manager is system.APT else f"{program} clean all"
                yield from _appended(step.instruction, source, cleaning, f"{manager.name} leaves no lists")


def _appended(instruction: Instruction, source: str, command: str, what: str) -> Iterator[Edit]:
    """The instruction with a further command at its end, unless something there would swallow it."""
    last = source.rstrip()
    swallows = last.endswith(("\\", "&", ";", "|", ")", "}", "fi", "done", "esac")) or "#" in last.rpartition("\n")[2]
    if not swallows and _COMMENT.search(instruction.text) is None:
        yield _edit(instruction, f"{last} \\\n    && {command}", what)


# Installs


def _hashes(comparison: Comparison, dockerfile: Dockerfile) -> Iterator[Edit]:
    """--require-hashes where the lock is known to have them all."""
    context = comparison.build.context or {}
    for step, action in _shell_runs(dockerfile):
        found = [install for _, install in installs(action.commands, action.values)]
        asks = [install for install in found if install.tool in ("pip", "uv pip") and install.source is Source.LOCK]
        known = [context.get(path.removeprefix("./")) for install in asks for path in install.locks]
        is_hashed = all(facts is not None and facts.is_hashed for facts in known)
        if asks and len(asks) == len(found) and is_hashed and any(install.hashes is None for install in asks):
            text, count = _PIP_INSTALL.subn(r"\g<0> --require-hashes", _source(dockerfile, step.instruction))
            if count == len(asks):
                yield _edit(step.instruction, text, f"{asks[0].tool} requires hashes")


# Execution


def _exec_form(_comparison: Comparison, dockerfile: Dockerfile) -> Iterator[Edit]:
    """An array for a command that a shell would only pass on."""
    steps = [
        step
        for stage in dockerfile.lineage(scope.final_stage(dockerfile))
        for step in stage.steps
        if step.keyword in ("ENTRYPOINT", "CMD")
    ]
    # In shell form an ENTRYPOINT pays no regard to CMD; in exec form it would get it as arguments.
    if len({step.keyword for step in steps}) > 1:
        return
    for step in steps:
        words = execution.exec_words(step)
        if words is not None:
            text = f"{step.keyword} {json.dumps(list(words), ensure_ascii=False)}"
            yield _edit(step.instruction, text, f"{step.keyword} is in exec form")


# Hardware


def _threads(comparison: Comparison, dockerfile: Dockerfile) -> Iterator[Edit]:
    failing = [each for each in hardware.judge(comparison) if each.rule == "HW601" and each.outcome is Outcome.FAIL]
    if not failing:
        return
    stage = scope.final_stage(dockerfile)
    runs = next((step for step in stage.steps if step.keyword in ("ENTRYPOINT", "CMD")), None)
    end = max([stage.instruction.end_line, *(step.instruction.end_line for step in stage.steps)])
    line = runs.line if runs is not None else end + 1
    variables = " ".join(f"{name}=1" for name in hardware.THREADS)
    yield Edit(line, line - 1, f"ENV {variables}", "the number of threads is set")


_FIXERS: tuple[Fixer, ...] = (_pins, _recommends, _cleaning, _hashes, _exec_form, _threads)


def _proposals(comparison: Comparison) -> Iterator[str]:
    """What is left and would change what is built, or cannot be done by itself."""
    for said in judged(comparison).values():
        for each in said:
            if each.outcome is Outcome.FAIL and each.location is not None:
                hint = f": {each.hint}" if each.hint else ""
                yield f"{each.location.path}:{each.location.line}: {each.rule} {each.text}{hint}"
