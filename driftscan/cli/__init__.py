"""The command line: arguments to a use case, its result to stdout, an exit code.

Commands are imported when they run, so that `driftscan --version` starts without the rest of the program.
"""

from __future__ import annotations

import gc
import io
import os
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NoReturn

import click

from driftscan._version import __version__
from driftscan.cli import errors
from driftscan.errors import UsageError

_OBJECTS_BETWEEN_COLLECTIONS = 1_000_000


def _compare() -> click.Command:
    from driftscan.cli.compare import compare

    return compare


def _check() -> click.Command:
    from driftscan.cli.check import check

    return check


def _cache() -> click.Command:
    from driftscan.cli.cache import cache

    return cache


def _lock() -> click.Command:
    from driftscan.cli.lock import lock

    return lock


def _adopt() -> click.Command:
    from driftscan.cli.adopt import adopt

    return adopt


def _diff() -> click.Command:
    from driftscan.cli.diff import diff

    return diff


def _graph() -> click.Command:
    from driftscan.cli.graph import graph

    return graph


def _convert() -> click.Command:
    from driftscan.cli.convert import convert

    return convert


def _why() -> click.Command:
    from driftscan.cli.why import why

    return why


def _inspect() -> click.Command:
    from driftscan.cli.inspect import inspect

    return inspect


def _lint() -> click.Command:
    from driftscan.cli.lint import lint

    return lint


def _baseline() -> click.Command:
    from driftscan.cli.baseline import baseline

    return baseline


def _config() -> click.Command:
    from driftscan.cli.config import config

    return config


def _explain() -> click.Command:
    from driftscan.cli.explain import explain

    return explain


def _rules() -> click.Command:
    from driftscan.cli.explain import rules

    return rules


COMMANDS: Mapping[str, Callable[[], click.Command]] = MappingProxyType(
    {
        "compare": _compare,
        "check": _check,
        "lock": _lock,
        "convert": _convert,
        "adopt": _adopt,
        "diff": _diff,
        "graph": _graph,
        "why": _why,
        "inspect": _inspect,
        "lint": _lint,
        "baseline": _baseline,
        "config": _config,
        "explain": _explain,
        "rules": _rules,
        "cache": _cache,
    }
)


_UNCONFIGURED = ("cache", "explain", "lock", "rules")
"""What a folder sets is no matter of these; it could lead `lock` to another index than its user's."""


class _Program(click.Group):
    """A group whose commands are imported by name."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (click's signature)
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        return COMMANDS[cmd_name]() if cmd_name in COMMANDS else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if ctx.resilient_parsing:  # a shell asks what could follow
            return super().resolve_command(ctx, args)
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            raise UsageError(f"there is no command {args[0]!r}", hint=_meant(args))
        name, command, rest = super().resolve_command(ctx, args)
        if name is not None and command is not None and _is_configured(name, rest):
            from driftscan.cli import configured

            configured.prepare(ctx, name, command)
        return name, command, rest


def _is_configured(name: str, arguments: Sequence[str]) -> bool:
    """Whether settings matter: not to those who look something up, or ask for help because their settings are wrong."""
    return name not in _UNCONFIGURED and not {"-h", "--help"} & set(arguments)


def _meant(arguments: Sequence[str]) -> str:
    """A command of nearly that name; or `compare`, which a lock and an image without a command are meant for."""
    name, *rest = arguments
    if "." in name or ":" in name:
        return f"did you mean `{shlex.join(['driftscan', 'compare', *arguments])}`?"
    import difflib

    if close := difflib.get_close_matches(name, COMMANDS, n=1):
        return f"did you mean `{shlex.join(['driftscan', close[0], *rest])}`?"
    return f"the commands are {', '.join(COMMANDS)}"


@click.group(cls=_Program, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, "-V", "--version", prog_name="driftscan")
@click.option(
    "--config", metavar="FILE", envvar="DRIFTSCAN_CONFIG", help="Settings. [default: driftscan.toml or pyproject.toml]"
)
@click.option("--no-config", is_flag=True, help="Read no file with settings.")
def program(config: str | None, no_config: bool) -> None:
    """Prove from files alone whether a container image is exactly what its lock says.

    \b
    Exit codes:
      0  everything was checked; nothing at or above --fail-on
      1  at least one finding at or above --fail-on
      2  it could not run: bad usage, unreadable lock, unreachable or malformed image
      3  no finding reached --fail-on, but something could not be checked
    """


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the program and exit with its code."""
    # Little of what one run makes is garbage; to look for cycles that often takes a sixth of its time.
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    code = run(sys.argv[1:] if arguments is None else arguments)
    # The interpreter looks once more, through all that there is, before it gives everything back in any case.
    gc.freeze()
    sys.exit(code)


def run(arguments: Sequence[str]) -> int:
    """The exit code of one run; whatever goes wrong is said on stderr, in one sentence."""
    _open_closed_streams()
    if "_DRIFTSCAN_COMPLETE" in os.environ:
        program.main(list(arguments), prog_name="driftscan")
    try:
        with program.make_context("driftscan", list(arguments)) as context:
            program.invoke(context)
        return _flushed(errors.CLEAN)
    except BaseException as error:  # noqa: BLE001 (nothing may end in a traceback, or look like a result)
        return _flushed(errors.handle(error, arguments))


def _open_closed_streams() -> None:
    """Python has None for a stream that the caller closed (`>&-`); what is written there goes nowhere."""
    if sys.stdout is None:
        sys.stdout = io.StringIO()
    if sys.stderr is None:
        sys.stderr = io.StringIO()


def _flushed(code: int) -> int:
    """`code`, unless who reads stdout is gone. Where stdout takes nothing, `handle` has said so."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        return errors.broken_pipe()
    except OSError:
        errors.give_up(sys.stdout)
        return errors.FAILED
    return code
