"""environment.yml: what in it is one version, and what is loose."""

from __future__ import annotations

import pytest
from rattler import MatchSpec

from driftscan.errors import LockError
from driftscan.lock.environment_yml import parse, read_spec
from driftscan.model.lock import Hash, Lock, OriginKind
from tests.builders.files import document


def read(text: str, **others: str) -> Lock:
    files = {name.replace("_", "."): content for name, content in others.items()}
    return parse(document("environment.yml", {"environment.yml": text, **files}))


@pytest.mark.parametrize(
    ("text", "name", "version", "build"),
    [
        ("numpy", "numpy", None, None),
        ("numpy=1.19.2", "numpy", None, None),
        ("numpy==1.19.2", "numpy", "1.19.2", None),
        ("numpy ==1.19.2", "numpy", "1.19.2", None),
        ("numpy=1.19.2=py38h54aff64_0", "numpy", "1.19.2", "py38h54aff64_0"),
        ("numpy==1.19.2=py38h54aff64_0", "numpy", "1.19.2", "py38h54aff64_0"),
        ("numpy 1.19.2 py38_0", "numpy", "1.19.2", "py38_0"),
        ("numpy>=1.19", "numpy", None, None),
        ("numpy >=1.19,<2", "numpy", None, None),
        ("numpy=1.19.*", "numpy", None, None),
        ("numpy=1.19|1.20", "numpy", None, None),
        ("conda-forge::numpy", "numpy", None, None),
        ("conda-forge::numpy==1.19.2", "numpy", "1.19.2", None),
        ("conda-forge/linux-64::numpy==1.19.2", "numpy", "1.19.2", None),
        ("_libgcc_mutex=0.1=main", "_libgcc_mutex", "0.1", "main"),
        ("blas[build=mkl]", "blas", None, "mkl"),
        ("numpy[version='>=1']", "numpy", None, None),
        ("numpy[version='==1.0']", "numpy", "1.0", None),
        ("ca-certificates", "ca-certificates", None, None),
    ],
)
def test_what_is_one_version(text: str, name: str, version: str | None, build: str | None) -> None:
    spec = read_spec(text)
    assert spec is not None
    assert (spec.name, spec.version, spec.build) == (name, version, build)
    judged = MatchSpec(text, strict=False)
    assert judged.name is not None
    assert judged.name.normalized == name.lower()
    exact = judged.version is not None and str(judged.version).startswith("==")
    # With version and build a record is one, whatever the operator in front of the version means.
    assert (version is not None) is (exact or (judged.version is not None and judged.build is not None))


@pytest.mark.parametrize("text", ["", "!!", "a b c d e [", "=1.0"])
def test_what_is_no_requirement(text: str) -> None:
    assert read_spec(text) is None


def test_an_environment() -> None:
    lock = read(
        "name: lab\nchannels: [forge]\nplatforms: [linux-64]\ndependencies:\n- python=3.12\n- forge::numpy==1.26.4\n"
        f"- pip\n- sel(win): pywin32\n- pip:\n  - flask==3.0.3 --hash=sha256:{'ab' * 32}\n  - requests>=2\n"
    )
    assert (lock.format, lock.hashes_required, len(lock.environments)) == ("environment", False, 1)
    assert [(str(package.id), package.pinned, package.specifier, package.line) for package in lock.packages] == [
        ("python", False, "=3.12", 5),
        ("numpy 1.26.4", True, "==1.26.4", 6),
        ("pip", False, "", 7),
        ("pywin32", False, "", 8),
        ("flask 3.0.3", True, "==3.0.3", 10),
        ("requests", False, ">=2", 11),
    ]
    assert lock.packages[1].id.origin.location == "forge"
    assert [package.id.origin.kind for package in lock.packages[3:5]] == [OriginKind.CONDA, OriginKind.INDEX]
    assert lock.packages[4].artifacts[0].hashes == (Hash("sha256", "ab" * 32),)
    assert [root.marker for root in lock.roots] == [None, None, None, "sys_platform == 'win32'", None, None]


def test_pip_reads_other_files() -> None:
    lock = read("dependencies:\n- pip:\n  - -r more.txt\n", more_txt="six==1.16\n")
    assert [(str(package.id), package.path, package.line) for package in lock.packages] == [("six 1.16", "more.txt", 1)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: a\n", 'environment.yml: it has no list "dependencies"'),
        ("dependencies:\n- a\n- 'b c d e ['\n", "environment.yml:3: `b c d e [` is no requirement that conda knows"),
        ("dependencies:\n- x: 1\n", "environment.yml:2: `x` is no requirement"),
        ("dependencies:\n- [a]\n", "environment.yml:2: it is no requirement"),
        ("dependencies:\n- pip:\n  - a: 1\n", "environment.yml:3: it is no requirement for pip"),
        ("dependencies:\n- pip:\n  - a==\n", "environment.yml:3: "),
    ],
)
def test_damage(text: str, message: str) -> None:
    with pytest.raises(LockError) as caught:
        read(text)
    assert str(caught.value).startswith(message)
