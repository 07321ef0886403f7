"""What rules mean, for people: their pages laid out for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console, ConsoleOptions, RenderResult
from rich.markdown import CodeBlock, Heading, Markdown
from rich.padding import Padding
from rich.text import Text
from rich.theme import Theme

from driftscan.report import explain_markdown
from driftscan.report.view import View
from driftscan.rules.page import Explained

_THEME = Theme(
    {
        "markdown.h1": "bold",
        "markdown.h2": "bold",
        "markdown.code": "cyan",
        "markdown.code_block": "",
        "markdown.strong": "bold",
    }
)


class _Heading(Heading):
    """A heading at the left edge, on a line of its own."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        self.text.justify = "left"
        yield self.text


class _Code(CodeBlock):
    """Code as it stands, indented, so that a terminal can copy it."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Padding(Text(str(self.text).rstrip(), overflow="fold"), (0, 0, 0, 4))


class _Markdown(Markdown):
    elements = Markdown.elements | {"heading_open": _Heading, "fence": _Code}


def render(explained: Sequence[Explained], view: View) -> str:
    """The pages one after the other, as wide as the view."""
    console = Console(
        width=view.width,
        color_system="standard" if view.color else None,
        force_terminal=view.color,
        no_color=not view.color,
        theme=_THEME,
        highlight=False,
        _environ={},
    )
    with console.capture() as capture:
        console.print(_Markdown(explain_markdown.render(explained, view), hyperlinks=False))
    return "".join(f"{line.rstrip()}\n" for line in capture.get().splitlines())
