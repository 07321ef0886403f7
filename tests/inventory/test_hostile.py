"""Whatever an image holds, an inventory is taken or an ImageError says why not; nothing else is ever raised."""

from __future__ import annotations

import builtins
import os
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftscan.errors import ImageError
from driftscan.inventory import take
from driftscan.model.image import ImageConfig
from tests.builders.installed import distribution, glibc, interpreter, venv
from tests.builders.rootfs import Content, Link, Removed, layer_ids, rootfs

SITE = "opt/venv/lib/python3.11/site-packages"
IMAGE: dict[str, Content] = {
    **glibc(),
    **interpreter(),
    **venv(extra="include-system-site-packages = true\n"),
    **distribution("six", "1.0"),
    **distribution("idna", "3", "usr/local/lib/python3.11/site-packages"),
    f"{SITE}/six-1.0.dist-info/direct_url.json": '{"url": "https://files.example/six.whl", "archive_info": {}}',
    f"{SITE}/a.pth": "/srv\nimport a\n",
    f"{SITE}/b.egg-link": "/srv\n",
    "srv/b.egg-info/PKG-INFO": "Name: b\nVersion: 1\n",
    "srv/b.egg-info/requires.txt": "six\n[x:y]\nz\n",
    "opt/conda/conda-meta/x-1-0.json": '{"name": "x", "version": "1", "files": ["bin/x"], "depends": ["y"]}',
    "var/lib/dpkg/status": "Package: p\nStatus: install ok installed\nVersion: 1\n",
    "var/lib/dpkg/info/p.list": "/usr/bin/python3\n",
    "usr/lib/apk/db/installed": "P:a\nV:1\nF:usr/bin\nR:x\n",
    "etc/passwd": "app:x:1:1::/srv:/bin/sh\n",
    "opt/venv/bin/run": "#!/opt/venv/bin/python\n",
    "usr/local/lib/python3.11/build-details.json": "{}",
}
CONFIG = ImageConfig(entrypoint=("run",), env={"PATH": "/opt/venv/bin:/usr/bin", "PYTHONPATH": "/srv"}, user="app")
PATHS = st.sampled_from(sorted(IMAGE))
CONTENTS = st.one_of(
    st.none(),
    st.just(Removed()),
    st.binary(max_size=200),
    st.text(max_size=100),
    st.sampled_from([".", "/", "..", "../../../../..", f"/{SITE}", "/opt/venv", "/srv"]).map(Link),
    st.sampled_from(
        ["{}", "[]", '{"name": 1}', "null", '{"url": [], "vcs_info": 3}', '{"files": [1], "paths_data": []}']
    ),
    st.sampled_from(["Name: \udcff\nVersion: 1\n", "home = ../../..\n", "a,sha256=,\n", "P:\nF:..\nR:..\n"]).map(
        lambda text: text.encode("utf-8", "surrogateescape")
    ),
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(PATHS, CONTENTS, max_size=4))
def test_any_file_may_be_anything(changes: dict[str, Content]) -> None:
    try:
        inventory = take(rootfs(IMAGE, changes), CONFIG, layer_ids(2))
    except ImageError:
        return
    assert inventory.default is None or inventory.environments[inventory.default].chosen_because
    assert all(found.path.startswith("/") for found in inventory.environments)


@given(
    entrypoint=st.lists(st.text(max_size=12), max_size=3),
    cmd=st.lists(
        st.sampled_from(["sh", "-c", "exec", "$@", "run", "'", "conda", "uv", "env", "A=1", "--", "-n"]), max_size=6
    ),
    path=st.text(max_size=20),
    folder=st.sampled_from(["", "/", "/srv", "..", "\0"]),
)
def test_any_command_may_be_anything(entrypoint: list[str], cmd: list[str], path: str, folder: str) -> None:
    env = {"PATH": path, "PYTHONPATH": path, "VIRTUAL_ENV": path, "PYTHONUSERBASE": path}
    config = ImageConfig(entrypoint=tuple(entrypoint), cmd=tuple(cmd), env=env, working_dir=folder, user=path)
    take(rootfs(IMAGE), config, layer_ids(1))


RECORDS = (
    f"{SITE}/six-1.0.dist-info/RECORD",
    "usr/local/lib/python3.11/site-packages/idna-3.dist-info/RECORD",
)


def test_no_path_of_an_image_is_looked_for_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither those of RECORD, whether they are absolute or lead out, nor those of links and path files."""
    rows = "/etc/passwd,,\n../../../../../etc/hosts,,\n/dev/zero,sha256=" + "A" * 43 + ",1\n"
    changes: dict[str, Content] = {
        RECORDS[0]: rows + "../../../../../../etc/hosts,,\n",
        RECORDS[1]: rows,
        f"{SITE}/a.pth": "/etc\n../../../../../../etc\n",
        f"{SITE}/b.egg-link": "/etc\n",
        f"{SITE}/out": Link("../../../../../../../etc"),
    }
    image, layers = rootfs(IMAGE, changes), layer_ids(2)
    asked: list[str] = []

    def watched(call: Callable[..., object]) -> Callable[..., object]:
        def look(path: object, *rest: object, **more: object) -> object:
            asked.append(os.fsdecode(path) if isinstance(path, str | bytes | os.PathLike) else str(path))
            return call(path, *rest, **more)

        return look

    with monkeypatch.context() as patch:
        for name in ("stat", "lstat", "open", "readlink", "listdir", "scandir", "access"):
            patch.setattr(os, name, watched(getattr(os, name)))
        patch.setattr(builtins, "open", watched(builtins.open))
        found = take(image, CONFIG, layers)
    assert asked == []
    assert {unchecked.what for each in found.environments for unchecked in each.unchecked} >= {f"/{RECORDS[0]}"}


def test_an_inventory_does_not_depend_on_how_files_are_spread_over_layers() -> None:
    whole = take(rootfs(IMAGE), CONFIG, ())
    spread = take(rootfs(*({path: content} for path, content in IMAGE.items())), CONFIG, ())
    assert whole == spread
