"""Files and variables to values. Whatever is unknown or of the wrong type is an error with its place."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

from driftscan.errors import UsageError
from driftscan.settings.keys import SCOPED, SETTINGS, VARIABLE, Kind, Setting
from driftscan.suppressions.entries import Entry
from driftscan.suppressions.entries import parse as parse_entry
from driftscan.toml.table import Table, meant

Content: TypeAlias = "str | bool | tuple[str, ...]"

_TARGETS, _ENTRIES = "target", "suppress"
_OWN = ("name", "locks", "target", _ENTRIES)
_TRUE, _FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off")
_OTHER_VARIABLES = (
    "DRIFTSCAN_CACHE_DIR",
    "DRIFTSCAN_CONFIG",
    "DRIFTSCAN_INSECURE_REGISTRIES",
    "DRIFTSCAN_REGISTRY_TIMEOUT",
    "DRIFTSCAN_TOKEN_HOSTS",
)
"""Variables that are no settings of a file: what they say is a matter of the machine."""
_NEAR = 0.8
"""How alike the end of a variable has to be to a setting's to be taken for a mistake."""


class Value(NamedTuple):
    """`where` is `file:line`, the variable, or what else it came from."""

    content: Content
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A pair of locks and an image. Paths start from the folder of the file."""

    name: str
    locks: tuple[str, ...]
    target: str
    where: str
    values: Mapping[str, Value] = field(default_factory=lambda: MappingProxyType({}))
    entries: tuple[Entry, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """A file, or none (`path` is None). `folder` is where it lies; paths in it start there."""

    path: str | None = None
    folder: str = ""
    values: Mapping[str, Value] = field(default_factory=lambda: MappingProxyType({}))
    targets: tuple[Target, ...] = ()
    entries: tuple[Entry, ...] = ()


def parse(table: Table, folder: str = "") -> Configuration:
    """The table `[tool.driftscan]`, or the whole of a driftscan.toml. Raises UsageError where it is wrong."""
    table.only((*SETTINGS, _TARGETS, _ENTRIES))
    targets = tuple(_target(each, index) for index, each in enumerate(table.tables(_TARGETS)))
    _refuse_same_names(targets)
    return Configuration(
        path=table.name,
        folder=folder,
        values=_values(table),
        targets=targets,
        entries=tuple(map(parse_entry, table.tables(_ENTRIES))),
    )


def _target(table: Table, index: int) -> Target:
    for key in table.values:
        if key in SETTINGS and key not in SCOPED:
            raise UsageError(
                f'"{key}" is no matter of one target', where=table.where(key), hint="set it for all of them"
            )
    table.only((*_OWN, *SCOPED), "key of a target")
    target, locks = table.text("target"), table.texts("locks")
    if target is None:
        raise UsageError("a target needs an image", where=table.where(), hint='such as target = "shop:1.4"')
    if not locks:
        raise UsageError("a target needs locks", where=table.where(), hint='such as locks = ["uv.lock"]')
    return Target(
        name=table.text("name") or f"target-{index + 1}",
        locks=locks,
        target=target,
        where=table.where(),
        values=_values(table),
        entries=tuple(map(parse_entry, table.tables(_ENTRIES))),
    )


def _refuse_same_names(targets: tuple[Target, ...]) -> None:
    seen: dict[str, str] = {}
    for target in targets:
        if target.name in seen:
            raise UsageError(
                f"two targets are named {target.name!r}; the other is {seen[target.name]}", where=target.where
            )
        seen[target.name] = target.where


def _values(table: Table) -> Mapping[str, Value]:
    found = {key: Value(_content(table, SETTINGS[key]), table.where(key)) for key in table.values if key in SETTINGS}
    return MappingProxyType(found)


def _content(table: Table, setting: Setting) -> Content:
    key = setting.key
    match setting.kind:
        case Kind.FLAG:
            return bool(table.flag(key))
        case Kind.TEXTS:
            return table.texts(key)
        case Kind.OUTPUTS:
            return _outputs(table, key)
        case _:
            return _chosen(setting, table.text(key) or "", table.where(key))


def _outputs(table: Table, key: str) -> tuple[str, ...]:
    """`{sarif = "drift.sarif"}` or `["sarif=drift.sarif"]`, as the latter."""
    if not isinstance(table.values[key], Mapping):
        texts = table.texts(key)
        _check_outputs(texts, table.where(key))
        return texts
    outputs = table.table(key)
    if outputs is None:
        return ()
    return tuple(f"{name}={outputs.text(name)}" for name in outputs.values)


def _check_outputs(texts: tuple[str, ...], where: str) -> None:
    for text in texts:
        name, sign, path = text.partition("=")
        if not (name and sign and path):
            raise UsageError(f"{text!r} is not FORMAT=FILE", where=where, hint="such as sarif=drift.sarif")


def _chosen(setting: Setting, text: str, where: str) -> str:
    if setting.choices and text not in setting.choices:
        raise UsageError(
            f'"{setting.key}" has to be one of {", ".join(setting.choices)}, not {text!r}',
            where=where,
            hint=meant(text, setting.choices, "value"),
        )
    return text


def parse_variables(variables: Mapping[str, str]) -> Mapping[str, Value]:
    """Values from environment variables, by key of the setting.

    An empty variable says nothing. Raises UsageError for a value that cannot be, and for a variable that is nearly a
    setting's; others that begin alike may be somebody else's.
    """
    by_name = {setting.variable: setting for setting in SETTINGS.values()}
    found: dict[str, Value] = {}
    for name in sorted(name for name in variables if name.startswith(VARIABLE)):
        if name in by_name and variables[name]:
            found[by_name[name].key] = Value(_variable(by_name[name], variables[name]), name)
        elif name not in by_name and name not in _OTHER_VARIABLES:
            _refuse_near(name, list(by_name))
    return found


def _refuse_near(name: str, known: list[str]) -> None:
    ends = [each.removeprefix(VARIABLE) for each in known]
    if close := difflib.get_close_matches(name.removeprefix(VARIABLE), ends, n=1, cutoff=_NEAR):
        raise UsageError(f"there is no variable {name}", hint=f"did you mean {VARIABLE}{close[0]}?")


def _variable(setting: Setting, text: str) -> Content:
    match setting.kind:
        case Kind.FLAG:
            if text.lower() not in (*_TRUE, *_FALSE):
                raise UsageError(f"it has to be true or false, not {text!r}", where=setting.variable)
            return text.lower() in _TRUE
        case Kind.TEXTS | Kind.OUTPUTS:
            texts = tuple(part.strip() for part in text.split(",") if part.strip())
            if setting.kind is Kind.OUTPUTS:
                _check_outputs(texts, setting.variable)
            return texts
        case _:
            return _chosen(setting, text, setting.variable)
