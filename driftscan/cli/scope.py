"""From the options that choose a part of a lock and an environment of an image to the scope of a graph."""

from __future__ import annotations

from driftscan.api.graphs import Scope
from driftscan.cli.options import MarkerOptions, SelectionOptions, TargetOptions, is_narrowed, request


class ScopeOptions(SelectionOptions, MarkerOptions, TargetOptions):
    """What `graph` and `why` are asked of."""


def scope(options: ScopeOptions) -> Scope:
    return Scope(
        request=request(options) if is_narrowed(options) else None,
        python=options["python"],
        python_platform=options["python_platform"],
        environment=options["environment"],
        platform=options["platform"],
        lock_format=options["lock_format"],
        offline=options["offline"],
        cache=not options["no_cache"],
    )
