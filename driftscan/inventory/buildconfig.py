"""How an interpreter was built: build-details.json (PEP 739), `_sysconfigdata*.py`, names of extension modules."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping

from driftscan.inventory import metadata
from driftscan.rootfs import RootFS

_CONFIG_KEYS = frozenset({"SOABI", "EXT_SUFFIX", "Py_GIL_DISABLED", "Py_DEBUG", "VERSION"})
_EXTENSION = re.compile(r"\w+\.((?:cpython|pypy)\w*-[\w-]+)\.so")


def read(rootfs: RootFS, stdlib: str | None) -> dict[str, str]:
    """The build variables that matter, from build-details.json or `_sysconfigdata*.py`."""
    if stdlib is None:
        return {}
    found: dict[str, str] = {}
    candidates = [f"{stdlib}/{entry}" for entry in rootfs.children(stdlib) if entry.startswith("_sysconfigdata")]
    for path in sorted(candidates):
        if path.endswith(".py") and (data := rootfs.read(path)) is not None:
            found = {**_sysconfigdata(data), **found}
    abi = mapping(details(rootfs.read(f"{stdlib}/build-details.json") or b"").get("abi"))
    flags = abi.get("flags")
    if isinstance(flags, list):
        found |= {"Py_GIL_DISABLED": str(int("t" in flags)), "Py_DEBUG": str(int("d" in flags))}
    suffix = abi.get("extension_suffix")
    if isinstance(suffix, str):
        found["EXT_SUFFIX"] = suffix
    if "SOABI" not in found and found.get("EXT_SUFFIX", "").count(".") == 2:
        found["SOABI"] = found["EXT_SUFFIX"].split(".")[1]
    if "SOABI" not in found and (soabi := _soabi_of_modules(rootfs, stdlib)) is not None:
        found["SOABI"] = soabi
    return found


def _soabi_of_modules(rootfs: RootFS, stdlib: str) -> str | None:
    """The SOABI that the names of the standard library's own extension modules carry, where they agree."""
    names = (*rootfs.children(f"{stdlib}/lib-dynload"), *rootfs.children(stdlib))
    found = {match[1] for entry in names if (match := _EXTENSION.fullmatch(entry))}
    return found.pop() if len(found) == 1 else None


def _sysconfigdata(data: bytes) -> dict[str, str]:
    """Constants of `build_time_vars`, parsed and never run."""
    try:
        module = ast.parse(data)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return {}
    found: dict[str, str] = {}
    for statement in module.body:
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Dict):
            for key, value in zip(statement.value.keys, statement.value.values, strict=True):
                if isinstance(key, ast.Constant) and key.value in _CONFIG_KEYS and isinstance(value, ast.Constant):
                    found[str(key.value)] = str(value.value)
    return found


def details(data: bytes) -> dict[str, object]:
    try:
        return metadata.json_object(data)
    except ValueError:
        return {}


def mapping(value: object) -> Mapping[str, object]:
    return {str(key): item for key, item in value.items()} if isinstance(value, dict) else {}
