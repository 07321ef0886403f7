"""Loose requirements to a lock, for this machine, a named target, or images."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from driftscan.api.checking import place
from driftscan.model.target import Target
from driftscan.resolve import checking, session
from driftscan.resolve.check import Checked
from driftscan.resolve.options import Options
from driftscan.resolve.session import Locked

__all__ = ["Checked", "Locked", "Options", "check", "located", "lock"]


def lock(paths: Sequence[str], options: Options, *, warn: Callable[[str], None] | None = None) -> Locked:
    """The lock of the requirements files and projects at `paths`, as text.

    Raises ResolveError, with file and line, where nothing satisfies the requirements or what does may not be used;
    DriftscanError where something cannot be read.
    """
    return session.lock(paths, options, locate=located, warn=warn)


def check(paths: Sequence[str], options: Options, *, warn: Callable[[str], None] | None = None) -> Checked:
    """Whether the lock at `options.output` is still what `paths` ask for."""
    return checking.check(paths, options, locate=located, warn=warn)


def located(reference: str, options: Options) -> Target:
    """The target of the Python in an image; ImageError where it cannot be read or has none."""
    judged = place(
        reference,
        environment=options.environment,
        platform=options.platform,
        offline=options.offline,
        cache=options.cache,
    )
    return judged.target or Target()
