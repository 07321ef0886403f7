"""Which files of an image an inventory needs, decided by path and size alone."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from driftscan.inventory import probes
from driftscan.inventory.paths import name as basename
from driftscan.model.image import Keep

MIB = 1 << 20
METADATA_LIMIT = 8 * MIB
RECORD_LIMIT = 64 * MIB
LOCK_LIMIT = 32 * MIB
BINARY_LIMIT = 128 * MIB
SMALL_LIMIT = MIB
SCRIPT_LIMIT = MIB // 4

_HASH_ONLY = Keep(0)
_MODULE = Keep(0, strings=True)
_LIBRARY = Keep(0, hashed=False)
_SCRIPT = Keep(SCRIPT_LIMIT, probes.script)
_SMALL = Keep(SMALL_LIMIT)
_METADATA_FILES = {
    "METADATA": Keep(METADATA_LIMIT),
    "PKG-INFO": Keep(METADATA_LIMIT),
    "RECORD": Keep(RECORD_LIMIT),
    "installed-files.txt": Keep(RECORD_LIMIT),
    **dict.fromkeys(
        ("WHEEL", "INSTALLER", "REQUESTED", "direct_url.json", "uv_build.json", "uv_cache.json"), Keep(SMALL_LIMIT)
    ),
    **dict.fromkeys(("entry_points.txt", "top_level.txt", "requires.txt"), Keep(SMALL_LIMIT)),
}
_ANYWHERE = {
    "pyvenv.cfg": _SMALL,
    "build-details.json": _SMALL,
    "patchlevel.h": _SMALL,
    "history": _SMALL,
    **dict.fromkeys(("uv.lock", "poetry.lock", "pdm.lock", "Pipfile.lock", "pixi.lock"), Keep(LOCK_LIMIT)),
    **dict.fromkeys(("conda-lock.yml", "pylock.toml"), Keep(LOCK_LIMIT)),
}
_ROOTED: tuple[tuple[re.Pattern[str], Keep], ...] = tuple(
    (re.compile(pattern), keep)
    for pattern, keep in (
        (r"(?:etc|usr/lib)/os-release|etc/passwd|etc/ld\.so\.conf(?:\.d/[^/]+)?", _SMALL),
        (r"var/lib/dpkg/status(?:\.d/[^/]+)?", Keep(LOCK_LIMIT)),
        (r"var/lib/dpkg/info/[^/]+\.list", Keep(LOCK_LIMIT, probes.python_paths)),
        (r"(?:usr/)?lib/apk/db/installed", Keep(LOCK_LIMIT)),
        (r"etc/ld\.so\.cache", Keep(4 * MIB)),
        (r"etc/apt/sources\.list(?:\.d/[^/]+)?|etc/apk/repositories|etc/yum\.repos\.d/[^/]+", _SMALL),
        (r"etc/ld-musl-[^/]+\.path|usr/local/cuda[^/]*/version\.json", _SMALL),
    )
)
"""By the whole path; all of them are in one of `_ROOTS`."""
_ROOTS = re.compile(r"etc|usr/lib|var/lib/dpkg|lib/apk/db|usr/lib/apk/db|etc/.+|var/lib/dpkg/.+|usr/local/cuda[^/]*")
_NAMED: tuple[tuple[re.Pattern[str], Keep], ...] = tuple(
    (re.compile(pattern, re.DOTALL), keep)
    for pattern, keep in (
        (r"_sysconfigdata.*\.py", Keep(4 * MIB)),
        (r"(?:lib(?:python|pypy)\d.*\.so[\d.]*)|(?:python|pypy)\d[\d.]*[a-z]*", Keep(BINARY_LIMIT, probes.python)),
        (r"libc\.so\.6|libc-2\.\d+\.so|ld-musl-.+\.so\.1|libc\.musl-.+\.so\.1", Keep(BINARY_LIMIT, probes.libc)),
        (r"ld-linux.*\.so\.\d|ld-2\.\d+\.so", _HASH_ONLY),
        (r"(?:Dockerfile|Containerfile)(?:\..+)?|pylock\..+\.toml", _SMALL),
        (r"requirements.*\.txt", Keep(LOCK_LIMIT)),
    )
)
"""By the last component, whatever folder it is in; all of them begin with one of `_BEGINNINGS`."""
_BEGINNINGS = (
    "_sysconfigdata",
    "lib",
    "python",
    "pypy",
    "ld-",
    "Dockerfile",
    "Containerfile",
    "pylock.",
    "requirements",
)
_SUFFIXES = (".pth", ".egg-link", ".egg-info")
_INTERPRETERS = frozenset(("python", "pypy"))
_METADATA_FOLDERS = (".dist-info", ".egg-info", "EGG-INFO")
# uv links installed files from its cache, and a layer may hold the cache's name for a file first.
_SITE = re.compile(r"(?:.*/)?(?:(?:site|dist)-packages|archive-v\d+)(?:/.*)?", re.DOTALL)
_SHARED = re.compile(r".+\.so(?:\.[\w.+-]+)?", re.DOTALL)
_SYSTEM = re.compile(r"(?:usr/(?:share|include|lib\w*|src)|etc|lib\w*|var)(?:/.*)?", re.DOTALL)


class _Folder(NamedTuple):
    """What the files in a folder have in common. `is_system`: only the operating system puts files there."""

    name: str
    is_metadata: bool
    is_rooted: bool
    is_high: bool
    is_system: bool


@lru_cache(maxsize=1 << 12)
def _folder(path: str) -> _Folder:
    return _Folder(
        name=basename(path),
        is_metadata=path.endswith(_METADATA_FOLDERS),
        is_rooted=_ROOTS.fullmatch(path) is not None,
        is_high="/" not in path,
        is_system=_SYSTEM.fullmatch(path) is not None and _SITE.fullmatch(path) is None,
    )


def wants(path: str, size: int) -> Keep | None:
    """What to keep of the file at `path` (no leading slash) that is `size` bytes long; None: nothing but its entry.

    Files are hashed even where their content is not kept, except where only the operating system puts any: packages
    can be installed into any folder (`pip install --target`), and its RECORD is known only when all has gone by. Of
    the operating system's libraries the ELF facts are kept, since extension modules need them.
    """
    if path.endswith(".pyc"):
        return None
    parent, _, filename = path.rpartition("/")
    folder = _folder(parent)
    keep = _content(path, folder, filename)
    if keep is not None and (size <= keep.limit or keep.limit == 0):
        return keep
    if keep is not None or not folder.is_system:
        # What is called lib… is no module to import, and nearly all of the bytes.
        return _MODULE if filename.endswith(".so") and not filename.startswith("lib") else _HASH_ONLY
    return _LIBRARY if ".so" in filename and _SHARED.fullmatch(filename) else None


def _content(path: str, folder: _Folder, filename: str) -> Keep | None:
    if folder.is_metadata:
        return _METADATA_FILES.get(filename)
    if filename in _ANYWHERE:
        return _ANYWHERE[filename]
    if filename.endswith(".py") and not filename.startswith(("_sysconfigdata", "version.")):
        return _SCRIPT if folder.name == "bin" else None
    if folder.is_rooted and (keep := _matching(_ROOTED, path)) is not None:
        return keep
    if filename.startswith(_BEGINNINGS) and (keep := _matching(_NAMED, filename)) is not None:
        return keep
    if filename.endswith(_SUFFIXES):
        return _SMALL
    return _in(folder, filename)


def _in(folder: _Folder, filename: str) -> Keep | None:
    """What is wanted of a file for the folder that it is in, or for being called like a script."""
    if folder.name == "bin":
        return Keep(BINARY_LIMIT, probes.python) if filename in _INTERPRETERS else _SCRIPT
    if folder.name == "conda-meta" and filename.endswith(".json"):
        return Keep(RECORD_LIMIT)
    if folder.name == "torch" and filename == "version.py":
        return _SMALL
    if filename.endswith(".sh") or "entrypoint" in filename or (folder.is_high and "." not in filename):
        return _SCRIPT
    return None


def _matching(patterns: tuple[tuple[re.Pattern[str], Keep], ...], text: str) -> Keep | None:
    return next((keep for pattern, keep in patterns if pattern.fullmatch(text)), None)
