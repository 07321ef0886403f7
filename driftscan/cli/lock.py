"""`driftscan lock`: loose requirements to a complete, hashed lock."""

from __future__ import annotations

from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import click

from driftscan.cli.errors import CLEAN, DRIFT, INCOMPLETE, warn
from driftscan.cli.options import MarkerOptions, TargetOptions, marker_options, target_options
from driftscan.errors import UsageError
from driftscan.lock import FORMATS
from driftscan.model.target import Target
from driftscan.resolve import session
from driftscan.resolve.options import STDOUT, Options
from driftscan.resolve.project import Chosen

if TYPE_CHECKING:
    from driftscan.resolve.check import Checked

_ENGINES = ("uv", "pip-tools")
_FORMATS = ("requirements", "pylock")
_HASHES = ("all", "target", "exact")


class _Options(MarkerOptions, TargetOptions):
    output: str | None
    to: str | None
    target: tuple[str, ...]
    constraint: tuple[str, ...]
    extra: tuple[str, ...]
    all_extras: bool
    group: tuple[str, ...]
    universal: bool
    upgrade: bool
    upgrade_package: tuple[str, ...]
    exclude_newer: str | None
    engine: str | None
    check: bool
    allow_builds: bool
    hashes: str
    index_url: tuple[str, ...]
    extra_index_url: tuple[str, ...]
    index_config: str | None
    find_links: tuple[str, ...]
    no_index: bool
    quiet: bool
    verbose: bool


@click.command(short_help="Lock loose requirements, with hashes.")
@click.argument("requirements", nargs=-1, metavar="REQUIREMENTS...")
@click.option("-o", "--output", metavar="FILE", help="The lock. [default: NAME.txt for NAME.in] - is stdout.")
@click.option("--to", type=click.Choice(_FORMATS), help="Which format. [default: by the name of FILE]")
@click.option("-c", "--constraint", multiple=True, metavar="FILE", help="Within these constraints. Repeatable.")
@click.option("--extra", multiple=True, metavar="NAME", help="With this extra of the project. Repeatable.")
@click.option("--all-extras", is_flag=True, help="With all extras.")
@click.option("--group", multiple=True, metavar="NAME", help="With this dependency group. Repeatable.")
@click.option("--for", "target", multiple=True, metavar="TARGET", help="For the Python in this image. Repeatable.")
@marker_options
@click.option("--universal", is_flag=True, help="For all platforms, with markers.")
@click.option("-U", "--upgrade", is_flag=True, help="Keep no pin of the old lock.")
@click.option("-P", "--upgrade-package", multiple=True, metavar="NAME", help="Do not keep this one. Repeatable.")
@click.option("--exclude-newer", metavar="TIME", help="As the index was: 2026-11-24, an instant, or 7d for a week ago.")
@click.option("--engine", type=click.Choice(_ENGINES), help="Who picks versions. [default: as before, or uv]")
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 if FILE is stale.")
@click.option("--allow-builds", is_flag=True, help="Run the code of packages that only a build tells about.")
@click.option("--hashes", type=click.Choice(_HASHES), default="all", show_default=True, help="Of which files.")
@click.option("--index-url", multiple=True, metavar="URL", help="Ask this index. [default: pip's or uv's] Repeatable.")
@click.option("--extra-index-url", multiple=True, metavar="URL", help="Ask this index first. Repeatable.")
@click.option("--index-config", metavar="FILE", help="Ask the indexes of this uv.toml, pyproject.toml or pip.conf.")
@click.option("--find-links", multiple=True, metavar="PLACE", help="Files in this folder or page too. Repeatable.")
@click.option("--no-index", is_flag=True, help="Ask no index.")
@target_options
@click.option("-q", "--quiet", is_flag=True, help="Nothing on stderr but errors.")
@click.option("-v", "--verbose", is_flag=True, help="The traceback of a bug.")
@click.pass_context
def lock(context: click.Context, requirements: tuple[str, ...], **options: Unpack[_Options]) -> None:
    """Lock loose requirements: every version pinned, every file hashed, for the Python that they will run on.

    REQUIREMENTS are requirements files and pyproject.toml. Pins that FILE has are kept as long as nothing speaks
    against them. Nothing is built, and nothing in the current folder is run or obeyed. The lock is verified against
    the index before it replaces FILE. --check compares FILE with its inputs, resolves again with its pins where that
    leaves something open, and asks the index whether a pin was yanked or a hash changed.

    \b
    driftscan lock requirements.in
    driftscan lock requirements.in --for python-base:3.12
    driftscan lock pyproject.toml --extra web -o pylock.toml --universal
    driftscan lock requirements.in --upgrade-package flask
    driftscan lock requirements.in --check
    """
    settings = _settings(requirements, options)
    if options["check"]:
        from driftscan.cli import output
        from driftscan.resolve.checking import check

        checked = check(requirements, settings, locate=_located, warn=warn)
        output.show(_report(checked))
        context.exit(DRIFT if checked.is_stale else INCOMPLETE if checked.is_open else CLEAN)
    result = session.lock(requirements, settings, locate=_located, warn=warn, meanwhile=_import_output)
    from driftscan.cli import output

    if settings.output == STDOUT:
        output.show(result.text)
    else:
        output.save(result.text, settings.output)
    if not options["quiet"]:
        _tell(result, settings.output)
    for item in result.unchecked:
        warn(f"not verified: {item.what}: {item.why}")
    context.exit(INCOMPLETE if result.unchecked else CLEAN)


def _import_output() -> None:
    from driftscan.cli import output  # noqa: F401 (it takes a while, and so does the engine)


def _located(reference: str, options: Options) -> Target:
    # What reads images takes longer to import than most locks take to make.
    from driftscan.api.locking import located

    return located(reference, options)


def _tell(result: session.Locked, path: str) -> None:
    from driftscan.cli import output

    for note in result.notes:
        output.note(note)
    for line in result.changes:
        output.note(line)
    pins = f"{result.packages} {'package' if result.packages == 1 else 'packages'}"
    where = f"locked in {path}" if path != STDOUT else "locked"
    output.note(f"{pins} {where} for {' and '.join(result.words)}")


def _report(checked: Checked) -> str:
    """The verdict, and each step with its lines behind its name."""
    from driftscan.report.escape import plain

    open_steps = [step.name for step in checked.steps if step.state == "open"]
    verdict = "is stale" if checked.is_stale else "may be stale" if "resolve" in open_steps else "is up to date"
    more = ", and could not be audited" if open_steps == ["audit"] and not checked.is_stale else ""
    lines = [f"{checked.path} {verdict}{more}"]
    for step in checked.steps:
        lines += [f"{name:<9}{line}" for name, line in zip_longest((step.name,), step.lines, fillvalue="")]
    return "".join(f"{plain(line)}\n" for line in lines)


def _settings(paths: tuple[str, ...], options: _Options) -> Options:
    place = options["output"] or _default(paths)
    return Options(
        output=place,
        to=options["to"] or _format(place),
        constraints=options["constraint"],
        chosen=Chosen(options["extra"], options["all_extras"], options["group"]),
        targets=options["target"],
        environment=options["environment"],
        platform=options["platform"],
        python=options["python"],
        python_platform=options["python_platform"],
        universal=options["universal"],
        engine=options["engine"],
        upgrade=options["upgrade"],
        upgrade_packages=options["upgrade_package"],
        exclude_newer=options["exclude_newer"],
        allow_builds=options["allow_builds"],
        hashes=options["hashes"],
        index_urls=options["index_url"],
        extra_index_urls=options["extra_index_url"],
        index_config=options["index_config"],
        find_links=options["find_links"],
        no_index=options["no_index"],
        offline=options["offline"],
        cache=not options["no_cache"],
    )


def _format(path: str) -> str:
    is_pylock = any(form.name == "pylock" and form.matches(path, b"") for form in FORMATS)
    return "pylock" if is_pylock else "requirements"


def _default(paths: tuple[str, ...]) -> str:
    """`requirements.txt` beside `requirements.in`, as pip-compile has it, or beside pyproject.toml."""
    if not paths:
        raise UsageError("requirements are needed", hint="driftscan lock requirements.in")
    first = Path(paths[0])
    if len(paths) == 1 and first.suffix == ".in":
        return str(first.with_suffix(".txt"))
    if len(paths) == 1 and first.name == "pyproject.toml":
        return str(first.with_name("requirements.txt"))
    raise UsageError(
        "where to write the lock is not clear", hint="name it with -o requirements.txt, or -o - for stdout"
    )
