"""conda-lock.yml: entries for each platform and category, one package each."""

from __future__ import annotations

import pytest

from driftscan.errors import LockError
from driftscan.graph import DependencyGraph
from driftscan.lock.conda_lock import parse
from driftscan.lock.document import Document
from driftscan.model.lock import Artifact, Hash, Lock, Origin, OriginKind, Request, SelectionMode, Unchecked
from driftscan.platforms import target
from tests.builders.locks import named

CHANNEL = "https://conda.example/forge"
SHA256, MD5 = "ab" * 32, "cd" * 16
HEAD = """\
version: 1
metadata:
  content_hash:
    linux-64: 00
  channels:
  - url: forge
  platforms: [linux-64, osx-arm64]
  sources: [environment.yml]
package:
"""


def entry(
    name: str,
    version: str = "1.0",
    *,
    platform: str = "linux-64",
    manager: str = "conda",
    category: str | None = "main",
    subdir: str | None = None,
    dependencies: str = "{}",
    url: str | None = None,
    digest: str = f"{{md5: {MD5}, sha256: {SHA256}}}",
) -> str:
    address = url or f"{CHANNEL}/{subdir or platform}/{name}-{version}-0.conda"
    lines = [
        f"- name: {name}",
        f"version: '{version}'",
        f"manager: {manager}",
        f"platform: {platform}",
        f"dependencies: {dependencies}",
        f"url: {address}",
        f"hash: {digest}",
        *([f"category: {category}"] if category else []),
        "optional: false",
    ]
    return "\n  ".join(lines) + "\n"


def read(*entries: str, head: str = HEAD) -> Lock:
    return parse(Document("conda-lock.yml", (head + "".join(entries)).encode()))


def selected(lock: Lock, platform: str = "linux-64", request: Request = Request()) -> list[str]:  # noqa: B008
    return named(DependencyGraph.build([lock]).select(target("3.12", platform), request).packages)


def test_a_conda_package() -> None:
    lock = read(entry("numpy", "1.26.4"))
    (package,) = lock.packages
    assert (lock.path, lock.format, lock.mode) == ("conda-lock.yml", "conda-lock", SelectionMode.FLAT)
    assert package.id == ("numpy", "1.26.4", Origin(OriginKind.CONDA, CHANNEL, subdirectory="linux-64", build="0"))
    assert package.artifacts == (
        Artifact(
            filename="numpy-1.26.4-0.conda",
            url=f"{CHANNEL}/linux-64/numpy-1.26.4-0.conda",
            hashes=(Hash("sha256", SHA256), Hash("md5", MD5)),
        ),
    )
    assert (package.line, package.pinned) == (10, True)
    assert len(lock.environments) == 2


def test_a_pip_package_has_the_files_of_all_platforms() -> None:
    wheels = [f"https://files.example/a-1.0-cp312-cp312-{name}.whl" for name in ("linux", "macos")]
    lock = read(
        entry("a", manager="pip", url=wheels[0]),
        entry("a", manager="pip", url=wheels[1], platform="osx-arm64"),
    )
    (package,) = lock.packages
    assert package.id == ("a", "1.0", Origin())
    assert [artifact.url for artifact in package.artifacts] == wheels


def test_a_pip_package_from_a_repository() -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    (package,) = read(entry("a", manager="pip", url=f"git+https://git.example/a@{commit}")).packages
    assert package.id.origin == Origin(OriginKind.VCS, "https://git.example/a", commit)
    assert package.artifacts == ()


def test_platforms() -> None:
    lock = read(
        entry("libgcc"),
        entry("tzdata", subdir="noarch"),
        entry("tzdata", subdir="noarch", platform="osx-arm64"),
        entry("libcxx", platform="osx-arm64"),
    )
    assert len(lock.packages) == 3
    assert selected(lock) == ["libgcc 1.0", "tzdata 1.0"]
    assert selected(lock, "osx-arm64") == ["tzdata 1.0", "libcxx 1.0"]
    assert selected(lock, "win-64") == []


def test_categories() -> None:
    lock = read(
        entry("python"),
        entry("pytest", category="dev"),
        entry("sphinx", category="docs"),
        entry("six"),
        entry("six", category="dev"),
        entry("wheel", category=None),
    )
    assert lock.groups == lock.default_groups == frozenset(["dev"])
    assert lock.extras == frozenset(["docs"])
    assert selected(lock) == ["python 1.0", "pytest 1.0", "six 1.0", "wheel 1.0"]
    assert selected(lock, request=Request(default_groups=False)) == ["python 1.0", "six 1.0", "wheel 1.0"]
    assert "sphinx 1.0" in selected(lock, request=Request(extras=frozenset(["docs"])))


@pytest.mark.parametrize("dependencies", ["{libb: '>=1', __glibc: '*', gone: ''}", "[libb >=1, __glibc, gone]"])
def test_edges(dependencies: str) -> None:
    lock = read(entry("liba", dependencies=dependencies), entry("libb"), entry("libb", platform="osx-arm64"))
    first, second, _ = lock.packages
    edges = first.dependencies or ()
    assert [(edge.name, edge.specifier, edge.candidates) for edge in edges] == [
        ("libb", ">=1", (second.id,)),
        ("gone", "", ()),
    ]


def test_names_that_are_the_same_only_for_pip() -> None:
    lock = read(
        entry("a", dependencies="{ruamel_yaml: ''}"),
        entry("ruamel.yaml"),
        entry("ruamel_yaml", "2.0"),
        entry("b", manager="pip", url="https://files.example/b-1.0.tar.gz", dependencies="{Ruamel.Yaml: ''}"),
    )
    by_name = {package.line: package for package in lock.packages}
    a, dotted, scored, b = by_name.values()
    assert (a.dependencies or ())[0].candidates == (scored.id,)
    assert (b.dependencies or ())[0].candidates == (dotted.id,)


@pytest.mark.parametrize("digest", ["{md5: '', sha256: null}", "{sha256: 'null'}", "", "{}"])
def test_hashes_that_are_missing(digest: str) -> None:
    assert read(entry("a", digest=digest)).packages[0].artifacts[0].hashes == ()


def test_a_platform_that_nobody_knows() -> None:
    lock = read(entry("a", platform="amiga-68k"))
    assert lock.unchecked == (
        Unchecked("which targets the platform 'amiga-68k' of conda-lock.yml means", "it is no platform that is known"),
    )


def test_secrets_are_not_kept() -> None:
    assert "se-cret" not in str(read(entry("a", url="https://conda.example/t/se-cret/forge/linux-64/a-1.0-0.conda")))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("version: 2\npackage: []\n", "conda-lock.yml: it is a conda-lock.yml of version '2'"),
        ("version: 1\n", 'conda-lock.yml: "package" has to be a list'),
        ("package:\n- 1\n", 'conda-lock.yml:2: "package" has to hold mappings'),
        ("package:\n- name: a\n", 'conda-lock.yml:2: "manager" is missing'),
        (f"package:\n{entry('a', manager='npm')}", "conda-lock.yml:2: the manager 'npm' is neither conda nor pip"),
        (f"package:\n{entry('a', digest='{sha256: xyz}')}", "conda-lock.yml:2: the sha256 'xyz' is not hexadecimal"),
        (
            f"package:\n{entry('a', url='https://conda.example/a.zip')}",
            "conda-lock.yml:2: `https://conda.example/a.zip` is not the URL of a conda package",
        ),
        (f"package:\n{entry('a', dependencies='3')}", 'conda-lock.yml:2: "dependencies" has to be a mapping'),
    ],
)
def test_damage(text: str, message: str) -> None:
    with pytest.raises(LockError) as caught:
        parse(Document("conda-lock.yml", text.encode()))
    assert str(caught.value) == message
