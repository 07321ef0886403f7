"""The extras of a package as poetry.lock has them: each lists requirements, and can list other extras of its package.

`all = ["a[x,y]", "b (>=1)"]` in the entry of `a` brings in `b` and what `x` and `y` do; Poetry follows such references
when it installs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from packaging.utils import NormalizedName, canonicalize_name

from driftscan.lock.table import Table

_ITEM = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[([^\]]*)\])?")


class Extra(NamedTuple):
    """What an extra stands for: the projects it brings in, and the extras of its own package, itself included."""

    names: frozenset[NormalizedName]
    implied: frozenset[NormalizedName]


def read_extras(table: Table, package: NormalizedName) -> Mapping[NormalizedName, Extra]:
    """The extras in the `[package.extras]` table of `package`, references among them followed."""
    direct = {canonicalize_name(extra): _direct(table.texts(extra), package) for extra in table.values}
    return {extra: _followed(extra, direct) for extra in direct}


def _direct(items: tuple[str, ...], package: NormalizedName) -> Extra:
    names: set[NormalizedName] = set()
    implied: set[NormalizedName] = set()
    for match in filter(None, map(_ITEM.match, items)):
        name = canonicalize_name(match[1])
        if name == package:
            implied.update(canonicalize_name(extra.strip()) for extra in (match[2] or "").split(",") if extra.strip())
        else:
            names.add(name)
    return Extra(frozenset(names), frozenset(implied))


def _followed(extra: NormalizedName, direct: Mapping[NormalizedName, Extra]) -> Extra:
    names: set[NormalizedName] = set()
    implied: set[NormalizedName] = set()
    pending = [extra]
    while pending:
        if (current := pending.pop()) in implied:
            continue
        implied.add(current)
        if current in direct:
            names |= direct[current].names
            pending += direct[current].implied
    return Extra(frozenset(names), frozenset(implied))
