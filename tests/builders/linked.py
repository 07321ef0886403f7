"""Images whose extension modules are linked: a base with Python, layers above it, and the environment in it."""

from __future__ import annotations

from collections.abc import Mapping

from driftscan.inventory import take
from driftscan.model.image import ImageConfig
from driftscan.model.inventory import Environment
from tests.builders.elves import Elf
from tests.builders.installed import GLIBC_LOADER, distribution, glibc, interpreter, venv
from tests.builders.rootfs import Content, layer_ids, rootfs

SITE = "/opt/venv/lib/python3.11/site-packages"
SUFFIX = "cpython-311-x86_64-linux-gnu.so"
LIBRARY = "usr/lib/x86_64-linux-gnu"
API = tuple(f"Py_{number}" for number in range(300))


def module(*needed: str, **more: object) -> bytes:
    return Elf(needed=needed, exports=("PyInit_x",), **more).build()  # type: ignore[arg-type]


def library(*needed: str, **more: object) -> bytes:
    return Elf(needed=needed, **more).build()  # type: ignore[arg-type]


def python(*needed: str, loader: str = GLIBC_LOADER, **more: object) -> bytes:
    return Elf(interpreter=loader, needed=needed, data=b"\0" + b"3.11.9\0", **more).build()  # type: ignore[arg-type]


def taken(
    *layers: Mapping[str, Content], env: Mapping[str, str] | None = None, base: Mapping[str, Content] | None = None
) -> Environment:
    """The environment /opt/venv of an image; `layers` lie above a base with Python."""
    below = {**(glibc() if base is None else base), **interpreter(), **venv(), "usr/local/bin/python3.11": python()}
    config = ImageConfig(env=env or {}, entrypoint=("/opt/venv/bin/python3",))
    inventory = take(rootfs(below, *layers), config, layer_ids(len(layers) + 1))
    return next(each for each in inventory.environments if each.path == "/opt/venv")


def package(files: Mapping[str, bytes], name: str = "shop", version: str = "1", **more: str) -> dict[str, Content]:
    wheel = "Root-Is-Purelib: false\nTag: cp311-cp311-manylinux_2_17_x86_64\n"
    return distribution(name, version, files=files, **{"wheel": wheel, **more})
