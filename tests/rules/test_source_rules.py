"""DR205 and DR209: the right version from another place, or as another build."""

from __future__ import annotations

import pytest

from driftscan.finding import Location, Severity
from driftscan.model.inventory import CondaPackage, DirectUrl, Distribution, DistributionForm
from driftscan.model.lock import Artifact, Hash, Origin, OriginKind, Package
from tests.builders.comparisons import (
    CHANNEL,
    INSTALL,
    SHA256,
    compared,
    conda_installed,
    conda_locked,
    environment,
    findings,
    installed,
    lock,
    locked,
    messages,
)

COMMIT, OTHER = "0" * 40, "1" * 40
REPOSITORY = "https://git.example/shop"
ARCHIVE = "https://files.example/shop-1.0-py3-none-any.whl"
OTHER_HASH = Hash("sha256", "cd" * 32)
MD5, OTHER_MD5 = Hash("md5", "ab" * 16), Hash("md5", "cd" * 16)

FROM_GIT = DirectUrl(REPOSITORY, "vcs", COMMIT)
FROM_FOLDER = DirectUrl("file:///src/shop", "dir")
FROM_ARCHIVE = DirectUrl(ARCHIVE, "archive")
FROM_HASHED = DirectUrl("file:///wheels/shop-1.0-py3-none-any.whl", "archive", hashes=(SHA256,))

VCS = Origin(OriginKind.VCS, REPOSITORY, COMMIT)
URL = Origin(OriginKind.URL, ARCHIVE)
FOLDER = Origin(OriginKind.DIRECTORY, "../shop")
FILE = Origin(OriginKind.PATH, "wheels/shop-1.0-py3-none-any.whl")
UNHASHED = (Artifact(filename="shop-1.0-py3-none-any.whl", url=ARCHIVE),)


@pytest.mark.parametrize(
    ("package", "direct"),
    [
        (locked("shop"), None),
        (locked("shop"), FROM_HASHED),
        (locked("shop", "1.0", UNHASHED), FROM_ARCHIVE),
        (locked("shop", origin=VCS), FROM_GIT),
        (locked("shop", origin=VCS), DirectUrl(REPOSITORY, "vcs")),
        (locked("shop", origin=VCS._replace(commit=None)), FROM_GIT),
        (locked("shop", origin=FOLDER), FROM_FOLDER),
        (locked("shop", origin=FOLDER), None),
        (locked("shop", origin=FILE), None),
        (locked("shop", "1.0", UNHASHED, origin=FILE), FROM_ARCHIVE),
        (locked("shop", origin=Origin(OriginKind.EDITABLE, ".")), FROM_FOLDER._replace(editable=True)),
        (locked("shop", "1.0", UNHASHED, origin=URL), FROM_ARCHIVE._replace(url=f"{ARCHIVE}#egg=shop")),
        (locked("shop", origin=URL), FROM_HASHED),
        (locked("shop", "1.0", (), origin=VCS, is_member=True), FROM_FOLDER),
    ],
)
def test_installed_from_where_it_is_locked(package: Package, direct: DirectUrl | None) -> None:
    assert findings("DR205", compared(lock(package), environment(installed("shop", direct_url=direct)))) == []


@pytest.mark.parametrize(
    ("package", "direct", "message"),
    [
        (locked("shop"), FROM_GIT, f"locked from an index, and was installed from the repository {REPOSITORY}"),
        (locked("shop"), FROM_FOLDER, "locked from an index, and was installed from the folder file:///src/shop"),
        (locked("shop"), FROM_ARCHIVE, f"locked from an index, and was installed from {ARCHIVE}"),
        (
            locked("shop"),
            FROM_HASHED._replace(hashes=(OTHER_HASH,)),
            f"locked from an index, and was installed from {FROM_HASHED.url}, with another hash",
        ),
        (locked("shop", origin=VCS), None, f"locked at commit {COMMIT}, and was installed from an index"),
        (
            locked("shop", origin=VCS),
            FROM_GIT._replace(commit=OTHER),
            f"locked at commit {COMMIT}, and was installed at commit {OTHER}",
        ),
        (
            locked("shop", origin=VCS._replace(commit=None)),
            FROM_FOLDER,
            f"locked from the repository {REPOSITORY}, and was installed from the folder file:///src/shop",
        ),
        (
            locked("shop", origin=FOLDER),
            FROM_ARCHIVE,
            f"locked from the folder ../shop, and was installed from {ARCHIVE}",
        ),
        (locked("shop", origin=URL), None, f"locked from {ARCHIVE}, and was installed from an index"),
        (
            locked("shop", "1.0", (), origin=URL),
            DirectUrl("https://other.example/shop.zip", "archive"),
            f"locked from {ARCHIVE}, and was installed from https://other.example/shop.zip",
        ),
        (
            locked("shop", origin=FILE),
            FROM_HASHED._replace(hashes=(OTHER_HASH,)),
            f"locked from {FILE.location}, and was installed from {FROM_HASHED.url}, with another hash",
        ),
    ],
)
def test_installed_from_elsewhere(package: Package, direct: DirectUrl | None, message: str) -> None:
    found = installed("shop", direct_url=direct)
    comparison = compared(lock(package), environment(found))
    (finding,) = findings("DR205", comparison)
    assert finding.message == f"shop is {message}"
    assert finding.severity is Severity.ERROR
    assert (finding.path, finding.layer, finding.chain) == (found.path, INSTALL, ("shop",))
    assert finding.hint == "take that instruction out, or lock the source that it was installed from"


@pytest.mark.parametrize(
    "found",
    [
        installed("shop", "2.0", direct_url=FROM_FOLDER),
        installed("shop", direct_url=FROM_FOLDER, conda_name="shop"),
        installed("shop", direct_url=FROM_FOLDER, owner="python3-shop"),
    ],
    ids=["another version", "conda's", "the system's"],
)
def test_sources_that_say_nothing(found: Distribution) -> None:
    assert findings("DR205", compared(lock(locked("shop")), environment(found))) == []


def test_an_egg_info_records_no_source() -> None:
    egg = installed("shop", form=DistributionForm.EGG_INFO)
    assert findings("DR205", compared(lock(locked("shop", origin=VCS)), environment(egg))) == []


def test_one_of_several_locked_sources_is_enough() -> None:
    both = lock(locked("shop"), locked("shop", origin=VCS))
    assert findings("DR205", compared(both, environment(installed("shop", direct_url=FROM_GIT)))) == []


@pytest.mark.parametrize(
    ("package", "found"),
    [
        (conda_locked("zlib", "1.3", "h1_0", SHA256), conda_installed("zlib", "1.3", "h1_0", sha256=SHA256.digest)),
        (conda_locked("zlib", "1.3", "h1_0", MD5), conda_installed("zlib", "1.3", "h1_0", md5=MD5.digest)),
        (conda_locked("zlib", "1.3", "h1_0"), conda_installed("zlib", "1.3", "h1_0")),
        (
            conda_locked("zlib", "1.3", "h1_0", SHA256),
            conda_installed("zlib", "1.3", "h1_0", sha256=SHA256.digest, channel="https://mirror.example/forge"),
        ),
    ],
    ids=["sha256", "md5", "no hash", "a mirror"],
)
def test_the_locked_build(package: Package, found: CondaPackage) -> None:
    assert findings("DR209", compared(lock(package), environment(conda=(found,)))) == []


@pytest.mark.parametrize(
    ("package", "found", "difference"),
    [
        (
            conda_locked("zlib", "1.3", "h1_0", SHA256),
            conda_installed("zlib", "1.3", "h2_1", sha256=OTHER_HASH.digest),
            "build h1_0 is locked, h2_1 is installed",
        ),
        (
            conda_locked("zlib", "1.3", "h1_0", SHA256),
            conda_installed("zlib", "1.3", "h1_0", sha256=OTHER_HASH.digest),
            "sha256 abababababab… is locked, cdcdcdcdcdcd… is installed",
        ),
        (
            conda_locked("zlib", "1.3", "h1_0", MD5),
            conda_installed("zlib", "1.3", "h1_0", md5=OTHER_MD5.digest),
            "md5 abababababab… is locked, cdcdcdcdcdcd… is installed",
        ),
        (
            conda_locked("zlib", "1.3", "h1_0", SHA256, MD5),
            conda_installed("zlib", "1.3", "h1_0", md5=MD5.digest, sha256=OTHER_HASH.digest),
            "sha256 abababababab… is locked, cdcdcdcdcdcd… is installed",
        ),
        (
            conda_locked("zlib", "1.3", "h1_0"),
            conda_installed("zlib", "1.3", "h1_0", channel="https://conda.example/other"),
            f"channel {CHANNEL} is locked, https://conda.example/other is installed",
        ),
    ],
    ids=["build", "sha256", "md5", "a forged md5", "channel"],
)
def test_another_build(package: Package, found: CondaPackage, difference: str) -> None:
    comparison = compared(lock(package, path="conda.lock"), environment(conda=(found,)))
    (finding,) = findings("DR209", comparison)
    assert finding.message == f"zlib 1.3 is installed as another build: {difference}"
    assert finding.severity is Severity.ERROR
    assert (finding.path, finding.layer) == (found.path, INSTALL)
    assert finding.location == Location(path="conda.lock")
    assert findings("DR202", comparison) == []


def test_another_version_is_no_other_build() -> None:
    place = environment(conda=(conda_installed("zlib", "1.4", "h2_1"),))
    comparison = compared(lock(conda_locked("zlib", "1.3", "h1_0")), place)
    assert findings("DR209", comparison) == []
    assert messages("DR202", comparison) == ["zlib 1.3 is locked, 1.4 is installed"]
