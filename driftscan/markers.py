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

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from driftscan.errors import MarkerError

MAX_NESTING = 64
_MAX_LENGTH = 1 << 16
_TOKEN = re.compile(
    r"""\s*(?:(?P<op><=|>=|===|==|~=|!=|<|>|\(|\))|(?P<text>'[^']*'|"[^"]*")|(?P<word>[A-Za-z_][\w.]*))""", re.ASCII
)
_OPERATORS = frozenset(("<=", ">=", "===", "==", "~=", "!=", "<", ">", "in", "not in"))
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
    """`left operator right`; exactly one of the two sides is a variable, unless both are literals."""

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
            return _contains(name, item.operator, value, groups if name == "dependency_groups" else extras)
    left = environment.get(item.left) if item.left_is_variable else item.left
    right = environment.get(item.right) if item.right_is_variable else item.right
    if left is None or right is None:
        return None
    name = item.left if item.left_is_variable else item.right
    return _decide(left, item.operator, right, name)


def _contains(name: str, operator: str, value: str, members: AbstractSet[str]) -> bool:
    wanted = canonicalize_name(value)
    if operator in ("==", "in", "==="):
        # `extra == ''` is how an old marker asks for no extra at all.
        return wanted in members if value or name != "extra" else not members
    if operator in ("!=", "not in"):
        return wanted not in members if value or name != "extra" else bool(members)
    raise MarkerError(f"`{name} {operator} {value!r}` compares a set with an order")


def _decide(left: str, operator: str, right: str, name: str) -> bool:
    if operator == "in":
        return left in right
    if operator == "not in":
        return left not in right
    if name in _VERSIONS and (decided := _decide_versions(left, operator, right)) is not None:
        return decided
    return _decide_strings(left, operator, right)


@lru_cache(maxsize=4096)
def _decide_versions(left: str, operator: str, right: str) -> bool | None:
    """The comparison as versions; None where the right side is no version specifier."""
    try:
        specifier = SpecifierSet(operator + right)
        return specifier.contains(Version(left), prereleases=True)
    except (InvalidSpecifier, InvalidVersion):
        return None


def _decide_strings(left: str, operator: str, right: str) -> bool:
    match operator:
        case "==" | "===":
            return left == right
        case "!=":
            return left != right
        case "<" | ">":
            return False
        case "<=" | ">=":
            return left == right
        case _:
            raise MarkerError(f"`{left!r} {operator} {right!r}` compares what is no version")


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
                raise self._error(f"unexpected {self._text[position : position + 20].strip()!r}")
            tokens.append(match.group().strip())
            position = match.end()
        return tokens

    def _error(self, reason: str) -> MarkerError:
        return MarkerError(f"the marker `{self._text[:200]}` does not parse: {reason}")

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
        if not left_is_variable and not right_is_variable:
            raise self._error("it compares two literals")
        return Comparison(left, operator, right, left_is_variable, right_is_variable)

    def _side(self) -> tuple[str, bool]:
        token = self._next()
        if token[0] in "'\"":
            return token[1:-1], False
        name = _ALIASES.get(token, token)
        if name not in _VARIABLES:
            raise self._error(f"{token} is no environment variable of markers")
        return name, True
