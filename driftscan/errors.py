"""The errors a user can cause or meet; everything else is a bug.

Each error is one sentence that names the thing, optionally the place (`where`: a file, `file:line`, an image
reference, a layer) and the way out (`hint`). The command line prints them and exits with 2.
"""

from __future__ import annotations


class DriftscanError(Exception):
    """Root of every error that driftscan raises on purpose."""

    def __init__(self, message: str, *, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" if self.where else self.message

    def place_in(self, whole: str) -> None:
        """Say that its place is in `whole`."""
        self.where = f"{whole}, {self.where}" if self.where else whole


class UsageError(DriftscanError):
    """The command line or the configuration asks for something that makes no sense."""


class LockError(DriftscanError):
    """A lock cannot be read: missing, of unknown format, broken, or of a version that is not supported."""


class DockerfileError(DriftscanError):
    """A Dockerfile cannot be read, or says what no builder accepts."""


class MarkerError(LockError):
    """An environment marker does not parse or compares what cannot be compared."""


class ImageError(DriftscanError):
    """An image cannot be found, reached, read or trusted."""


class NotFoundError(ImageError):
    """A source answered, and it does not hold the image asked for."""


class UnreachableError(ImageError):
    """A daemon or a registry does not answer."""


class LimitError(ImageError):
    """A limit that protects this machine was passed; the message names the limit and its setting."""


class PackageIndexError(DriftscanError):
    """A package index does not answer, or what it says cannot be read or trusted."""


class ResolveError(DriftscanError):
    """Requirements cannot be locked: nothing satisfies them, or what does may not be used."""
