"""A small conda channel made from a base image's Python and from wheels, since samples must not need a public one.

The packages are conda packages in every respect that an installer looks at (CEP 26 names, `info/index.json`,
`info/paths.json`, `info/link.json` for noarch Python), so that a real installer can install them.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rattler.index import index_fs

PYTHON = "3.11.2"


@dataclass(frozen=True, slots=True, kw_only=True)
class CondaRecipe:
    """What goes into one package; `files` maps paths below the prefix to bytes."""

    name: str
    version: str
    build: str
    files: Mapping[str, bytes]
    links: Mapping[str, str] = field(default_factory=dict)
    """Symlinks below the prefix, with their targets."""
    depends: tuple[str, ...] = ()
    noarch: bool = True

    @property
    def subdir(self) -> str:
        return "noarch" if self.noarch else "linux-64"


def write_package(channel: Path, recipe: CondaRecipe) -> None:
    number = recipe.build.rsplit("_", 1)[-1]
    index: dict[str, object] = {
        "name": recipe.name,
        "version": recipe.version,
        "build": recipe.build,
        "build_number": int(number),
        "depends": list(recipe.depends),
        "subdir": recipe.subdir,
    }
    paths = [
        {
            "_path": path,
            "path_type": "hardlink",
            "sha256": hashlib.sha256(data).hexdigest(),
            "size_in_bytes": len(data),
        }
        for path, data in recipe.files.items()
    ] + [{"_path": path, "path_type": "softlink"} for path in recipe.links]
    info: dict[str, object] = {"index.json": index, "paths.json": {"paths": paths, "paths_version": 1}}
    if recipe.noarch:
        index["noarch"] = "python"
        info["link.json"] = {"noarch": {"type": "python"}, "package_metadata_version": 1}
    members = {f"info/{name}": json.dumps(content).encode() for name, content in info.items()} | dict(recipe.files)
    target = channel / recipe.subdir / f"{recipe.name}-{recipe.version}-{recipe.build}.tar.bz2"
    target.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(target, "w:bz2") as archive:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(data), 0o755 if name.startswith("bin/") else 0o644
            archive.addfile(member, io.BytesIO(data))
        for name, link in recipe.links.items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, link
            archive.addfile(member)


def wheel_files(requirement: str) -> dict[str, bytes]:
    """The files of a pure-Python wheel as a noarch package holds them, its installer named as conda does."""
    with tempfile.TemporaryDirectory() as folder:
        command = (sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:")
        subprocess.run((*command, "--dest", folder, requirement), check=True)
        (wheel,) = Path(folder).iterdir()
        with zipfile.ZipFile(wheel) as archive:
            files = {f"site-packages/{name}": archive.read(name) for name in archive.namelist()}
    (record,) = (name for name in files if name.endswith(".dist-info/RECORD"))
    files[record.replace("RECORD", "INSTALLER")] = b"conda"
    return files


def make_channel(folder: Path, python: bytes, sysconfigdata: Mapping[str, bytes]) -> None:
    """Write packages and repodata below `folder`."""
    interpreter = {"bin/python3.11": python} | {f"lib/python3.11/{name}": data for name, data in sysconfigdata.items()}
    links = dict.fromkeys(("bin/python", "bin/python3"), "python3.11")

    def pure(name: str, version: str, build: str) -> CondaRecipe:
        return CondaRecipe(
            name=name,
            version=version,
            build=build,
            files=wheel_files(f"{name}=={version}"),
            depends=("python >=3.9",),
        )

    recipes = [
        CondaRecipe(name="python", version=PYTHON, build="h0_0", files=interpreter, links=links, noarch=False),
        pure("six", "1.17.0", "py_0"),
        pure("tabulate", "0.9.0", "py_0"),
        pure("tabulate", "0.9.0", "py_1"),
        pure("tomli", "2.0.1", "py_0"),
        pure("tomli", "2.0.2", "py_0"),
    ]
    for recipe in recipes:
        write_package(folder, recipe)
    asyncio.run(index_fs(folder, write_zst=False, write_shards=False))
