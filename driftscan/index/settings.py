"""Which indexes this machine's installers are set up to use.

The main index is that of `PIP_INDEX_URL`, `UV_DEFAULT_INDEX` or `UV_INDEX_URL`, else that of pip's configuration
files, else the one that pip itself knows. `PIP_EXTRA_INDEX_URL` and the files' `extra-index-url` come after it,
`UV_INDEX` and `UV_EXTRA_INDEX_URL` before it, as in these programs.
"""

from __future__ import annotations

import configparser
import os
import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path

from driftscan.errors import UsageError

_LARGEST = 1 << 20
_MAIN = ("PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL")


def configured_indexes() -> tuple[str, ...]:
    """URLs, credentials included, in the order in which they are asked; UsageError where nothing names one."""
    environment = {name: value for name, value in os.environ.items() if value.strip()}
    files = _pip_files(environment)
    main = next((environment[name] for name in _MAIN if name in environment), None) or files.get("index-url")
    before = [*_several(environment, "UV_INDEX"), *_several(environment, "UV_EXTRA_INDEX_URL")]
    after = environment.get("PIP_EXTRA_INDEX_URL") or files.get("extra-index-url", "")
    urls = [*before, _unnamed(main or _known_to_pip()), *after.split()]
    return tuple(dict.fromkeys(url.strip() for url in urls))


def _several(environment: Mapping[str, str], name: str) -> Iterator[str]:
    yield from map(_unnamed, environment.get(name, "").split())


def _unnamed(index: str) -> str:
    """uv's `NAME=URL` without the name."""
    name, sign, url = index.partition("=")
    return url if sign and "://" in url and "/" not in name else index


def _pip_files(environment: Mapping[str, str]) -> Mapping[str, str]:
    """Options of the section `global` in pip's configuration files; the more particular file wins."""
    found: dict[str, str] = {}
    for path in _pip_places(environment):
        parser = configparser.RawConfigParser()
        try:
            if path.stat().st_size <= _LARGEST:
                parser.read_string(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, configparser.Error):
            continue
        if parser.has_section("global"):
            found |= {name.replace("_", "-"): value for name, value in parser.items("global")}
    return found


def _pip_places(environment: Mapping[str, str]) -> Iterator[Path]:
    """Configuration files in the order in which pip reads them; `PIP_CONFIG_FILE=/dev/null` means none."""
    explicit = environment.get("PIP_CONFIG_FILE")
    if explicit == os.devnull:
        return
    for folder in reversed(environment.get("XDG_CONFIG_DIRS", "/etc/xdg").split(os.pathsep)):
        yield Path(folder, "pip", "pip.conf")
    yield Path("/etc/pip.conf")
    home = Path(os.path.expanduser("~"))  # noqa: PTH111 (without a home, Path.home raises)
    yield home / ".pip" / "pip.conf"
    if sys.platform == "darwin":
        yield home / "Library" / "Application Support" / "pip" / "pip.conf"
    yield Path(environment.get("XDG_CONFIG_HOME") or home / ".config", "pip", "pip.conf")
    yield Path(environment.get("VIRTUAL_ENV") or sys.prefix, "pip.conf")
    if explicit is not None:
        yield Path(explicit)


def _known_to_pip() -> str:
    """The index that pip asks unless told otherwise, from pip itself."""
    try:
        return str(import_module("pip._internal.models.index").PyPI.simple_url)
    except (ImportError, AttributeError) as error:
        raise UsageError(
            "no package index is configured, and there is no pip here that knows the usual one",
            hint="name one with --index-url",
        ) from error
