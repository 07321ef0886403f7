"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, TypeVar

import click
from packaging.utils import canonicalize_name

from driftscan.model.lock import Request

if TYPE_CHECKING:
    from driftscan.finding import Severity

_Function = TypeVar("_Function", bound=Callable[..., object])

NEVER = "never"


class SelectionOptions(TypedDict):
    """Which part of a lock is meant."""

    extra: tuple[str, ...]
    all_extras: bool
    group: tuple[str, ...]
    no_default_groups: bool
    package: tuple[str, ...]
    lock_format: str | None


class TargetOptions(TypedDict):
    """Which image, and what in it."""

    environment: str | None
    platform: str | None
    offline: bool
    no_cache: bool


class LazyOptions(TypedDict):
    """Whether tables of contents are believed."""

    lazy: bool


class MarkerOptions(TypedDict):
    """The interpreter and platform that a lock is judged for, by name instead of by image."""

    python: str | None
    python_platform: str | None


class IndexOptions(TypedDict):
    """Whether package indexes are asked, and which."""

    online: bool
    index_url: tuple[str, ...]


class ProofOptions(TypedDict):
    """Where the locked files are looked for that prove what is installed."""

    prove: bool
    download: bool
    wheels: str | None
    index_url: tuple[str, ...]


class OutputOptions(TypedDict):
    """What is written where. `output` pairs a format with a path."""

    format: str
    output: tuple[tuple[str, str], ...]
    quiet: bool
    verbose: bool


class RuleOptions(TypedDict):
    select: tuple[str, ...]
    ignore: tuple[str, ...]
    fail_on: str


class BaselineOptions(TypedDict):
    """Findings that are accepted."""

    baseline: str | None


class _FormatFile(click.ParamType[tuple[str, str]]):
    """`FORMAT=FILE`, refused before the work begins where the file could not be written afterwards."""

    name = "FORMAT=FILE"

    def __init__(self, formats: Iterable[str]) -> None:
        self._formats = list(formats)

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        name, sign, path = str(value).partition("=")
        if not sign or not path:
            self.fail(f"{value!r} is not FORMAT=FILE, such as {self._formats[-1]}=report", param, ctx)
        if name not in self._formats:
            self.fail(f"there is no format {name!r}; there are {', '.join(self._formats)}", param, ctx)
        if not Path(path).parent.is_dir():
            self.fail(f"there is no folder {Path(path).parent}", param, ctx)
        if Path(path).is_dir():
            self.fail(f"{path} is a folder", param, ctx)
        return name, path


def _each_once(
    context: click.Context, parameter: click.Parameter, value: tuple[tuple[str, str], ...]
) -> tuple[tuple[str, str], ...]:
    """Two formats cannot both be in one file."""
    paths = [path for _, path in value]
    if twice := next((path for path in paths if paths.count(path) > 1), None):
        raise click.BadParameter(f"{twice} is named twice", context, parameter)
    return value


def selection_options(function: _Function) -> _Function:
    return _all(
        function,
        click.option("--extra", multiple=True, metavar="NAME", help="With this extra of the project. Repeatable."),
        click.option("--all-extras", is_flag=True, help="With all extras."),
        click.option("--group", multiple=True, metavar="NAME", help="With this dependency group. Repeatable."),
        click.option("--no-default-groups", is_flag=True, help="Without the groups that are installed by default."),
        click.option("--package", multiple=True, metavar="NAME", help="This member of a workspace. Repeatable."),
        click.option("--lock-format", metavar="FORMAT", help="Read every LOCK as this format."),
    )


def target_options(function: _Function) -> _Function:
    return _all(
        function,
        click.option(
            "--environment", metavar="PATH", help="Python environment in the image. [default: its entrypoint's]"
        ),
        click.option("--platform", metavar="OS/ARCH", help="Which image of several, such as linux/arm64."),
        click.option("--offline", is_flag=True, help="Ask no registry and no package index."),
        click.option("--no-cache", is_flag=True, help="Read all layers, and keep none for the next time."),
    )


lazy_option = click.option(
    "--lazy",
    is_flag=True,
    help="Of layers in a registry that have a table of contents, believe it and fetch only what is wanted.",
)
"""For commands that say what could not be checked of an image."""


def marker_options(function: _Function) -> _Function:
    return _all(
        function,
        click.option("--python", metavar="VERSION", help="For this Python, such as 3.12."),
        click.option("--python-platform", metavar="PLATFORM", help="For this platform, such as linux or linux/arm64."),
    )


_INDEX_URL = click.option(
    "--index-url", multiple=True, metavar="URL", help="Ask this index. [default: the lock's, or pip's] Repeatable."
)


def index_options(function: _Function) -> _Function:
    return _all(
        function,
        click.option("--online", is_flag=True, help="Ask the package index what the lock leaves open."),
        _INDEX_URL,
    )


def proof_options(function: _Function) -> _Function:
    return _all(
        function,
        click.option("--prove", is_flag=True, help="Compare what is installed with the wheels' lists on the index."),
        click.option("--download", is_flag=True, help="Fetch the locked wheels whole, and compare with these."),
        click.option(
            "--wheels", metavar="FOLDER", help="Compare with the locked wheels in this folder, without an index."
        ),
        _INDEX_URL,
    )


def rule_options(function: _Function) -> _Function:
    from driftscan.finding import Severity

    levels = click.Choice([*(severity.value for severity in Severity), NEVER])
    return _all(
        function,
        click.option(
            "--select", multiple=True, metavar="RULE", help="Only this rule or family (DR202, NW). Repeatable."
        ),
        click.option("--ignore", multiple=True, metavar="RULE", help="Not this rule or family. Repeatable."),
        click.option(
            "--fail-on", type=levels, default=Severity.ERROR.value, show_default=True, help="What exits with 1."
        ),
    )


baseline_option = click.option(
    "--baseline", metavar="FILE", help="Findings that are accepted, as `driftscan baseline` writes them."
)


def output_options(formats: Iterable[str]) -> Callable[[_Function], _Function]:
    names = list(formats)

    def decorate(function: _Function) -> _Function:
        return _all(
            function,
            click.option(
                "-f", "--format", type=click.Choice(names), default=names[0], show_default=True, help="On stdout."
            ),
            click.option(
                "-o",
                "--output",
                type=_FormatFile(names),
                multiple=True,
                callback=_each_once,
                help="Write a file as well. Repeatable.",
            ),
            click.option("-q", "--quiet", is_flag=True, help="No progress on stderr."),
            click.option("-v", "--verbose", is_flag=True, help="All there is to tell; the traceback of a bug."),
        )

    return decorate


def _all(function: _Function, *decorators: Callable[[_Function], _Function]) -> _Function:
    """`function` under all decorators, listed by --help in the order given."""
    for decorate in reversed(decorators):
        function = decorate(function)
    return function


def request(options: SelectionOptions) -> Request:
    """The part of the lock that the options mean."""
    return Request(
        extras=frozenset(options["extra"]),
        groups=frozenset(options["group"]),
        default_groups=not options["no_default_groups"],
        all_extras=options["all_extras"],
        packages=frozenset(canonicalize_name(name) for name in options["package"]),
    )


def is_narrowed(options: SelectionOptions) -> bool:
    """Whether a part of the lock is meant; the whole otherwise."""
    chosen = (options["extra"], options["all_extras"], options["group"], options["package"])
    return any(chosen) or options["no_default_groups"]


def fail_on(options: RuleOptions) -> Severity | None:
    from driftscan.finding import Severity

    return None if options["fail_on"] == NEVER else Severity(options["fail_on"])


def listed(values: Iterable[str]) -> tuple[str, ...]:
    """Values of a repeatable option whose items may also be separated by commas."""
    return tuple(part.strip() for value in values for part in value.split(",") if part.strip())
