"""What wheels require, for pip: read in parts, or remembered from another run. A part of `piptools_child.py`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from driftscan.errors import PackageIndexError
from driftscan.index.metadata import Metadata
from driftscan.index.page import File
from driftscan.index.pagecache import PageCache
from driftscan.index.releases import Release, Releases
from driftscan.index.transport import Web


class Wheels:
    """Wheels of the indexes at these URLs (with credentials); `cache` is the folder of what is remembered, if any."""

    def __init__(self, indexes: Sequence[str], cache: str | None) -> None:
        self._releases = Releases(Web(indexes), indexes, cache=PageCache(Path(cache)) if cache is not None else None)

    def metadata(self, file: File) -> bytes | None:
        """The core metadata of a wheel, as far as a resolver looks at them; None where they cannot be had so."""
        try:
            name, version, _, _ = parse_wheel_filename(file.filename)
            found = self._releases.metadata_in(file, Release(name, version, (file,)))
        except (InvalidWheelFilename, PackageIndexError):
            return None
        return "".join(f"{line}\n" for line in _lines(str(name), str(version), found)).encode()


def _lines(name: str, version: str, found: Metadata) -> Iterator[str]:
    """The fields, each on one line: in the file that they are from they may be folded."""
    yield from ("Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}")
    if found.requires_python is not None:
        yield f"Requires-Python: {' '.join(found.requires_python.split())}"
    yield from (f"Requires-Dist: {' '.join(each.split())}" for each in found.requires)
    yield from (f"Provides-Extra: {' '.join(each.split())}" for each in found.extras)
