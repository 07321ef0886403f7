"""Numbers in sentences."""

from __future__ import annotations


def mebibytes(size: int) -> str:
    """`3.2 MiB`, `12 KiB`, `80 bytes`."""
    if size >= 1 << 20:
        return f"{size / (1 << 20):.1f} MiB"
    return f"{size >> 10} KiB" if size >= 1 << 10 else f"{size} bytes"


def files(number: int) -> str:
    """`1 file`, `2 files`."""
    return f"{number} file" if number == 1 else f"{number} files"
