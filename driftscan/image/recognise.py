"""What an existing path is: told by its content, so that nobody has to name a scheme."""

from __future__ import annotations

from pathlib import Path

from driftscan.errors import DriftscanError, UsageError
from driftscan.image.archive import index_members
from driftscan.image.decompress import is_compressed
from driftscan.image.limits import Limits

_TEXT_HINT = "locks stand before the image: driftscan compare LOCK... IMAGE"
_ROOT_FOLDERS = ("etc", "usr", "bin", "lib", "opt", "var")


def recognise(path: Path, limits: Limits) -> str:
    """The scheme that reads `path`. Raises UsageError where it is none of the things that driftscan reads."""
    try:
        return _recognise_folder(path) if path.is_dir() else _recognise_file(path, limits)
    except OSError as error:
        raise UsageError(f"it cannot be read ({error.strerror})", where=str(path)) from error


def _recognise_file(path: Path, limits: Limits) -> str:
    with path.open("rb") as file:
        head = file.read(512)
    if not head:
        raise UsageError("it is empty", where=str(path))
    if head.lstrip().startswith(b"{"):
        return "inventory" if b'"driftscan.inventory/' in head else "sbom"
    if is_compressed(head):
        return "docker-archive"
    try:
        members = index_members(path, limits)
    except DriftscanError as error:
        if _is_text(head):
            raise UsageError("it is text, and no image", where=str(path), hint=_TEXT_HINT) from error
        raise UsageError(
            f"the file is no image archive that can be read ({error.message})",
            where=str(path),
            hint="give a tar as `docker save`, `podman save` or `skopeo copy` write it, or name the scheme",
        ) from error
    # What a current `docker save` writes is both; it lists its images in manifest.json.
    if "manifest.json" in members:
        return "docker-archive"
    if "index.json" in members:
        return "oci-archive"
    hint = "an archive of an image has manifest.json or index.json; a root filesystem is unpacked first, for dir:"
    raise UsageError("the archive holds no image", where=str(path), hint=hint)


def _is_text(head: bytes) -> bool:
    # What is cut off in the middle of a character is text all the same.
    return b"\0" not in head and "\ufffd" not in head.decode("utf-8", "replace")[:-3]


def _recognise_folder(path: Path) -> str:
    if (path / "oci-layout").is_file() or (path / "index.json").is_file():
        return "oci"
    if (path / "pyvenv.cfg").is_file() or (path / "conda-meta").is_dir():
        return "env"
    if sum((path / name).exists() for name in _ROOT_FOLDERS) >= 2 and (
        (path / "etc").is_dir() or (path / "usr").is_dir()
    ):
        return "dir"
    if (path / "bin" / "python3").exists() or (path / "bin" / "python").exists():
        return "env"
    raise UsageError(
        "the folder is no OCI layout, no Python environment and no root filesystem",
        where=str(path),
        hint=f"name the scheme: dir:{path} if it is one, docker:{path.name} if an image of this name is meant",
    )
