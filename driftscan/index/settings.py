"""Which indexes this machine's installers are set up to use.

The main index is that of `PIP_INDEX_URL`, `UV_DEFAULT_INDEX` or `UV_INDEX_URL`, else that of pip's configuration
files, else the one that pip itself knows. `PIP_EXTRA_INDEX_URL` and the files' `extra-index-url` come after it,
`UV_INDEX` and `UV_EXTRA_INDEX_URL` before it, as in these programs.
"""

from __future__ import annotations

import configparser
import os
import sys
import tomllib
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

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


def indexes_in(path: str) -> tuple[str, ...]:
    """The URLs that a `uv.toml`, a `pyproject.toml` with `[tool.uv]`, or a `pip.conf` names, in the order in which they
    are asked: further ones before the main one, as uv has it.

    Raises UsageError where the file cannot be read, or names none.
    """
    try:
        text = Path(path).read_bytes()[: _LARGEST + 1].decode("utf-8")
        found = _in_toml(text) if path.endswith(".toml") else _in_ini(text)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, configparser.Error) as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise UsageError(f"it cannot be read: {reason}", where=path) from error
    if not found:
        raise UsageError("it names no package index", where=path)
    return tuple(dict.fromkeys(found))


def _in_ini(text: str) -> list[str]:
    parser = configparser.RawConfigParser()
    parser.read_string(text)
    options = dict(parser.items("global")) if parser.has_section("global") else {}
    found = {name.replace("_", "-"): value for name, value in options.items()}
    return [*found.get("extra-index-url", "").split(), *found.get("index-url", "").split()]


def _in_toml(text: str) -> list[str]:
    """uv's settings; those of `[pip]` win over the others. Tables of `[[index]]` can say which is the main one."""
    document = tomllib.loads(text)
    own = _table(_table(document, "tool"), "uv") if "tool" in document else document
    settings = {**own, **_table(own, "pip")}
    tables = [table for table in _list(settings, "index") if isinstance(table, dict) and table.get("url")]
    main = [table["url"] for table in tables if table.get("default") is True] or [settings.get("index-url")]
    further = [table["url"] for table in tables if not table.get("default") and not table.get("explicit")]
    return [url for url in (*further, *_list(settings, "extra-index-url"), *main) if isinstance(url, str)]


def _table(values: Mapping[str, Any], key: str) -> dict[str, Any]:
    found = values.get(key)
    return found if isinstance(found, dict) else {}


def _list(values: Mapping[str, Any], key: str) -> list[Any]:
    found = values.get(key)
    return found if isinstance(found, list) else []


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
