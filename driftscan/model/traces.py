"""What the layers of an image tell of how it was built, beside what its merged files tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from packaging.utils import NormalizedName

from driftscan.model.image import LayerId


class Waste(NamedTuple):
    """Package lists or caches in one layer: what they are, the folder, number and bytes of the files in it."""

    kind: str
    path: str
    layer: LayerId
    files: int
    size: int


class Removed(NamedTuple):
    """What of a layer later ones delete or replace: number and bytes of the files, one of their paths."""

    layer: LayerId
    files: int
    size: int
    example: str


class Uninstalled(NamedTuple):
    """Metadata of a distribution that `layer` took out: its absolute path, and what the name of its folder tells."""

    name: NormalizedName
    version: str
    path: str
    layer: LayerId

    @property
    def site(self) -> str:
        """The directory that it was imported from."""
        return self.path.rpartition("/")[0]


class FoundLock(NamedTuple):
    """A lock file in the image: absolute path, sha256 in hexadecimal, its content where it was kept."""

    path: str
    sha256: str
    content: bytes | None
    layer: LayerId


class CodeLayer(NamedTuple):
    """A layer made by COPY or ADD that brings files which are no manifests or locks; one of them, absolute."""

    layer: LayerId
    example: str


class Execution(NamedTuple):
    """How an image runs, followed through its files.

    `shell` is the shell that the entrypoint or command is given to, as a text; None where none is. `found` are the
    things that were followed, in words. `missing` says what is not in the image, `unclear` what could not be followed.
    `guard` is the script that ends without a GPU, `script` the last script that was read.
    """

    shell: str | None = None
    found: tuple[str, ...] = ()
    missing: str | None = None
    unclear: str | None = None
    guard: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Traces:
    """`package_layers` are the layers that changed the database of the OS's package manager, `sources` the texts of the
    package sources that the image is set up with.
    """

    waste: tuple[Waste, ...] = ()
    removed: tuple[Removed, ...] = ()
    package_layers: tuple[LayerId, ...] = ()
    sources: tuple[str, ...] = ()
    locks: tuple[FoundLock, ...] = ()
    code: tuple[CodeLayer, ...] = ()
    uninstalled: tuple[Uninstalled, ...] = ()
    execution: Execution = Execution()  # noqa: RUF009  # immutable
