"""What is told about a rule beyond a line: the page `pages/CODE.md`, whose sections and examples are read here.

A page is Markdown (CommonMark) with the sections of `SECTIONS`, in that order. The two examples show files in fences
that name them (```` ```toml pylock.toml ````), and in a `console` fence the command with what it finds, a line each:
severity, code and message. `image.tar` is an image, written in YAML as what each instruction puts into it, and a wheel
is written as what an instruction installs from it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from driftscan.rules.rule import Rule

WRONG, UNKNOWN, SEVERITY, REMEDY = "What goes wrong", "What it cannot know", "Severity", "What to do"
BAD, GOOD = "Bad example", "Good example"
SECTIONS = (WRONG, UNKNOWN, SEVERITY, REMEDY, BAD, GOOD)
IMAGE = "image.tar"

FAMILIES: Mapping[str, str] = MappingProxyType(
    {
        "LK": "the lock itself",
        "DR": "drift between lock and image",
        "NW": "compiled wheels and native code",
        "IN": "installed bytes",
        "IM": "the image and its Dockerfile",
        "HW": "hardware",
        "SU": "suppressions",
    }
)
"""What the letters of a code stand for, in the order of the documentation."""

_HEADING = re.compile(r"^## (.+)$", re.MULTILINE)
_FENCE = re.compile(r"^```(?P<language>\w+)(?: (?P<name>\S+))?\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
_PROMPT = "$ driftscan "


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """Files, a command line without `driftscan`, and the findings it gives, a line each. `text` shows all of it."""

    text: str
    files: Mapping[str, str]
    command: str
    findings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """The sections of a page, as Markdown."""

    wrong: str
    unknown: str
    severity: str
    remedy: str
    bad: Example
    good: Example


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """A rule and its page."""

    rule: Rule
    page: Page


def family(rule: Rule) -> str:
    """What the rule is about, as its letters say."""
    letters = rule.code.rstrip("0123456789")
    return FAMILIES.get(letters, letters)


def parse(text: str) -> Page:
    """Read a page. Raises ValueError where a section or a command is missing, or stands in another place."""
    before, *parts = _HEADING.split(text)
    sections = dict(zip(parts[::2], map(str.strip, parts[1::2]), strict=True))
    if before.strip() or tuple(parts[::2]) != SECTIONS or not all(sections.values()):
        raise ValueError(f"a page has the sections {', '.join(SECTIONS)}, and nothing else; this one has {parts[::2]}")
    return Page(
        wrong=sections[WRONG],
        unknown=sections[UNKNOWN],
        severity=sections[SEVERITY],
        remedy=sections[REMEDY],
        bad=_example(sections[BAD]),
        good=_example(sections[GOOD]),
    )


def _example(text: str) -> Example:
    fences = list(_FENCE.finditer(text))
    files = {fence["name"]: fence["body"] for fence in fences if fence["name"]}
    shells = [fence["body"].splitlines() for fence in fences if fence["language"] == "console"]
    if len(shells) != 1 or not shells[0][0].startswith(_PROMPT):
        raise ValueError(f"an example has one console fence, which begins with `{_PROMPT.strip()}`")
    command, *findings = shells[0]
    return Example(
        text=_FENCE.sub(_titled, text),
        files=MappingProxyType(files),
        command=command.removeprefix(_PROMPT),
        findings=tuple(findings),
    )


def _titled(fence: re.Match[str]) -> str:
    """A fence under the name of its file, which Markdown renderers do not show."""
    name, shown = fence["name"], f"```{fence['language']}\n{fence['body']}```"
    if name is None:
        return shown
    what = ", by what each instruction puts into it" if name == IMAGE else ""
    return f"`{name}`{', as the registry has it' if ':' in name else what}:\n\n{shown}"
