"""The settings there are. A file, a variable and an option of the command line say the same thing in their own way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from driftscan.finding import Severity

VARIABLE = "DRIFTSCAN_"
NEVER = "never"

COMPARING = ("compare", "baseline")
JUDGING = (*COMPARING, "check", "lint")
REPORTING = ("compare", "check", "lint")
LOOKING = ("compare", "baseline", "check", "inspect", "diff", "adopt")
EVERY: tuple[str, ...] = ()


class Kind(StrEnum):
    """What a value is. PATH is a path from the folder of the file that says it, OUTPUTS pairs formats with paths."""

    TEXT = "text"
    FLAG = "flag"
    TEXTS = "texts"
    PATH = "path"
    OUTPUTS = "outputs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """`key` as files spell it. `parameter` is the option's name in the program, `is_opposite` that the option says the
    contrary (`cache` and `--no-cache`). `commands` take it; all that have the option where none is named.
    """

    key: str
    kind: Kind
    parameter: str
    what: str
    commands: tuple[str, ...] = EVERY
    choices: tuple[str, ...] = ()
    is_opposite: bool = False
    default: bool | str | tuple[str, ...] | None = None

    @property
    def variable(self) -> str:
        """The environment variable."""
        return VARIABLE + self.key.upper().replace("-", "_")


def _texts(key: str, parameter: str, what: str, commands: tuple[str, ...]) -> Setting:
    return Setting(key=key, kind=Kind.TEXTS, parameter=parameter, what=what, commands=commands, default=())


def _text(key: str, parameter: str, what: str, commands: tuple[str, ...]) -> Setting:
    return Setting(key=key, kind=Kind.TEXT, parameter=parameter, what=what, commands=commands)


def _flag(key: str, parameter: str, what: str, commands: tuple[str, ...] = EVERY) -> Setting:
    return Setting(key=key, kind=Kind.FLAG, parameter=parameter, what=what, commands=commands, default=False)


def _positive(key: str, parameter: str, what: str, commands: tuple[str, ...] = EVERY) -> Setting:
    return Setting(
        key=key, kind=Kind.FLAG, parameter=parameter, what=what, commands=commands, is_opposite=True, default=True
    )


_ALL = (
    _texts("extras", "extra", "with these extras of the project", COMPARING),
    _flag("all-extras", "all_extras", "with all extras", COMPARING),
    _texts("groups", "group", "with these dependency groups", COMPARING),
    _positive("default-groups", "no_default_groups", "with the groups that are installed by default", COMPARING),
    _texts("packages", "package", "these members of a workspace", COMPARING),
    _text("lock-format", "lock_format", "read every lock as this format", (*COMPARING, "check")),
    _text("environment", "environment", "Python environment in the image", COMPARING),
    _text("platform", "platform", "which image of several, such as linux/arm64", COMPARING),
    _flag("prove", "prove", "compare what is installed with the wheels' lists on the index", COMPARING),
    _flag("download", "download", "fetch the locked wheels whole, and compare with these", COMPARING),
    Setting(
        key="wheels",
        kind=Kind.PATH,
        parameter="wheels",
        what="folder with locked wheels to compare with",
        commands=COMPARING,
    ),
    _texts("select", "select", "only these rules or families", JUDGING),
    _texts("ignore", "ignore", "not these rules or families", JUDGING),
    Setting(
        key="fail-on",
        kind=Kind.TEXT,
        parameter="fail_on",
        what="what exits with 1",
        commands=JUDGING,
        choices=(*(severity.value for severity in Severity), NEVER),
        default=Severity.ERROR.value,
    ),
    Setting(
        key="baseline",
        kind=Kind.PATH,
        parameter="baseline",
        what="file with findings that are accepted for now",
        commands=JUDGING,
    ),
    Setting(
        key="format",
        kind=Kind.TEXT,
        parameter="format",
        what="what is written on stdout",
        commands=REPORTING,
        default="text",
    ),
    Setting(
        key="output",
        kind=Kind.OUTPUTS,
        parameter="output",
        what="files to write as well, by format",
        commands=REPORTING,
        default=(),
    ),
    _flag("offline", "offline", "ask no registry"),
    _positive("cache", "no_cache", "use the layer cache"),
    _flag("lazy", "lazy", "believe tables of contents of layers in registries", LOOKING),
    _flag("quiet", "quiet", "no progress on stderr"),
    _flag("verbose", "verbose", "all there is to tell"),
)

SETTINGS: Mapping[str, Setting] = MappingProxyType({setting.key: setting for setting in _ALL})
"""By key, in the order in which they are listed."""

SCOPED: frozenset[str] = frozenset(
    setting.key for setting in _ALL if setting.commands == COMPARING or setting.key in ("lock-format", "baseline")
)
"""Those that a target can have of its own."""
