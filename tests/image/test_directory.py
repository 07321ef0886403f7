"""`dir:` and `env:`: files of this machine, looked at where they lie; nothing is followed out, run or changed."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from driftscan.errors import ImageError, LimitError, NotFoundError
from driftscan.image import Limits, open_image
from driftscan.image.scan import scan
from driftscan.inventory import wants
from driftscan.model.image import Entry, EntryKind, Keep, LayerIndex
from driftscan.rootfs import RootFS
from tests.builders.elves import Elf

LIMITS = Limits()


def keep_text(path: str, size: int) -> Keep | None:
    return Keep(1000) if path.endswith((".txt", ".so")) else None


def indexed(path: Path, limits: Limits = LIMITS) -> LayerIndex:
    with open_image(f"dir:{path}", limits=limits) as image:
        (layer,) = scan(image, keep_text, limits)
    return layer


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    (folder / "etc").mkdir(parents=True)
    (folder / "etc/motd.txt").write_bytes(b"hello")
    (folder / "etc/motd.txt").chmod(0o640)
    (folder / "etc/motd.txt").parent.chmod(0o755)
    return folder


def test_a_root_filesystem(root: Path) -> None:
    library = Elf(needed=("libc.so.6",)).build()
    (root / "lib.so").write_bytes(library)
    (root / "plain").write_bytes(b"x")
    (root / "plain").chmod(0o755)
    (root / "out").symlink_to("/etc/passwd")
    (root / "broken").symlink_to("../none")
    os.mkfifo(root / "pipe", 0o600)
    for name in ("proc", "sys", "dev"):
        (root / name).mkdir()
        (root / name / "kernel").write_text("x")
    entries = indexed(root).entries

    facts = entries["lib.so"].elf
    assert facts is not None
    assert facts.needed == ("libc.so.6",)
    assert {path: entry for path, entry in entries.items() if path != "lib.so"} == {
        "etc": Entry(EntryKind.DIRECTORY, 0o755),
        "etc/motd.txt": Entry(EntryKind.FILE, 0o640, 5, sha256=hashlib.sha256(b"hello").hexdigest(), content=b"hello"),
        "plain": Entry(EntryKind.FILE, 0o755, 1),
        "out": Entry(EntryKind.SYMLINK, 0o777, target="/etc/passwd"),
        "broken": Entry(EntryKind.SYMLINK, 0o777, target="../none"),
        "pipe": Entry(EntryKind.OTHER, 0o600),
    }


def test_links_stay_inside(root: Path) -> None:
    (root / "up.txt").symlink_to("../../../../etc/motd.txt")
    (root / "loop").symlink_to("loop")
    (root / "host").symlink_to("/")
    merged = RootFS.merge([indexed(root)])

    assert merged.read("up.txt") == b"hello"
    assert merged.resolve("loop") is None
    assert merged.resolve("host/etc/motd.txt") == "etc/motd.txt"
    assert sum(1 for _ in merged.walk("")) == 5


def test_names_that_are_not_utf8(root: Path) -> None:
    (root / os.fsdecode(b"caf\xe9.txt")).write_bytes(b"x")
    names = [path.encode("utf-8", "surrogateescape") for path in indexed(root).entries]
    assert b"caf\xe9.txt" in names


def test_what_is_no_folder(root: Path) -> None:
    with pytest.raises(NotFoundError) as caught:
        indexed(root / "etc/motd.txt")
    assert str(caught.value) == f"{root}/etc/motd.txt: it is a file, not a folder"
    with pytest.raises(NotFoundError) as caught:
        indexed(root / "none")
    assert str(caught.value) == f"dir:{root}/none: there is no {root}/none"


def test_the_number_of_files_is_bounded(root: Path) -> None:
    with pytest.raises(LimitError) as caught:
        indexed(root, Limits(layer_entries=1))
    assert str(caught.value) == f"{root}: the number of files passes the limit `layer_entries` of 1"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read(root: Path) -> None:
    (root / "secret.txt").write_text("x")
    (root / "secret.txt").chmod(0)
    assert indexed(root).entries["secret.txt"] == Entry(EntryKind.FILE, 0, 1)
    (root / "etc").chmod(0)
    try:
        with pytest.raises(ImageError, match="permission denied"):
            indexed(root)
    finally:
        (root / "etc").chmod(0o755)


def test_a_folder_has_no_configuration_and_no_digest(root: Path) -> None:
    with open_image(f"dir:{root}", limits=LIMITS) as image:
        assert (image.source, image.digest, image.platform, image.focus) == ("dir", None, None, None)
        assert image.config.diff_ids == ()


# Environments of this machine.


@pytest.fixture(scope="module")
def venv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("env") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    site = next(folder.glob("lib/python*/site-packages"))
    info = site / "shop-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: shop\nVersion: 1.0\n")
    return folder


def environment(reference: str) -> tuple[RootFS, str | None]:
    with open_image(reference, limits=LIMITS) as image:
        assert image.source == "env"
        return RootFS.merge(scan(image, wants, LIMITS)), image.focus


def test_a_virtual_environment_is_seen_at_its_place(venv: Path) -> None:
    merged, focus = environment(f"env:{venv}")

    assert focus == str(venv)
    assert merged.read(f"{venv}/pyvenv.cfg") == (venv / "pyvenv.cfg").read_bytes()
    metadata = next(venv.glob("lib/python*/site-packages/*.dist-info/METADATA"))
    assert merged.read(str(metadata)) == metadata.read_bytes()


def test_what_tells_of_its_interpreter_is_there_and_its_packages_are_not(venv: Path) -> None:
    merged, _ = environment(f"env:{venv}")
    binary = Path(sys.executable).resolve()
    stdlib = Path(sysconfig.get_path("stdlib"))

    assert merged.resolve(f"{venv}/bin/python") == str(binary).lstrip("/")
    assert merged.get(str(binary)) is not None
    assert any(name.startswith("_sysconfigdata") for name in merged.children(str(stdlib)))
    assert merged.get(f"{stdlib}/site-packages/pip") is None


@pytest.mark.parametrize("inherits", ["true", "false"])
def test_packages_are_there_where_the_environment_inherits_them(inherits: str, tmp_path: Path) -> None:
    base, folder = tmp_path / "base", tmp_path / "venv"
    for path in (base / "bin", base / "lib/python3.11/site-packages", folder / "bin", folder / "lib"):
        path.mkdir(parents=True)
    (base / "bin/python3.11").write_bytes(b"binary")
    (base / "lib/python3.11/site-packages/shop.py").write_text("")
    (base / "lib/python3.11/os.py").write_text("")
    (folder / "bin/python").symlink_to(base / "bin/python3.11")
    (folder / "pyvenv.cfg").write_text(f"home = {base}/bin\nInclude-System-Site-Packages = {inherits}\n")
    merged, _ = environment(f"env:{folder}")

    assert merged.get(f"{base}/lib/python3.11/os.py") is not None
    assert (merged.get(f"{base}/lib/python3.11/site-packages/shop.py") is not None) == (inherits == "true")


def test_relative_and_untidy_paths(venv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(venv.parent)
    assert environment("env:venv")[1] == environment("env:./venv/../venv/")[1] == str(venv)
    assert environment("./venv")[1] == str(venv)


def test_an_environment_without_an_interpreter(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError) as caught:
        environment(f"env:{tmp_path}")
    assert str(caught.value) == f"{tmp_path}: there is no Python in its bin folder"
    assert caught.value.hint == "name the folder of the environment, the one that holds bin/python"


def test_a_link_to_an_environment(venv: Path, tmp_path: Path) -> None:
    (tmp_path / "current").symlink_to(venv)
    merged, focus = environment(f"env:{tmp_path}/current")
    assert focus == f"{tmp_path}/current"
    assert merged.read(f"{tmp_path}/current/pyvenv.cfg") == (venv / "pyvenv.cfg").read_bytes()
