from __future__ import annotations

import pytest

from driftscan.inventory import probes, wants
from driftscan.model.image import Keep

SITE = "opt/venv/lib/python3.11/site-packages"


@pytest.mark.parametrize(
    "path",
    [
        f"{SITE}/six-1.0.dist-info/{leaf}"
        for leaf in ("METADATA", "WHEEL", "RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_build.json")
    ]
    + [
        f"{SITE}/six-1.0.dist-info/entry_points.txt",
        f"{SITE}/six.egg-info/PKG-INFO",
        f"{SITE}/six.egg-info/requires.txt",
        f"{SITE}/six-1.0.egg-info",
        f"{SITE}/a.pth",
        f"{SITE}/a.egg-link",
        "srv/x.egg/EGG-INFO/PKG-INFO",
        "opt/venv/pyvenv.cfg",
        "opt/conda/conda-meta/six-1.0-0.json",
        "opt/conda/conda-meta/history",
        "etc/os-release",
        "usr/lib/os-release",
        "etc/passwd",
        "etc/ld.so.conf",
        "etc/ld.so.cache",
        "etc/ld-musl-x86_64.path",
        "etc/ld.so.conf.d/x86_64-linux-gnu.conf",
        "var/lib/dpkg/status",
        "var/lib/dpkg/status.d/python3",
        "lib/apk/db/installed",
        "usr/lib/python3.11/_sysconfigdata__x86_64-linux-gnu.py",
        "usr/lib/python3.14/build-details.json",
        "usr/local/include/python3.11/patchlevel.h",
        f"{SITE}/torch/version.py",
        "usr/local/cuda-12.4/version.json",
        "app/uv.lock",
        "app/requirements-dev.txt",
        "app/Dockerfile",
    ],
)
def test_content_is_kept_whole(path: str) -> None:
    keep = wants(path, 100)
    assert keep is not None
    assert keep.limit >= 1 << 20
    assert keep.reduce is None


@pytest.mark.parametrize(
    ("path", "reduce"),
    [
        ("usr/local/bin/python3.11", probes.python),
        ("opt/py/bin/python3.14t", probes.python),
        ("usr/bin/pypy3", probes.python),
        ("usr/local/lib/libpython3.11.so.1.0", probes.python),
        ("usr/lib/x86_64-linux-gnu/libc.so.6", probes.libc),
        ("lib/x86_64-linux-gnu/libc-2.31.so", probes.libc),
        ("lib/ld-musl-x86_64.so.1", probes.libc),
        ("opt/venv/bin/uvicorn", probes.script),
        ("entrypoint.sh", probes.script),
        ("usr/local/bin/docker-entrypoint", probes.script),
        ("start", probes.script),
        ("var/lib/dpkg/info/python3-yaml.list", probes.python_paths),
    ],
)
def test_a_fact_is_made_of_large_files(path: str, reduce: object) -> None:
    keep = wants(path, 100)
    assert keep is not None
    assert keep.reduce is reduce


@pytest.mark.parametrize(
    "path",
    [
        f"{SITE}/six.py",
        f"{SITE}/numpy.libs/libgfortran-1.so",
        "root/.cache/uv/archive-v0/a/six.py",
        "opt/venv/share/man/x.1",
        "opt/venv/LICENSE",
        "srv/.venv/lib/libmkl_rt.so.2",
        "usr/local/etc/jupyter/x.json",
        "deps/flask/app.py",
    ],
)
def test_installed_files_are_hashed_only(path: str) -> None:
    assert wants(path, 100) == Keep(0)


def test_extension_modules_are_searched_for_strings() -> None:
    assert wants(f"{SITE}/numpy/core/x.cpython-311-x86_64-linux-gnu.so", 100) == Keep(0, strings=True)
    assert wants("deps/x.so", 100) == Keep(0, strings=True)


@pytest.mark.parametrize(
    "path", ["usr/lib/x86_64-linux-gnu/libssl.so.3", "lib/libz.so.1", "usr/lib64/atlas/libblas.so", "var/x/libq.so.5"]
)
def test_of_system_libraries_the_elf_facts_are_kept(path: str) -> None:
    assert wants(path, 100) == Keep(0, hashed=False)


def test_a_file_beyond_its_limit_is_hashed_only() -> None:
    assert wants(f"{SITE}/six-1.0.dist-info/METADATA", (8 << 20) + 1) == Keep(0)
    assert wants("opt/venv/bin/big", 1 << 30) == Keep(0)


@pytest.mark.parametrize(
    "path",
    ["usr/share/doc/x/copyright", "usr/lib/x86_64-linux-gnu/x.a", f"{SITE}/a/__pycache__/b.pyc", "var/cache/x"],
)
def test_what_nobody_wants_is_not_kept(path: str) -> None:
    assert wants(path, 100) is None
