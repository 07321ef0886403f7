"""What is wrong in a hand-written file is told with its line."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest

from driftscan.errors import UsageError
from driftscan.toml.table import Table, full_date, read

TEXT = """\
[table]
text = "x"
empty = " "
flag = true
texts = ["a", "b"]
mixed = ["a", 1]
day = 2027-01-31
written = "2027-01-31"
moment = 2027-01-31T10:00:00Z
"""


@pytest.fixture
def table() -> Table:
    found = read(TEXT, "driftscan.toml").table("table")
    assert found is not None
    return found


def test_values(table: Table) -> None:
    assert (table.text("text"), table.text("none")) == ("x", None)
    assert (table.flag("flag"), table.flag("none")) == (True, None)
    assert (table.texts("texts"), table.texts("none")) == (("a", "b"), ())
    assert table.day("day") == table.day("written") == date(2027, 1, 31)
    assert (table.day("none"), table.table("none"), list(table.tables("none"))) == (None, None, [])


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda table: table.text("empty"), 'driftscan.toml:3: "empty" has to be a string that is not empty'),
        (lambda table: table.text("flag"), 'driftscan.toml:4: "flag" has to be a string that is not empty'),
        (lambda table: table.flag("text"), 'driftscan.toml:2: "text" has to be true or false'),
        (lambda table: table.texts("mixed"), 'driftscan.toml:6: "mixed" has to be an array of strings'),
        (lambda table: table.texts("text"), 'driftscan.toml:2: "text" has to be an array of strings'),
        (lambda table: table.day("moment"), 'driftscan.toml:9: "moment" has to be a date such as 2027-01-31'),
        (lambda table: table.day("text"), 'driftscan.toml:2: "text" has to be a date such as 2027-01-31'),
        (lambda table: table.table("text"), 'driftscan.toml:2: "text" has to be a table'),
        (lambda table: list(table.tables("texts")), 'driftscan.toml:5: "texts" has to be an array of tables'),
        (lambda table: table.only(["text"]), "driftscan.toml:3: there is no setting 'empty'"),
    ],
)
def test_what_is_not_as_it_has_to_be(table: Table, ask: Callable[[Table], object], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        ask(table)
    assert str(caught.value) == said


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("fail_on", "did you mean fail-on?"),
        ("Ignroe", "did you mean ignore?"),
        ("x", "the settings are fail-on, ignore"),
    ],
)
def test_what_was_meant(name: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(f"{name} = 1", "driftscan.toml").only(["ignore", "fail-on"])
    assert caught.value.hint == hint


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a = 1\nb = \n", "driftscan.toml:2: it is not TOML: invalid value"),
        ("a = 1\na = 2\n", "driftscan.toml:2: it is not TOML: cannot overwrite a value"),
        ('a = 1\nb = "', "driftscan.toml:2: it is not TOML: unterminated string"),
        ("a = " + "[" * 5000, "driftscan.toml: it is nested too deeply"),
    ],
)
def test_what_is_no_toml(text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(text, "driftscan.toml")
    assert str(caught.value) == said


@pytest.mark.parametrize("text", ["2027-1-31", "20270131", "2027-W05-7", "2027-02-30", "٢٠٢٧-٠١-٣١", ""])
def test_what_is_no_date(text: str) -> None:
    assert full_date(text) is None
