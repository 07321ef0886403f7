"""Sets of environments: markers as binary decision diagrams, combined exactly and written as short markers again.

A diagram (Bryant 1986) is a number in a `Diagrams`: 0 is the empty set, 1 all environments, any other a decision on
one comparison (`sys_platform == 'win32'`). Equal sets have equal numbers. Comparisons are not independent (a platform
is not two at once, a Python before 3.9 is before 3.12 too), so sets are written with what cannot be as "don't care", in
the irredundant sum of products of Minato and Morreale (1993).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from itertools import combinations, pairwise
from typing import NamedTuple, TypeAlias

from packaging.version import InvalidVersion, Version

from driftscan.errors import MarkerError
from driftscan.markers import Comparison, Marker, parse

Diagram: TypeAlias = int
NOWHERE, EVERYWHERE = 0, 1

_MINOR = re.compile(r"\d+\.\d+", re.ASCII)
_RELEASE = re.compile(r"\d+(?:\.\d+)*", re.ASCII)
_NEGATED = {"!=": "==", "not in": "in"}
_OPPOSITES = {"==": "!=", "in": "not in", "<": ">=", "<=": ">", ">": "<=", ">=": "<"}
_MIRRORED = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "==": "==", "!=": "!="}
_PYTHON = "python_full_version"
_MOST_ATOMS = 300
_MOST_NODES = 500_000
"""Real locks name about ten values and need some thousand nodes."""


class Atom(NamedTuple):
    """`variable operator literal`, or with `reversed` the literal first; operators are `<`, `<=`, `==`, `in`, `~=`."""

    variable: str
    operator: str
    literal: str
    reversed: bool = False

    def text(self, *, holds: bool) -> str:
        """The marker that says so, or that says the opposite."""
        operator = self.operator if holds else _OPPOSITES.get(self.operator)
        if operator is None:
            raise MarkerError(f"no marker says the opposite of `{self.text(holds=True)}`")
        quote = '"' if "'" in self.literal else "'"
        literal = f"{quote}{self.literal}{quote}"
        return f"{literal} {operator} {self.variable}" if self.reversed else f"{self.variable} {operator} {literal}"


Meaning: TypeAlias = Callable[[Atom], Diagram | None]
"""The set that a comparison stands for, where it is not its own; None: its own."""


class _Node(NamedTuple):
    atom: int
    low: Diagram
    high: Diagram


class Diagrams:
    """Decision diagrams over the comparisons that `texts` hold.

    All markers that are going to be combined have to be known at first: comparisons of one variable stand together in
    the order of decisions, which keeps diagrams small. Raises MarkerError where they are too many to be real.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        atoms = {atom for text in texts for atom in _atoms(parse(text))}
        if len(atoms) > _MOST_ATOMS:
            raise MarkerError(f"its markers compare with more than {_MOST_ATOMS} values")
        self.atoms: Sequence[Atom] = sorted(atoms, key=_order)
        self._index = {atom: position for position, atom in enumerate(self.atoms)}
        self._nodes = [_Node(len(self.atoms), 0, 0), _Node(len(self.atoms), 1, 1)]
        self._unique: dict[_Node, Diagram] = {}
        self._conjunctions: dict[tuple[Diagram, Diagram], Diagram] = {}
        self._negations: dict[Diagram, Diagram] = {NOWHERE: EVERYWHERE, EVERYWHERE: NOWHERE}
        self.possible = self._possible()
        """Environments in which the comparisons do not contradict each other."""

    def marker(self, text: str | None, meaning: Meaning = lambda atom: None) -> Diagram:  # noqa: ARG005
        """The environments in which a marker holds. No marker always holds."""
        return EVERYWHERE if text is None else self._built(parse(text), meaning)

    def is_possible(self, diagram: Diagram) -> bool:
        """Whether there is an environment in the set."""
        return self.all_of(diagram, self.possible) != NOWHERE

    def all_of(self, one: Diagram, other: Diagram) -> Diagram:
        if one == other or other == EVERYWHERE:
            return one
        if one == EVERYWHERE:
            return other
        if NOWHERE in (one, other):
            return NOWHERE
        key = (one, other) if one < other else (other, one)
        found = self._conjunctions.get(key)
        if found is None:
            first, second = self._nodes[one], self._nodes[other]
            atom = min(first.atom, second.atom)
            one_low, one_high = (first.low, first.high) if first.atom == atom else (one, one)
            other_low, other_high = (second.low, second.high) if second.atom == atom else (other, other)
            found = self._node(atom, self.all_of(one_low, other_low), self.all_of(one_high, other_high))
            self._conjunctions[key] = found
        return found

    def any_of(self, one: Diagram, other: Diagram) -> Diagram:
        return self.negated(self.all_of(self.negated(one), self.negated(other)))

    def negated(self, one: Diagram) -> Diagram:
        found = self._negations.get(one)
        if found is None:
            node = self._nodes[one]
            found = self._node(node.atom, self.negated(node.low), self.negated(node.high))
            self._negations[one] = found
            self._negations[found] = one
        return found

    def written(self, diagram: Diagram, care: Diagram = EVERYWHERE) -> str | None:
        """A marker that holds in exactly these of the environments of `care`; None: it always holds.

        Raises ValueError where the set has nothing in common with `care`.
        """
        care = self.all_of(care, self.possible)
        least = self.all_of(diagram, care)
        most = self.any_of(diagram, self.negated(care))
        if least == NOWHERE:
            raise ValueError("the marker never holds")
        products, _ = self._products(least, most, {})
        if () in products:
            return None
        parts = [" and ".join(self._literals(product)) for product in sorted(products)]
        if len(parts) == 1:
            return parts[0]
        return " or ".join(
            f"({part})" if len(product) > 1 else part for part, product in zip(parts, sorted(products), strict=True)
        )

    def _literals(self, product: tuple[tuple[int, bool], ...]) -> list[str]:
        return [self.atoms[atom].text(holds=holds) for atom, holds in product]

    def _node(self, atom: int, low: Diagram, high: Diagram) -> Diagram:
        if low == high:
            return low
        node = _Node(atom, low, high)
        found = self._unique.get(node)
        if found is None:
            if len(self._nodes) > _MOST_NODES:
                raise MarkerError("its markers combine in too many ways")
            found = self._unique[node] = len(self._nodes)
            self._nodes.append(node)
        return found

    def _built(self, marker: Marker, meaning: Meaning) -> Diagram:
        if isinstance(marker, Comparison):
            return self._compared(marker, meaning)
        found = EVERYWHERE if marker.conjunction else NOWHERE
        combine = self.all_of if marker.conjunction else self.any_of
        for part in marker.parts:
            found = combine(found, self._built(part, meaning))
        return found

    def _compared(self, item: Comparison, meaning: Meaning) -> Diagram:
        found = EVERYWHERE
        for atom, holds in _normalised(item):
            meant = meaning(atom)
            one = self._alone(atom) if meant is None else meant
            found = self.all_of(found, one if holds else self.negated(one))
        return found

    def _possible(self) -> Diagram:
        """A string is equal to one literal at most; who is below a version is below all higher ones."""
        found = EVERYWHERE
        for one, other in combinations([atom for atom in self.atoms if _is_equality(atom)], 2):
            if one.variable == other.variable:
                both = self.all_of(self._alone(one), self._alone(other))
                found = self.all_of(found, self.negated(both))
        bounds = [atom for atom in self.atoms if _is_bound(atom)]
        for lower, higher in pairwise(bounds):
            implied = self.any_of(self.negated(self._alone(lower)), self._alone(higher))
            found = self.all_of(found, implied)
        return found

    def _alone(self, atom: Atom) -> Diagram:
        return self._node(self._index[atom], NOWHERE, EVERYWHERE)

    def _products(
        self, least: Diagram, most: Diagram, known: dict[tuple[Diagram, Diagram], tuple[_Products, Diagram]]
    ) -> tuple[_Products, Diagram]:
        """An irredundant sum of products between two sets, and the set that it is."""
        if least == NOWHERE:
            return (), NOWHERE
        if most == EVERYWHERE:
            return ((),), EVERYWHERE
        if (least, most) in known:
            return known[least, most]
        atom = min(self._nodes[least].atom, self._nodes[most].atom)
        least_low, least_high = self._sides(least, atom)
        most_low, most_high = self._sides(most, atom)
        low, low_set = self._products(self.all_of(least_low, self.negated(most_high)), most_low, known)
        high, high_set = self._products(self.all_of(least_high, self.negated(most_low)), most_high, known)
        rest = self.any_of(
            self.all_of(least_low, self.negated(low_set)), self.all_of(least_high, self.negated(high_set))
        )
        both, both_set = self._products(rest, self.all_of(most_low, most_high), known)
        products = (
            *(((atom, False), *product) for product in low),
            *(((atom, True), *product) for product in high),
            *both,
        )
        whole = self.any_of(self._node(atom, low_set, high_set), both_set)
        known[least, most] = products, whole
        return products, whole

    def _sides(self, diagram: Diagram, atom: int) -> tuple[Diagram, Diagram]:
        node = self._nodes[diagram]
        return (node.low, node.high) if node.atom == atom else (diagram, diagram)


_Products: TypeAlias = tuple[tuple[tuple[int, bool], ...], ...]


def _is_equality(atom: Atom) -> bool:
    return atom.operator == "==" and atom.variable not in (_PYTHON, "extra") and not atom.reversed


def _is_bound(atom: Atom) -> bool:
    return atom.variable == _PYTHON and atom.operator in ("<", "<=") and _RELEASE.fullmatch(atom.literal) is not None


def _order(atom: Atom) -> tuple[str, int, tuple[int, ...], int, str, str, bool]:
    """Versions ascending, `< 3.9` before `<= 3.9`; the Python first, since most markers ask for it."""
    if _is_bound(atom):
        release = Version(atom.literal).release
        padded = (*release, 0, 0, 0, 0)[:4]
        return ("", 0, padded, int(atom.operator == "<="), "", atom.literal, False)
    return (atom.variable, 1, (), 0, atom.operator, atom.literal, atom.reversed)


def _atoms(marker: Marker) -> Iterable[Atom]:
    if isinstance(marker, Comparison):
        yield from (atom for atom, _ in _normalised(marker))
    else:
        for part in marker.parts:
            yield from _atoms(part)


def _normalised(item: Comparison) -> tuple[tuple[Atom, bool], ...]:
    """Atoms that all have to hold, or not to hold, where the comparison does."""
    variable, operator, literal, is_reversed = item.left, item.operator, item.right, False
    if not item.left_is_variable:
        variable, literal, is_reversed = item.right, item.left, True
        if operator in _MIRRORED:
            operator, is_reversed = _MIRRORED[operator], False
    if not is_reversed and variable in ("python_version", _PYTHON):
        bounds = _python_bounds(variable, operator, literal)
        if bounds is not None:
            return bounds
    positive = _NEGATED.get(operator)
    return ((Atom(variable, positive or operator, literal, is_reversed), positive is None),)


def _python_bounds(variable: str, operator: str, literal: str) -> tuple[tuple[Atom, bool], ...] | None:
    """A comparison of the Python's version as bounds of its full version; None where it is something else.

    `python_version` has two parts, so it is at most 3.11 where the full version is below 3.12.
    """
    wildcard = operator == "==" and literal.endswith(".*")
    number = literal.removesuffix(".*") if wildcard else literal
    if not _RELEASE.fullmatch(number) or (variable == "python_version" and not _MINOR.fullmatch(number)):
        return None
    try:
        release = Version(number).release
    except InvalidVersion:
        return None
    here, following = _bound("<", number), _bound("<", _following(release))
    if variable == "python_version" or wildcard:
        return {
            "<": ((here, True),),
            ">=": ((here, False),),
            "<=": ((following, True),),
            ">": ((following, False),),
            "==": ((here, False), (following, True)),
            "~=": ((here, False), (_bound("<", _following(release[:-1])), True)),
        }.get(operator)
    if operator == "~=" and len(release) > 1:
        return ((here, False), (_bound("<", _following(release[:-1])), True))
    upto = _bound("<=", number)
    return {"<": ((here, True),), ">=": ((here, False),), "<=": ((upto, True),), ">": ((upto, False),)}.get(operator)


def _bound(operator: str, number: str) -> Atom:
    """One spelling for equal versions: `3.9.0` is `3.9`."""
    parts = number.split(".")
    while len(parts) > 2 and parts[-1].strip("0") == "":
        parts.pop()
    return Atom(_PYTHON, operator, ".".join(parts))


def _following(release: tuple[int, ...]) -> str:
    return ".".join(map(str, (*release[:-1], release[-1] + 1)))
