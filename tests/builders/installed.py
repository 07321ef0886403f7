"""What installers leave in an image: interpreters, virtual environments and distributions as {path: content}."""

from __future__ import annotations

import base64
import hashlib
import struct
from collections.abc import Mapping

from tests.builders.rootfs import Content, Link

GLIBC_LOADER = "/lib64/ld-linux-x86-64.so.2"
MUSL_LOADER = "/lib/ld-musl-x86_64.so.1"


def elf_binary(loader: str = "", text: bytes = b"", machine: int = 62) -> bytes:
    """A 64-bit little-endian ELF file with one PT_LOAD segment, a PT_INTERP where a loader is named, and `text`."""
    name = loader.encode() + b"\0" if loader else b""
    count = 2 if loader else 1
    start = 64 + 56 * count
    size = start + len(name) + len(text)
    header = b"\x7fELF\x02\x01\x01" + bytes(9)
    header += struct.pack("<HHIQQQIHHHHHH", 3, machine, 1, 0, 64, 0, 0, 64, 56, count, 64, 0, 0)
    segments = struct.pack("<IIQQQQQQ", 1, 5, 0, 0, 0, size, size, 4096)
    if loader:
        segments += struct.pack("<IIQQQQQQ", 3, 4, start, start, start, len(name), len(name), 1)
    return header + segments + name + text


def python_binary(version: str, loader: str = GLIBC_LOADER, machine: int = 62) -> bytes:
    """An interpreter that carries its version the way CPython before 3.11 does, as a string."""
    return elf_binary(loader, b"\0" + version.encode() + b"\0", machine)


def glibc(version: str = "2.36", machine: int = 62) -> dict[str, Content]:
    folder = "usr/lib/x86_64-linux-gnu"
    return {
        "lib64": Link("usr/lib64"),
        "lib": Link("usr/lib"),
        "bin": Link("usr/bin"),
        "usr/bin/dash": elf_binary(GLIBC_LOADER),
        "usr/bin/sh": Link("dash"),
        "usr/bin/env": elf_binary(GLIBC_LOADER),
        "usr/lib64/ld-linux-x86-64.so.2": Link("/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"),
        f"{folder}/ld-linux-x86-64.so.2": elf_binary("", b"", machine),
        f"{folder}/libc.so.6": elf_binary("", f"stable release version {version}.".encode(), machine),
        "etc/os-release": 'ID=debian\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n',
    }


def musl(version: str = "1.2.5") -> dict[str, Content]:
    return {
        "lib/ld-musl-x86_64.so.1": elf_binary("", b"\0musl libc (x86_64)\0\0" + version.encode() + b"\0"),
        "bin/busybox": elf_binary(MUSL_LOADER),
        "bin/sh": Link("/bin/busybox"),
        "etc/os-release": 'ID=alpine\nPRETTY_NAME="Alpine Linux v3.20"\n',
    }


def interpreter(
    prefix: str = "usr/local", version: str = "3.11.9", loader: str = GLIBC_LOADER, machine: int = 62
) -> dict[str, Content]:
    """An interpreter with its standard library and an empty site-packages."""
    minor = ".".join(version.split(".")[:2])
    soabi = f"cpython-{minor.replace('.', '')}-x86_64-linux-gnu"
    library = f"{prefix}/lib/python{minor}"
    build_time_vars = f"build_time_vars = {{'SOABI': '{soabi}', 'Py_DEBUG': 0}}\n"
    return {
        f"{prefix}/bin/python{minor}": python_binary(version, loader, machine),
        f"{prefix}/bin/python3": Link(f"python{minor}"),
        f"{prefix}/bin/python": Link("python3"),
        f"{library}/os.py": "",
        f"{library}/_sysconfigdata__linux_x86_64-linux-gnu.py": build_time_vars,
        f"{library}/site-packages": None,
        f"{prefix}/include/python{minor}/patchlevel.h": f'#define PY_VERSION              "{version}"\n',
    }


def venv(path: str = "opt/venv", home: str = "usr/local", minor: str = "3.11", extra: str = "") -> dict[str, Content]:
    return {
        f"{path}/pyvenv.cfg": f"home = /{home}/bin\ninclude-system-site-packages = false\nversion = {minor}.9\n{extra}",
        f"{path}/bin/python3": Link(f"/{home}/bin/python3"),
        f"{path}/bin/python": Link("python3"),
        f"{path}/lib/python{minor}/site-packages": None,
    }


def record_line(path: str, data: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    return f"{path},sha256={digest},{len(data)}\n"


def distribution(
    name: str,
    version: str,
    site: str = "opt/venv/lib/python3.11/site-packages",
    files: Mapping[str, bytes] | None = None,
    metadata: str = "",
    wheel: str = "Root-Is-Purelib: true\nTag: py3-none-any\n",
    installer: str = "pip",
) -> dict[str, Content]:
    """A dist-info as pip leaves it, with the files of the distribution, named relative to the site directory."""
    folder = f"{name.replace('-', '_')}-{version}.dist-info"
    content: dict[str, bytes] = dict(files if files is not None else {f"{name.replace('-', '_')}/__init__.py": b"\n"})
    content |= {
        f"{folder}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{metadata}\nText.\n".encode(),
        f"{folder}/WHEEL": f"Wheel-Version: 1.0\n{wheel}".encode(),
        f"{folder}/INSTALLER": f"{installer}\n".encode(),
    }
    record = "".join(record_line(path, data) for path, data in content.items()) + f"{folder}/RECORD,,\n"
    return {_inside(site, path): data for path, data in {**content, f"{folder}/RECORD": record.encode()}.items()}


def _inside(site: str, path: str) -> str:
    parts = site.split("/")
    while path.startswith("../"):
        path = path[3:]
        parts.pop()
    return "/".join((*parts, path))
