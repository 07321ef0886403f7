"""What is compared with what: the locks and the image of the command line, or all pairs of the configuration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, NamedTuple, TypedDict, TypeVar

import click

from driftscan.cli import configured
from driftscan.errors import UsageError
from driftscan.image.references import masked
from driftscan.reading import is_lock
from driftscan.settings.parse import Target
from driftscan.toml.table import meant


class PairOptions(TypedDict):
    """Which targets of the configuration are meant."""

    target: tuple[str, ...]


_Options = TypeVar("_Options", bound=PairOptions)
_Options_co = TypeVar("_Options_co", bound=PairOptions, covariant=True)


class Pair(NamedTuple, Generic[_Options_co]):
    """Locks that are taken as one, and an image, with the options for them; `section` is what the configuration says of
    them, where they come from there.
    """

    locks: tuple[str, ...]
    image: str
    options: _Options_co
    section: Target | None = None


target_option = click.option(
    "--target", multiple=True, metavar="NAME", help="Only this target of the configuration. Repeatable."
)


def pairs(context: click.Context, arguments: tuple[str, ...], options: _Options) -> list[Pair[_Options]]:
    """One pair for arguments, all of the configuration without; UsageError where there is none."""
    targets = configured.of(context).configuration.targets
    names = options["target"]
    if arguments and names:
        raise UsageError("--target names a target of the configuration, and LOCK and TARGET are given as well")
    if arguments or not (targets or names):
        locks, image = split(arguments)
        return [Pair(locks, image, options)]
    return [
        Pair(each.locks, each.target, configured.for_target(context, options, each), each)
        for each in _chosen(targets, names)
    ]


def _chosen(targets: Sequence[Target], names: Sequence[str]) -> list[Target]:
    known = {target.name: target for target in targets}
    for name in names:
        if name not in known:
            hint = meant(name, tuple(known), "target") if known else "the configuration has none"
            raise UsageError(f"there is no target {name!r}", hint=hint)
    return [target for target in targets if not names or target.name in names]


def split(arguments: tuple[str, ...]) -> tuple[tuple[str, ...], str]:
    """Locks and target; UsageError that says what is missing or swapped."""
    if not arguments:
        raise UsageError("a lock and an image are needed", hint="driftscan compare uv.lock shop:1.4")
    *locks, target = arguments
    if not locks and is_lock(target):
        raise UsageError(f"{target} is a lock; the image is missing", hint=f"driftscan compare {target} shop:1.4")
    shown = masked(target)
    if not locks:
        raise UsageError(f"the lock to compare {shown} with is missing", hint=f"driftscan compare uv.lock {shown}")
    if is_lock(target):
        others = [argument for argument in locks if not is_lock(argument)]
        if len(others) != 1:
            raise UsageError(
                f"the last argument is the image, and {target} is a lock",
                hint=f"driftscan compare {' '.join(map(masked, arguments))} shop:1.4",
            )
        right = [argument for argument in arguments if argument != others[0]]
        raise UsageError(
            f"the last argument is the image, and {target} is a lock",
            hint=f"the locks come first: driftscan compare {' '.join(right)} {masked(others[0])}",
        )
    return tuple(locks), target
