"""Numbers and lists in sentences."""

from __future__ import annotations

from collections.abc import Sequence


def mebibytes(size: int) -> str:
    """`3.2 MiB`, `12 KiB`, `80 bytes`."""
    if size >= 1 << 20:
        return f"{size / (1 << 20):.1f} MiB"
    return f"{size >> 10} KiB" if size >= 1 << 10 else f"{size} bytes"


def some(items: Sequence[str], most: int = 3) -> str:
    """`a, b, c and 4 more`."""
    shown = ", ".join(items[:most])
    return shown if len(items) <= most else f"{shown} and {len(items) - most} more"


def files(number: int) -> str:
    """`1 file`, `2 files`."""
    return f"{number} file" if number == 1 else f"{number} files"
