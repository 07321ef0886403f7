"""The lines of a Dockerfile to instructions: directives, comments, continuations and heredocs.

Follows BuildKit's parser (`frontend/dockerfile/parser`), which the tests hold it against.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from driftscan.dockerfile import expand
from driftscan.dockerfile.model import Directive, Heredoc, Instruction
from driftscan.dockerfile.words import FORMS, SPACE, Arguments, Malformed, split_command
from driftscan.errors import DockerfileError

MAX_LINE = 65535
"""Bytes of a line that builders read (bufio.MaxScanTokenSize)."""
MAX_INSTRUCTION = 1 << 20
"""Characters of one instruction with its lines joined."""
MAX_INSTRUCTIONS = 10_000
_DIRECTIVE = re.compile(r"#\s*([A-Za-z][A-Za-z0-9]*)\s*=\s*(.+?)\s*")
_DIRECTIVES = frozenset({"syntax", "escape", "check"})
_HEREDOC = re.compile(r"(\d*)<<(-?)\s*([^<]*)")
_WITH_HEREDOCS = frozenset({"ADD", "COPY", "RUN"})
_NO_TRIGGERS = frozenset({"ONBUILD", "FROM", "MAINTAINER"})


@dataclass(frozen=True, slots=True)
class Read:
    """What the lines of a Dockerfile hold."""

    directives: tuple[Directive, ...]
    instructions: tuple[Instruction, ...]
    escape: str


def read(text: str, where: str) -> Read:
    """Raises DockerfileError, with the line, for what builders refuse to read."""
    reader = _Reader(text.removeprefix("\ufeff"), where)
    instructions = tuple(reader.instructions())
    if not instructions:
        raise DockerfileError("it holds no instruction", where=where)
    return Read(tuple(reader.directives), instructions, reader.escape)


class _Reader:
    def __init__(self, text: str, where: str) -> None:
        self.escape = "\\"
        self.directives: list[Directive] = []
        self._lines = text.split("\n")
        if self._lines[-1] == "":
            self._lines.pop()
        self._number = 0
        self._where = where
        self._may_be_directive = True

    def _line(self) -> str | None:
        """The next line without its end; None behind the last one."""
        if self._number == len(self._lines):
            return None
        line = self._lines[self._number]
        self._number += 1
        if len(line) >= MAX_LINE:
            raise self._error(f"the line is longer than {MAX_LINE - 1} bytes, and builders refuse it")
        return line

    def _error(self, message: str, line: int | None = None, hint: str | None = None) -> DockerfileError:
        return DockerfileError(message, where=f"{self._where}:{line or self._number}", hint=hint)

    def instructions(self) -> Iterator[Instruction]:
        comments: list[str] = []
        count = 0
        while (raw := self._line()) is not None:
            line = raw.rstrip("\r").lstrip(SPACE)
            if self._directive(line):
                continue
            if line.startswith("#"):
                comments = [*comments, text] if (text := line[1:].strip(SPACE)) else []
                continue
            start = self._number
            if not line:
                continue
            joined = self._joined(line)
            if not joined.strip(SPACE):
                raise self._error("a line is continued, and no instruction follows", start)
            count += 1
            if count > MAX_INSTRUCTIONS:
                raise self._error(f"there are more than {MAX_INSTRUCTIONS} instructions", start)
            yield self._instruction(joined, start, tuple(comments))
            comments = []

    def _directive(self, line: str) -> bool:
        """Notes a directive; they stand above everything else, comments included."""
        match = _DIRECTIVE.fullmatch(line) if self._may_be_directive else None
        if match is None or match[1].lower() not in _DIRECTIVES:
            self._may_be_directive = False
            return False
        name, value = match[1].lower(), match[2]
        if any(known.name == name for known in self.directives):
            raise self._error(f"there are two {name} directives")
        if name == "escape":
            if value not in ("\\", "`"):
                raise self._error(f"the escape directive must be \\ or `, and is {value[:20]!r}")
            self.escape = value
        self.directives.append(Directive(name, value, self._number))
        return True

    def _joined(self, line: str) -> str:
        """A line with those that continue it. Comments and empty lines between them are left out."""
        text, goes_on = self._continued(line)
        pieces = [text]
        length = len(text)
        while goes_on and (raw := self._line()) is not None:
            line = raw.rstrip("\r")
            bare = line.lstrip(SPACE)
            if not bare or bare.startswith("#"):
                continue
            text, goes_on = self._continued(line)
            pieces.append(text)
            length += len(text)
            if length > MAX_INSTRUCTION:
                raise self._error(f"the instruction is longer than {MAX_INSTRUCTION} characters")
        return "".join(pieces)

    def _continued(self, line: str) -> tuple[str, bool]:
        """The line without the escape that ends it, if one does that is not escaped itself."""
        bare = line.rstrip(" \t")
        if bare.endswith(self.escape) and bare[-2:-1] != self.escape:
            return bare[:-1], True
        return line, False

    def _instruction(self, text: str, start: int, comments: tuple[str, ...]) -> Instruction:
        try:
            found = self._parsed(text, start, comments)
        except Malformed as error:
            raise self._error(f"{text.split(maxsplit=1)[0][:20].upper()}: {error}", start) from error
        host = found.trigger if found.trigger is not None else found
        if "<<" in text and host.keyword in _WITH_HEREDOCS and not host.is_json:
            found = self._with_heredocs(found, start)
        return replace(found, end_line=self._number)

    def _parsed(self, text: str, start: int, comments: tuple[str, ...] = ()) -> Instruction:
        command = split_command(text, self.escape)
        keyword = command.keyword.upper()
        trigger = None
        if keyword == "ONBUILD":
            arguments = Arguments(())
            if not command.rest:
                raise Malformed("an instruction must follow")
            trigger = self._parsed(command.rest, start)
            if trigger.keyword in _NO_TRIGGERS:
                raise Malformed(f"{trigger.keyword} cannot be a trigger")
        elif keyword in FORMS:
            arguments = FORMS[keyword](command.rest, self.escape)
        else:
            close = difflib.get_close_matches(keyword, FORMS, n=1)
            hint = f"did you mean {close[0]}?" if close else None
            raise self._error(f"there is no instruction {command.keyword[:30]!r}", start, hint)
        return Instruction(
            keyword=keyword,
            text=text,
            line=start,
            end_line=start,
            flags=command.flags,
            arguments=arguments.values,
            is_json=arguments.is_json,
            comments=comments,
            trigger=trigger,
        )

    def _with_heredocs(self, found: Instruction, start: int) -> Instruction:
        heredocs = tuple(
            self._body(opened, start) for word in expand.split_raw(found.text) if (opened := heredoc(word)) is not None
        )
        trigger = replace(found.trigger, heredocs=heredocs) if found.trigger is not None else None
        return replace(found, heredocs=heredocs, trigger=trigger)

    def _body(self, opened: Heredoc, start: int) -> Heredoc:
        lines: list[str] = []
        while (raw := self._line()) is not None:
            line = raw.rstrip("\r")
            if (line.lstrip("\t") if opened.chomp else line) == opened.name:
                return opened._replace(content="".join(lines))
            lines.append(f"{raw}\n")
        raise self._error(f"the heredoc {opened.name[:40]!r} is not closed", start)


def heredoc(word: str) -> Heredoc | None:
    """The heredoc that a word opens, without its content; None for other words."""
    match = _HEREDOC.fullmatch(word)
    if match is None or not match[3]:
        return None
    try:
        names = expand.unquoted(match[3])
    except Malformed:
        return None
    if len(names) != 1:
        return None
    is_quoted = sum(map(match[3].count, "'\"")) != sum(map(names[0].count, "'\""))
    return Heredoc(
        names[0], "", expand=not is_quoted, chomp=bool(match[2]), descriptor=int(match[1][:9]) if match[1] else 0
    )
