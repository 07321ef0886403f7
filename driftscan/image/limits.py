"""Bounds that protect the machine driftscan runs on from whoever built the image."""

from __future__ import annotations

from dataclasses import dataclass

from driftscan.errors import LimitError

KIB = 1 << 10
MIB = 1 << 20
GIB = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Sizes in bytes, otherwise counts."""

    document: int = 4 * MIB
    """A manifest, an index or a configuration."""
    bill: int = 32 * MIB
    """A bill of materials, or an inventory."""
    layers: int = 256
    layer_size: int = 20 * GIB
    """One layer, inflated."""
    image_size: int = 64 * GIB
    """All layers of an image, inflated."""
    layer_entries: int = 5_000_000
    """Entries of one layer, whatever they are; most take their name and some fifty bytes."""
    held_entries: int = 1_000_000
    """Entries of one layer that need objects of their own: all but files of which no more is kept than a digest."""
    replaced_folders: int = 100
    """Directories that one layer fills, and then puts something else in the place of."""
    header: int = MIB
    """All extension headers before one entry: PAX records, GNU long names."""
    path: int = 4096
    toc: int = 64 * MIB
    """A layer's table of contents, inflated."""
    names: int = 256 * MIB
    """All paths of a layer together, with those of directories that only other paths speak of. Of most plain
    files only the last component counts."""
    elf: int = 32 * MIB
    """Of a larger ELF file only some segments are looked at."""
    zstd_window: int = 128 * MIB
    nesting: int = 64
    """Levels of nesting in JSON."""

    def check(self, setting: str, value: int, what: str, where: str | None = None) -> None:
        """Raise LimitError where `value` is over the limit called `setting`; `what` is the thing it was measured on."""
        allowed: int = getattr(self, setting)
        if value > allowed:
            raise LimitError(
                f"{what} passes the limit `{setting}` of {allowed:,}",
                where=where,
                hint="no ordinary image is this large; look at where it comes from",
            )
