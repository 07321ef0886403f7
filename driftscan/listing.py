"""Lists in sentences."""

from __future__ import annotations

from collections.abc import Sequence


def listed(items: Sequence[str], most: int = 3) -> str:
    """`a, b, c and 4 more`."""
    shown = ", ".join(items[:most])
    return shown if len(items) <= most else f"{shown} and {len(items) - most} more"
