"""Which files of a release an interpreter and platform take, and which of them tells its requirements best."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from packaging.specifiers import SpecifierSet
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from driftscan import markers
from driftscan.index.page import File
from driftscan.model.target import Target


class Preference:
    """What installers on `target` prefer."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self._places = {tag: place for place, tag in enumerate(target.tags)} if target.tags is not None else None

    def is_usable(self, file: File, specifier: SpecifierSet) -> bool:
        """Whether an installer looks at a file at all; a yanked one only where a version is named exactly (PEP 592)."""
        exact = any(each.operator in ("==", "===") and not each.version.endswith(".*") for each in specifier)
        if file.yanked is not None and not exact:
            return False
        if file.is_wheel and self._places is not None and self._place(file) is None:
            return False
        return markers.admits_python(file.requires_python, self.target.markers)

    def telling(self, files: Sequence[File]) -> File:
        """The file that tells best what is required: a wheel that fits, for any platform, with metadata beside it.

        Names are taken apart as far as they matter: a release can have a hundred wheels.
        """
        for _, equal in groupby(sorted(files, key=_order), key=_order):
            found = [(place, file) for file in equal if file.is_wheel and (place := self._place(file)) is not None]
            if found:
                return min(found, key=lambda each: each[0])[1]
        return min(files, key=_order)

    def _place(self, file: File) -> int | None:
        """Place of the best of a wheel's tags; None where the interpreter supports none of them."""
        if self._places is None:
            return 0
        try:
            tags = parse_wheel_filename(file.filename)[3]
        except InvalidWheelFilename:
            return None
        return min((self._places[tag] for tag in tags if tag in self._places), default=None)


def _order(file: File) -> tuple[bool, bool, bool]:
    return not file.is_wheel, not file.filename.endswith("-any.whl"), file.metadata is None
