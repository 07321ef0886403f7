"""The metadata files in wheels and source distributions, taken out of them without unpacking anything else."""

from __future__ import annotations

import io
import tarfile
import threading
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import BinaryIO
from zipfile import BadZipFile, ZipFile

from driftscan.errors import PackageIndexError
from driftscan.index.address import shown
from driftscan.index.ranges import RemoteFile
from driftscan.index.transport import MIB, Limits, Web
from driftscan.index.zips import check_places, read

_INFLATED = 2
"""How many times the size limit of a packed source distribution it may have inflated."""
_ONE_SDIST = threading.Lock()
"""Whole archives are held in memory, so there is never more than one."""
_ENTRIES = 20_000
_BROKEN = (
    BadZipFile,
    tarfile.TarError,
    OSError,
    EOFError,
    ValueError,
    ArithmeticError,
    NotImplementedError,
    zlib.error,
)
_METADATA = ".dist-info/METADATA"
_PKG_INFO = "/PKG-INFO"


def wheel_metadata(web: Web, url: str) -> bytes:
    """METADATA of the wheel at `url`, of which only the parts are fetched that hold it."""
    return _from_zip(RemoteFile(web, url), _METADATA, web.limits)


def local_wheel_metadata(path: Path, limits: Limits) -> bytes:
    """METADATA of a wheel on this machine."""
    try:
        with path.open("rb") as file:
            return _from_zip(file, _METADATA, limits)
    except OSError as error:
        raise PackageIndexError(f"it cannot be read: {error.strerror}", where=str(path)) from error


def sdist_metadata(web: Web, url: str, filename: str) -> bytes:
    """PKG-INFO of the source distribution at `url`: a zip is read in parts, a tar has to be fetched."""
    if filename.endswith(".zip"):
        return _from_zip(RemoteFile(web, url), _PKG_INFO, web.limits)
    with _ONE_SDIST:
        answer = web.get(url, {"Accept-Encoding": "identity"}, web.limits.sdist)
        if answer.is_missing:
            raise PackageIndexError("there is no such file", where=shown(url))
        return _from_tar(answer.data, web.limits)


def _from_zip(file: RemoteFile | BinaryIO, suffix: str, limits: Limits) -> bytes:
    try:
        with ZipFile(file) as archive:
            check_places(archive, thoroughly=False)
            return _one(archive, suffix, limits)
    except _BROKEN as error:
        raise PackageIndexError(f"its archive is broken ({error})") from error


def _one(archive: ZipFile, suffix: str, limits: Limits) -> bytes:
    """The only file at `*/SUFFIX`, one folder deep."""
    found = [entry for entry in archive.infolist() if _is_wanted(entry.filename, suffix)]
    if len(found) != 1:
        raise PackageIndexError(f"its archive has {len(found)} files called *{suffix}")
    if found[0].flag_bits & 1:
        raise PackageIndexError("its metadata are encrypted")
    return _bounded(partial(read, archive, found[0]), limits)


def _is_wanted(name: str, suffix: str) -> bool:
    return name.endswith(suffix) and name.count("/") == 1


def _bounded(read: Callable[[int], bytes], limits: Limits) -> bytes:
    data = read(limits.metadata + 1)
    if len(data) > limits.metadata:
        raise PackageIndexError(f"its metadata are larger than {limits.metadata // MIB} MiB")
    return data


def _from_tar(data: bytes, limits: Limits) -> bytes:
    try:
        inflated = _gunzip(data, limits.sdist * _INFLATED)
        with tarfile.open(fileobj=io.BytesIO(inflated), mode="r:") as archive:
            for count, entry in enumerate(archive):
                if count > _ENTRIES:
                    break
                if entry.isreg() and _is_wanted(entry.name, _PKG_INFO) and (file := archive.extractfile(entry)):
                    return _bounded(file.read, limits)
    except _BROKEN as error:
        raise PackageIndexError(f"its archive is broken ({error})") from error
    raise PackageIndexError("its archive has no PKG-INFO")


def _gunzip(data: bytes, limit: int) -> bytes:
    if not data.startswith(b"\x1f\x8b"):
        raise PackageIndexError("its archive is neither a zip nor a tar.gz")
    inflate = zlib.decompressobj(wbits=31)
    inflated = inflate.decompress(data, limit + 1)
    if len(inflated) > limit:
        raise PackageIndexError(f"its archive has more than {limit // MIB} MiB")
    return inflated
