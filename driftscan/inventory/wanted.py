"""Which files of an image an inventory needs, decided by path and size alone."""

from __future__ import annotations

import re

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
_PATTERNS: tuple[tuple[re.Pattern[str], Keep], ...] = tuple(
    (re.compile(pattern), keep)
    for pattern, keep in (
        (r"(?:etc|usr/lib)/os-release|etc/passwd|etc/ld\.so\.conf(?:\.d/[^/]+)?", _SMALL),
        (r"var/lib/dpkg/status(?:\.d/[^/]+)?", Keep(LOCK_LIMIT)),
        (r"var/lib/dpkg/info/[^/]+\.list", Keep(LOCK_LIMIT, probes.python_paths)),
        (r"(?:usr/)?lib/apk/db/installed", Keep(LOCK_LIMIT)),
        (r"(?:.*/)?conda-meta/[^/]+\.json", Keep(RECORD_LIMIT)),
        (r"(?:.*/)?_sysconfigdata[^/]*\.py", Keep(4 * MIB)),
        (r"(?:.*/)?(?:python|pypy)\d[\d.]*[a-z]*", Keep(BINARY_LIMIT, probes.python)),
        (r"(?:.*/)?bin/(?:python|pypy)", Keep(BINARY_LIMIT, probes.python)),
        (r"(?:.*/)?lib(?:python|pypy)\d[^/]*\.so[\d.]*", Keep(BINARY_LIMIT, probes.python)),
        (
            r"(?:.*/)?(?:libc\.so\.6|libc-2\.\d+\.so|ld-musl-[^/]+\.so\.1|libc\.musl-[^/]+\.so\.1)",
            Keep(BINARY_LIMIT, probes.libc),
        ),
        (r"(?:.*/)?ld-linux[^/]*\.so\.\d|(?:.*/)?ld-2\.\d+\.so", _HASH_ONLY),
        (r"etc/ld\.so\.cache", Keep(4 * MIB)),
        (r"etc/apt/sources\.list(?:\.d/[^/]+)?|etc/apk/repositories|etc/yum\.repos\.d/[^/]+", _SMALL),
        (r"etc/ld-musl-[^/]+\.path", _SMALL),
        (r"(?:.*/)?[^/]+\.(?:pth|egg-link|egg-info)", _SMALL),
        (r"(?:.*/)?torch/version\.py|usr/local/cuda[^/]*/version\.json", _SMALL),
        (r"(?:.*/)?(?:Dockerfile|Containerfile)(?:\.[^/]+)?|(?:.*/)?pylock\.[^/]+\.toml", _SMALL),
        (r"(?:.*/)?requirements[^/]*\.txt", Keep(LOCK_LIMIT)),
        (r"(?:.*/)?(?:bin/[^/]+|[^/]*entrypoint[^/]*|[^/]+\.sh)|(?:[^/]+/)?[^/.]+", _SCRIPT),
    )
)
# uv links installed files from its cache, and a layer may hold the cache's name for a file first.
_SITE = re.compile(r"(?:.*/)?(?:(?:site|dist)-packages|archive-v\d+)/.*")
_SHARED = re.compile(r"(?:.*/)?[^/]+\.so(?:\.[\w.+-]+)?")
_SYSTEM = re.compile(r"(?:usr/(?:share|include|lib\w*|src)|etc|lib\w*|var)/.*")


def wants(path: str, size: int) -> Keep | None:
    """What to keep of the file at `path` (no leading slash) that is `size` bytes long; None: nothing but its entry.

    Files are hashed even where their content is not kept, except where only the operating system puts any: packages
    can be installed into any folder (`pip install --target`), and its RECORD is known only when all has gone by. Of
    the operating system's libraries the ELF facts are kept, since extension modules need them.
    """
    if path.endswith(".pyc"):
        return None
    keep = _content(path)
    if keep is not None and (size <= keep.limit or keep.limit == 0):
        return keep
    if keep is not None or not _SYSTEM.fullmatch(path) or _SITE.fullmatch(path):
        # What is called lib… is no module to import, and nearly all of the bytes.
        return _MODULE if path.endswith(".so") and not basename(path).startswith("lib") else _HASH_ONLY
    return _LIBRARY if _SHARED.fullmatch(path) else None


def _content(path: str) -> Keep | None:
    filename = basename(path)
    folder = path[: -len(filename) - 1]
    if folder.endswith((".dist-info", ".egg-info", "EGG-INFO")):
        return _METADATA_FILES.get(filename)
    if filename in _ANYWHERE:
        return _ANYWHERE[filename]
    if filename.endswith(".py") and not filename.startswith(("_sysconfigdata", "version.")):
        return _SCRIPT if folder == "bin" or folder.endswith("/bin") else None
    return next((keep for pattern, keep in _PATTERNS if pattern.fullmatch(path)), None)
