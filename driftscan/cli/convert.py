"""`driftscan convert`: a lock in another format, without resolving again."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Unpack

import click

from driftscan import api
from driftscan.cli import output
from driftscan.cli.errors import warn
from driftscan.cli.options import (
    IndexOptions,
    MarkerOptions,
    SelectionOptions,
    TargetOptions,
    index_options,
    is_narrowed,
    marker_options,
    request,
    selection_options,
    target_options,
)
from driftscan.cli.output import STDOUT
from driftscan.convert import WRITERS
from driftscan.errors import UsageError
from driftscan.lock import pylock, requirements


class _Options(SelectionOptions, MarkerOptions, IndexOptions, TargetOptions):
    output: str
    to: str | None
    target: str | None
    quiet: bool
    verbose: bool


@click.command(short_help="Write a lock in another format.")
@click.argument("lock", metavar="LOCK")
@click.option("-o", "--output", default=STDOUT, metavar="FILE", help="Where to write it. [default: stdout, with --to]")
@click.option("--to", type=click.Choice(list(WRITERS)), help="Which format. [default: by the name of FILE]")
@click.option("--for", "target", metavar="TARGET", help="For the Python in this image, without markers.")
@marker_options
@index_options
@selection_options
@target_options
@click.option("-q", "--quiet", is_flag=True, help="Nothing on stderr but errors.")
@click.option("-v", "--verbose", is_flag=True, help="The traceback of a bug.")
def convert(lock: str, **options: Unpack[_Options]) -> None:
    """Write a lock as a hashed requirements file or as pylock.toml, without resolving again.

    Versions, sources and hashes stay as they are. The new lock is for all Pythons and platforms of the old one, with
    markers, or for one target. What it says is compared with the old one before it is written; what the format cannot
    say is told on stderr. --online asks the package index for the addresses of files that the old lock has only hashes
    of.

    \b
    driftscan convert uv.lock -o requirements.txt
    driftscan convert uv.lock -o pylock.toml
    driftscan convert poetry.lock -o pylock.toml --online
    driftscan convert poetry.lock -o requirements.txt --python 3.12 --python-platform linux
    """
    path = options["output"]
    converted = api.convert(
        lock,
        options["to"] or named_format(path),
        request=request(options) if is_narrowed(options) else None,
        target=options["target"],
        python=options["python"],
        python_platform=options["python_platform"],
        environment=options["environment"],
        platform=options["platform"],
        lock_format=options["lock_format"],
        folder=_folder(lock, path),
        online=options["online"],
        index_urls=options["index_url"],
        warn=warn,
        offline=options["offline"],
        cache=not options["no_cache"],
    )
    if path == STDOUT:
        output.show(converted.text)
    else:
        output.save(converted.text, path)
    if not options["quiet"]:
        for note in converted.notes:
            output.note(note)
        if path != STDOUT:
            count = converted.packages
            output.note(f"{count} {'entry' if count == 1 else 'entries'} written to {path}")


def named_format(path: str) -> str:
    """The format that the name of a file asks for; UsageError where it tells none."""
    name = Path(path).name
    if path != STDOUT and pylock.matches(name, b""):
        return "pylock"
    if path != STDOUT and requirements.matches(name, b""):
        return "requirements"
    raise UsageError(
        "which format is wanted is not clear" if path == STDOUT else f"the name {name} does not tell the format",
        hint=f"--to {' or --to '.join(WRITERS)}",
    )


def _folder(lock: str, path: str) -> str:
    """The way from the new file to the lock's folder, for paths in it."""
    here = Path(path).parent if path != STDOUT else Path()
    output.check_folder(path)
    if path != STDOUT and Path(path).exists() and Path(lock).exists() and Path(path).samefile(lock):
        raise UsageError("the lock would be replaced by what is made from it", hint="name another file with -o")
    return Path(os.path.relpath(Path(lock).parent, here)).as_posix()
