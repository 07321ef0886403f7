"""`driftscan adopt`: the lock that a running image never had."""

from __future__ import annotations

from typing import Unpack

import click

from driftscan import api
from driftscan.api.adopting import HASHES
from driftscan.cli import output, progress
from driftscan.cli.convert import named_format
from driftscan.cli.errors import CLEAN, INCOMPLETE, warn
from driftscan.cli.options import LazyOptions, TargetOptions, lazy_option, target_options
from driftscan.cli.output import STDOUT
from driftscan.cli.unkept import warn_of_cache
from driftscan.convert import WRITERS
from driftscan.errors import UsageError


class _Options(TargetOptions, LazyOptions):
    output: str
    to: str | None
    hashes: str
    universal: bool
    index_url: tuple[str, ...]
    quiet: bool
    verbose: bool


@click.command(short_help="Write the lock that brings back what an image contains.")
@click.argument("target", metavar="TARGET")
@click.option("-o", "--output", default=STDOUT, metavar="FILE", help="The lock. [default: stdout, with --to]")
@click.option("--to", type=click.Choice(list(WRITERS)), help="Which format. [default: by the name of FILE]")
@click.option("--hashes", type=click.Choice(HASHES), default="all", show_default=True, help="Of which files.")
@click.option("--universal", is_flag=True, help="For all platforms, with what they need beside it.")
@click.option("--index-url", multiple=True, metavar="URL", help="Ask this index. [default: pip's or uv's] Repeatable.")
@target_options
@lazy_option
@click.option("-q", "--quiet", is_flag=True, help="Nothing on stderr but errors.")
@click.option("-v", "--verbose", is_flag=True, help="The traceback of a bug.")
@click.pass_context
def adopt(context: click.Context, target: str, **options: Unpack[_Options]) -> None:
    """Write the hashed lock that brings back what an image contains.

    Each distribution is looked up on the package index: the release of its version, the wheel that fits the installed
    build, and in that wheel the list of files, which has to be that of the installed ones. Repositories and archives
    are locked as the installer wrote them down. What cannot be brought back, such as files that were changed after they
    were installed, is told with the reason, and the exit code is 3.

    With --universal what the image holds is pinned on all platforms, and what other platforms need beside it is
    resolved with uv. On the image's own platform that lock installs the same.

    \b
    driftscan adopt shop:1.4 -o requirements.txt
    driftscan adopt env:.venv -o pylock.toml
    driftscan adopt shop:1.4 -o requirements.txt --universal
    """
    if options["offline"]:
        raise UsageError("the hashes are on the package index, which cannot be asked offline")
    path = options["output"]
    output.check_folder(path)
    to = options["to"] or named_format(path)
    warn_of_cache(target, no_cache=options["no_cache"], quiet=options["quiet"])
    with progress.layers(target, quiet=options["quiet"]) as watch:
        adopted = api.adopt(
            target,
            to,
            environment=options["environment"],
            platform=options["platform"],
            cache=not options["no_cache"],
            lazy=options["lazy"],
            index_urls=options["index_url"],
            hashes=options["hashes"],
            universal=options["universal"],
            output=path if path != STDOUT else None,
            progress=watch,
            warn=warn,
        )
    if path == STDOUT:
        output.show(adopted.text)
    else:
        output.save(adopted.text, path)
    for left_out in adopted.left_out:
        output.note(f"left out: {left_out.name} {left_out.version}: {left_out.why}")
    for message in adopted.changed:
        output.note(f"not brought back: {message}")
    for item in adopted.unchecked:
        warn(f"not verified: {item.what}: {item.why}")
    if not options["quiet"]:
        for note in adopted.notes:
            output.note(note)
        if path != STDOUT:
            count = adopted.packages
            output.note(f"{count} {'entry' if count == 1 else 'entries'} written to {path}")
    context.exit(INCOMPLETE if adopted.left_out or adopted.changed or adopted.unchecked else CLEAN)
