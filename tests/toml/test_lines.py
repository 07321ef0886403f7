"""Lines of everything in a TOML document."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import tomlkit
from hypothesis import given
from hypothesis import strategies as st

from driftscan.toml.lines import Path, lines

DOCUMENT = '''\
# a comment with [brackets] and = signs
title.short = 1
"a b" = """
[[no]] \\"""
key = 1""""" # the string ends with two quotes
other = \'\'\'
[no]\'\'\'

[tool.driftscan]
ignore = [
  "a", # ]
  'b]',
  [1, 2],
]
inline = {q = 1, "w x" = [{z = '}'}]}
[[tool.driftscan.target]]
name = "x"
[[tool.driftscan.target.suppress]]
rule = 'x'
[[tool . "driftscan".target]]
day = 2026-01-01T00:00:00Z  # a day
[[tool.driftscan.target.suppress]]
rule = 1
'''


def test_every_place_of_a_document() -> None:
    own: Path = ("tool", "driftscan")
    assert lines(DOCUMENT) == {
        ("title",): 2,
        ("title", "short"): 2,
        ("a b",): 3,
        ("other",): 6,
        own: 9,
        (*own, "ignore"): 10,
        (*own, "ignore", 0): 11,
        (*own, "ignore", 1): 12,
        (*own, "ignore", 2): 13,
        (*own, "ignore", 2, 0): 13,
        (*own, "ignore", 2, 1): 13,
        (*own, "inline"): 15,
        (*own, "inline", "q"): 15,
        (*own, "inline", "w x"): 15,
        (*own, "inline", "w x", 0): 15,
        (*own, "inline", "w x", 0, "z"): 15,
        (*own, "target", 0): 16,
        (*own, "target", 0, "name"): 17,
        (*own, "target", 0, "suppress", 0): 18,
        (*own, "target", 0, "suppress", 0, "rule"): 19,
        (*own, "target", 1): 20,
        (*own, "target", 1, "day"): 21,
        (*own, "target", 1, "suppress", 0): 22,
        (*own, "target", 1, "suppress", 0, "rule"): 23,
    }


def test_windows_line_ends() -> None:
    assert lines('a = 1\r\n[b]\r\nc = [\r\n"x",\r\n]\r\nd = true\r\n') == {
        ("a",): 1,
        ("b",): 2,
        ("b", "c"): 3,
        ("b", "c", 0): 4,
        ("b", "d"): 6,
    }


keys = st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"], exclude_characters="\x7f"), max_size=6)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), max_size=12)
scalars = st.one_of(texts, st.integers(-9, 9), st.booleans(), st.dates())
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3), max_leaves=12
)


def _leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _leaves(inner, (*path, index))
    else:
        yield path, value


@given(st.dictionaries(keys, values, max_size=5))
def test_every_value_that_another_writer_wrote_has_its_line(data: dict[str, Any]) -> None:
    """The line of a value is where removing all lines before it still leaves its first line first."""
    text = tomlkit.dumps(data)
    found = lines(text)
    rows = text.split("\n")
    for path, value in _leaves(tomlkit.parse(text).unwrap()):
        assert path in found
        shown = tomlkit.item(value).as_string() if not isinstance(value, bool) else str(value).lower()
        assert shown.split("\n")[0] in rows[found[path] - 1]
