"""`driftscan lint`: the six reproducibility practices, from a Dockerfile, an image, or both."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Unpack

import click

from driftscan.api import linting
from driftscan.cli import output, progress
from driftscan.cli.accepted import Finished, accepted
from driftscan.cli.errors import CLEAN
from driftscan.cli.options import (
    BaselineOptions,
    OutputOptions,
    RuleOptions,
    TargetOptions,
    baseline_option,
    fail_on,
    listed,
    output_options,
    rule_options,
    target_options,
)
from driftscan.cli.results import exit_code, write
from driftscan.cli.unkept import warn_of_cache
from driftscan.errors import UsageError
from driftscan.practices import fixes
from driftscan.report import FORMATS
from driftscan.report.escape import plain
from driftscan.rules.practices import FAMILIES


class _Options(TargetOptions, RuleOptions, BaselineOptions, OutputOptions):
    lock: tuple[str, ...]
    folder: str | None
    build_arg: tuple[str, ...]
    target: str | None
    base: str | None
    online: bool
    fix: bool
    write: bool


@click.command(short_help="Judge a Dockerfile, an image or both by six practices.")
@click.argument("arguments", nargs=-1, metavar="[DOCKERFILE] [TARGET]")
@click.option("--lock", multiple=True, metavar="LOCK", help="The lock that it should be installed from. Repeatable.")
@click.option("--context", "folder", metavar="FOLDER", help="The folder of the build. [default: the Dockerfile's]")
@click.option("--build-arg", multiple=True, metavar="NAME=VALUE", help="The value of an ARG. Repeatable.")
@click.option("--target", metavar="STAGE", help="The stage that is built. [default: the last one]")
@click.option("--base", metavar="TARGET", help="The image that TARGET is built on.")
@click.option("--online", is_flag=True, help="Ask registries which digests the names of images stand for now.")
@click.option("--fix", is_flag=True, help="Show what can be changed in the Dockerfile safely, as a diff.")
@click.option("--write", is_flag=True, help="With --fix: change the Dockerfile, then judge it.")
@target_options
@rule_options
@baseline_option
@output_options(FORMATS)
@click.pass_context
def lint(context: click.Context, arguments: tuple[str, ...], **options: Unpack[_Options]) -> None:
    """Judge a Dockerfile, an image or both by the six reproducibility practices: base image pinned, OS packages fixed,
    dependencies before code, installed from a lock, a command that is there, hardware assumptions written down.

    Each holds, fails, or cannot be known; what would settle it is said. Nothing is built or run.

    \b
    driftscan lint Dockerfile
    driftscan lint shop:1.4
    driftscan lint Dockerfile shop:1.4 --lock uv.lock
    driftscan lint Dockerfile --online --fix
    """
    dockerfile, image = split(arguments)
    subject = linting.Subject(
        dockerfile=dockerfile,
        image=image,
        context=options["folder"],
        build_arguments=build_arguments(options["build_arg"]),
        stage=options["target"],
        base=options["base"],
        locks=options["lock"],
        environment=options["environment"],
        platform=options["platform"],
        online=options["online"],
        offline=options["offline"],
        cache=not options["no_cache"],
    )
    if options["write"] and not options["fix"]:
        raise UsageError("--write belongs to --fix", hint="driftscan lint Dockerfile --fix --write")
    if options["fix"] and not _fixed(subject, write=options["write"], quiet=options["quiet"]):
        context.exit(CLEAN)
    if image is not None:
        warn_of_cache(image, no_cache=options["no_cache"], quiet=options["quiet"])
    with progress.layers(image or "", quiet=options["quiet"] or image is None) as watch:
        report = linting.lint(
            subject,
            select=listed(options["select"]),
            ignore=listed(options["ignore"]),
            fail_on=fail_on(options),
            progress=watch,
        )
    (report,) = accepted(context, [Finished(report, options["baseline"])], options, FAMILIES)
    write(FORMATS, report, options)
    context.exit(exit_code(report))


def _fixed(subject: linting.Subject, *, write: bool, quiet: bool) -> bool:
    """Show or write the safe changes, and say on stderr what is left to do; whether they were to be written."""
    fix = linting.fix(subject)
    if write and fix.changes:
        output.replace(fix.text, fix.path)
    if not write:
        output.show("".join(f"{plain(line)}\n" for line in fixes.diff(fix).splitlines()))
    if not quiet:
        for change in fix.changes:
            output.note(f"{'changed' if write else 'would change'}: {change}")
        if not fix.changes:
            output.note(f"nothing in {fix.path} can be changed safely")
        for proposal in fix.proposals if not write else ():
            output.note(f"left to do: {proposal}")
    return write


def split(arguments: tuple[str, ...]) -> tuple[str | None, str | None]:
    """Dockerfile and image, in either order; without any argument the Dockerfile in this folder."""
    if len(arguments) > 2:
        raise UsageError("a Dockerfile and an image are all that lint takes", hint="driftscan lint Dockerfile shop:1.4")
    files = [argument for argument in arguments if linting.is_dockerfile(argument)]
    if not arguments:
        if not linting.is_dockerfile("."):
            raise UsageError(
                "there is no Dockerfile in this folder", hint="driftscan lint path/to/Dockerfile, or shop:1.4"
            )
        return ".", None
    if len(files) == 2:
        raise UsageError("both arguments are Dockerfiles", hint=f"driftscan lint {files[0]}; driftscan lint {files[1]}")
    images = [argument for argument in arguments if argument not in files]
    if len(images) == 2:
        named = next((argument for argument in arguments if _looks_like(argument)), None)
        if named is not None:
            raise UsageError("there is no such Dockerfile", where=named)
        raise UsageError("neither argument is a Dockerfile", hint="driftscan lint Dockerfile shop:1.4")
    if images and _looks_like(images[0]) and not Path(images[0]).exists():
        raise UsageError("there is no such file", where=images[0])
    return files[0] if files else None, images[0] if images else None


def _looks_like(argument: str) -> bool:
    return "dockerfile" in argument.lower() or "containerfile" in argument.lower()


def build_arguments(values: Iterable[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for value in values:
        name, sign, text = value.partition("=")
        if not sign or not name:
            raise UsageError(f"{value!r} is not NAME=VALUE", hint="--build-arg VERSION=3.12")
        found[name] = text
    return found
