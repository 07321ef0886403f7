"""Everything that can end a run, to an exit code and at most a few lines on stderr."""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Sequence
from typing import TextIO

import click

from driftscan.errors import DriftscanError

CLEAN = 0
DRIFT = 1
FAILED = 2
INCOMPLETE = 3
_INTERRUPTED = 130
_BROKEN_PIPE = 141
"""128 + SIGPIPE, what a shell shows for a program that the signal ended."""

_FULL = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG))
"""What the system says of a disk that takes no more: a matter of the machine, and no bug."""
_VERBOSE = re.compile(r"--verbose|-[qv]*v[qv]*")


def handle(error: BaseException, arguments: Sequence[str]) -> int:
    """Say what happened and return the exit code. A bug never looks like a result: it ends with 2 as well."""
    match error:
        case click.exceptions.Exit():
            return error.exit_code
        case SystemExit():
            return error.code if isinstance(error.code, int) else FAILED
        case click.exceptions.NoArgsIsHelpError():
            error.show()
        case click.ClickException():
            _say(error.format_message(), _usage_hint(error))
        case DriftscanError():
            _say(str(error), error.hint)
        case KeyboardInterrupt() | click.Abort():
            _say("interrupted", None)
            return _INTERRUPTED
        case BrokenPipeError():
            return broken_pipe()
        case OSError() if error.errno in _FULL:
            # Help is written by click, which passes on what the system said.
            _say(f"the result cannot be written: {error.strerror}", None)
        case MemoryError():
            _say("there is not enough memory", None)
        case _:
            _unexpected(error, arguments)
    return FAILED


def broken_pipe() -> int:
    """Who reads stdout is gone; there is nobody to tell."""
    give_up(sys.stdout)
    return _BROKEN_PIPE


def give_up(stream: TextIO) -> None:
    """Let what is left for `stream` go nowhere, so that the interpreter's last attempt does not fail in its own way."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _usage_hint(error: click.ClickException) -> str | None:
    if isinstance(error, click.UsageError) and error.ctx is not None:
        return f"`{error.ctx.command_path} --help` shows how it is used"
    return None


def _unexpected(error: BaseException, arguments: Sequence[str]) -> None:
    if any(map(_VERBOSE.fullmatch, arguments)):
        import traceback

        traceback.print_exception(error)
    _say(
        f"this is a bug in driftscan: {type(error).__name__}: {error}",
        "please report it, with the traceback that -v shows; nothing was concluded about the image",
    )


def warn(message: str) -> None:
    """Say something on stderr that does not end the run."""
    _say(message, None, "warning", "yellow")


def _say(message: str, hint: str | None, level: str = "error", shade: str = "red") -> None:
    from driftscan.cli.output import colored
    from driftscan.report.escape import plain

    color = colored(sys.stderr)
    lines = [f"driftscan: {click.style(level, fg=shade, bold=True) if color else level}: {plain(message)}"]
    if hint:
        lines.append(f"{click.style('hint', fg='cyan') if color else 'hint'}: {plain(hint)}")
    try:
        sys.stderr.write("".join(f"{line}\n" for line in lines))
    except OSError:
        # There is nowhere left to say so; the exit code still tells.
        give_up(sys.stderr)
