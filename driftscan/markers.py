"""Environment markers (PEP 508, and PEP 751's `extras` and `dependency_groups`), evaluated with three values.

A variable that the environment does not hold is unknown, and so is what depends on it: the result is True, False, or
None for "cannot be known" (Kleene's logic). `extra` is a set here: `extra == "x"` asks whether x is in it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from functools import lru_cache
from typing import NamedTuple, TypeAlias

from packaging.specifiers import InvalidSpecifier, Specifier, SpecifierSet
from packaging.utils import canonicalize_name

from driftscan.errors import MarkerError

MAX_NESTING = 64
_MAX_LENGTH = 1 << 16
_MAX_VERSION = 256
"""Python refuses to read integers of more than some thousand digits, with an error that is no syntax error."""
_TOKEN = re.compile(
    r"""\s*(?:(?P<op><=|>=|===|==|~=|!=|<|>|\(|\))|(?P<text>'[^']*'|"[^"]*")|(?P<word>[A-Za-z_][\w.]*))""", re.ASCII
)
_SET_OPERATORS = frozenset(("===", "==", "!=", "in", "not in"))
_ORDERS = frozenset(("<", "<=", ">", ">=", "~=", "==", "!="))
_MAX_PATCH = 99999
_OPERATORS = _SET_OPERATORS | {"<=", ">=", "~=", "<", ">"}
_ALIASES = {
    "os.name": "os_name",
    "sys.platform": "sys_platform",
    "platform.version": "platform_version",
    "platform.machine": "platform_machine",
    "platform.python_implementation": "platform_python_implementation",
    "python_implementation": "platform_python_implementation",
}
_VARIABLES = frozenset(
    (
        "python_version",
        "python_full_version",
        "os_name",
        "sys_platform",
        "platform_release",
        "platform_system",
        "platform_version",
        "platform_machine",
        "platform_python_implementation",
        "implementation_name",
        "implementation_version",
        "extra",
        "extras",
        "dependency_groups",
    )
)
_SETS = frozenset(("extra", "extras", "dependency_groups"))
_VERSIONS = frozenset(("python_version", "python_full_version", "implementation_version", "platform_release"))


class Comparison(NamedTuple):
    """`left operator right`; at least one of the two sides is a variable."""

    left: str
    operator: str
    right: str
    left_is_variable: bool
    right_is_variable: bool


class Junction(NamedTuple):
    """All (`and`) or any (`or`) of the parts."""

    conjunction: bool
    parts: tuple[Marker, ...]


Marker: TypeAlias = Comparison | Junction


@lru_cache(maxsize=8192)
def parse(text: str) -> Marker:
    """The syntax tree of a marker; MarkerError where it does not parse or is nested past 64 levels."""
    if len(text) > _MAX_LENGTH:
        raise MarkerError(f"a marker of {len(text):,} characters is too long to be real")
    return _Parser(text).whole()


def evaluate(
    marker: str | None,
    environment: Mapping[str, str],
    *,
    extras: AbstractSet[str] = frozenset(),
    groups: AbstractSet[str] = frozenset(),
) -> bool | None:
    """Whether `marker` holds; None where that cannot be known from `environment`. No marker always holds.

    `extras` are normalised names; uv's encoded conflict atoms may be among them.
    """
    return True if marker is None else _evaluate(parse(marker), environment, extras, groups)


def admits_python(required: str | None, environment: Mapping[str, str]) -> bool:
    """Whether a Requires-Python admits the interpreter of `environment`.

    True too where it cannot be read, or not enough of the interpreter is known: that proves nothing.
    """
    try:
        return not any(
            evaluate(f"python_full_version {each.operator} '{each.version}'", environment) is False
            for each in SpecifierSet(required or "")
        )
    except (InvalidSpecifier, MarkerError):
        return True


def _evaluate(
    marker: Marker, environment: Mapping[str, str], extras: AbstractSet[str], groups: AbstractSet[str]
) -> bool | None:
    if isinstance(marker, Comparison):
        return _compare(marker, environment, extras, groups)
    decisive = not marker.conjunction
    unknown = False
    for part in marker.parts:
        value = _evaluate(part, environment, extras, groups)
        if value is decisive:
            return decisive
        unknown = unknown or value is None
    return None if unknown else not decisive


def _compare(
    item: Comparison, environment: Mapping[str, str], extras: AbstractSet[str], groups: AbstractSet[str]
) -> bool | None:
    for name, value, is_name in (
        (item.left, item.right, item.left_is_variable),
        (item.right, item.left, item.right_is_variable),
    ):
        if is_name and name in _SETS:
            return _contains(item, name, value, groups if name == "dependency_groups" else extras)
    left = _value(item.left, environment) if item.left_is_variable else item.left
    right = _value(item.right, environment) if item.right_is_variable else item.right
    name = item.left if item.left_is_variable else item.right
    if (
        name == "python_full_version"
        and None in (left, right)
        and not (item.left_is_variable and item.right_is_variable)
    ):
        return _decide_by_minor(item, environment.get("python_version"))
    if left is None or right is None:
        return None
    return _decide(left, item.operator, right, name)


def _value(name: str, environment: Mapping[str, str]) -> str | None:
    """What a variable stands for. A Python built from a checkout calls itself `3.14.0a1+`, which is no version;
    installers take it for a local one.
    """
    found = environment.get(name)
    return f"{found}local" if found is not None and name == "python_full_version" and found.endswith("+") else found


def _decide_by_minor(item: Comparison, minor: str | None) -> bool | None:
    """What all patch releases of a minor version agree on, where only that is known of an interpreter."""
    literal = item.right if item.left_is_variable else item.left
    # Only one patch release equals a literal of the same minor version, and which one this is is not known.
    is_open = item.operator in ("==", "!=") and not literal.endswith(".*") and f"{literal}.".startswith(f"{minor}.")
    if minor is None or is_open or item.operator not in _ORDERS:
        return None
    answers = {
        _decide(full, item.operator, item.right, item.left)
        if item.left_is_variable
        else _decide(item.left, item.operator, full, item.right)
        for full in (f"{minor}.0", f"{minor}.{_MAX_PATCH}")
    }
    return answers.pop() if len(answers) == 1 else None


def _contains(item: Comparison, name: str, value: str, members: AbstractSet[str]) -> bool:
    """Whether a set variable agrees with a literal: for one `extra` of those asked for, or by membership."""
    negated = item.operator in ("!=", "not in")
    if name == "extra" and item.left_is_variable and item.operator in ("in", "not in"):
        return any(member in value for member in members or ("",)) is not negated
    # `extra == ''` is how an old marker asks for no extra at all.
    holds = not members if name == "extra" and not value else canonicalize_name(value) in members
    return holds is not negated


def _decide(left: str, operator: str, right: str, name: str) -> bool | None:
    if operator == "in":
        return left in right
    if operator == "not in":
        return left not in right
    if name in _VERSIONS and len(left) <= _MAX_VERSION and (specifier := _specifier(operator + right)) is not None:
        return _admits(specifier, left)
    return _decide_strings(left, operator, right)


@lru_cache(maxsize=1024)
def _specifier(text: str) -> Specifier | None:
    """The version specifier that `text` is; None where it is none."""
    if len(text) > _MAX_VERSION:
        return None
    try:
        return Specifier(text)
    except InvalidSpecifier:
        return None


@lru_cache(maxsize=4096)
def _admits(specifier: Specifier, version: str) -> bool:
    return specifier.contains(version, prereleases=True)


def _decide_strings(left: str, operator: str, right: str) -> bool | None:
    match operator:
        case "==" | "===" | "<=" | ">=":
            return left == right
        case "!=":
            return left != right
        case "<" | ">":
            return False
        case _:
            # `~=` says nothing about what is no version.
            return None


class _Parser:
    """Recursive descent over `or` of `and` of comparisons and parentheses."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = self._split()
        self._at = 0
        self._depth = 0

    def whole(self) -> Marker:
        marker = self._disjunction()
        if self._at < len(self._tokens):
            raise self._error(f"unexpected {self._tokens[self._at]}")
        return marker

    def _split(self) -> list[str]:
        tokens = []
        position, end = 0, len(self._text.rstrip())
        while position < end:
            match = _TOKEN.match(self._text, position)
            if match is None:
                rest = self._text[position:].strip()
                reason = f"a quote is not closed: {rest[:20]}" if rest[0] in "'\"" else f"unexpected {rest[:20]}"
                raise self._error(reason)
            tokens.append(match.group().strip())
            position = match.end()
        return tokens

    def _error(self, reason: str) -> MarkerError:
        shown = self._text if len(self._text) <= 200 else f"{self._text[:200]}…"
        return MarkerError(f"the marker `{shown}` does not parse: {reason}")

    def _next(self) -> str:
        if self._at >= len(self._tokens):
            raise self._error("it ends too early")
        self._at += 1
        return self._tokens[self._at - 1]

    def _accept(self, token: str) -> bool:
        if self._at < len(self._tokens) and self._tokens[self._at] == token:
            self._at += 1
            return True
        return False

    def _disjunction(self) -> Marker:
        parts = [self._conjunction()]
        while self._accept("or"):
            parts.append(self._conjunction())
        return parts[0] if len(parts) == 1 else Junction(False, tuple(parts))

    def _conjunction(self) -> Marker:
        parts = [self._operand()]
        while self._accept("and"):
            parts.append(self._operand())
        return parts[0] if len(parts) == 1 else Junction(True, tuple(parts))

    def _operand(self) -> Marker:
        if not self._accept("("):
            return self._comparison()
        self._depth += 1
        if self._depth > MAX_NESTING:
            raise self._error(f"it is nested more than {MAX_NESTING} levels deep")
        marker = self._disjunction()
        if not self._accept(")"):
            raise self._error("a parenthesis is not closed")
        self._depth -= 1
        return marker

    def _comparison(self) -> Comparison:
        left, left_is_variable = self._side()
        operator = self._next()
        if operator == "not" and self._accept("in"):
            operator = "not in"
        if operator not in _OPERATORS:
            raise self._error(f"{operator} is no comparison")
        right, right_is_variable = self._side()
        comparison = Comparison(left, operator, right, left_is_variable, right_is_variable)
        self._check(comparison)
        return comparison

    def _check(self, item: Comparison) -> None:
        """Refuse here, where the place is known, what could never be evaluated."""
        if not item.left_is_variable and not item.right_is_variable:
            raise self._error("it compares two literals")
        sides = ((item.left, item.left_is_variable), (item.right, item.right_is_variable))
        for name in (name for name, is_variable in sides if is_variable and name in _SETS):
            if item.left_is_variable and item.right_is_variable:
                raise self._error(f"{name} is compared with a variable")
            if item.operator not in _SET_OPERATORS:
                raise self._error(f"{name} is a set, and {item.operator} compares by order")
        literal = item.right if item.left_is_variable else item.left
        is_version = item.left in _VERSIONS or item.right in _VERSIONS
        if is_version and len(literal) > _MAX_VERSION and item.operator not in ("in", "not in"):
            raise self._error(f"{literal[:20]}… is too long to be a version")

    def _side(self) -> tuple[str, bool]:
        token = self._next()
        if token[0] in "'\"":
            return token[1:-1], False
        name = _ALIASES.get(token, token)
        if name not in _VARIABLES:
            raise self._error(f"{token} is no environment variable of markers")
        return name, True
