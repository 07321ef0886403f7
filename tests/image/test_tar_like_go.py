"""Odd tar archives are read as Go's archive/tar reads them, or are an error."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from driftscan.errors import ImageError
from driftscan.image.buffer import Buffer
from driftscan.image.limits import Limits
from driftscan.image.tarheader import Headers
from tests.builders.oddtars import mutated, odd_archives

DATA = Path(__file__).parent.parent / "data" / "tar"
GOLDEN = json.loads((DATA / "golden.json").read_text())
ARCHIVES = odd_archives()
STRICTER = ("one entry has two ", "a global pax header sets ")
"""What is refused although Go reads it: no builder writes it, and readers differ about what it means."""


class Listed(NamedTuple):
    """An entry; `digest` is of its unpacked content, and None for sparse files, which are not unpacked."""

    flag: str
    name: str
    link: str
    mode: int
    size: int
    digest: str | None


def listed(data: bytes) -> list[Listed]:
    buffer = Buffer(data[start : start + 700] for start in range(0, len(data), 700))
    headers = Headers(buffer, Limits())
    entries = []
    while (header := headers.next()) is not None:
        digest = hashlib.sha256(b"".join(buffer.views(header.size))).hexdigest()
        buffer.skip_padding(header.size)
        name, link = header.name.decode("latin-1"), header.link.decode("latin-1")
        found = Listed(chr(header.flag), name, link, header.mode, header.logical_size, digest)
        entries.append(found._replace(digest=None) if header.sparse else found)
    return entries


def listed_or_refused(data: bytes) -> list[Listed] | str:
    try:
        return listed(data)
    except ImageError as error:
        return error.message


def agree(ours: Listed, theirs: Mapping[str, object]) -> bool:
    flag = "0" if theirs["flag"] == "S" else theirs["flag"]
    size = 0 if flag in list("123456") else theirs["size"]
    digest = theirs["hash"] if ours.digest else None
    return ours == (flag, theirs["name"], theirs["link"], theirs["mode"], size, digest)


def check(data: bytes, theirs: list[Mapping[str, object]] | None) -> None:
    ours = listed_or_refused(data)
    if isinstance(ours, str):
        if theirs is not None:
            assert ours.startswith(STRICTER), "only we refuse it"
        return
    assert theirs is not None, f"only Go refuses it: {ours}"
    assert len(ours) == len(theirs)
    assert all(map(agree, ours, theirs)), f"{ours} is not {theirs}"


def go_listing(archives: Mapping[str, bytes], folder: Path) -> dict[str, list[Mapping[str, object]] | None]:
    go = shutil.which("go")
    if go is None:
        pytest.skip("Go is not installed")
    names = {f"{number:06}": name for number, name in enumerate(archives)}
    for file, name in names.items():
        (folder / file).write_bytes(archives[name])
    run = subprocess.run([go, "run", DATA / "list.go", folder], capture_output=True, check=True)
    return {names[file]: entries for file, entries in json.loads(run.stdout).items()}


@pytest.mark.parametrize("name", ARCHIVES)
def test_a_golden_listing(name: str) -> None:
    check(ARCHIVES[name], GOLDEN[name])


def test_nothing_else_is_in_the_golden_listings() -> None:
    assert GOLDEN.keys() == ARCHIVES.keys()


@pytest.mark.real
def test_the_golden_listings_are_those_of_go(tmp_path: Path) -> None:
    assert go_listing(ARCHIVES, tmp_path) == GOLDEN


@pytest.mark.real
@pytest.mark.parametrize("seed", range(3))
def test_mutated_archives(seed: int, tmp_path: Path) -> None:
    archives = mutated(ARCHIVES, 3000, seed)
    for name, theirs in go_listing(archives, tmp_path).items():
        check(archives[name], theirs)
