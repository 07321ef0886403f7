"""torch's C++ interface on real wheels: those that belong together, and an extension of another release.

The wheels are those for aarch64, which bring no CUDA, in a root filesystem that only has what tells of an interpreter
there; the truth is torch's promise that its libraries and its extensions are released in pairs.
"""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

import driftscan
from tests.builders.elves import Elf
from tests.builders.installed import interpreter, venv
from tests.builders.rootfs import Content, Link

pytestmark = pytest.mark.real

SITE = "opt/venv/lib/python3.11/site-packages"
AARCH64 = 183
LOADER = "/lib/ld-linux-aarch64.so.1"
PLATFORMS = ("manylinux_2_28_aarch64", "manylinux2014_aarch64")


def downloaded(folder: Path, *pins: str) -> list[Path]:
    options = [part for platform in PLATFORMS for part in ("--platform", platform)]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    command += ["--python-version", "3.11", *options, "--dest", str(folder), *pins]
    subprocess.run(command, check=True, capture_output=True)
    return sorted(folder.glob("*.whl"))


def write(root: Path, files: Mapping[str, Content]) -> None:
    for path, content in files.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, Link):
            target.symlink_to(content.target)
        elif content is None:
            target.mkdir(exist_ok=True)
        else:
            assert isinstance(content, str | bytes)
            target.write_bytes(content.encode() if isinstance(content, str) else content)


def unpack(root: Path, wheels: list[Path]) -> None:
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(root / SITE)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    python = Elf(machine=AARCH64, interpreter=LOADER, needed=("libc.so.6",), data=b"\0" + b"3.11.9\0").build()
    libc = Elf(machine=AARCH64, soname="libc.so.6", data=b"\0release version 2.36.").build()
    write(folder, {**interpreter(), **venv()})
    write(folder, {"usr/local/bin/python3.11": python, "lib/libc.so.6": libc})
    return folder


def said(root: Path, lock: Path) -> list[str]:
    report = driftscan.compare([lock], f"dir:{root}", select=["NW310"], environment="/opt/venv")
    return [finding.message for finding in report.findings]


def test_an_extension_of_another_torch(root: Path, tmp_path: Path) -> None:
    lock = tmp_path / "requirements.txt"
    lock.write_text("torch==2.6.0\ntorchaudio==2.6.0\n")
    unpack(root, downloaded(tmp_path / "pair", "torch==2.6.0", "torchaudio==2.6.0"))
    assert said(root, lock) == []
    for path in (root / SITE).glob("torchaudio*"):
        path.rename(tmp_path / path.name)
    unpack(root, downloaded(tmp_path / "other", "torchaudio==2.5.0"))
    # What was c10::string_view in 2.5 is std::string_view in 2.6.
    symbol = "_ZN2at4_ops14conv1d_padding4callERKNS_6TensorES4_RKSt8optionalIS2_EN3c108ArrayRefINS9_6SymIntEEE"
    (message,) = said(root, lock)
    assert message == (
        "torchaudio 2.5.0 needs 14 C++ symbols that torch 2.6.0 does not have, such as "
        f"{symbol}NS9_17basic_string_viewIcEESC_SB_: /{SITE}/torchaudio/lib/libtorchaudio.so (and 2 more)"
    )
