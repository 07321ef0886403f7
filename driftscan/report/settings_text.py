"""Settings for people: as a configuration file would say them, with where each comes from beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from driftscan.report.escape import plain
from driftscan.report.view import Style, View, columns
from driftscan.settings.effective import DEFAULT, effective
from driftscan.settings.keys import SCOPED, SETTINGS
from driftscan.settings.parse import Configuration, Content, Target, Value
from driftscan.suppressions.entries import Entry

_UNSET = "-"


def render(configuration: Configuration, variables: Mapping[str, Value], view: View) -> str:
    blocks = [
        [f"configuration: {plain(configuration.path)}" if configuration.path else "there is no configuration file"],
        _settings(effective(configuration, variables), view),
        *(_target(each, configuration, variables, view) for each in configuration.targets),
        [*_suppressions(configuration.entries, view)],
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _settings(values: Mapping[str, Value], view: View) -> list[str]:
    rows = [
        (key, _shown(values[key].content), values[key].where)
        if key in values
        else (key, _shown(setting.default), DEFAULT)
        for key, setting in SETTINGS.items()
    ]
    return _table(rows, view)


def _table(rows: Sequence[tuple[str, str, str]], view: View) -> list[str]:
    """`key = value`, with the place in a column of its own; what is set stands out."""
    keys = max(len(key) for key, _, _ in rows)
    values = max(columns(value) for _, value, _ in rows)
    lines: list[str] = []
    for key, value, where in rows:
        pad = " " * (values - columns(value))
        style = Style.FAINT if where == DEFAULT else Style.NONE
        lines.append(view.paint(f"{key:<{keys}} = {value}{pad}  # {plain(where)}", style))
    return lines


def _target(target: Target, configuration: Configuration, variables: Mapping[str, Value], view: View) -> list[str]:
    values = {key: value for key, value in effective(configuration, variables, target).items() if key in SCOPED}
    rows = [
        ("locks", _shown(target.locks), target.where),
        ("target", _shown(target.target), target.where),
        *((key, _shown(value.content), value.where) for key, value in values.items()),
    ]
    return [
        view.paint(f"target {plain(target.name)}", Style.STRONG),
        *_table(rows, view),
        *_suppressions(target.entries, view),
    ]


def _suppressions(entries: Sequence[Entry], view: View) -> Iterator[str]:
    if entries:
        yield view.paint("suppressed", Style.STRONG)
    for entry in entries:
        until = f"until {entry.expires}" if entry.expires else None
        facts = [fact for fact in (entry.reason, entry.owner, until) if fact]
        why = f": {', '.join(facts)}" if facts else ""
        yield plain(f"{entry.title}{why}  # {entry.place}")


def _shown(content: Content | None) -> str:
    """As TOML, nearly: text from a file is made harmless for a terminal."""
    match content:
        case None:
            return _UNSET
        case bool():
            return "true" if content else "false"
        case str():
            return f'"{plain(content)}"'
        case _:
            return f"[{', '.join(map(_shown, content))}]"
