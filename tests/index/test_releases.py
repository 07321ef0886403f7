"""Which release is meant, and what it requires."""

from __future__ import annotations

import pytest
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from driftscan.errors import PackageIndexError
from driftscan.index import releases as module
from driftscan.index.releases import Release, Releases
from driftscan.index.transport import Limits, Web
from driftscan.model.lock import Hash
from driftscan.model.target import Target
from driftscan.platforms import target
from tests.builders.indexes import PackageIndex, Served, metadata, package_index, sdist, wheel

LINUX = target("3.12", "linux")
SHOP = canonicalize_name("shop")
UNKNOWN = Hash("sha256", "ab" * 32)


def releases(*indexes: PackageIndex) -> Releases:
    urls = [index.simple for index in indexes]
    return Releases(Web(urls, Limits(pause=0.01)), urls)


def newest(index: PackageIndex, specifier: str = "", place: Target = LINUX) -> str:
    return str(releases(index).newest(SHOP, SpecifierSet(specifier), place).version)


def required(index: PackageIndex, place: Target = LINUX) -> tuple[str, ...]:
    offered = releases(index)
    return offered.metadata(offered.pinned(SHOP, "1.0"), place).requires


def refusal(index: PackageIndex, version: str = "1.0") -> str:
    offered = releases(index)
    with pytest.raises(PackageIndexError) as caught:
        offered.metadata(offered.pinned(SHOP, version), LINUX)
    return str(caught.value).replace(index.url, "INDEX")


def names(release: Release) -> list[str]:
    return [file.filename for file in release.files]


def test_the_newest_release_that_is_admitted(index: PackageIndex) -> None:
    index.release("shop", "1.0")
    index.release("shop", "1.9")
    index.release("shop", "1.10")
    index.release("shop", "2.0", entry={"yanked": "broken"})
    index.release("shop", "2.1", entry={"requires-python": ">=3.13"})
    index.release("shop", "2.2", tag="cp311-cp311-manylinux_2_17_x86_64")
    index.release("shop", "3.0rc1")
    index.release("shop", "3.1.dev1")
    assert newest(index) == "1.10"
    assert newest(index, "<1.10") == "1.9"
    assert newest(index, "==2.0") == "2.0"
    assert newest(index, ">=3.0rc1") == "3.1.dev1"
    assert newest(index, "", target("3.13", "linux")) == "2.1"
    assert newest(index, "", Target()) == "2.2"


def test_pre_releases_are_taken_where_there_is_nothing_else(index: PackageIndex) -> None:
    index.release("shop", "1.0a1")
    index.release("shop", "1.0a2")
    assert newest(index) == "1.0a2"


def test_nothing_is_admitted(index: PackageIndex) -> None:
    index.release("shop", "1.0")
    index.release("shop", "2.0", entry={"requires-python": ">=4"})
    with pytest.raises(PackageIndexError) as caught:
        newest(index, ">1")
    assert (
        str(caught.value).replace(index.url, "INDEX")
        == "INDEX/simple/shop/: there is no release of shop that >1 and the target admit"
    )


def test_a_pin(index: PackageIndex) -> None:
    index.release("shop", "1.0", entry={"yanked": "broken"})
    index.release("shop", "1.0.post1")
    assert names(releases(index).pinned(SHOP, "1.0.0")) == ["shop-1.0-py3-none-any.whl"]
    assert refusal(index, "2.0") == "INDEX/simple/shop/: there is no release 2.0 of shop"
    assert refusal(index, "1.*") == "1.* is no version that an index can be asked for"
    assert refusal(index, "9" * 5000) == f"{'9' * 80} is no version that an index can be asked for"


def test_a_pin_without_a_local_label(index: PackageIndex) -> None:
    plain = index.release("shop", "1.0")
    index.release("shop", "1.0+cpu")
    index.release("shop", "1.0+cu121")
    offered = releases(index)
    assert str(offered.pinned(SHOP, "1.0").version) == "1.0+cu121"
    assert str(offered.pinned(SHOP, "1.0+cpu").version) == "1.0+cpu"
    assert str(offered.pinned(SHOP, "1.0", frozenset([Hash("sha256", plain)])).version) == "1.0"
    assert str(offered.pinned(SHOP, "1.0", frozenset([Hash("md5", "ab" * 16)])).version) == "1.0+cu121"
    with pytest.raises(PackageIndexError, match=r"no file of shop 1\.0 has a hash of the lock"):
        offered.pinned(SHOP, "1.0", frozenset([UNKNOWN]))


def test_hashes_say_which_index_is_meant(index: PackageIndex) -> None:
    with package_index() as second:
        index.release("shop", "1.0", "one")
        index.release("only", "1.0")
        digest = second.release("shop", "1.0", "two")
        second.release("only", "2.0")
        offered = releases(index, second)
        assert offered.metadata(offered.pinned(SHOP, "1.0"), LINUX).requires == ("one",)
        pinned = offered.pinned(SHOP, "1.0", frozenset([Hash("sha256", digest), UNKNOWN]))
        assert offered.metadata(pinned, LINUX).requires == ("two",)
        assert str(offered.pinned(canonicalize_name("only"), "2.0").version) == "2.0"


def test_everything_is_asked_once(index: PackageIndex) -> None:
    index.release("shop", "1.0", "six")
    offered = releases(index)
    for _ in range(2):
        assert offered.metadata(offered.pinned(SHOP, "1.0"), LINUX).requires == ("six",)
        with pytest.raises(PackageIndexError, match="there is no project gone"):
            offered.project(canonicalize_name("gone"))
    assert index.paths() == ["/simple/shop/", "/files/shop-1.0-py3-none-any.whl.metadata", "/simple/gone/"]
    assert index.asked[0].accept == (
        "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01"
    )


def test_the_first_index_that_has_a_project_decides(index: PackageIndex) -> None:
    with package_index() as second:
        index.release("shop", "1.0")
        second.release("shop", "2.0")
        second.release("only", "3.0")
        offered = releases(index, second)
        assert [str(version) for version in offered.project(SHOP)] == ["1.0"]
        assert [str(version) for version in offered.project(canonicalize_name("only"))] == ["3.0"]
        with pytest.raises(PackageIndexError) as caught:
            offered.project(canonicalize_name("gone"))
        assert str(caught.value) == f"{index.simple}/gone/ or {second.simple}/gone/: there is no project gone"


def test_a_page_that_cannot_be_read_is_not_passed_over(index: PackageIndex) -> None:
    """Another index could have another project of that name."""
    with package_index() as second:
        second.release("shop", "1.0")
        index.content["/simple/shop/"] = Served(b"<html>", "text/plain")
        with pytest.raises(PackageIndexError, match="the page is 'text/plain', neither HTML nor JSON"):
            releases(index, second).project(SHOP)
        assert second.asked == []


def test_html_after_a_redirect(index: PackageIndex) -> None:
    index.release("shop", "1.0", "six")
    path = "/files/shop-1.0-py3-none-any.whl"
    index.content["/simple/shop/"] = Served(b"", status=301, headers=(("Location", "/other/simple/Shop/"),))
    index.content["/other/simple/Shop/"] = Served(
        f'<a href="../../..{path}" data-core-metadata=true>'.encode(), "text/html"
    )
    assert required(index) == ("six",)


def test_metadata_of_the_file_that_fits(index: PackageIndex) -> None:
    index.release("shop", "1.0", "on-windows", tag="cp312-cp312-win_amd64")
    index.release("shop", "1.0", "on-linux", tag="cp312-cp312-manylinux_2_17_x86_64")
    index.add("shop-1.0.tar.gz", b"")
    assert required(index) == ("on-linux",)
    assert required(index, target("3.12", "windows")) == ("on-windows",)


@pytest.mark.parametrize("advertised", [True, False])
def test_metadata_in_the_wheel_itself(index: PackageIndex, advertised: bool) -> None:
    """It is read in parts, also where the index promises a file beside it that is not there."""
    data = wheel("shop", "1.0", metadata("shop", "1.0", "six"), {"shop/data": bytes(1_000_000)})
    index.add("shop-1.0-py3-none-any.whl", data, entry={"core-metadata": advertised})
    assert required(index) == ("six",)
    asked = [request.range for request in index.asked if request.path.endswith(".whl")]
    assert asked == ["bytes=-65536"]


def test_metadata_far_from_the_end(index: PackageIndex) -> None:
    text = metadata("shop", "1.0", "six")
    entries = {"shop-1.0.dist-info/METADATA": text, **{f"shop/{number:05}": b"" for number in range(3000)}}
    index.add("shop-1.0-py3-none-any.whl", wheel("shop", "1.0", text, entries))
    assert required(index) == ("six",)
    first, *further = [request.range for request in index.asked if request.range]
    assert first == "bytes=-65536"
    assert len(further) == 2


def test_a_source_distribution(index: PackageIndex) -> None:
    index.add("shop-1.0.tar.gz", sdist("shop", "1.0", metadata("shop", "1.0", "six", form="2.2")))
    assert required(index) == ("six",)


def test_a_zipped_source_distribution(index: PackageIndex) -> None:
    text = metadata("shop", "1.0", "six", form="2.4", fields="Dynamic: License\n")
    index.add("shop-1.0.zip", wheel("shop", "1.0", b"", {"shop-1.0/PKG-INFO": text}))
    assert required(index) == ("six",)


@pytest.mark.parametrize(
    ("form", "fields"),
    [("2.1", ""), ("1.2", ""), ("2.2", "Dynamic: Requires-Dist\n"), ("2.3", "Dynamic: requires-dist\n")],
)
def test_what_only_a_build_tells(index: PackageIndex, form: str, fields: str) -> None:
    index.add("shop-1.0.tar.gz", sdist("shop", "1.0", metadata("shop", "1.0", form=form, fields=fields)))
    assert refusal(index) == "shop-1.0.tar.gz: only a build of this source distribution tells its requirements"


def test_metadata_that_is_not_what_the_index_promised(index: PackageIndex) -> None:
    index.release("shop", "1.0", "six")
    path = "/files/shop-1.0-py3-none-any.whl.metadata"
    index.content[path] = Served(metadata("shop", "1.0"))
    assert refusal(index) == "shop-1.0-py3-none-any.whl: its metadata have another digest than the index says"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (metadata("stop", "1.0"), "its metadata are those of stop 1.0"),
        (metadata("shop", "1.1"), "its metadata are those of shop 1.1"),
        (metadata("shop", "x"), "its metadata are those of shop x"),
        (b"<html>", "its metadata cannot be read"),
        (b"", "its metadata cannot be read"),
        (b"Name: shop\nVersion: 1.0\n", "its metadata cannot be read"),
        (metadata("shop", "1.0", fields="Name: other\n"), "its metadata cannot be read"),
        (metadata("shop", "1.0", fields="Metadata-Version: 2.1\n"), "its metadata cannot be read"),
        (b"Metadata-Version: 2\xff.1\nName: shop\nVersion: 1.0\n", "its metadata cannot be read"),
    ],
)
def test_metadata_that_cannot_be_used(index: PackageIndex, text: bytes, message: str) -> None:
    index.add("shop-1.0-py3-none-any.whl", b"", metadata=text)
    assert refusal(index) == f"shop-1.0-py3-none-any.whl: {message}"


def test_requirements_without_end(index: PackageIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_REQUIREMENTS", 1 << 20)
    index.release("shop", "1.0", *(f"project-{number:05}" for number in range(8000)))
    index.release("shop", "2.0", *(f"project-{number:05}" for number in range(8000)))
    offered = releases(index)
    offered.metadata(offered.pinned(SHOP, "1.0"), LINUX)
    with pytest.raises(PackageIndexError, match="requirements of more than 1 MiB were read before it"):
        offered.metadata(offered.pinned(SHOP, "2.0"), LINUX)


def test_a_description_says_nothing(index: PackageIndex) -> None:
    text = metadata("shop", "1.0", "six", fields="Content-Type: multipart/mixed; boundary=x\n") + b"Requires-Dist: no\n"
    index.add("shop-1.0-py3-none-any.whl", b"", metadata=text)
    assert required(index) == ("six",)
