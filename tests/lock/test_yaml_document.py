"""YAML of locks: text, mappings and lists, nothing that means different things to different readers."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from driftscan.errors import LockError
from driftscan.lock.document import Document
from driftscan.lock.yaml_document import YamlList, YamlMap, YamlValue, load_yaml


def load(text: str) -> YamlMap:
    return load_yaml(Document("a.yml", text.encode()))


def refused(text: str) -> str:
    with pytest.raises(LockError) as caught:
        load(text)
    return str(caught.value)


def test_scalars_stay_text() -> None:
    text = "a: 3.10\nb: no\nc: 2020-01-01\nd: 0o17\ne: 1e3\nf: 'x'\ng: |\n  two\n  lines\nh: \"\\u00e9\"\n"
    assert load(text) == {
        "a": "3.10",
        "b": "no",
        "c": "2020-01-01",
        "d": "0o17",
        "e": "1e3",
        "f": "x",
        "g": "two\nlines\n",
        "h": "é",
    }


def test_null_is_none_only_where_it_is_not_quoted() -> None:
    assert load("a:\nb: null\nc: ~\nd: 'null'\ne: ''\n") == {"a": None, "b": None, "c": None, "d": "null", "e": ""}


def test_lines() -> None:
    data = load("a:\n  b: 1\nc:\n- d: 2\n- x\n")
    inner, items = data["a"], data["c"]
    assert isinstance(inner, YamlMap)
    assert isinstance(items, YamlList)
    assert (data.line, inner.line, items.lines) == (1, 2, [4, 5])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a.yml: it is empty"),
        ("- a\n", "a.yml: it is no YAML mapping"),
        ("a: [1, 2\n", "a.yml:2: it is not valid YAML: did not find expected ',' or ']'"),
        ("a: 1\n\tb: 2\n", "a.yml:2: it is not valid YAML: found a tab character that violates indentation"),
        ("a: &x 1\nb: *x\n", "a.yml:2: it uses an alias, which no lock does"),
        (
            "a: !!python/object:os.system x\n",
            "a.yml:1: it has a value of the type tag:yaml.org,2002:python/object:os.system",
        ),
        ("a: !!int 1\n", "a.yml:1: it has a value of the type tag:yaml.org,2002:int, which no lock has"),
        ("a: 1\nb: 2\na: 3\n", "a.yml:3: the key 'a' stands twice in one mapping"),
        ("? [a]\n: 1\n", "a.yml:1: a key of a mapping is no text"),
        ("a: 1\n---\nb: 2\n", "a.yml:2: it holds several documents"),
        ("a: " + "[" * 80 + "]" * 80 + "\n", "a.yml:1: it is nested more than 64 levels deep"),
        ("a: 1\n<<<<<<< HEAD\nb: 2\n", "a.yml:2: a merge conflict was left in it"),
        ("a: \x01\n", "a.yml: it is not valid YAML: "),
    ],
)
def test_refused(text: str, message: str) -> None:
    assert refused(text).startswith(message)


def test_nesting_that_would_exhaust_a_stack_is_refused_at_once() -> None:
    assert "nested more than 64 levels" in refused("a: " + "[" * 200_000)
    assert "nested more than 64 levels" in refused("- " * 100 + "a\n")


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=8)
VALUES: st.SearchStrategy[object] = st.recursive(
    TEXT, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=12
)


@given(st.dictionaries(TEXT, VALUES, min_size=1, max_size=4))
def test_what_another_writer_wrote(data: dict[str, object]) -> None:
    found: YamlValue = load(yaml.safe_dump(data, allow_unicode=True))
    assert found == data
