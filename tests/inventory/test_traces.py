"""What the layers of an image tell of how it was built."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st
from packaging.utils import canonicalize_name

from driftscan.inventory.traces import read
from driftscan.model.crowd import Crowd
from driftscan.model.image import Entry, EntryKind, ImageConfig, LayerId, LayerIndex
from driftscan.model.traces import CodeLayer, FoundLock, Removed, Traces, Uninstalled, Waste
from driftscan.rootfs import RootFS
from tests.builders.installed import distribution
from tests.builders.rootfs import Content, layer
from tests.builders.rootfs import Removed as Whiteout

BIG = "x" * (2 << 20)


def traces(*steps: tuple[str, Mapping[str, Content]]) -> tuple[Traces, tuple[LayerId, ...]]:
    indexes = [layer(files) for _, files in steps]
    ids = tuple(LayerId(number, f"sha256:{number:064x}", text) for number, (text, _) in enumerate(steps, 1))
    return read(RootFS.merge(indexes), indexes, ids, ImageConfig(), None), ids


def test_lists_and_caches_are_counted_by_layer_and_folder() -> None:
    found, (one, two) = traces(
        (
            "ADD x",
            {"var/lib/apt/lists/a": "12345", "var/lib/apt/lists/partial": None, "var/lib/apt/lists/lock": "x"},
        ),
        (
            "RUN y",
            {
                "root/.cache/pip/http/a": "1",
                "home/me/.cache/uv/b": "22",
                "home/me/.cache/uv/c/d": "333",
                "var/cache/apk/x": "",
                "var/lib/apt/lists/a": Whiteout(),
            },
        ),
    )
    assert found.waste == (
        Waste("the package lists of apt", "/var/lib/apt/lists", one, 1, 5),
        Waste("downloads of pip", "/root/.cache/pip", two, 1, 1),
        Waste("the cache of uv", "/home/me/.cache/uv", two, 2, 5),
    )


def test_files_without_entries_of_their_own_are_counted_too() -> None:
    crowd = Crowd.of({f"{number}": Entry(EntryKind.FILE, 0o644, 2) for number in range(300)})
    index = LayerIndex(entries={}, crowds={"var/cache/dnf": (crowd,)})
    one = LayerId(1, None, "RUN x")
    found = read(RootFS.merge([index]), [index], [one], ImageConfig(), None)
    assert found.waste == (Waste("package lists and downloads of dnf", "/var/cache/dnf", one, 300, 600),)


def test_what_later_layers_delete_or_replace() -> None:
    found, (one, *_) = traces(
        ("ADD x", {"a": BIG, "b/c": BIG, "d": BIG, "small": "x"}),
        ("RUN y", {"a": Whiteout(), "b/c": "new"}),
        ("RUN z", {"e": BIG, "small": Whiteout()}),
    )
    assert found.removed == (Removed(one, 3, (4 << 20) + 1, "/a"),)


def test_layers_that_change_the_package_database() -> None:
    status = "var/lib/dpkg/status"
    found, (one, _, three) = traces(("ADD x", {status: "a"}), ("RUN y", {"x": "a"}), ("RUN z", {status: "b"}))
    assert found.package_layers == (one, three)


def test_package_sources_as_they_are_in_the_end() -> None:
    found, _ = traces(
        ("ADD x", {"etc/apt/sources.list": "old", "etc/apt/sources.list.d/a.sources": "URIs: b"}),
        ("RUN y", {"etc/apt/sources.list": "new", "etc/apk/repositories": "apk"}),
    )
    assert found.sources == ("apk", "new", "URIs: b")


def test_locks_that_are_still_there() -> None:
    found, (one, two) = traces(
        ("COPY x", {"app/uv.lock": "1", "app/requirements.txt": "2", "app/poetry.lock": "3"}),
        ("RUN y", {"app/uv.lock": "4", "app/poetry.lock": Whiteout(), "usr/share/doc/uv.lock": "5"}),
    )
    digest = {text: hashlib.sha256(text.encode()).hexdigest() for text in "24"}
    assert found.locks == (
        FoundLock("/app/requirements.txt", digest["2"], b"2", one),
        FoundLock("/app/uv.lock", digest["4"], b"4", two),
    )


def test_layers_with_code() -> None:
    site = "opt/venv/lib/python3.11/site-packages/a.py"
    found, (_, two, *_) = traces(
        ("ADD file:1 in /", {"usr/lib/python3/dist-packages/x.py": ""}),
        ("COPY . /app", {"app/b.py": "", "app/a.py": ""}),
        ("COPY --from=build /x /y", {"y/a.py": ""}),
        ("COPY setup.py /app", {"app/setup.py": ""}),
        ("RUN pip install a", {site: ""}),
        ("COPY venv /opt/venv", {site: "x"}),
    )
    assert found.code == (CodeLayer(two, "/app/a.py"),)


NAMES = st.sampled_from(["a", "b", "var/lib/apt/lists/x", "d/e", "d/f"])
LAYERS = st.lists(st.dictionaries(NAMES, st.sampled_from(["", "1", BIG]) | st.just(Whiteout()), max_size=4), max_size=4)


@given(LAYERS)
def test_no_byte_is_counted_that_is_not_in_the_layer(layers: list[dict[str, Content]]) -> None:
    found, _ = traces(*(("RUN x", files) for files in layers))
    counted = [(each.layer, each.files, each.size) for each in found.waste]
    counted += [(each.layer, each.files, each.size) for each in found.removed]
    for made, files, size in counted:
        sizes = [len(content) for content in layers[made.index - 1].values() if isinstance(content, str)]
        assert size <= sum(sizes)
        assert files <= sum(map(bool, sizes))
    assert all(each.layer.index < len(layers) for each in found.removed)


SITE = "opt/venv/lib/python3.11/site-packages"


def uninstalled(name: str, version: str, folder: str, layer: LayerId) -> Uninstalled:
    return Uninstalled(canonicalize_name(name), version, f"/{folder}", layer)


def test_what_a_layer_uninstalls() -> None:
    blinker, egg = f"{SITE}/blinker-1.9.0.dist-info", f"{SITE}/Old_Egg-2.0-py3.11.egg-info"
    found, (_, two, three) = traces(
        ("RUN pip install", {**distribution("blinker", "1.9.0"), **distribution("six", "1"), f"{egg}/PKG-INFO": "x"}),
        ("RUN pip uninstall -y blinker", {blinker: Whiteout()}),
        ("RUN rm", {f"{egg}/PKG-INFO": Whiteout()}),
    )
    assert found.uninstalled == (
        uninstalled("old-egg", "2.0", egg, three),
        uninstalled("blinker", "1.9.0", blinker, two),
    )
    assert [found.site for found in found.uninstalled] == [f"/{SITE}"] * 2


def test_another_version_in_the_same_place_is_no_uninstall() -> None:
    old = {f"{SITE}/six-1.16.dist-info": Whiteout()}
    found, _ = traces(
        ("RUN pip install six", distribution("six", "1.16")),
        ("RUN pip install -U six", {**old, **distribution("six", "1.17")}),
    )
    assert found.uninstalled == ()


def test_a_version_in_another_place_is_one() -> None:
    old = {f"{SITE}/six-1.16.dist-info": Whiteout()}
    found, (_, two) = traces(
        ("RUN pip install six", distribution("six", "1.16")),
        ("RUN mv", {**old, **distribution("six", "1.16", "srv/site-packages")}),
    )
    assert found.uninstalled == (uninstalled("six", "1.16", f"{SITE}/six-1.16.dist-info", two),)


def test_what_was_there_last_counts() -> None:
    old, new = f"{SITE}/six-1.16.dist-info", f"{SITE}/six-1.17.dist-info"
    found, (*_, last) = traces(
        ("RUN pip install six", distribution("six", "1.16")),
        ("RUN pip install -U six", {old: Whiteout(), **distribution("six", "1.17")}),
        ("RUN pip uninstall six", {new: Whiteout()}),
        ("RUN pip install six", distribution("six", "1.16")),
        ("RUN rm -rf /opt/venv", {"opt/venv": Whiteout()}),
    )
    assert found.uninstalled == (uninstalled("six", "1.16", old, last),)


def test_what_is_no_distribution_is_not_uninstalled() -> None:
    found, _ = traces(
        ("COPY . .", {"app/shop.egg-info/PKG-INFO": "x", "METADATA": "x", "x.dist-info/METADATA": "x"}),
        ("RUN rm", {"app": Whiteout(), "METADATA": Whiteout(), "x.dist-info": Whiteout()}),
    )
    assert found.uninstalled == ()
