"""How a page is read, and what it refuses."""

from __future__ import annotations

from dataclasses import replace

import pytest

from driftscan.rules import RULES
from driftscan.rules.page import SECTIONS, family, parse

CONSOLE = "```console\n$ driftscan check a.txt --python 3.12\nerror LK101 one\nerror LK101 two\n```"
EXAMPLE = f"Before.\n\n```text a.txt\nidna\n```\n\n```yaml image.tar\nRUN a: []\n```\n\n{CONSOLE}"
TEXTS = {**{name: f"About {name}." for name in SECTIONS[:4]}, **dict.fromkeys(SECTIONS[4:], EXAMPLE)}


def page(texts: dict[str, str]) -> str:
    return "\n\n".join(f"## {name}\n\n{text}" for name, text in texts.items()) + "\n"


def test_sections_and_examples() -> None:
    found = parse(page(TEXTS))
    assert (found.wrong, found.remedy) == ("About What goes wrong.", "About What to do.")
    assert found.bad == found.good
    assert found.bad.files == {"a.txt": "idna\n", "image.tar": "RUN a: []\n"}
    assert found.bad.command == "check a.txt --python 3.12"
    assert found.bad.findings == ("error LK101 one", "error LK101 two")
    assert found.bad.text == (
        "Before.\n\n`a.txt`:\n\n```text\nidna\n```\n\n"
        f"`image.tar`, by what each instruction puts into it:\n\n```yaml\nRUN a: []\n```\n\n{CONSOLE}"
    )


@pytest.mark.parametrize("name", SECTIONS)
def test_no_section_may_be_missing_or_empty(name: str) -> None:
    for broken in ({key: text for key, text in TEXTS.items() if key != name}, {**TEXTS, name: ""}):
        with pytest.raises(ValueError, match="a page has the sections What goes wrong, "):
            parse(page(broken))


@pytest.mark.parametrize(
    "broken",
    [dict(reversed(TEXTS.items())), {**TEXTS, "More": "text"}],
    ids=["order", "another"],
)
def test_sections_have_their_order_and_there_are_no_others(broken: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="and nothing else; this one has "):
        parse(page(broken))


def test_nothing_stands_before_the_sections() -> None:
    with pytest.raises(ValueError, match="and nothing else"):
        parse("# Title\n\n" + page(TEXTS))


@pytest.mark.parametrize("example", ["no fence", f"{CONSOLE}\n\n{CONSOLE}", "```console\n$ pip check\n```"])
def test_an_example_has_one_command(example: str) -> None:
    with pytest.raises(ValueError, match="an example has one console fence, which begins with `\\$ driftscan`"):
        parse(page({**TEXTS, "Bad example": example}))


def test_families_go_by_letters() -> None:
    assert family(RULES[0]) == "the lock itself"
    assert family(replace(RULES[0], code="HW605")) == "hardware"
    assert family(replace(RULES[0], code="ZZ999")) == "ZZ"
