from __future__ import annotations

import base64
import hashlib
from dataclasses import replace

import pytest

from driftscan.inventory import take
from driftscan.model.image import Entry, EntryKind, ImageConfig, LayerIndex
from driftscan.model.inventory import FileProblem, FileProblemKind, Inventory
from driftscan.model.lock import Unchecked
from driftscan.rootfs import RootFS
from tests.builders.installed import distribution, glibc, interpreter, record_line, venv
from tests.builders.rootfs import Content, Link, Removed, layer, layer_ids
from tests.inventory.conftest import Take

SITE = "opt/venv/lib/python3.11/site-packages"
SIX = {"six/__init__.py": b"import sys\n", "six/moves.py": b"x = 1\n", "../../../bin/six": b"#!/opt/venv/bin/python\n"}


def problems(inventory: Inventory) -> list[FileProblem]:
    return list(inventory.environments[0].problems)


def brief(inventory: Inventory) -> list[tuple[str, str, int | None]]:
    return [(item.kind.value, item.path, item.layer.index if item.layer else None) for item in problems(inventory)]


def test_what_an_installer_left_is_clean(take_on: Take) -> None:
    inventory = take_on(distribution("six", "1.16.0", files=SIX))
    found = inventory.environments[0]
    assert (found.problems, found.unchecked) == ((), ())
    six = found.distributions[0]
    assert (six.has_record, six.record_files, six.installer) == (True, 7, "pip")
    assert six.layer is not None
    assert six.layer.index == 2


def test_a_file_changed_by_a_later_layer(take_on: Take) -> None:
    inventory = take_on(distribution("six", "1.16.0", files=SIX), {f"{SITE}/six/moves.py": b"x = 2\n"})
    assert problems(inventory) == [
        FileProblem(
            kind=FileProblemKind.MODIFIED,
            path=f"/{SITE}/six/moves.py",
            distribution=f"/{SITE}/six-1.16.0.dist-info",
            expected=hashlib.sha256(b"x = 1\n").hexdigest(),
            actual=hashlib.sha256(b"x = 2\n").hexdigest(),
            layer=inventory.layers[2],
        )
    ]
    assert inventory.environments[0].distributions[0].layer == inventory.layers[1]


def test_a_file_removed_by_a_later_layer(take_on: Take) -> None:
    inventory = take_on(distribution("six", "1.16.0", files=SIX), {f"{SITE}/six/moves.py": Removed()})
    assert brief(inventory) == [("missing", f"/{SITE}/six/moves.py", 3)]


def test_a_folder_removed_by_a_later_layer(take_on: Take) -> None:
    removed = take_on(distribution("six", "1.16.0", files=SIX), {f"{SITE}/six": Removed()})
    assert brief(removed) == [("missing", f"/{SITE}/six/{name}.py", 3) for name in ("__init__", "moves")]


def test_a_removed_distribution_is_not_there(take_on: Take) -> None:
    gone = (f"{SITE}/six", f"{SITE}/six-1.16.0.dist-info", "opt/venv/bin/six")
    inventory = take_on(distribution("six", "1.16.0", files=SIX), {path: Removed() for path in gone})
    assert (inventory.environments[0].distributions, problems(inventory), inventory.leftovers) == ((), [], ())


def test_an_upgrade_in_a_later_layer(take_on: Take) -> None:
    old, new = distribution("six", "1.16.0", files=SIX), distribution("six", "1.17.0", files={**SIX, "six/new.py": b""})
    inventory = take_on(old, {**{path: Removed() for path in old if path not in new}, **new})
    assert [(item.version, item.layer) for item in inventory.environments[0].distributions] == [
        ("1.17.0", inventory.layers[2])
    ]
    assert problems(inventory) == []


def test_a_module_copied_into_the_site_directory(take_on: Take) -> None:
    inventory = take_on(
        distribution("six", "1.16.0", files=SIX),
        {
            f"{SITE}/patch.py": b"",
            f"{SITE}/six/extra.cpython-311-x86_64-linux-gnu.so": b"",
            f"{SITE}/own/mod.py": b"",
            f"{SITE}/six/__pycache__/moves.cpython-311.pyc": b"",
            f"{SITE}/README.txt": b"",
            f"{SITE}/six/data.json": b"",
            f"{SITE}/not-importable/x.py": b"",
            f"{SITE}/_virtualenv.py": b"",
            f"{SITE}/_virtualenv.pth": b"import _virtualenv",
            f"{SITE}/paths.pth": b"/srv\n",
        },
    )
    assert brief(inventory) == [
        ("unowned", f"/{SITE}/own/mod.py", 3),
        ("unowned", f"/{SITE}/patch.py", 3),
        ("unowned", f"/{SITE}/six/extra.cpython-311-x86_64-linux-gnu.so", 3),
    ]


def test_bytecode_is_never_missing(take_on: Take) -> None:
    files = distribution("six", "1.16.0", files=SIX)
    record = f"{SITE}/six-1.16.0.dist-info/RECORD"
    content = files[record]
    assert isinstance(content, bytes)
    rows = b"six/__pycache__/moves.cpython-311.pyc,,\nsix/__pycache__,,\nsix/gone.py,,\n"
    assert brief(take_on({**files, record: content + rows})) == [("missing", f"/{SITE}/six/gone.py", None)]


def test_one_path_in_two_records(take_on: Take) -> None:
    """The last install wins; the file is whole while it is what one of its owners installed."""
    first = distribution("a", "1", files={"shared/__init__.py": b"a"})
    second = distribution("b", "1", files={"shared/__init__.py": b"b"})
    assert brief(take_on(first, second)) == []
    assert brief(take_on(first, second, {f"{SITE}/shared/__init__.py": b"c"})) == [
        ("modified", f"/{SITE}/shared/__init__.py", 4)
    ]


def test_a_script_whose_first_line_was_filled_in(take_on: Take) -> None:
    """pip once kept the wheel's own hash of scripts that it rewrote."""
    original = b"#!python\nprint('x')\n"
    files = distribution("a", "1", files={"../../../bin/tool": original})
    rewritten = original.replace(b"#!python", b"#!/opt/venv/bin/python")
    assert brief(take_on({**files, "opt/venv/bin/tool": rewritten})) == []
    assert brief(take_on({**files, "opt/venv/bin/tool": rewritten + b"x"})) == [("modified", "/opt/venv/bin/tool", 2)]


def test_a_record_through_linked_directories(take_on: Take) -> None:
    files = distribution("six", "1.16.0", files={"data/x.txt": b"x", "six.py": b""})
    moved: dict[str, Content] = {path: data for path, data in files.items() if "/data/" not in path}
    assert brief(take_on({**moved, f"{SITE}/data": Link("/srv/data"), "srv/data/x.txt": b"x"})) == []


def test_a_linked_package_that_nobody_lists(take_on: Take) -> None:
    layer = {f"{SITE}/shop": Link("/srv/shop"), "srv/shop/__init__.py": "", f"{SITE}/gone": Link("/nowhere")}
    assert brief(take_on(layer)) == [("unowned", f"/{SITE}/shop", 2)]


def test_files_linked_from_the_cache_of_uv(take_on: Take) -> None:
    files = distribution("six", "1.16.0", files={"six.py": b"1"})
    cache = "root/.cache/uv/archive-v0/abc/six.py"
    linked = {**files, f"{SITE}/six.py": Link(f"/{cache}")}
    assert brief(take_on({**linked, cache: b"1"})) == []
    assert brief(take_on({**linked, cache: b"2"})) == [("modified", f"/{SITE}/six.py", 2)]


def test_a_listed_symlink_that_dangles_is_there(take_on: Take) -> None:
    files = distribution("six", "1.16.0", files={"six.py": b""})
    record = f"{SITE}/six-1.16.0.dist-info/RECORD"
    content = files[record]
    assert isinstance(content, bytes)
    assert brief(take_on({**files, record: content + b"link,,\n", f"{SITE}/link": Link("/nowhere")})) == []


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (Link("/nowhere"), "missing"),
        (Link("moves.py"), "missing"),
        (Link("__init__.py"), "modified"),
        (None, "modified"),
    ],
)
def test_a_file_that_became_something_else(take_on: Take, content: Content, kind: str) -> None:
    inventory = take_on(distribution("six", "1.16.0", files=SIX), {f"{SITE}/six/moves.py": content})
    assert brief(inventory) == [(kind, f"/{SITE}/six/moves.py", 3)]
    assert inventory.environments[0].unchecked == ()


def test_a_file_that_became_a_device() -> None:
    built = layer({**glibc(), **interpreter(), **venv(), **distribution("six", "1.0", files={"six.py": b""})})
    device = LayerIndex(entries={f"{SITE}/six.py": Entry(EntryKind.OTHER)})
    inventory = take(RootFS.merge([built, device]), ImageConfig(), layer_ids(2))
    assert brief(inventory) == [("modified", f"/{SITE}/six.py", 2)]


RECORD = f"{SITE}/six-1.16.0.dist-info/RECORD"


@pytest.mark.parametrize("content", [Removed(), Link("/nowhere"), None])
def test_a_record_that_a_later_layer_took_away_is_a_missing_file(take_on: Take, content: Content) -> None:
    inventory = take_on(
        distribution("six", "1.16.0", files=SIX), {RECORD: content, f"{SITE}/six/moves.py": b"evil = 1\n"}
    )
    assert ("missing", f"/{RECORD}", 3) in brief(inventory)
    assert inventory.environments[0].distributions[0].has_record is False


def test_an_empty_record_is_none(take_on: Take) -> None:
    inventory = take_on(distribution("six", "1.16.0", files=SIX), {RECORD: b""})
    assert inventory.environments[0].distributions[0].has_record is False
    assert brief(inventory) == []


def test_code_that_a_record_gives_no_hash_of_is_not_called_clean(take_on: Take) -> None:
    files = distribution("six", "1.16.0", files={"six.py": b"1", "six.txt": b"2"})
    content = files[RECORD]
    assert isinstance(content, bytes)
    for name, data in (("six.py", b"1"), ("six.txt", b"2")):
        content = content.replace(record_line(name, data).encode(), f"{name},,\n".encode())
    found = take_on({**files, RECORD: content}).environments[0]
    why = f"1 of its files could not be compared with its RECORD: /{SITE}/six.py"
    assert (found.problems, found.unchecked) == ((), (Unchecked(f"/{SITE}/six-1.16.0.dist-info", why),))


def test_files_of_the_operating_system_are_not_judged(take_on: Take) -> None:
    site = "usr/lib/python3/dist-packages"
    files = distribution("pyyaml", "6.0", site, files={"yaml/__init__.py": b"1"})
    listed = "".join(f"/{path}\n" for path in files) + f"/{site}/lonely.py\n"
    inventory = take_on(
        interpreter("usr", "3.11.2"),
        {
            **files,
            f"{site}/yaml/__init__.py": b"2",
            f"{site}/lonely.py": b"",
            f"{site}/added.py": b"",
            "var/lib/dpkg/status": "Package: python3-yaml\nStatus: install ok installed\nVersion: 6.0\n",
            "var/lib/dpkg/info/python3-yaml.list": listed,
        },
    )
    found = next(found for found in inventory.environments if found.path == "/usr")
    assert [(item.kind.value, item.path) for item in found.problems] == [("unowned", f"/{site}/added.py")]


def test_apk_owned_distributions(take_on: Take) -> None:
    site = "usr/lib/python3.12/site-packages"
    files = distribution("pip", "24.0", site, files={"pip/__init__.py": b""})
    parts = [path.rpartition("/") for path in files]
    database = "P:py3-pip\nV:24.0-r2\n" + "".join(f"F:{folder}\nR:{leaf}\n" for folder, _, leaf in parts)
    system = {"lib/apk/db/installed": database, "etc/os-release": "ID=alpine"}
    found = next(
        found
        for found in take_on({**interpreter("usr", "3.12.4"), **files}, system).environments
        if found.path == "/usr"
    )
    assert [(item.name, item.owner) for item in found.distributions] == [("pip", "py3-pip")]
    assert found.problems == ()


def test_rpm_is_recognised_and_its_limits_are_told(take_on: Take) -> None:
    site = "usr/lib/python3.12/site-packages"
    layers = (
        {**interpreter("usr", "3.12.4"), "var/lib/rpm/rpmdb.sqlite": b"SQLite", "etc/os-release": "ID=fedora"},
        distribution("requests", "2.31.0", site, installer="rpm"),
        distribution("six", "1.16.0", site, installer="pip"),
    )
    found = next(found for found in take_on(*layers).environments if found.path == "/usr")
    assert [(item.name, item.owner) for item in found.distributions] == [("requests", "rpm"), ("six", None)]


def test_a_distribution_without_record(take_on: Take) -> None:
    files = distribution("six", "1.16.0", files=SIX)
    del files[f"{SITE}/six-1.16.0.dist-info/RECORD"]
    inventory = take_on(files)
    assert inventory.environments[0].distributions[0].has_record is False
    assert brief(inventory) == []
    unsure = take_on({**files, f"{SITE}/other.py": b""}).environments[0]
    assert unsure.problems == ()
    assert unsure.unchecked == (
        Unchecked(f"/{SITE}", "1 of its files belong to no RECORD; six, which lists no files, may own them"),
    )


@pytest.mark.parametrize(
    ("record", "why"),
    [
        (b"../../../../../../x,,\n", "RECORD cannot be used: line 1: the path leaves the image"),
        (b'"' + b"x" * 140_000, "RECORD cannot be used: line 1: field larger than field limit (131072)"),
    ],
)
def test_a_hostile_record_is_told(take_on: Take, record: bytes, why: str) -> None:
    path = f"{SITE}/six-1.16.0.dist-info/RECORD"
    found = take_on({**distribution("six", "1.16.0", files={}), path: record}).environments[0]
    assert found.unchecked == (Unchecked(f"/{path}", why),)
    assert found.distributions[0].has_record is False


def test_other_algorithms_are_not_called_clean(take_on: Take) -> None:
    files = distribution("six", "1.16.0", files={"six.py": b"1"})
    digest = base64.urlsafe_b64encode(hashlib.sha512(b"1").digest()).rstrip(b"=").decode()
    path = f"{SITE}/six-1.16.0.dist-info/RECORD"
    content = files[path]
    assert isinstance(content, bytes)
    line = record_line("six.py", b"1").encode()
    found = take_on({**files, path: content.replace(line, f"six.py,sha512={digest},1\n".encode())}).environments[0]
    why = f"1 of its files could not be compared with its RECORD: /{SITE}/six.py"
    assert found.unchecked == (Unchecked(f"/{SITE}/six-1.16.0.dist-info", why),)


def test_files_without_hash_are_not_called_clean() -> None:
    built = layer({**glibc(), **interpreter(), **venv(), **distribution("six", "1.0", files={"six.py": b""})})
    entries: dict[str, Entry] = dict(built.entries)
    entries[f"{SITE}/six.py"] = entries[f"{SITE}/six.py"]._replace(sha256=None)
    image = RootFS.merge([LayerIndex(entries=entries)])
    found = take(image, ImageConfig(), layer_ids(1)).environments[0]
    why = f"1 of its files could not be compared with its RECORD: /{SITE}/six.py"
    assert (found.problems, found.unchecked) == ((), (Unchecked(f"/{SITE}/six-1.0.dist-info", why),))
    assert replace(found, unchecked=()).problems == ()


def test_conda_hashes_count_for_what_conda_installed(take_on: Take) -> None:
    """conda rewrites prefixes in files after their RECORD was made."""
    site = "opt/conda/lib/python3.11/site-packages"
    files = distribution("six", "1.16.0", site, files={"six.py": b"packed"}, installer="conda")
    digest = hashlib.sha256(b"linked").hexdigest()
    paths = [
        f'{{"_path": "lib/python3.11/site-packages/six.py", "sha256": "00", "sha256_in_prefix": "{digest}"}}',
        '{"_path": "lib/python3.11/site-packages/six-1.16.0.dist-info/METADATA"}',
    ]
    meta = f'{{"name": "six", "version": "1.16.0", "paths_data": {{"paths": [{", ".join(paths)}]}}}}'
    conda = {**interpreter("opt/conda"), "opt/conda/conda-meta/six-1.16.0-0.json": meta}

    def problems_with(content: bytes) -> list[tuple[str, str]]:
        inventory = take_on({**conda, **files, f"{site}/six.py": content})
        found = next(found for found in inventory.environments if found.path == "/opt/conda")
        return [(item.kind.value, item.path) for item in found.problems]

    assert problems_with(b"linked") == []
    assert problems_with(b"edited") == [("modified", f"/{site}/six.py")]
