"""Shell text to the simple commands in it (POSIX shell, XCU 2), read and never run.

Quoting, operators, control structures, here-documents and assignments are understood; what a command's words come to is
known only as far as they are literal or made of variables with known values. What cannot be read is said in
`Script.unread`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import NamedTuple

_PLAIN = re.compile(r"[^\s'\"\\$`;&|()<>#*?]+")
_IN_QUOTES = re.compile(r"[^\"\\$`]+")
_BLANKS = re.compile(r"(?:[ \t\r\v\f]|\\\r?\n)+")
_OPERATOR = re.compile(r"&&|\|\||;;&|;;|;&|\|&|[;|()&]")
_REDIRECTION = re.compile(r"\d*(?:&>>|&>|>>|>\||<>|>&|<&|<<<|<<-|<<|[<>])|&>>|&>")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)\+?=(.*)", re.DOTALL)
_SUBSTITUTION = re.compile(r"[()'\"\\`]")
_OPENING = frozenset({"if", "then", "else", "elif", "while", "until", "do", "{", "!", "time", "coproc"})
_CLOSING = frozenset({"fi", "done", "}", "esac"})
_MAX_NESTED = 8
_MAX_WORDS = 200_000
_MAX_REPLACED = 1 << 22
"""Characters that variables come to in one script."""


class Word(NamedTuple):
    """One word. `is_literal` tells that `text` is what the command gets; else it holds the source of what is not known
    (`$X`, `$(...)`, `*.whl`).
    """

    text: str
    is_literal: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class SimpleCommand:
    """A command with its arguments.

    `assignments` stand in front of it. `is_piped` tells that its input comes from another command, `output` the file
    that its output goes to. `input` is the text of a here-document.
    """

    words: tuple[Word, ...]
    assignments: Mapping[str, Word] = field(default_factory=lambda: MappingProxyType({}))
    is_piped: bool = False
    output: Word | None = None
    input: str | None = None

    @property
    def name(self) -> str:
        """The program's name without its folder; empty where it is not known."""
        return self.words[0].text.rpartition("/")[2] if self.words and self.words[0].is_literal else ""

    @property
    def arguments(self) -> tuple[Word, ...]:
        return self.words[1:]

    def __str__(self) -> str:
        return " ".join(word.text for word in self.words)


@dataclass(frozen=True, slots=True)
class Script:
    """All simple commands of a text in order, and in words what could not be read of it."""

    commands: tuple[SimpleCommand, ...]
    unread: tuple[str, ...] = ()


class _Unreadable(Exception):  # noqa: N818  (never leaves this module)
    pass


def read_script(text: str, values: Mapping[str, str | None] = MappingProxyType({}), depth: int = 0) -> Script:
    """The commands of `text`, with variables replaced as far as `values` and the text's own assignments tell.

    The text of `sh -c`, `eval` and of here-documents that a shell reads is read in turn. Takes time in proportion to
    the text.
    """
    reader = _Reader(text, values)
    commands: list[SimpleCommand] = []
    unread: list[str] = []
    try:
        for command in reader.commands():
            inner = _inner(command, reader.values, depth)
            if inner is None:
                commands.append(command)
            else:
                commands += inner.commands
                unread += inner.unread
    except _Unreadable as error:
        unread.append(str(error))
    return Script(tuple(commands), tuple(unread))


_SHELLS = frozenset({"sh", "bash", "dash", "ash", "zsh", "ksh"})


def _inner(command: SimpleCommand, values: Mapping[str, str | None], depth: int) -> Script | None:
    """The script that a command is given to run; None where it runs none that stands there."""
    command = unwrapped(command)
    text: str | None = None
    if command.name in _SHELLS:
        word = _inline(command)
        if word is not None and not word.is_literal:
            return Script((), (f"`{_shortened(str(command))}` runs a text that only a build knows",))
        text = word.text if word is not None else command.input if len(command.words) == 1 else None
    elif command.name == "eval" and all(word.is_literal for word in command.arguments):
        text = " ".join(word.text for word in command.arguments)
    if text is None:
        return None
    if depth >= _MAX_NESTED:
        return Script((), (f"shells are nested deeper than {_MAX_NESTED}",))
    return read_script(text, values, depth + 1)


def _inline(command: SimpleCommand) -> Word | None:
    for position, word in enumerate(command.arguments):
        if not word.text.startswith(("-", "+")):
            return None
        if re.fullmatch(r"-[A-Za-z]*c[A-Za-z]*", word.text):
            following = command.arguments[position + 1 :]
            return next((each for each in following if not each.text.startswith("-")), None)
        if word.text in ("-o", "+o"):
            continue
    return None


_VALUED: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "env": frozenset({"-u", "-C", "--unset", "--chdir"}),
        "sudo": frozenset({"-u", "-g", "-h", "-p", "-C", "-r", "-t", "-U", "--user", "--group"}),
        "nice": frozenset({"-n"}),
        "timeout": frozenset({"-k", "-s"}),
        "runuser": frozenset({"-u", "-g", "-G"}),
        **dict.fromkeys(
            ("exec", "command", "nohup", "time", "setsid", "doas", "eatmydata", "builtin"), frozenset[str]()
        ),
    }
)
"""Programs that run the command after their own options; here the options that take a value."""


def unwrapped(command: SimpleCommand) -> SimpleCommand:
    """The command that wrappers such as `env` and `sudo` run in the end."""
    words = command.words
    assignments = dict(command.assignments)
    for _ in range(_MAX_NESTED):
        name = words[0].text.rpartition("/")[2] if words else ""
        if name not in _VALUED:
            break
        position = 1
        while position < len(words) and words[position].text.startswith("-"):
            position += 2 if words[position].text in _VALUED[name] else 1
        while (
            position < len(words) and (match := _ASSIGNMENT.fullmatch(words[position].text)) and name in ("env", "sudo")
        ):
            assignments[match[1]] = Word(match[2], words[position].is_literal)
            position += 1
        words = words[position + 1 if name == "timeout" else position :]
    return replace(command, words=words, assignments=MappingProxyType(assignments)) if words else command


def _shortened(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."


class _Pending(NamedTuple):
    """A here-document whose body is still to come."""

    delimiter: str
    chomp: bool


class _Reader:
    def __init__(self, text: str, values: Mapping[str, str | None]) -> None:
        self.values: dict[str, str | None] = dict(values)
        self._text = text
        self._position = 0
        self._pending: list[_Pending] = []
        self._count = 0
        self._replaced = 0
        self._words: list[Word] = []
        self._quoted: list[bool] = []
        self._output: Word | None = None
        self._input: str | None = None
        self._cases = 0
        """Number of `case` whose patterns or commands are being read."""
        self._in_pattern = False
        self._is_piped = False

    def commands(self) -> Iterator[SimpleCommand]:
        while self._position < len(self._text):
            operator = self._element()
            if operator is None:
                continue
            if self._in_pattern:
                self._pattern_operator(operator)
                continue
            is_definition = operator == "(" and len(self._words) == 1
            if operator == "\n" and self._pending:
                self._bodies()
            command = None if is_definition else self._finished()
            self._start(is_piped=operator in ("|", "|&") or (operator == "(" and self._is_piped))
            if self._cases and operator in (";;", ";&", ";;&"):
                self._in_pattern = True
            if command is not None:
                yield command
        command = self._finished()
        if command is not None:
            yield command
        if self._in_pattern:
            raise _Unreadable("a `case` is not closed")

    def _start(self, *, is_piped: bool) -> None:
        self._words = []
        self._quoted = []
        self._output = None
        self._input = None
        self._is_piped = is_piped

    def _pattern_operator(self, operator: str) -> None:
        """Between `in` or `;;` and the parenthesis that closes the patterns."""
        if operator == ")":
            self._in_pattern = False
            self._start(is_piped=False)
        elif self._words and self._words[0].text == "esac":
            self._in_pattern = False
            self._cases -= 1
            self._start(is_piped=False)
        elif operator in ("\n", "("):
            self._words = []

    def _element(self) -> str | None:
        """Reads one thing: an operator (or newline), which is returned, or a word or redirection."""
        text = self._text
        if (blanks := _BLANKS.match(text, self._position)) is not None:
            self._position = blanks.end()
            return None
        character = text[self._position]
        if character == "\n":
            self._position += 1
            return "\n"
        if character == "#":
            end = text.find("\n", self._position)
            self._position = len(text) if end == -1 else end
            return None
        if text.startswith(("<(", ">("), self._position):
            self._take([self._process()], is_quoted=False)
            return None
        if (redirection := _REDIRECTION.match(text, self._position)) is not None:
            self._position = redirection.end()
            self._redirect(redirection[0])
            return None
        if (operator := _OPERATOR.match(text, self._position)) is not None:
            self._position = operator.end()
            return operator[0]
        pieces, is_quoted = self._word()
        self._take(pieces, is_quoted=is_quoted)
        return None

    def _take(self, pieces: list[Word], *, is_quoted: bool) -> None:
        self._count += 1
        if self._count > _MAX_WORDS:
            raise _Unreadable(f"it has more than {_MAX_WORDS} words")
        self._words += pieces
        self._quoted += [is_quoted] * len(pieces)
        first = self._words[0].text if self._words and not self._quoted[0] else ""
        if first == "case" and len(self._words) >= 3 and self._words[-1].text == "in":
            self._cases += 1
            self._in_pattern = True
            self._words = []
            self._quoted = []
        elif self._in_pattern and first == "esac":
            self._in_pattern = False
            self._cases -= 1
            self._words = []
            self._quoted = []

    def _finished(self) -> SimpleCommand | None:
        """The command that the words read so far make; None where there is none."""
        words, quoted = self._words, self._quoted
        start = 2 if words and not quoted[0] and words[0].text == "function" else 0
        while start < len(words) and not quoted[start] and words[start].text in _OPENING:
            start += 1
        words = words[start:]
        if not words or (not quoted[start] and words[0].text in _CLOSING):
            return None
        if not quoted[start] and words[0].text in ("for", "select"):
            if len(words) > 1:
                self.values[words[1].text] = None
            return None
        assignments: dict[str, Word] = {}
        while words and (match := _ASSIGNMENT.fullmatch(words[0].text)) is not None:
            assignments[match[1]] = Word(match[2], words[0].is_literal)
            words = words[1:]
        if not words:
            self._assign(assignments)
            return None
        if words[0].text in ("export", "declare", "local", "readonly", "typeset"):
            matches = ((_ASSIGNMENT.fullmatch(word.text), word) for word in words[1:])
            self._assign({match[1]: Word(match[2], word.is_literal) for match, word in matches if match is not None})
        if words[0].text in ("read", "unset", "getopts"):
            self._assign({word.text: Word("", is_literal=False) for word in words[1:]})
        return SimpleCommand(
            words=tuple(words),
            assignments=MappingProxyType(assignments),
            is_piped=self._is_piped,
            output=self._output,
            input=self._input,
        )

    def _assign(self, assignments: Mapping[str, Word]) -> None:
        for name, word in assignments.items():
            # Set on one of several ways through the script, it may have either value.
            self.values[name] = word.text if word.is_literal else None

    def _redirect(self, operator: str) -> None:
        if (blanks := _BLANKS.match(self._text, self._position)) is not None:
            self._position = blanks.end()
        if self._text.startswith(("<(", ">("), self._position):
            self._process()
            return
        if self._position >= len(self._text) or self._text[self._position] in "\n;&|()<>":
            raise _Unreadable("a redirection names no file")
        start = self._position
        pieces, is_quoted = self._word()
        bare = operator.lstrip("0123456789")
        if bare in ("<<", "<<-"):
            name = pieces[0].text if pieces and is_quoted else self._text[start : self._position]
            self._pending.append(_Pending(name, bare == "<<-"))
        elif bare.startswith((">", "&>")) and not bare.endswith("&") and pieces:
            self._output = pieces[0]
        elif bare == "<<<" and pieces and pieces[0].is_literal:
            self._input = pieces[0].text

    def _process(self) -> Word:
        """A process substitution, `<(...)`: a file whose content only a run knows."""
        start = self._position
        self._position = self._closing(start + 2)
        return Word(self._text[start : self._position], is_literal=False)

    def _bodies(self) -> None:
        """Passes over the here-documents that were opened on the line before."""
        for delimiter, chomp in self._pending:
            body: list[str] = []
            while True:
                if self._position >= len(self._text):
                    raise _Unreadable(f"the here-document {_shortened(delimiter)!r} is not closed")
                end = self._text.find("\n", self._position)
                end = len(self._text) if end == -1 else end
                line = self._text[self._position : end]
                self._position = end + 1
                if (line.lstrip("\t") if chomp else line).rstrip("\r") == delimiter:
                    break
                body.append(line)
            self._input = "\n".join(body)
        self._pending = []

    def _word(self) -> tuple[list[Word], bool]:
        """One word of the text, which is none or several where a variable in it holds blanks; and whether any part of
        it was quoted.
        """
        pieces: list[str] = []
        words: list[Word] = []
        is_literal, is_quoted = True, False
        text = self._text
        while self._position < len(text):
            if (plain := _PLAIN.match(text, self._position)) is not None:
                pieces.append(plain[0])
                self._position = plain.end()
                continue
            character = text[self._position]
            if character in " \t\r\v\f\n;&|()<>":
                break
            if character == "#":
                pieces.append(character)
                self._position += 1
            elif character == "\\":
                pieces.append(self._escaped())
                is_quoted = True
            elif character == "'":
                pieces.append(self._single())
                is_quoted = True
            elif character == '"':
                value = self._double()
                pieces.append(value.text)
                is_literal, is_quoted = is_literal and value.is_literal, True
            elif character in "*?":
                pieces.append(character)
                self._position += 1
                is_literal = False
            else:
                value = self._substitution()
                is_literal = is_literal and value.is_literal
                if value.is_literal and not is_quoted:
                    head, *more = re.split(r"[ \t\n]+", value.text)
                    pieces.append(head)
                    for each in more:
                        words.append(Word("".join(pieces), is_literal))
                        pieces = [each]
                else:
                    pieces.append(value.text)
        words.append(Word("".join(pieces), is_literal))
        return [word for word in words if word.text or is_quoted], is_quoted

    def _escaped(self) -> str:
        following = self._text[self._position + 1 : self._position + 2]
        self._position += 2
        return "" if following == "\n" else following

    def _single(self) -> str:
        end = self._text.find("'", self._position + 1)
        if end == -1:
            raise _Unreadable("a single quote is not closed")
        found = self._text[self._position + 1 : end]
        self._position = end + 1
        return found

    def _double(self) -> Word:
        pieces: list[str] = []
        is_literal = True
        self._position += 1
        while self._position < len(self._text):
            character = self._text[self._position]
            if character == '"':
                self._position += 1
                return Word("".join(pieces), is_literal)
            if character == "\\":
                following = self._text[self._position + 1 : self._position + 2]
                pieces.append(following if following in '$`"\\' else "" if following == "\n" else f"\\{following}")
                self._position += 2
            elif character in "$`":
                value = self._substitution()
                pieces.append(value.text)
                is_literal = is_literal and value.is_literal
            else:
                plain = _IN_QUOTES.match(self._text, self._position)
                pieces.append(plain[0] if plain is not None else "")
                self._position = plain.end() if plain is not None else len(self._text)
        raise _Unreadable("a double quote is not closed")

    def _substitution(self) -> Word:
        """What stands at a `$` or a backquote: the value of a variable, or its source."""
        text, start = self._text, self._position
        if text[start] == "`":
            end = start + 1
            while end < len(text) and text[end] != "`":
                end += 2 if text[end] == "\\" else 1
            if end >= len(text):
                raise _Unreadable("a backquote is not closed")
            self._position = end + 1
            return Word(text[start : self._position], is_literal=False)
        if (name := _NAME.match(text, start + 1)) is not None:
            self._position = name.end()
            return self._variable(name[0], text[start : self._position])
        if text.startswith("${", start):
            return self._braced(start)
        if text.startswith("$(", start):
            self._position = self._closing(start + 2)
            return Word(text[start : self._position], is_literal=False)
        special = text[start + 1 : start + 2]
        is_parameter = bool(special) and special in "@*#?-$!0123456789"
        self._position = start + (2 if is_parameter else 1)
        return Word(text[start : self._position], is_literal=not is_parameter)

    def _braced(self, start: int) -> Word:
        name = _NAME.match(self._text, start + 2)
        if name is not None and self._text.startswith("}", name.end()):
            self._position = name.end() + 1
            return self._variable(name[0], self._text[start : self._position])
        position, depth = start + 2, 1
        while position < len(self._text) and depth:
            character = self._text[position]
            depth += (character == "{") - (character == "}")
            position += 2 if character == "\\" else 1
        if depth:
            raise _Unreadable("a ${ is not closed")
        self._position = position
        return Word(self._text[start:position], is_literal=False)

    def _variable(self, name: str, written: str) -> Word:
        value = self.values.get(name)
        if value is None:
            return Word(written, is_literal=False)
        self._replaced += len(value)
        if self._replaced > _MAX_REPLACED:
            raise _Unreadable("its variables grow too large")
        return Word(value)

    def _closing(self, position: int) -> int:
        """Behind the parenthesis that closes the one in front of `position`; quotes inside hide parentheses."""
        depth = 1
        while (match := _SUBSTITUTION.search(self._text, position)) is not None:
            character = match[0]
            position = match.end()
            if character == "\\":
                position += 1
            elif character == "'":
                end = self._text.find("'", position)
                if end == -1:
                    break
                position = end + 1
            elif character in "()":
                depth += 1 if character == "(" else -1
                if depth == 0:
                    return position
        raise _Unreadable("a $( is not closed")
