"""Paths of this machine in references."""

from __future__ import annotations

from pathlib import Path

from driftscan.errors import NotFoundError


def split_reference(rest: str) -> tuple[str, str | None]:
    """`PATH[:NAME]` to its parts. A path may hold colons itself: the longest part that exists is the path."""
    end = len(rest)
    while end > 0:
        if Path(rest[:end]).exists():
            return rest[:end], rest[end + 1 :] or None
        end = rest.rfind(":", 0, end)
    return rest, None


def existing(path: str, reference: str) -> Path:
    """The path, or NotFoundError."""
    found = Path(path)
    if not found.exists():
        raise NotFoundError(f"there is no {path}", where=reference)
    return found
