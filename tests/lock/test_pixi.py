"""pixi.lock: environments and platforms, packages of conda and of an index."""

from __future__ import annotations

from pathlib import Path

import pytest
from rattler import LockFile

from driftscan.errors import LockError
from driftscan.graph import DependencyGraph
from driftscan.lock.document import Document
from driftscan.lock.pixi import parse
from driftscan.model.lock import Artifact, Hash, Lock, Origin, OriginKind, Request, SelectionMode, Unchecked
from driftscan.platforms import target
from tests.builders.locks import named

CHANNEL = "https://conda.example/forge"
SHA256, MD5 = "ab" * 32, "cd" * 16
WHEEL = "https://files.example/packages/six-1.16.0-py2.py3-none-any.whl"
COMMIT = "0123456789abcdef0123456789abcdef01234567"

V6 = f"""\
version: 6
environments:
  default:
    channels:
    - url: {CHANNEL}/
    indexes:
    - https://index.example/simple
    packages:
      linux-64:
      - conda: {CHANNEL}/linux-64/python-3.12.1-h_1.conda
      - conda: {CHANNEL}/noarch/tzdata-2024a-h_0.conda
      - pypi: {WHEEL}
      - pypi: ./
      osx-arm64:
      - conda: {CHANNEL}/osx-arm64/python-3.12.1-h_2.conda
      - conda: {CHANNEL}/noarch/tzdata-2024a-h_0.conda
  cuda-12:
    channels:
    - url: {CHANNEL}/
    packages:
      linux-64:
      - conda: {CHANNEL}/linux-64/python-3.12.1-h_1.conda
      - conda: {CHANNEL}/linux-64/cudatoolkit-12.0-h_0.conda
packages:
- conda: {CHANNEL}/linux-64/python-3.12.1-h_1.conda
  sha256: {SHA256}
  md5: {MD5}
  depends:
  - tzdata
  - __glibc >=2.17
  license: Python-2.0
  size: 1234
  timestamp: 1700000000000
- conda: {CHANNEL}/noarch/tzdata-2024a-h_0.conda
  sha256: {SHA256}
- conda: {CHANNEL}/osx-arm64/python-3.12.1-h_2.conda
  sha256: {SHA256}
  depends:
  - tzdata
- conda: {CHANNEL}/linux-64/cudatoolkit-12.0-h_0.conda
  sha256: {SHA256}
- pypi: {WHEEL}
  name: six
  version: 1.16.0
  sha256: {SHA256}
  requires_dist:
  - tzdata>=2020
  - docs-theme ; extra == 'docs'
  requires_python: '>=3.8'
- pypi: ./
  name: shop
  version: 0.1.0
  sha256: {SHA256}
  requires_dist:
  - six
  editable: true
"""

V5 = f"""\
version: 5
environments:
  default:
    channels:
    - url: {CHANNEL}/
    packages:
      linux-64:
      - conda: {CHANNEL}/linux-64/python-3.12.1-h_1.conda
      - pypi: git+https://git.example/a.git?rev=main#{COMMIT}
packages:
- kind: conda
  name: python
  version: 3.12.1
  build: h_1
  subdir: linux-64
  url: {CHANNEL}/linux-64/python-3.12.1-h_1.conda
  sha256: {SHA256}
  size: 1
- kind: pypi
  name: a
  version: '2.0'
  url: git+https://git.example/a.git?rev=main#{COMMIT}
"""

V7 = f"""\
version: 7
platforms:
- name: linux-64
  virtual-packages:
  - __unix=0=0
environments:
  default:
    channels:
    - url: {CHANNEL}/
    packages:
      linux-64:
      - conda: {CHANNEL}/linux-64/python-3.12.1-h_1.conda
      - conda_source: tool[4fcb3b95] @ crates/tool
packages:
- conda: {CHANNEL}/linux-64/python-3.12.1-h_1.conda
  sha256: {SHA256}
- conda_source: tool[4fcb3b95] @ crates/tool
  depends:
  - python >=3.10
"""


def read(text: str) -> Lock:
    return parse(Document("pixi.lock", text.encode()))


def selected(lock: Lock, platform: str = "linux-64", *environments: str) -> list[str]:
    request = Request(groups=frozenset(environments))
    return named(DependencyGraph.build([lock]).select(target("3.12", platform), request).packages)


def test_environments_exclude_each_other() -> None:
    lock = read(V6)
    assert (lock.format, lock.mode, lock.exclusive_groups) == ("pixi", SelectionMode.FLAT, True)
    assert lock.groups == frozenset(["default", "cuda-12"])
    assert lock.default_groups == frozenset(["default"])
    assert selected(lock) == ["python 3.12.1", "tzdata 2024a", "six 1.16.0", "shop 0.1.0"]
    assert selected(lock, "osx-arm64") == ["tzdata 2024a", "python 3.12.1"]
    assert selected(lock, "linux-64", "cuda-12") == ["python 3.12.1", "cudatoolkit 12.0"]
    assert selected(lock, "win-64") == []


def test_packages() -> None:
    python, tzdata, other, _, six, shop = read(V6).packages
    assert python.id.origin == Origin(OriginKind.CONDA, CHANNEL, subdirectory="linux-64", build="h_1")
    assert python.artifacts == (
        Artifact(
            filename="python-3.12.1-h_1.conda",
            url=f"{CHANNEL}/linux-64/python-3.12.1-h_1.conda",
            hashes=(Hash("sha256", SHA256), Hash("md5", MD5)),
            size=1234,
        ),
    )
    assert [(edge.name, edge.candidates) for edge in python.dependencies or ()] == [("tzdata", (tzdata.id,))]
    assert other.id != python.id
    assert (six.id, six.requires_python, six.artifacts[0].url) == (("six", "1.16.0", Origin()), ">=3.8", WHEEL)
    assert [(edge.name, edge.specifier, edge.candidates) for edge in six.dependencies or ()] == [
        ("tzdata", ">=2020", (tzdata.id,))
    ]
    assert (shop.id.origin, shop.is_member, shop.artifacts) == (Origin(OriginKind.EDITABLE, "./"), True, ())
    assert (python.line, shop.line) == (25, 50)


def test_version_5() -> None:
    _, a = read(V5).packages
    assert a.id == ("a", "2.0", Origin(OriginKind.VCS, "https://git.example/a.git", COMMIT, "main"))


def test_version_7() -> None:
    python, tool = read(V7).packages
    assert tool.id == ("tool", None, Origin(OriginKind.DIRECTORY, "crates/tool", build="4fcb3b95"))
    assert (tool.dependencies or ())[0].candidates == (python.id,)


@pytest.mark.parametrize("text", [V6, V5, V7], ids=["6", "5", "7"])
def test_rattler_reads_the_same(text: str, tmp_path: Path) -> None:
    path = tmp_path / "pixi.lock"
    path.write_text(text)
    lock = read(text)
    for name, environment in LockFile.from_path(path).environments():
        for platform in environment.platforms():
            theirs = {package.name.lower() for package in environment.packages(platform) or ()}
            ours = {each.split()[0] for each in selected(lock, str(platform.subdir), name)}
            assert ours == theirs


def test_without_a_default_environment_one_has_to_be_named() -> None:
    lock = read(V5.replace("  default:", "  build:"))
    assert lock.unchecked == (
        Unchecked("which environment of pixi.lock is meant", "none is called 'default'; name one with --group: build"),
    )


def test_an_empty_lock() -> None:
    lock = read("version: 6\nenvironments:\n  default:\n    packages: {}\npackages: []\n")
    assert (lock.packages, lock.groups) == ((), frozenset(["default"]))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (V6.replace("version: 6", "version: 3"), "pixi.lock: it is a pixi.lock of version '3'"),
        (V6.replace("version: 6", "version: 99"), "pixi.lock: it is a pixi.lock of version '99'"),
        (
            V6.replace("- pypi: ./\n  name", "- pypi: ./other\n  name"),
            "pixi.lock:13: the environment 'default' refers to ./, and it is not there",
        ),
        (
            V6.replace(f"sha256: {SHA256}\n  md5", "sha256: xyz\n  md5"),
            "pixi.lock:25: the sha256 'xyz' is not hexadecimal",
        ),
        (V6.replace("  name: six\n", ""), 'pixi.lock:42: "name" is missing'),
        (
            V6.replace("- pypi: ./\n  name", "- path: ./\n  name"),
            "pixi.lock:50: the entry is neither a conda nor a pypi package",
        ),
        ("version: 6\npackages: 3\n", 'pixi.lock: "packages" has to be a list'),
    ],
)
def test_damage(text: str, message: str) -> None:
    with pytest.raises(LockError) as caught:
        read(text)
    assert str(caught.value) == message
