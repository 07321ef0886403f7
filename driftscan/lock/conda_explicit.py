"""Conda explicit environment specifications: URLs under an `@EXPLICIT` line (CEP 23).

A hash follows `#`: md5 or sha256 in hexadecimal, the latter also as `sha256:…`. conda-lock writes pip packages beside
them as comments, `# pip name @ url#sha256=…`. The platform stands in a comment only. Edges are not recorded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)

from driftscan.errors import LockError
from driftscan.lock.conda_names import conda_file, conda_package
from driftscan.lock.document import Document, clean_url, url_filename
from driftscan.model.lock import Artifact, Dependency, Hash, Lock, Origin, Package, PackageId, SelectionMode

_MARKER = "@EXPLICIT"
_EXPORTED = re.compile(rb"^(?:# platform: [\w-]+|# This file may be used to create an environment)", re.MULTILINE)
_LISTED = re.compile(r"[\w.-]+=[^=\s]+(?:=[^=\s]+)?")
_HEX = re.compile(r"[0-9a-fA-F]+")
_ALGORITHMS = {32: "md5", 64: "sha256"}
_PIP = re.compile(r"#\s*pip\s+(\S+)\s+@\s+(\S+)")


def matches(name: str, head: bytes) -> bool:  # noqa: ARG001  # every format is asked the same question
    """Whether a file is a conda explicit specification, or a `conda list --export`, which is refused with a reason."""
    return _MARKER.encode() in head or _EXPORTED.search(head) is not None


def parse(document: Document) -> Lock:
    """Read an explicit specification.

    Raises LockError with the line where something is no URL of a conda package, and for `conda list --export`.
    """
    document.refuse_conflicts()
    lines = document.text.split("\n")
    packages = tuple(_packages(document.name, lines))
    if not any(line.strip() == _MARKER for line in lines):
        raise LockError(
            "it has no @EXPLICIT line, so it is a list of names and not a lock",
            where=document.name,
            hint="write one with `conda list --explicit --sha256 > conda-linux-64.lock`",
        )
    return Lock(
        path=document.name,
        format="conda-explicit",
        sha256=document.sha256,
        mode=SelectionMode.FLAT,
        packages=packages,
        roots=tuple(
            Dependency(name=package.id.name, candidates=(package.id,), line=package.line) for package in packages
        ),
    )


def _packages(name: str, lines: list[str]) -> Iterator[Package]:
    for number, line in enumerate(lines, 1):
        text = line.strip()
        where = f"{name}:{number}"
        if (match := _PIP.match(text)) is not None:
            yield _pip_package(match[1], match[2], number, where)
        elif text and not text.startswith("#") and text != _MARKER:
            yield _package(text, number, where)


def _package(text: str, number: int, where: str) -> Package:
    address, _, fragment = text.partition("#")
    if "://" not in address:
        listed = "; this is what `conda list --export` writes" if _LISTED.fullmatch(text) else ""
        raise LockError(
            f"`{text[:100]}` is not the URL of a conda package{listed}",
            where=where,
            hint="write the lock with `conda list --explicit --sha256`",
        )
    file = conda_file(address)
    if file is None:
        raise LockError(f"`{url_filename(address)[:100]}` is not the file name of a conda package", where=where)
    return conda_package(file, tuple(_hashes(fragment, where)), line=number)


def _hashes(fragment: str, where: str) -> Iterator[Hash]:
    digest = fragment.strip().lower()
    if not digest:
        return
    algorithm, colon, rest = digest.partition(":")
    if not colon:
        algorithm, rest = _ALGORITHMS.get(len(digest), ""), digest
    if not algorithm or not _HEX.fullmatch(rest) or _ALGORITHMS.get(len(rest)) != algorithm:
        raise LockError(f"`#{fragment[:100]}` is neither an md5 nor a sha256 hash", where=where)
    yield Hash(algorithm, rest)


def _pip_package(name: str, url: str, number: int, where: str) -> Package:
    address, _, fragment = url.partition("#")
    algorithm, _, digest = fragment.partition("=")
    if algorithm not in ("sha256", "sha384", "sha512", "sha1", "md5") or not _HEX.fullmatch(digest):
        raise LockError(f"`#{fragment[:100]}` is not a hash of a pip package", where=where)
    filename = url_filename(address)
    return Package(
        id=PackageId(canonicalize_name(name.split("[")[0]), _version(filename, where), Origin()),
        artifacts=(Artifact(filename=filename, url=clean_url(address), hashes=(Hash(algorithm, digest.lower()),)),),
        line=number,
    )


def _version(filename: str, where: str) -> str:
    try:
        if filename.endswith(".whl"):
            return str(parse_wheel_filename(filename)[1])
        return str(parse_sdist_filename(filename)[1])
    except (InvalidWheelFilename, InvalidSdistFilename, ValueError) as error:
        raise LockError(f"`{filename[:100]}` is not the file name of a pip package", where=where) from error
