"""`env:`: a virtual environment, conda prefix or Python prefix on this machine.

It is read as part of this machine's root filesystem: the prefix itself, and of the rest only what tells what its
interpreter is (the binary, the standard library's build data, the C library, the OS package data).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from driftscan.elf import ldcache
from driftscan.errors import NotFoundError
from driftscan.image.files import Collector
from driftscan.image.limits import Limits
from driftscan.image.paths import existing
from driftscan.image.source import Image, Indexed
from driftscan.model.image import ImageConfig, LayerIndex, Wants

_ROOT = Path("/")
_SHEBANG = 4096
_PYTHON = re.compile(r"(?:python|pypy)3?(?:\.\d+)?t?")
_LIBRARY = re.compile(r"(?:python|pypy)\d\.\d+t?")
_BUILD_DATA = re.compile(r"_sysconfigdata.*\.py|build-details\.json")
_SYSTEM_FILES = (
    "etc/os-release",
    "usr/lib/os-release",
    "var/lib/dpkg/status",
    "lib/apk/db/installed",
    "usr/lib/apk/db/installed",
    "etc/ld.so.cache",
)
_LIBRARY_FOLDERS = ("lib", "lib64", "usr/lib", "usr/lib64", "usr/local/lib")
_SHARED = re.compile(r"\.so(?:\.|$)")
_LIBC = re.compile(r"libc\.so\.6|libc-2\.\d+\.so|ld-linux.*|ld-musl-.*|libc\.musl-.*")


def open_environment(rest: str, platform: str | None, limits: Limits) -> Image:  # noqa: ARG001  # it is this machine's
    """`env:PATH`, the prefix of the environment. Raises NotFoundError where there is no interpreter in it."""
    prefix = Path(os.path.abspath(existing(rest, f"env:{rest}")))  # noqa: PTH100  # resolve() would follow symlinks
    if not any(_PYTHON.fullmatch(name) for name in _names(prefix / "bin")):
        raise NotFoundError(
            "there is no Python in its bin folder",
            where=rest,
            hint="name the folder of the environment, the one that holds bin/python",
        )

    def index(wants: Wants) -> LayerIndex:
        collector = Collector(_ROOT, wants, limits)
        for key in _system_files(collector):
            collector.add(key)
        _add_prefix(collector, prefix)
        for base in _bases(prefix):
            _add_interpreter(collector, base, with_packages=_inherits(prefix))
        # Last, since what was noted is not read any more.
        for key in (*_libraries(collector), *_script_interpreters(prefix)):
            collector.note(key)
        return collector.index()

    focus = str(prefix)
    return Image(reference=rest, source="env", config=ImageConfig(), access=Indexed(index=index), focus=focus)


def _names(folder: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in folder.iterdir())
    except OSError:
        return []


def _key(path: Path) -> str:
    return str(path).lstrip("/")


def _system_files(collector: Collector) -> Iterator[str]:
    yield from _SYSTEM_FILES
    for folder in ("lib", "lib64", "usr/lib", "usr/lib64"):
        for name in collector.names(folder):
            if _LIBC.fullmatch(name):
                yield f"{folder}/{name}"
            elif name.endswith(("-linux-gnu", "-linux-musl", "-linux-gnueabihf")):
                yield from (
                    f"{folder}/{name}/{file}" for file in collector.names(f"{folder}/{name}") if _LIBC.fullmatch(file)
                )
    for name in collector.names("var/lib/dpkg/info"):
        if name.endswith(".list") and "python" in name:
            yield f"var/lib/dpkg/info/{name}"


def _libraries(collector: Collector) -> Iterator[str]:
    """Where this machine's loader finds libraries; which ones there are is enough, and they are many."""
    try:
        cache = (_ROOT / "etc/ld.so.cache").read_bytes()
    except OSError:
        cache = b""
    yield from (_key(Path(path)) for _, path in ldcache.read(cache))
    for folder in _LIBRARY_FOLDERS:
        yield from (f"{folder}/{name}" for name in collector.names(folder) if _SHARED.search(name))


def _add_prefix(collector: Collector, prefix: Path) -> None:
    if (prefix / "pyvenv.cfg").is_file() or (prefix / "conda-meta").is_dir():
        collector.add_tree(_key(prefix))
    else:
        # A prefix such as /usr holds much that has nothing to do with Python.
        _add_interpreter(collector, prefix, with_packages=True)


def _script_interpreters(prefix: Path) -> Iterator[str]:
    """Programs that scripts of the environment name in their first line, wherever they are on this machine."""
    for name in _names(prefix / "bin"):
        try:
            with (prefix / "bin" / name).open("rb") as file:
                first = file.readline(_SHEBANG)
        except OSError:
            continue
        if first.startswith(b"#!/") and (words := first[2:].split()):
            yield os.fsdecode(words[0]).lstrip("/")


def _settings(prefix: Path) -> dict[str, str]:
    """pyvenv.cfg as the site module reads it: `key = value` lines, keys in lower case."""
    try:
        text = (prefix / "pyvenv.cfg").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    pairs = (line.partition("=") for line in text.splitlines())
    return {key.strip().lower(): value.strip() for key, _, value in pairs}


def _bases(prefix: Path) -> list[Path]:
    """Prefixes of the interpreters that this one's binary is, or is a link to."""
    home = _settings(prefix).get("home")
    binaries = (prefix / "bin" / name for name in _names(prefix / "bin") if _PYTHON.fullmatch(name))
    found = [*([Path(home).parent] if home else []), *(binary.resolve().parent.parent for binary in binaries)]
    return [base for base in dict.fromkeys(found) if base != prefix]


def _inherits(prefix: Path) -> bool:
    return _settings(prefix).get("include-system-site-packages", "").lower() == "true"


def _add_interpreter(collector: Collector, base: Path, *, with_packages: bool) -> None:
    root = _key(base)
    for name in collector.names(f"{root}/bin"):
        if _PYTHON.fullmatch(name) or with_packages:
            collector.add(f"{root}/bin/{name}")
    for folder in ("lib", "lib64", "local/lib"):
        for name in collector.names(f"{root}/{folder}"):
            place = f"{root}/{folder}/{name}"
            if name.startswith(("libpython", "libpypy")):
                collector.add(place)
            elif with_packages and (_LIBRARY.fullmatch(name) or name == "python3"):
                collector.add_tree(place)
            elif _LIBRARY.fullmatch(name):
                for file in collector.names(place):
                    if _BUILD_DATA.fullmatch(file) or file in ("os.py", "site.py"):
                        collector.add(f"{place}/{file}")
    for name in collector.names(f"{root}/include"):
        if _LIBRARY.fullmatch(name.rstrip("dmu")):
            collector.add(f"{root}/include/{name}/patchlevel.h")
