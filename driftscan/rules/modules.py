"""The compiled files of an environment, by the distribution that they belong to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from packaging.utils import NormalizedName

from driftscan.compare import Comparison
from driftscan.model.inventory import Distribution, Native
from driftscan.rules.native import does_not_fit
from driftscan.rules.requirements import importable, named


class Modules(NamedTuple):
    """A distribution and its compiled files; `modules` are those that the interpreter can import."""

    distribution: Distribution
    natives: Sequence[Native]
    modules: Sequence[Native]


def compiled(comparison: Comparison) -> tuple[Modules, ...]:
    """All distributions with compiled files that are imported from the environment, conda's and the operating system's
    too; not those that are for another Python or machine, of which there is nothing more to say.
    """
    natives: dict[str, list[Native]] = {}
    for native in comparison.environment.natives if comparison.environment is not None else ():
        natives.setdefault(native.distribution, []).append(native)
    return tuple(
        Modules(found, files, [each for each in files if each.is_module])
        for distributions in importable(comparison).values()
        for found in distributions
        if (files := natives.get(found.path)) and not does_not_fit(comparison, found, files)
    )


def provided_beside(comparison: Comparison, found: Sequence[Modules], distribution: Distribution) -> frozenset[str]:
    """Names of the libraries in a distribution itself and in those that it requires, directly or not.

    Their own Python code loads them first (`import torch` before torch's extensions), and then the dynamic loader
    takes what is loaded.
    """
    wanted = {distribution.name, *_required(comparison, distribution)}
    return frozenset(
        name
        for each in found
        if each.distribution.name in wanted
        for native in each.natives
        for name in (native.path.rpartition("/")[2], native.elf.soname)
        if name
    )


def _required(comparison: Comparison, distribution: Distribution) -> Iterator[NormalizedName]:
    """Projects that can be reached over METADATA, whatever the markers and extras."""
    there = importable(comparison)
    seen = {distribution.name}
    pending = [distribution]
    while pending:
        for name in named(pending.pop()):
            if name not in seen:
                seen.add(name)
                pending += there.get(name, ())
                yield name
