from __future__ import annotations

import pytest
from packaging.tags import Tag

from driftscan.inventory.leftovers import leftovers
from driftscan.model.inventory import Distribution, DistributionForm
from driftscan.model.lock import Unchecked
from tests.builders.installed import distribution, interpreter
from tests.builders.rootfs import Content
from tests.inventory.conftest import Take

SITE = "opt/venv/lib/python3.11/site-packages"
PKG_INFO = "Metadata-Version: 1.0\nName: old\nVersion: 1.0\n"


def only(take_on: Take, files: dict[str, Content]) -> tuple[Distribution, tuple[Unchecked, ...]]:
    found = take_on(files).environments[0]
    assert len(found.distributions) == 1
    return found.distributions[0], found.unchecked


def test_everything_in_a_dist_info(take_on: Take) -> None:
    folder = f"{SITE}/zope_interface-6.1.dist-info"
    metadata = "Requires-Python: >=3.8\nRequires-Dist: setuptools\nProvides-Extra: docs\n"
    wheel = "Root-Is-Purelib: false\nTag: cp311-cp311-manylinux_2_17_x86_64\nTag: cp311-cp311-manylinux2014_x86_64\n"
    files = distribution("zope.interface", "6.1", metadata=metadata, wheel=wheel, installer="uv")
    files = {path.replace("zope.interface-6.1", "zope_interface-6.1"): data for path, data in files.items()}
    found, unchecked = only(take_on, {**files, f"{folder}/REQUESTED": ""})
    assert (found.name, found.version, found.installer, found.requested) == ("zope-interface", "6.1", "uv", True)
    assert (found.requires, found.requires_python) == (("setuptools",), ">=3.8")
    assert found.provides_extras == {"docs"}
    assert found.wheel is not None
    assert Tag("cp311", "cp311", "manylinux2014_x86_64") in found.wheel.tags
    assert (found.path, found.site, found.form) == (f"/{folder}", f"/{SITE}", DistributionForm.DIST_INFO)
    assert (found.built_on_the_spot, found.direct_url, found.owner, found.conda_name) == (None, None, None, None)
    assert unchecked == ()


def test_builds_made_on_the_spot(take_on: Take) -> None:
    local = distribution("a", "1", wheel="Tag: cp311-cp311-linux_x86_64\n")
    assert (
        only(take_on, local)[0].built_on_the_spot
        == "its WHEEL carries the tag linux_x86_64, which package indexes do not accept"
    )
    built = {**distribution("a", "1"), f"{SITE}/a-1.dist-info/uv_build.json": "{}"}
    assert only(take_on, built)[0].built_on_the_spot == "uv left uv_build.json, the settings that it was built with"
    manylinux = distribution("a", "1", wheel="Tag: cp311-cp311-manylinux_2_28_x86_64\n")
    assert only(take_on, manylinux)[0].built_on_the_spot is None


def test_where_it_came_from_without_credentials(take_on: Take) -> None:
    path = f"{SITE}/a-1.dist-info/direct_url.json"
    url = '{"url": "https://token:x@git.example/a.git", "vcs_info": {"vcs": "git", "commit_id": "abc"}}'
    found, _ = only(take_on, {**distribution("a", "1"), path: url})
    assert found.direct_url is not None
    assert (found.direct_url.url, found.direct_url.commit) == ("https://git.example/a.git", "abc")


@pytest.mark.parametrize(
    ("leaf", "content", "why"),
    [
        ("direct_url.json", "[]", "direct_url.json cannot be used: it is not a JSON object"),
        ("WHEEL", "Wheel-Version: 1.0\n", "WHEEL cannot be used: it names no tag"),
    ],
)
def test_a_broken_file_is_told_and_the_rest_is_used(take_on: Take, leaf: str, content: str, why: str) -> None:
    path = f"{SITE}/a-1.dist-info/{leaf}"
    files = distribution("a", "1")
    record = f"{SITE}/a-1.dist-info/RECORD"
    data = files[record]
    assert isinstance(data, bytes)
    rows = b"".join(line for line in data.splitlines(keepends=True) if leaf.encode() not in line)
    found, unchecked = only(take_on, {**files, record: rows, path: content})
    assert (found.version, found.has_record) == ("1", True)
    assert unchecked == (Unchecked(f"/{path}", why),)


@pytest.mark.parametrize(
    "metadata",
    ["Name: a\nName: b\nVersion: 1\n", "Name: a\n", "", "Content-Type: message/rfc822\nName: a\nVersion: 1\n"],
)
def test_metadata_that_cannot_be_used_is_told(take_on: Take, metadata: str) -> None:
    inventory = take_on({f"{SITE}/a-1.dist-info/METADATA": metadata})
    assert inventory.environments[0].distributions == ()
    assert [unchecked.what for unchecked in inventory.environments[0].unchecked] == [f"/{SITE}/a-1.dist-info/METADATA"]


def test_a_folder_that_says_otherwise(take_on: Take) -> None:
    files = {path.replace("a-1.dist-info", "b-1.dist-info"): data for path, data in distribution("a", "1").items()}
    found, unchecked = only(take_on, {**files, f"{SITE}/b-1.dist-info/RECORD": ""})
    assert found.name == "a"
    assert unchecked[0] == Unchecked(
        f"/{SITE}/b-1.dist-info", "the metadata in it says a 1, its own name says otherwise"
    )


@pytest.mark.parametrize(
    ("name", "version", "folder"),
    [
        ("ruamel.yaml", "0.18.6", "ruamel.yaml-0.18.6"),
        ("ruamel.yaml", "0.18.6", "ruamel_yaml-0.18.6"),
        ("torch", "2.6.0+cu124", "torch-2.6.0+cu124"),
        ("a", "1.0+ubuntu.1", "a-1.0+ubuntu.1"),
        ("a", "1.0.0", "a-1.0"),
        ("a", "1!2.0", "a-1!2.0"),
        ("a", "2004d", "a-2004d"),
        ("Foo-Bar", "1.0rc1", "foo_bar-1.0rc1"),
    ],
)
def test_spellings_of_one_name_and_version_agree(take_on: Take, name: str, version: str, folder: str) -> None:
    metadata = f"Name: {name}\nVersion: {version}\n"
    found, unchecked = only(take_on, {f"{SITE}/{folder}.dist-info/METADATA": metadata})
    assert (found.version, unchecked) == (version, ())


def test_egg_info_folder_and_file(take_on: Take) -> None:
    folder, unchecked = only(
        take_on,
        {
            f"{SITE}/old-1.0-py3.11.egg-info/PKG-INFO": PKG_INFO,
            f"{SITE}/old-1.0-py3.11.egg-info/requires.txt": "six\n[:python_version<'3']\nfutures\n",
            f"{SITE}/old-1.0-py3.11.egg-info/installed-files.txt": "../old.py\nPKG-INFO\n../gone.py\n",
            f"{SITE}/old.py": "",
        },
    )
    assert (folder.form, folder.version, folder.requires) == (
        DistributionForm.EGG_INFO,
        "1.0",
        ("six", "futures; (python_version<'3')"),
    )
    assert (folder.has_record, unchecked) == (False, ())
    file, unchecked = only(take_on, {f"{SITE}/old-1.0.egg-info": PKG_INFO, f"{SITE}/old.py": ""})
    assert (file.path, file.form, unchecked) == (f"/{SITE}/old-1.0.egg-info", DistributionForm.EGG_INFO, ())


def test_installed_files_are_checked_for_existence(take_on: Take) -> None:
    info = f"{SITE}/old-1.0-py3.11.egg-info"
    inventory = take_on({f"{info}/PKG-INFO": PKG_INFO, f"{info}/installed-files.txt": "../gone.py\n"})
    assert [(item.kind.value, item.path) for item in inventory.environments[0].problems] == [
        ("missing", f"/{SITE}/gone.py")
    ]


def test_an_egg_on_the_path(take_on: Take) -> None:
    inventory = take_on(
        {
            f"{SITE}/easy-install.pth": "./old-1.0-py3.11.egg\n",
            f"{SITE}/old-1.0-py3.11.egg/EGG-INFO/PKG-INFO": PKG_INFO,
            f"{SITE}/old-1.0-py3.11.egg/old.py": "",
        }
    )
    found = inventory.environments[0]
    assert [(item.name, item.site) for item in found.distributions] == [("old", f"/{SITE}/old-1.0-py3.11.egg")]
    assert (found.problems, found.unchecked) == ((), ())


def test_a_zipped_egg_is_told(take_on: Take) -> None:
    inventory = take_on({f"{SITE}/old-1.0-py3.11.egg": b"PK"})
    why = "it is a zipped egg, and these are not read"
    assert inventory.environments[0].unchecked == (Unchecked(f"/{SITE}/old-1.0-py3.11.egg", why),)


def test_develop_installs(take_on: Take) -> None:
    found, unchecked = only(
        take_on, {f"{SITE}/old.egg-link": "/app/src\n../", "app/src/old.egg-info/PKG-INFO": PKG_INFO}
    )
    assert (found.form, found.path, found.version) == (DistributionForm.EGG_LINK, f"/{SITE}/old.egg-link", "1.0")
    assert found.direct_url is not None
    assert (found.direct_url.editable, found.direct_url.url) == (True, "file:///app/src")
    assert unchecked == ()


def test_a_develop_install_whose_source_is_gone(take_on: Take) -> None:
    inventory = take_on({f"{SITE}/old.egg-link": "/app/src\n."})
    assert inventory.environments[0].unchecked == (
        Unchecked(f"/{SITE}/old.egg-link", "it points to /app/src, which holds no metadata in this image"),
    )


def test_an_editable_install_by_pth(take_on: Take) -> None:
    path = f"{SITE}/shop-0.1.dist-info/direct_url.json"
    files = distribution("shop", "0.1", files={"_shop.pth": b"/app/src\n"})
    source = {"app/src/shop.py": "", "app/src/shop.egg-info/PKG-INFO": "Name: shop\nVersion: 0.1\n"}
    inventory = take_on({**files, path: '{"url": "file:///app", "dir_info": {"editable": true}}', **source})
    found = inventory.environments[0]
    assert found.search_path == (f"/{SITE}", "/app/src")
    assert len(found.distributions) == 1
    assert found.distributions[0].direct_url is not None
    assert found.distributions[0].direct_url.editable
    assert (found.problems, found.unchecked) == ((), ())


def test_a_develop_egg_info_beside_its_link_counts_once(take_on: Take) -> None:
    """`setup.py develop` writes the link and puts the source on the path by easy-install.pth."""
    layer = {
        f"{SITE}/old.egg-link": "/app/src\n.",
        f"{SITE}/easy-install.pth": "/app/src\n",
        "app/src/old.egg-info/PKG-INFO": PKG_INFO,
        "app/src/old.py": "",
    }
    found = take_on(layer).environments[0]
    assert [(item.form, item.shadowed_by) for item in found.distributions] == [("egg-link", None)]


def test_names_of_the_operating_system_are_not_questioned(take_on: Take) -> None:
    site = "usr/lib/python3/dist-packages"
    layer = {
        **interpreter("usr", "3.11.2"),
        f"{site}/odd-9.egg-info": PKG_INFO,
        "var/lib/dpkg/status": "Package: python3-old\nStatus: install ok installed\nVersion: 1.0-1\n",
        "var/lib/dpkg/info/python3-old.list": f"/{site}/odd-9.egg-info\n",
    }
    found = next(found for found in take_on(layer).environments if found.path == "/usr")
    assert [(item.name, item.owner) for item in found.distributions] == [("old", "python3-old")]
    assert found.unchecked == ()


def test_reasons_of_leftovers() -> None:
    found = leftovers(["a/_vendor/x.dist-info", "a/b.dist-info", "a/c.dist-info"], ["a/b.dist-info"], ["a/d.dist-info"])
    assert [(item.path, item.why) for item in found] == [
        ("/a/_vendor/x.dist-info", "vendored"),
        ("/a/c.dist-info", "not on the search path of an interpreter"),
        ("/a/d.dist-info", "stale"),
    ]
