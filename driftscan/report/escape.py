"""Untrusted text on its way to a terminal or a log: one line, nothing in it that a terminal or a CI runner obeys.

Names, paths and instructions come from whoever built the image. Control characters (ESC, C1), bidirectional and other
format characters, line separators, lone surrogates and unassigned code points are shown as escapes.
"""

from __future__ import annotations

import re

_COMMANDS = re.compile(r"#(?=#(?:vso)?\[)|(?<!\S):(?=:[A-Za-z])")
"""Azure Pipelines obeys `##vso[` and `##[` anywhere in a line, GitHub Actions `::name` after leading spaces."""


def plain(text: str) -> str:
    """`text` as one harmless line; ordinary text is returned as it is."""
    shown = text if text.isprintable() else "".join(map(_character, text))
    return _COMMANDS.sub(lambda found: f"\\x{ord(found[0]):02x}", shown)


def unicode_text(text: str) -> str:
    """`text` without lone surrogates, so that it can be encoded as UTF-8; control characters stay."""
    if not any("\ud800" <= character <= "\udfff" for character in text):
        return text
    return "".join(_character(character) if "\ud800" <= character <= "\udfff" else character for character in text)


def _character(character: str) -> str:
    if character.isprintable():
        return character
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is not UTF-8, from `surrogateescape`
        return f"\\x{code - 0xDC00:02x}"
    if code <= 0xFF:
        return {"\n": "\\n", "\t": "\\t", "\r": "\\r"}.get(character, f"\\x{code:02x}")
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
