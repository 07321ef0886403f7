"""Variables in Dockerfiles, expanded as BuildKit does (`shell/lex.go`): `$x`, `${x}`, and its modifiers.

Quotes and escapes are taken off on the way. Values that only a build knows are carried along by name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise

from driftscan.dockerfile.model import Expanded
from driftscan.dockerfile.words import SPACE, Malformed

MAX_LENGTH = 1 << 16
"""Characters of an expanded word; `ENV a=$a$a` doubles with each line."""
_MAX_DEPTH = 100
_MAX_WORK = 1 << 20
"""Steps of matching one pattern: characters of the value times those of the pattern."""
_SPECIAL = frozenset("@*#?-$!0")
_SPACES = frozenset(SPACE)


def expand(text: str, values: Mapping[str, str | None], escape: str = "\\") -> Expanded:
    """`text` with its variables replaced and its quotes taken off.

    `values` has None for what a build would set: such a variable stands for nothing and is named in the result. One
    that is absent is empty, as for builders. Raises Malformed for what they refuse, or what grows too large.
    """
    if not any(mark in text for mark in ("$", "'", '"', escape)):
        return Expanded(text)
    lexer = _Lexer(text, values, escape)
    result, _ = lexer.until("", raw_escapes=False)
    return Expanded(result, frozenset(lexer.unknown))


def split_raw(text: str) -> list[str]:
    """The words of a line, nothing in them replaced; empty where quotes do not match (heredocs are looked for in
    these).
    """
    try:
        return _Lexer(text, {}, "\\", raw_quotes=True, keep_unset=True, raw_escapes=True).until("", raw_escapes=True)[1]
    except Malformed:
        return []


def unquoted(word: str) -> list[str]:
    """The words of `word` with their quotes taken off. Raises Malformed where quotes do not match."""
    return _Lexer(word, {}, "\\", keep_unset=True).until("", raw_escapes=False)[1]


class _Words:
    """Words while characters are added: blanks separate, unless they were quoted."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self._word: list[str] = []

    def add(self, text: str) -> None:
        for character in text:
            if character not in _SPACES:
                self._word.append(character)
            elif self._word:
                self._flush()

    def add_raw(self, text: str) -> None:
        if text:
            self._word.append(text)

    def _flush(self) -> None:
        self.found.append("".join(self._word))
        self._word = []

    def finish(self) -> list[str]:
        if self._word:
            self._flush()
        return self.found


class _Lexer:
    def __init__(
        self,
        text: str,
        values: Mapping[str, str | None],
        escape: str,
        *,
        raw_quotes: bool = False,
        keep_unset: bool = False,
        raw_escapes: bool = False,
    ) -> None:
        self.unknown: set[str] = set()
        self._text = text
        self._values = values
        self._escape = escape
        self._raw_quotes = raw_quotes
        self._keep_unset = keep_unset
        self._raw_escapes = raw_escapes
        self._position = 0
        self._depth = 0

    def _peek(self) -> str:
        return self._text[self._position : self._position + 1]

    def _next(self) -> str:
        character = self._text[self._position : self._position + 1]
        self._position += 1
        return character

    def until(self, stop: str, *, raw_escapes: bool, is_pattern: bool = False) -> tuple[str, list[str]]:
        """Text and words up to `stop` (the end where that is empty).

        `raw_escapes` keeps escapes; in a pattern quoted ones are doubled, since it is read once more.
        """
        before, self._raw_escapes = self._raw_escapes, raw_escapes
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise Malformed(f"variables are nested deeper than {_MAX_DEPTH}")
        result: list[str] = []
        words = _Words()
        length = 0
        while (character := self._peek()) != stop:
            if not character:
                raise Malformed(f"the {stop} that ends a substitution is missing")
            piece = self._piece(character, words, is_pattern=is_pattern)
            length += len(piece)
            if length > MAX_LENGTH:
                raise Malformed(f"a word grows beyond {MAX_LENGTH} characters when its variables are replaced")
            result.append(piece)
        self._next()
        self._raw_escapes = before
        self._depth -= 1
        return "".join(result), words.finish()

    def _piece(self, character: str, words: _Words, *, is_pattern: bool) -> str:
        if character == "$":
            piece = self._dollar()
            words.add(piece)
            return piece
        if character in ("'", '"', "<"):
            if character == "'":
                piece = self._single(is_pattern=is_pattern)
            else:
                piece = self._double(is_pattern=is_pattern) if character == '"' else self._less()
            words.add_raw(piece)
            return piece
        self._next()
        if character != self._escape:
            words.add(character)
            return character
        piece = (character if self._raw_escapes else "") + self._next()
        words.add_raw(piece)
        return piece

    def _less(self) -> str:
        """`<`, or `<<` with the blanks behind it, so that the word of a heredoc is not cut off."""
        self._next()
        if self._peek() != "<":
            return "<"
        start = self._position
        self._next()
        while self._peek() in ("\t", "\r", " "):
            self._next()
        return "<" + self._text[start : self._position]

    def _single(self, *, is_pattern: bool) -> str:
        end = self._text.find("'", self._position + 1)
        if end == -1:
            raise Malformed("a single quote is not closed")
        body = self._text[self._position + 1 : end]
        self._position = end + 1
        if is_pattern:
            body = body.replace(self._escape, self._escape * 2)
        return f"'{body}'" if self._raw_quotes else body

    def _double(self, *, is_pattern: bool) -> str:
        self._next()
        result: list[str] = []
        while (character := self._peek()) != '"':
            if not character:
                raise Malformed("a double quote is not closed")
            if character == "$":
                result.append(self._dollar())
                continue
            self._next()
            if character == self._escape:
                result.append(self._escaped_in_quotes(is_pattern=is_pattern))
            else:
                result.append(character)
        self._next()
        body = "".join(result)
        return f'"{body}"' if self._raw_quotes else body

    def _escaped_in_quotes(self, *, is_pattern: bool) -> str:
        following = self._peek()
        if not following:
            return ""
        if following in ('"', "$", self._escape):
            self._next()
            return (self._escape if self._raw_escapes else "") + following
        doubled = self._raw_escapes and (not self._raw_quotes or is_pattern)
        return self._escape * 2 if doubled else self._escape

    def _dollar(self) -> str:
        start = self._position
        self._next()
        if self._peek() != "{":
            name = self._name()
            return self._value(name, f"${name}") if name else "$"
        self._next()
        if self._peek() in ("{", "}", ":"):
            raise Malformed("a substitution has no variable" if self._peek() else "the } of a substitution is missing")
        name = self._name()
        operator = self._next()
        if operator == "}":
            return self._value(name, f"${{{name}}}")
        if operator == "/":
            return self._replaced(name)
        colon = operator == ":"
        if colon:
            operator = self._next()
        if operator not in ("+", "-", "?", "#", "%") or not operator or (colon and operator in "#%"):
            shown = self._text[start : self._position]
            raise Malformed(f"the substitution {shown[:60]!r} has a modifier that builders do not know")
        return self._modified(name, operator, colon=colon)

    def _modified(self, name: str, operator: str, *, colon: bool) -> str:
        is_pattern = operator in "#%"
        word, _ = self.until("}", raw_escapes=is_pattern, is_pattern=is_pattern)
        if self._keep_unset:
            return f"${{{name}{':' if colon else ''}{operator}{word}}}"
        value = self._values.get(name)
        if self._is_unknown(name) and operator != "-":
            self.unknown.add(name)
            return ""
        is_set = value is not None and not (colon and not value)
        match operator:
            case "-":
                # A default is what a build without that argument gets.
                return value if is_set and value is not None else word
            case "+":
                return word if is_set else ""
            case "?":
                if not is_set:
                    raise Malformed(f"{name}: {word or 'it must be set'}")
                return value or ""
            case _:
                return _trimmed(value or "", word, operator)

    def _replaced(self, name: str) -> str:
        everywhere = self._peek() == "/"
        if everywhere:
            self._next()
        pattern, _ = self.until("/", raw_escapes=True, is_pattern=True)
        replacement, _ = self.until("}", raw_escapes=True)
        if self._keep_unset:
            return f"${{{name}/{pattern}/{replacement}}}"
        if self._is_unknown(name):
            self.unknown.add(name)
            return ""
        return _substituted(self._values.get(name) or "", _tokens(pattern), replacement, everywhere=everywhere)

    def _is_unknown(self, name: str) -> bool:
        return name in self._values and self._values[name] is None

    def _value(self, name: str, written: str) -> str:
        if self._keep_unset:
            return written
        if self._is_unknown(name):
            self.unknown.add(name)
        return self._values.get(name) or ""

    def _name(self) -> str:
        """Letters, digits and underscores; a number, or a special parameter, by itself."""
        start = self._position
        first = self._peek()
        if first.isdecimal():
            while self._peek().isdecimal():
                self._next()
        elif first in _SPECIAL and first:
            self._next()
        else:
            while self._peek().isalpha() or self._peek().isdecimal() or self._peek() == "_":
                self._next()
        return self._text[start : self._position]


_ANY, _MANY = "?*", "**"
"""Tokens of a pattern beside single characters."""


def _tokens(pattern: str) -> list[str]:
    """A shell pattern without bracket expressions, as characters and the two wildcards."""
    found: list[str] = []
    characters = iter(pattern)
    for character in characters:
        if character == "*":
            found.append(_MANY)
        elif character == "?":
            found.append(_ANY)
        elif character == "\\":
            following = next(characters, "")
            if following in ("}", "/") or following in ("*", "?", "\\"):
                found.append(following)
            if not following or following not in "}/*?\\":
                raise Malformed(f"the pattern {pattern[:60]!r} escapes what need not be escaped")
        else:
            found.append(character)
    return found


def _trimmed(value: str, word: str, operator: str) -> str:
    """`value` without the shortest (longest where the operator is doubled) start or end that `word` matches."""
    longest = word.startswith(operator)
    tokens = _tokens(word[1:] if longest else word)
    if operator == "%":
        value, tokens = value[::-1], tokens[::-1]
    end = _match(value, 0, tokens, longest=longest)
    left = value if end is None else value[end:]
    return left[::-1] if operator == "%" else left


def _match(value: str, start: int, tokens: list[str], *, longest: bool) -> int | None:
    """Where the shortest or longest match that begins at `start` ends; states are followed side by side."""
    if (len(value) - start + 1) * (len(tokens) + 1) > _MAX_WORK:
        raise Malformed("a pattern is too long for the value that it is matched with")
    states = _skipped({0}, tokens)
    best: int | None = None
    for position in range(start, len(value) + 1):
        if len(tokens) in states:
            best = position
            if not longest:
                return best
        if position == len(value) or not states:
            break
        states = _skipped(set(_advanced(states, value[position], tokens)), tokens)
    return best


def _advanced(states: set[int], character: str, tokens: list[str]) -> Iterator[int]:
    for state in states:
        if state == len(tokens):
            continue
        token = tokens[state]
        if token == _MANY and character != "\n":
            yield state
        elif (token == _ANY and character != "\n") or token == character:
            yield state + 1


def _skipped(states: set[int], tokens: list[str]) -> set[int]:
    """`states` and those behind a wildcard that matches nothing."""
    found = set(states)
    for state in states:
        following = state
        while following < len(tokens) and tokens[following] == _MANY:
            following += 1
            found.add(following)
    return found


def _substituted(value: str, tokens: list[str], replacement: str, *, everywhere: bool) -> str:
    if (len(value) + 1) ** 2 * (len(tokens) + 1) > _MAX_WORK * 16:
        raise Malformed("a pattern is too long for the value that it is matched with")
    cuts: list[tuple[int, int]] = []
    position = 0
    last = -1
    while position <= len(value):
        end = _match(value, position, tokens, longest=True)
        if end is None or (end == position and position == last):
            position += 1
            continue
        cuts.append((position, end))
        last = end
        position = max(end, position + 1)
        if not everywhere:
            break
    if not cuts:
        return value
    between = [value[end:start] for (_, end), (start, _) in pairwise([*cuts, (len(value), 0)])]
    return value[: cuts[0][0]] + "".join(replacement + piece for piece in between)
