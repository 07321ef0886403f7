"""What is set in files and variables, on its way into the options of a command."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import NamedTuple, TypeVar, cast

import click
from click.core import ParameterSource

from driftscan.api import configuration as files
from driftscan.api.request import check_rules
from driftscan.errors import UsageError
from driftscan.report import FORMATS
from driftscan.settings.effective import effective, parameters
from driftscan.settings.keys import SETTINGS
from driftscan.settings.parse import Configuration, Target, Value, parse_variables
from driftscan.toml.table import meant

_Options = TypeVar("_Options", bound=Mapping[str, object])


class Settings(NamedTuple):
    """The configuration file and the variables of this run."""

    configuration: Configuration
    variables: Mapping[str, Value]

    def effective(self, target: Target | None = None) -> dict[str, Value]:
        return effective(self.configuration, self.variables, target)


def read(file: str | None, *, without: bool) -> Settings:
    """The settings of this run; `file` instead of the one that is found, or none. Raises UsageError for wrong ones."""
    if file is not None and without:
        raise UsageError("--config and --no-config exclude each other")
    settings = Settings(
        Configuration() if without else files.load(Path.cwd(), file),
        parse_variables(os.environ),
    )
    _check_formats(settings)
    _check_rules(settings)
    return settings


def prepare(context: click.Context, name: str, command: click.Command) -> None:
    """Make what is set the defaults of the command that is about to run; the settings are its `context.obj`."""
    settings = read(context.params.get("config"), without=bool(context.params.get("no_config")))
    context.obj = settings
    context.default_map = {name: _defaults(name, command, settings.effective())}


def of(context: click.Context) -> Settings:
    """The settings that `prepare` has left there."""
    return cast("Settings", context.obj)


def for_target(context: click.Context, options: _Options, target: Target) -> _Options:
    """`options` with what a target sets of its own, unless the command line or a variable says it."""
    own = {key: value for key, value in target.values.items() if key not in of(context).variables}
    said = {
        name: value
        for name, value in parameters(own).items()
        if context.get_parameter_source(name) is not ParameterSource.COMMANDLINE
    }
    return cast("_Options", {**options, **said})


def _defaults(name: str, command: click.Command, values: Mapping[str, Value]) -> dict[str, object]:
    """Values by the command's parameters; formats that it cannot write are left to other commands."""
    own = {parameter.name: parameter for parameter in command.params}
    taken = {
        key: value
        for key, value in values.items()
        if SETTINGS[key].parameter in own and (not SETTINGS[key].commands or name in SETTINGS[key].commands)
    }
    formats = _choices(own.get("format"))
    if "format" in taken and taken["format"].content not in formats:
        del taken["format"]
    if "output" in taken:
        outputs = cast("tuple[str, ...]", taken["output"].content)
        kept = tuple(each for each in outputs if each.partition("=")[0] in formats)
        taken["output"] = taken["output"]._replace(content=kept)
    return dict(parameters(taken))


def _choices(parameter: click.Parameter | None) -> Collection[str]:
    if parameter is None or not isinstance(parameter.type, click.Choice):
        return ()
    return tuple(map(str, parameter.type.choices))


def _check_rules(settings: Settings) -> None:
    for key in ("select", "ignore"):
        value = settings.effective().get(key)
        try:
            check_rules(cast("tuple[str, ...]", value.content) if value is not None else ())
        except UsageError as error:
            error.where = value.where if value is not None else None
            raise


def _check_formats(settings: Settings) -> None:
    for key, value in settings.effective().items():
        if key in ("format", "output"):
            named = [value.content] if isinstance(value.content, str) else cast("tuple[str, ...]", value.content)
            for name in (each.partition("=")[0] for each in named):
                if name not in FORMATS:
                    raise UsageError(
                        f"there is no format {name!r}", where=value.where, hint=meant(name, tuple(FORMATS), "format")
                    )
