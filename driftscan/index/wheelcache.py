"""What wheels contain, by the hash that they are locked with: read once, known for good.

One file a wheel, `wheels/<schema>/<algorithm>-<digest>`: the SHA-256 of the rest on the first line, then JSON. A file
that does not hold what its first line says is as good as none.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from driftscan.model.lock import Hash
from driftscan.model.proof import WheelFiles
from driftscan.store import Store, sealed, unsealed

_SCHEMA = 1
_MOST = 64 << 20
_LIMIT = 512 << 20
_NAMES = re.compile(r"(?:sha256|sha384|sha512)-[0-9a-f]{64,128}", re.ASCII)


class WheelCache:
    """Lists of files in a folder; nothing here fails."""

    def __init__(self, folder: Path) -> None:
        self.store = Store(folder, "wheels", _SCHEMA, _NAMES, most=_MOST, limit=_LIMIT)

    def get(self, value: Hash) -> WheelFiles | None:
        """What the wheel with that hash contains, as far as it was read; None where it is not known."""
        text = unsealed(self.store.read(_name(value)))
        if text is None:
            return None
        try:
            held = json.loads(text)
            found = WheelFiles(filename=held["filename"], files=held["files"], is_whole=held["is_whole"])
        except (ValueError, KeyError, TypeError):
            return None
        self.store.touch(_name(value))
        return found

    def put(self, value: Hash, wheel: WheelFiles) -> None:
        held = {"filename": wheel.filename, "files": dict(wheel.files), "is_whole": wheel.is_whole}
        text = json.dumps(held, separators=(",", ":")).encode()
        self.store.write(_name(value), sealed(text))


def _name(value: Hash) -> str:
    return f"{value.algorithm}-{value.digest}"
