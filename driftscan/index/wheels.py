"""The files in a wheel with their digests: as its RECORD lists them, or taken of the whole wheel."""

from __future__ import annotations

import csv
import hashlib
import io
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, BinaryIO
from zipfile import BadZipFile, ZipFile, ZipInfo

from driftscan.errors import PackageIndexError
from driftscan.index.address import shown
from driftscan.index.ranges import RemoteFile
from driftscan.index.transport import MIB, Web
from driftscan.index.zips import check_places, pieces, read
from driftscan.model.lock import Hash
from driftscan.model.proof import WheelFiles
from driftscan.recorded import LENGTHS, hexadecimal

_ENTRIES = 200_000
_INFLATED = 32 * 1024 * MIB
_RECORD = 16 * MIB
_PIECE = 1 << 20
_BROKEN = (BadZipFile, OSError, EOFError, ValueError, ArithmeticError, NotImplementedError, RuntimeError, zlib.error)


def listed_files(web: Web, url: str, filename: str) -> WheelFiles:
    """What the wheel at `url` lists in its RECORD (PEP 427), of which nothing else is fetched.

    Raises PackageIndexError where it cannot be had or is broken, or its server sends no parts of files.
    """
    try:
        with ZipFile(RemoteFile(web, url)) as archive:
            check_places(archive, thoroughly=False)
            names = _names(archive)
            digests = _record(archive, names)
    except _BROKEN as error:
        raise PackageIndexError(f"its archive is broken ({error})", where=shown(url)) from error
    return WheelFiles(filename=filename, files={name: digests.get(name) for name in names}, is_whole=False)


def fetched_files(web: Web, url: str, filename: str, hashes: Sequence[Hash]) -> tuple[WheelFiles, Hash]:
    """What the wheel at `url` contains, and which of `hashes` it has; it is fetched whole and kept nowhere.

    Raises PackageIndexError where it cannot be had, is broken, or has none of the hashes.
    """
    with tempfile.TemporaryFile(prefix="driftscan-") as file:
        if web.download(url, file).is_missing:
            raise PackageIndexError("there is no such file", where=shown(url))
        found = matching(file, hashes)
        if found is None:
            raise PackageIndexError("it has none of the lock's hashes", where=shown(url))
        return whole_files(file, filename), found


def opened_files(path: Path, hashes: Sequence[Hash]) -> tuple[WheelFiles, Hash] | None:
    """What the wheel at `path` contains, and which of `hashes` it has; None where it has none of them.

    Raises PackageIndexError where it cannot be read or is broken.
    """
    try:
        with path.open("rb") as file:
            found = matching(file, hashes)
            return (whole_files(file, path.name), found) if found is not None else None
    except OSError as error:
        raise PackageIndexError(f"it cannot be read: {error.strerror or error}", where=str(path)) from error


def matching(file: BinaryIO | IO[bytes], hashes: Sequence[Hash]) -> Hash | None:
    """The first of `hashes` that the content of `file` has."""
    running = {algorithm: hashlib.new(algorithm) for algorithm in dict.fromkeys(each.algorithm for each in hashes)}
    file.seek(0)
    for piece in _pieces(file.read):
        for digest in running.values():
            digest.update(piece)
    return next((each for each in hashes if running[each.algorithm].hexdigest() == each.digest), None)


def whole_files(file: BinaryIO | IO[bytes], filename: str) -> WheelFiles:
    """The files in a wheel with the digests of what they inflate to; PackageIndexError where it is broken."""
    try:
        with ZipFile(file) as archive:
            check_places(archive, thoroughly=True)
            names = _names(archive)
            _check_size(names.values())
            files = {name: _digest(archive, entry) for name, entry in names.items()}
    except _BROKEN as error:
        raise PackageIndexError(f"its archive is broken ({error})", where=filename) from error
    return WheelFiles(filename=filename, files=files, is_whole=True)


def _names(archive: ZipFile) -> Mapping[str, ZipInfo]:
    """Entries that are files, by name; ValueError for what installers read differently."""
    found: dict[str, ZipInfo] = {}
    for entry in archive.infolist():
        name = entry.filename
        if name in found:
            raise ValueError(f"it has two files called {name[:80]}")
        if name.startswith("/") or ".." in name.split("/"):
            raise ValueError(f"its file {name[:80]} leaves the folder")
        if entry.flag_bits & 1:
            raise ValueError("it is encrypted")
        if not entry.is_dir():
            found[name] = entry
    if len(found) > _ENTRIES:
        raise ValueError(f"it has more than {_ENTRIES:,} files")
    return found


def _check_size(entries: Iterable[ZipInfo]) -> None:
    if sum(entry.file_size for entry in entries) > _INFLATED:
        raise ValueError(f"it inflates to more than {_INFLATED // MIB:,} MiB")


def _digest(archive: ZipFile, entry: ZipInfo) -> str:
    digest = hashlib.sha256()
    for piece in pieces(archive, entry):
        digest.update(piece)
    return digest.hexdigest()


def _pieces(read: Callable[[int], bytes]) -> Iterator[bytes]:
    while piece := read(_PIECE):
        yield piece


def _record(archive: ZipFile, names: Mapping[str, ZipInfo]) -> dict[str, str]:
    """SHA-256 digests (hexadecimal) in RECORD, by name; without files that have none."""
    found = [name for name in names if name.endswith(".dist-info/RECORD") and name.count("/") == 1]
    if len(found) != 1:
        raise ValueError(f"it has {len(found)} files called *.dist-info/RECORD")
    data = read(archive, names[found[0]], _RECORD + 1)
    if len(data) > _RECORD:
        raise ValueError(f"its RECORD is larger than {_RECORD // MIB} MiB")
    rows = csv.reader(io.StringIO(data.decode("utf-8"), newline=""))
    digests = ((row[0], _sha256(row[1])) for row in rows if len(row) > 1)
    return {name: digest for name, digest in digests if digest is not None}


def _sha256(text: str) -> str | None:
    algorithm, _, value = text.partition("=")
    return hexadecimal(value, LENGTHS[algorithm]) if algorithm == "sha256" else None
