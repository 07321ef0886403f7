"""Which of several values counts: the command line over variables over a target's own over the file's."""

from __future__ import annotations

from collections.abc import Mapping

from driftscan.settings.keys import SETTINGS
from driftscan.settings.parse import Configuration, Target, Value

DEFAULT = "default"


def effective(
    configuration: Configuration, variables: Mapping[str, Value], target: Target | None = None
) -> dict[str, Value]:
    """Values that are set anywhere below the command line, by key in the order of `SETTINGS`."""
    layers = (variables, target.values if target is not None else {}, configuration.values)
    return {
        key: next(layer[key] for layer in layers if key in layer)
        for key in SETTINGS
        if any(key in layer for layer in layers)
    }


def parameters(values: Mapping[str, Value]) -> dict[str, bool | str | tuple[str, ...]]:
    """`values` by the names of the program's parameters, in their sense."""
    return {
        SETTINGS[key].parameter: not value.content if SETTINGS[key].is_opposite else value.content
        for key, value in values.items()
    }
