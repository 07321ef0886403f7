"""Locks with what indexes say of them: edges, names of files, and which index is asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from driftscan.api.checking import Place, check
from driftscan.api.online import Online
from driftscan.errors import PackageIndexError
from driftscan.finding import Report
from driftscan.index.transport import Limits
from driftscan.model.lock import Artifact, Hash, Index, Lock, Origin, OriginKind, Unchecked
from driftscan.model.target import Target
from driftscan.platforms import target
from tests.builders.comparisons import edge, locked
from tests.builders.comparisons import lock as flat
from tests.builders.indexes import PackageIndex, package_index
from tests.builders.keyrings import keyring

WHEEL = "shop-1.0-py3-none-any.whl"
UNKNOWN = Hash("sha256", "ab" * 32)


@pytest.fixture(autouse=True)
def nobodys_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("NETRC", raising=False)


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Iterator[PackageIndex]:
    """The one that this machine is set up to use."""
    with package_index() as running:
        monkeypatch.setenv("PIP_INDEX_URL", running.simple)
        yield running


def checked(*locks: Lock, place: Target | None = None, asked: Sequence[str] = ()) -> Report:
    with Online(locks, target=place, asked=asked, limits=Limits(pause=0.01)) as online:
        return check(locks, judged=Place(target=place), online=online)


def found(*locks: Lock, place: Target | None = None, asked: Sequence[str] = ()) -> list[str]:
    return [f"{finding.rule} {finding.message}" for finding in checked(*locks, place=place, asked=asked).findings]


def told(lock: Lock) -> Lock:
    with Online([lock], target=None) as online:
        return online.told(lock)


def hashed(name: str, *digests: str) -> Artifact:
    return Artifact(hashes=tuple(Hash("sha256", digest) for digest in digests))


def test_pins_that_contradict_each_other(index: PackageIndex) -> None:
    shop = index.release("shop", "1.0", "six>=1.17; python_version >= '3.8'", "six<1; sys_platform == 'win32'")
    six = index.release("six", "1.16")
    made = flat(locked("shop", "1.0", [hashed("shop", shop)]), locked("six", "1.16", [hashed("six", six)]))
    assert found(made) == ["LK112 shop 1.0 requires six>=1.17, and the lock pins 1.16"]


def test_markers_of_the_index_do_not_make_targets(index: PackageIndex) -> None:
    """A lock without markers may be for Linux alone; with markers on the system it is not."""
    shop = index.release("shop", "1.0", "colorama; sys_platform == 'win32'")
    index.release("colorama", "0.4")
    made = flat(locked("shop", "1.0", [hashed("shop", shop)]))
    assert found(made) == []
    assert found(made, place=target("3.12", "windows")) == [
        "LK102 shop 1.0 requires colorama, and the lock does not pin it; today it could be 0.4"
    ]
    other = index.release("other", "1.0")
    two = flat(
        locked("shop", "1.0", [hashed("shop", shop)]),
        locked("other", "1.0", [hashed("other", other)]),
        markers={"other": "sys_platform == 'win32'"},
    )
    (message,) = found(two)
    assert message == (
        "LK102 shop 1.0 requires colorama on targets such as CPython 3.13.5 on win32 AMD64, and the lock does not pin "
        "it; today it could be 0.4"
    )


def test_names_of_files(index: PackageIndex) -> None:
    wheel = index.release("shop", "1.0")
    index.add("shop-1.0.tar.gz", b"", entry={"size": 0})
    (named,) = told(flat(locked("shop", "1.0", [hashed("shop", wheel, UNKNOWN.digest)]))).packages
    assert named.artifacts == (
        Artifact(filename=WHEEL, url=f"{index.url}/files/{WHEEL}", hashes=(Hash("sha256", wheel),)),
        Artifact(hashes=(UNKNOWN,)),
    )
    (bare,) = told(flat(locked("shop", "1.0", []))).packages
    assert [(each.filename, each.hashes, each.size) for each in bare.artifacts] == [
        (WHEEL, (), None),
        ("shop-1.0.tar.gz", (), 0),
    ]
    (unknown,) = told(flat(locked("shop", "1.0", [Artifact(hashes=(UNKNOWN,))]))).packages
    assert unknown.artifacts == (Artifact(hashes=(UNKNOWN,)),)
    (whole,) = told(flat(locked("shop", "1.0", [Artifact(filename=WHEEL, hashes=(UNKNOWN,))]))).packages
    assert whole.artifacts == (Artifact(filename=WHEEL, hashes=(UNKNOWN,)),)


def test_the_python_that_a_release_is_for(index: PackageIndex) -> None:
    text = b"Metadata-Version: 2.1\nName: shop\nVersion: 1.0\nRequires-Python: >=3.12\n"
    digest = index.add(WHEEL, b"", metadata=text)
    made = flat(locked("shop", "1.0", [hashed("shop", digest)]))
    assert found(made, place=target("3.11", "linux")) == ["LK110 shop 1.0 is for Python >=3.12, the target has 3.11"]


def test_a_lock_with_edges_needs_no_index(index: PackageIndex) -> None:
    six = locked("six", "1.16", (), edge("gone"))
    made = flat(six, format="pylock")
    assert told(made) == made
    checked(made)
    assert index.asked == []


def test_comments_are_not_all_edges(index: PackageIndex) -> None:
    """`# via` says who required what is listed; the chain from there is kept."""
    index.release("app", "1.0", "shop[x]")
    index.release("shop", "1.0", "gone")
    index.release("gone", "2.0")
    shop = locked("shop", "1.0", [])
    report = checked(flat(shop, locked("app", "1.0", [], edge("shop", "", shop))))
    (finding,) = (finding for finding in report.findings if finding.rule == "LK102")
    assert finding.message == "shop 1.0 requires gone, and the lock does not pin it; today it could be 2.0"
    assert finding.chain == ("app", "shop", "gone")


def test_what_comes_from_no_index(index: PackageIndex) -> None:
    places = {
        "a": Origin(OriginKind.URL, "https://files.example/a.whl"),
        "b": Origin(OriginKind.VCS, "https://vcs.example/b"),
        "c": Origin(OriginKind.DIRECTORY, "c"),
        "d": Origin(OriginKind.CONDA, "https://conda.example"),
    }
    made = flat(*(locked(name, "1", origin=origin) for name, origin in places.items()))
    made = replace(made, project_name=canonicalize_name("c"))
    assert checked(made).unchecked == (
        Unchecked("what a 1 and 1 other require", "it comes from no index, and only its own files would tell"),
    )
    assert index.asked == []


def test_which_index_is_asked(index: PackageIndex) -> None:
    with package_index() as other:
        index.release("shop", "1.0", "from-main")
        other.release("shop", "1.0", "from-other")
        shop = locked("shop", "1.0", [])
        main, extra = flat(shop), replace(flat(shop), indexes=(Index(other.simple), Index("")))
        own = flat(replace(shop, id=shop.id._replace(origin=Origin(location=other.simple))))
        assert "requires from-main" in found(main)[0]
        assert "requires from-other" in found(extra)[0]
        assert "requires from-other" in found(own)[0]
        assert "requires from-main" in found(own, asked=[index.simple])[0]


def test_an_index_that_is_a_folder(index: PackageIndex) -> None:
    shop = locked("shop", "1.0", origin=Origin(location="../wheels"))
    assert checked(flat(shop)).unchecked == (
        Unchecked("what shop 1.0 requires", "../wheels/shop/ is no address that can be asked"),
    )
    with pytest.raises(PackageIndexError, match=r"^\.\./wheels is no address that can be asked$"):
        checked(flat(shop), asked=["../wheels"])


def test_an_index_that_is_not_secured() -> None:
    said: list[str] = []
    urls = ["http://me:secret@index.example/simple", "https://safe.example/simple", "http://127.0.0.1:1/simple"]
    Online([flat()], target=None, asked=urls, warn=said.append)
    assert said == [
        "http://index.example/simple is not secured by TLS: whoever stands in between can change what it says"
    ]


def test_many_failures_of_one_kind_are_told_once(index: PackageIndex) -> None:
    shop = locked("shop", "1.0", [hashed("shop", index.release("shop", "1.0", "x; platform_release == '1'"))])
    other = locked("other", "1.0", [hashed("other", index.release("other", "1.0", "y; platform_release == '1'"))])
    why = 'the marker `platform_release == "1"` depends on what the target does not tell'
    report = checked(flat(shop, other), place=target("3.12", "linux"))
    assert report.unchecked == (Unchecked("what shop 1.0 and 1 other require", why),)
    assert checked(flat(shop, other)).unchecked == ()


def test_a_password_of_the_keyring(index: PackageIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keyring(tmp_path, index.url.removeprefix("http://"), monkeypatch)
    index.release("shop", "1.0", "tool")
    address = index.simple.replace("://", "://me@")
    for asked in ([], [address]):
        monkeypatch.setenv("PIP_INDEX_URL", address)
        checked(flat(locked("shop")), asked=asked)
    assert {each.authorization for each in index.asked if "/shop" in each.path} == {"Basic bWU6c2VjcmV0"}
