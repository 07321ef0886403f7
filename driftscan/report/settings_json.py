"""Settings for programs: `driftscan.config/1`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from driftscan.report.json import Value as Json
from driftscan.report.json import dumps, present, strings
from driftscan.report.view import View
from driftscan.settings.effective import DEFAULT, effective
from driftscan.settings.keys import SETTINGS
from driftscan.settings.parse import Configuration, Content, Target, Value
from driftscan.suppressions.entries import Entry

SCHEMA = "driftscan.config/1"


def render(configuration: Configuration, variables: Mapping[str, Value], view: View) -> str:  # noqa: ARG001
    document = present(
        schema=SCHEMA,
        file=configuration.path,
        settings={
            key: _setting(value.content, value.where)
            for key, value in _all(effective(configuration, variables)).items()
        },
        targets=[_target(each, configuration, variables) for each in configuration.targets],
        suppressions=_entries(configuration.entries),
    )
    return dumps(document)


def _all(values: Mapping[str, Value]) -> dict[str, Value]:
    """Those that are set, and the defaults that there are."""
    found: dict[str, Value] = {}
    for key, setting in SETTINGS.items():
        if key in values:
            found[key] = values[key]
        elif setting.default is not None:
            found[key] = Value(setting.default, DEFAULT)
    return found


def _setting(content: Content, where: str) -> Json:
    shown: Json = strings(content) if isinstance(content, tuple) else content
    return {"value": shown, "from": where}


def _target(target: Target, configuration: Configuration, variables: Mapping[str, Value]) -> Json:
    own = effective(configuration, variables, target)
    return present(
        name=target.name,
        locks=strings(target.locks),
        target=target.target,
        where=target.where,
        settings={key: _setting(own[key].content, own[key].where) for key in own if key in target.values},
        suppressions=_entries(target.entries),
    )


def _entries(entries: Sequence[Entry]) -> list[Json]:
    return [
        present(
            where=entry.place,
            rule=entry.rule,
            package=entry.package,
            versions=str(entry.versions) if entry.versions is not None else None,
            path=entry.path,
            fingerprint=entry.fingerprint,
            reason=entry.reason,
            owner=entry.owner,
            expires=entry.expires.isoformat() if entry.expires else None,
        )
        for entry in entries
    ]
