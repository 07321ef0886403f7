"""Manual pages of driftscan and its commands, from what they say of themselves: `python -m docs.manual` writes them.

They are in the macros of man(7); every line of text is escaped as that says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click

from driftscan import __version__
from driftscan.cli import COMMANDS, program

FOLDER = Path(__file__).parent / "man"
_EXIT = (
    ("0", "everything was checked; nothing at or above --fail-on"),
    ("1", "at least one finding at or above --fail-on"),
    ("2", "it could not run: bad usage, unreadable lock, unreachable or malformed image"),
    ("3", "no finding reached --fail-on, but something could not be checked"),
)


def pages() -> dict[str, str]:
    """The pages by the names of their files."""
    commands = {name: load() for name, load in COMMANDS.items()}
    found = {f"driftscan-{name}.1": "".join(_page(name, command)) for name, command in commands.items()}
    return {"driftscan.1": "".join(_program(commands)), **found}


def write() -> None:
    for old in FOLDER.glob("*.1"):
        old.unlink()
    for name, text in pages().items():
        (FOLDER / name).write_text(text, encoding="utf-8")


def _context() -> click.Context:
    """That of the program, whose settings its commands inherit."""
    return click.Context(program, info_name="driftscan", help_option_names=["-h", "--help"], max_content_width=100)


def _program(commands: dict[str, click.Command]) -> Iterator[str]:
    context = _context()
    yield from _head("driftscan", program.get_short_help_str(200))
    yield ".SH SYNOPSIS\n.B driftscan\n[OPTIONS] COMMAND [ARGS]...\n"
    yield ".SH DESCRIPTION\n" + _text((program.help or "").partition("\b")[0])
    yield from _options(program, context)
    yield ".SH COMMANDS\n"
    for name, command in commands.items():
        yield f".TP\n.BR driftscan\\-{name} (1)\n{_line(command.get_short_help_str(200))}\n"
    yield from _end()


def _page(name: str, command: click.Command) -> Iterator[str]:
    context = click.Context(command, info_name=name, parent=_context())
    yield from _head(f"driftscan-{name}", command.get_short_help_str(200))
    usage = " ".join(command.collect_usage_pieces(context))
    yield f".SH SYNOPSIS\n.B driftscan {name}\n{_line(usage)}\n"
    text, *examples = (command.help or "").split("\b")
    yield ".SH DESCRIPTION\n" + _text(text)
    yield from _options(command, context)
    if isinstance(command, click.Group):
        yield ".SH COMMANDS\n"
        for each in command.list_commands(context):
            sub = command.get_command(context, each)
            if sub is not None:
                yield f".TP\n.B {_line(each)}\n{_line(sub.get_short_help_str(200))}\n"
    if examples:
        lines = [line.strip() for line in "\n".join(examples).splitlines() if line.strip()]
        yield ".SH EXAMPLES\n.EX\n" + "".join(f"{_line(line)}\n" for line in lines) + ".EE\n"
    yield from _end()


def _head(name: str, summary: str) -> Iterator[str]:
    yield f'.TH {name.upper()} 1 "" "driftscan {__version__}" "User Commands"\n'
    yield f".SH NAME\n{_line(name)} \\- {_line(summary.rstrip('.'))}\n"


def _options(command: click.Command, context: click.Context) -> Iterator[str]:
    yield ".SH OPTIONS\n"
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None and not isinstance(parameter, click.Argument):
            yield f".TP\n.B {_line(record[0])}\n{_line(' '.join(record[1].split()))}\n"


def _end() -> Iterator[str]:
    yield ".SH EXIT STATUS\n" + "".join(f".TP\n.B {code}\n{_line(meaning)}\n" for code, meaning in _EXIT)


def _text(text: str) -> str:
    """Paragraphs."""
    paragraphs = [" ".join(part.split()) for part in re.split(r"\n\s*\n", text.strip())]
    return "\n.PP\n".join(map(_line, filter(None, paragraphs))) + "\n"


def _line(text: str) -> str:
    """Text that is no request and no escape, with hyphens that can be copied."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("`", "\\(ga")
    return f"\\&{escaped}" if escaped.startswith(".") else escaped


if __name__ == "__main__":
    write()
