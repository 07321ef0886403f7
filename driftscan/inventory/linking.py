"""Extension modules of an environment, linked as the dynamic loader would when the interpreter imports them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from driftscan.inventory.distributions import Context
from driftscan.inventory.loader import Executable, File, Loader
from driftscan.inventory.paths import name, parent
from driftscan.model.image import ImageConfig
from driftscan.model.inventory import Environment, Interpreter, Native
from driftscan.model.lock import Unchecked

_LIBPYTHON = re.compile(r"lib(?:python|pypy)\d[^/]*\.so.*")
_LEAST_API = 200
"""A Python exports more than a thousand names; a program that only embeds one exports few."""


def linked(environment: Environment, context: Context, config: ImageConfig) -> Environment:
    """The environment with its modules told apart, their linkage, and the API and the linkage of its interpreter.

    The last three stay None where the interpreter's binary or its C library is not known.
    """
    natives = tuple(
        replace(native, is_module=is_importable(native, environment.interpreter)) for native in environment.natives
    )
    environment = replace(environment, natives=natives)
    loader = _loader(environment.interpreter, context, config)
    if loader is None:
        return environment
    if absent := [library for library, file in loader.own.items() if file is None]:
        return _incomplete(environment, absent[0], loader)
    interpreter = replace(environment.interpreter, api=_api(loader), linkage=loader.own_linkage)
    return replace(environment, interpreter=interpreter, natives=tuple(_with_linkage(natives, loader)))


def _loader(interpreter: Interpreter, context: Context, config: ImageConfig) -> Loader | None:
    node = context.rootfs.get(interpreter.executable)
    if node is None or node.entry.elf is None or not node.entry.elf.dynamic_known or interpreter.libc is None:
        return None
    executable = Executable(
        File(node.path, node.entry.elf, parent(node.path)), interpreter.libc.family, interpreter.machine
    )
    return Loader(context, executable, config.env.get("LD_LIBRARY_PATH", ""))


def _incomplete(environment: Environment, library: str, loader: Loader) -> Environment:
    """Without `library` the interpreter cannot start, unless what was scanned is only a part of a root filesystem."""
    libc = environment.interpreter.libc
    is_whole = libc is not None and libc.version is not None
    if is_whole:
        interpreter = replace(environment.interpreter, linkage=loader.own_linkage)
        environment = replace(environment, interpreter=interpreter)
    if not any(native.is_module for native in environment.natives):
        return environment
    unchecked = Unchecked(
        f"whether the compiled modules of {environment.path} find their libraries",
        f"{library}, which its own Python needs, is not in the image"
        + ("" if is_whole else ": this is no whole root filesystem"),
    )
    return replace(environment, unchecked=(*environment.unchecked, unchecked))


def _with_linkage(natives: Iterable[Native], loader: Loader) -> Iterator[Native]:
    for native in natives:
        linkage = loader.linkage(_file(native)) if native.is_module else None
        yield replace(native, linkage=linkage)


def _file(native: Native) -> File:
    path = native.path.lstrip("/")
    return File(path, native.elf, parent(path))


def is_importable(native: Native, interpreter: Interpreter) -> bool:
    """Whether a file is an extension module whose name the interpreter's import system accepts."""
    if native.elf.symbols is None or not native.elf.symbols.modules:
        return False
    _, _, suffix = name(native.path).partition(".")
    return suffix in accepted_suffixes(interpreter)


def accepted_suffixes(interpreter: Interpreter) -> tuple[str, ...]:
    """What may follow the first dot of an extension module's name (`importlib.machinery.EXTENSION_SUFFIXES`)."""
    own = (f"{interpreter.soabi}.so",) if interpreter.soabi is not None else ()
    stable = () if interpreter.implementation == "pypy" else ("abi3.so",)
    return (*own, *stable, "so")


def _api(loader: Loader) -> frozenset[str] | None:
    files = [loader.executable.file, *(file for name, file in loader.own.items() if _LIBPYTHON.fullmatch(name))]
    found: set[str] = set()
    for file in files:
        if file is None or file.elf is None or file.elf.symbols is None:
            return None
        found.update(file.elf.symbols.python_exports)
    return frozenset(found) if len(found) >= _LEAST_API else None
