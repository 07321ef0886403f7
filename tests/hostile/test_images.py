"""Every hostile layer and manifest gets what it must: an error that names input and place, or exactly its files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from driftscan.cli import run
from driftscan.errors import ImageError
from driftscan.image import Limits, open_image
from driftscan.image.layercache import LayerCache
from driftscan.image.scan import scan
from driftscan.inventory import wants
from driftscan.rootfs import RootFS
from tests.builders.images import entry, index, layout, layout_files, saved_files, sha256, tar_of, write_files
from tests.hostile.cases import BASE, CASES, MANIFESTS

MOST_MEMORY = 512
"""MiB."""


def read(place: Path, cache: LayerCache, limits: Limits | None = None) -> frozenset[str]:
    limits = limits or Limits()
    with open_image(f"oci:{place}", limits=limits) as image:
        fs = RootFS.merge(scan(image, wants, limits, cache=cache))
    return frozenset(node.path for node in fs.walk("")) - {"etc", *BASE}


@pytest.mark.parametrize("name", CASES)
def test_layers(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    place, cache = write_files(tmp_path / "layout", layout(case.image())), LayerCache(tmp_path / "cache")
    if not case.error:
        assert read(place, cache) == read(place, cache) == case.files
        return
    with pytest.raises(ImageError) as caught:
        read(place, cache, case.limits)
    where = str(place) if case.error.startswith(",") else ""
    assert str(caught.value).startswith(f"{where}{case.error}")
    cached = {f"sha256:{layer.path.name}" for layer in cache.store.files()}
    if "links" not in case.error:
        # A hardlink can only be judged with the layers below.
        assert sha256(case.blob if case.plain is None else case.plain) not in cached


@pytest.mark.parametrize("name", MANIFESTS)
def test_manifests(name: str, tmp_path: Path) -> None:
    image, message = MANIFESTS[name]
    place, cache = write_files(tmp_path / "layout", layout(image)), LayerCache(tmp_path / "cache")
    with pytest.raises(ImageError) as caught:
        read(place, cache)
    assert str(caught.value).endswith(message)
    assert len(list(cache.store.files())) < len(image.layers)


def test_an_index_that_names_itself(tmp_path: Path) -> None:
    """No document can hold its own digest, so a cycle is a blob that is not what its name says."""
    image = MANIFESTS["NaN"][0]
    document = index(entry(image))
    inner = index({"mediaType": "application/vnd.oci.image.index.v1+json", "size": len(document), "digest": DIGEST})
    place = write_files(tmp_path / "layout", layout_files(inner) | {f"blobs/{DIGEST.replace(':', '/')}": document})
    with pytest.raises(ImageError, match=r"the manifest has the digest sha256:\w+, its descriptor says sha256:0000"):
        read(place, LayerCache(tmp_path / "cache"))


DIGEST = "sha256:" + "0" * 64


def test_archives_that_list_a_layer_twice_or_from_elsewhere(tmp_path: Path) -> None:
    image = CASES["duplicate entry"].image()
    files = saved_files(image)
    listed = files["manifest.json"]
    path = tmp_path / "shop.tar"
    for document, message in (
        (listed.replace(b'"Layers"', b'"Layers": [], "Layers"'), "manifest.json has a key twice"),
        (listed.replace(b'"Layers"', b'"layers": [], "Layers"'), "manifest.json has two keys that differ only in case"),
        (listed.replace(b'"Layers": [', b'"Layers": ["../../etc/passwd", '), "which is outside of the archive"),
        (listed.replace(b'"Layers": [', b'"Layers": ["' + list(files)[1].encode() + b'", '), "the manifest lists 3"),
    ):
        path.write_bytes(tar_of({**files, "manifest.json": document}))
        with pytest.raises(ImageError) as caught, open_image(f"docker-archive:{path}", limits=Limits()) as opened:
            scan(opened, wants, Limits())
        assert message in str(caught.value)


ERRORS = {
    **{
        name: (case.image(), case.error.removeprefix(", "))
        for name, case in CASES.items()
        if case.error and case.limits == Limits()
    },
    **MANIFESTS,
}


@pytest.mark.parametrize("name", ERRORS)
def test_the_command_line_says_it_in_one_line(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], own_cache: Path
) -> None:
    image, message = ERRORS[name]
    place = write_files(tmp_path / "layout", layout(image))
    assert run(["inspect", f"oci:{place}"]) == 2
    output = capsys.readouterr()
    error, *hints = output.err.splitlines()
    assert output.out == ""
    assert error.startswith("driftscan: error: ")
    assert message in error
    assert all(line.startswith("hint: ") for line in hints)


SCRIPT = """
import re, tempfile
from pathlib import Path
from driftscan.errors import ImageError
from driftscan.image.layercache import LayerCache
from tests.builders.images import layout, write_files
from tests.hostile.cases import CASES, MANIFESTS
from tests.hostile.test_images import read
images = [(case.image(), case.limits) for case in CASES.values()]
for image, limits in [*images, *((image, None) for image, _ in MANIFESTS.values())]:
    with tempfile.TemporaryDirectory() as folder:
        place = write_files(Path(folder) / "layout", layout(image))
        try:
            read(place, LayerCache(Path(folder) / "cache"), limits)
        except ImageError:
            pass
print(int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) // 1024)
"""
"""Prints the peak of its own memory: what getrusage tells begins with that of the process that started it."""


def test_memory_stays_bounded() -> None:
    root = Path(__file__).parent.parent.parent
    run = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, cwd=root)
    assert int(run.stdout) < MOST_MEMORY
