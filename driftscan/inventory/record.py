"""RECORD: the list of files that an installer left (PEP 376, PEP 427, "Recording installed projects")."""

from __future__ import annotations

import csv
from typing import NamedTuple

from driftscan.inventory.paths import join
from driftscan.inventory.paths import name as basename
from driftscan.recorded import LENGTHS, hexadecimal

_SITES = ("site-packages", "dist-packages")


class Row(NamedTuple):
    """One listed file: its path inside the image, and its SHA-256 in hexadecimal.

    `sha256` is None where the row gives none (RECORD itself, bytecode) or another algorithm; `algorithm` tells which.
    """

    path: str
    sha256: str | None = None
    algorithm: str | None = None


def rows(data: bytes, site: str) -> tuple[Row, ...]:
    """The rows of a RECORD whose paths are relative to `site`. ValueError names the first row that is broken."""
    text = data.decode("utf-8", "surrogateescape").replace("\r\n", "\n")
    # Only in quotes a field may hold the end of a line, which it keeps then.
    reader = csv.reader([f"{line}\n" for line in text.split("\n")] if '"' in text else text.split("\n"))
    moved = basename(site) not in _SITES
    try:
        return tuple(_row(fields, site, reader.line_num, moved=moved) for fields in reader if fields)
    except csv.Error as error:
        raise ValueError(f"line {reader.line_num}: {error}") from None


def _row(fields: list[str], site: str, line: int, *, moved: bool) -> Row:
    """One row. `pip install --target` (`moved`) writes RECORD for its temporary `lib/python`, two folders below the
    prefix, and then moves the prefix's content into the target itself.
    """
    if not fields[0]:
        raise ValueError(f"line {line}: it names no file")
    path = join(site, fields[0].removeprefix("../../") if moved else fields[0])
    if not path or "\0" in fields[0]:
        raise ValueError(f"line {line}: the path leaves the image")
    algorithm, _, text = (fields[1] if len(fields) > 1 else "").partition("=")
    if not text:
        return Row(path)
    if algorithm not in LENGTHS:
        return Row(path, None, algorithm[:20])
    digest = hexadecimal(text, LENGTHS[algorithm])
    if digest is None:
        raise ValueError(f"line {line}: the {algorithm} is damaged")
    return Row(path, digest if algorithm == "sha256" else None, algorithm)
