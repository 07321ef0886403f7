"""Small wheels made in code, for real installers to install without a network."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.builders.installed import record_line


def wheel(
    folder: Path,
    name: str,
    version: str,
    files: Mapping[str, bytes],
    *,
    tag: str = "py3-none-any",
    entry_points: str = "",
    requires: Sequence[str] = (),
    extras: Sequence[str] = (),
) -> Path:
    """Writes a wheel that holds `files`, named as inside the archive, and gives its path."""
    stem = f"{name.replace('-', '_')}-{version}"
    info = f"{stem}.dist-info"
    lines = "".join(f"Requires-Dist: {line}\n" for line in requires)
    lines += "".join(f"Provides-Extra: {extra}\n" for extra in extras)
    pure = "true" if tag.endswith("-any") else "false"
    content = dict(files) | {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{lines}".encode(),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: {pure}\nTag: {tag}\n".encode(),
    }
    if entry_points:
        content[f"{info}/entry_points.txt"] = entry_points.encode()
    record = "".join(record_line(path, data) for path, data in content.items()) + f"{info}/RECORD,,\n"
    target = folder / f"{stem}-{tag}.whl"
    with zipfile.ZipFile(target, "w") as archive:
        for path, data in (content | {f"{info}/RECORD": record.encode()}).items():
            archive.writestr(path, data)
    return target
