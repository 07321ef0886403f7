"""Build attestations beside an image, as BuildKit writes them, and what `lint` makes of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from driftscan.cli import run
from driftscan.errors import ImageError
from driftscan.image import open_image
from driftscan.image.limits import Limits
from driftscan.model.image import UsedImage
from tests.builders.images import (
    build,
    descriptor,
    encode,
    entry,
    index,
    layout_files,
    saved_files,
    sha256,
    tar_of,
    write_files,
)

ATTESTED = build()
BASE, FRONTEND = "ab" * 32, "cd" * 32
MATERIALS = [
    {"uri": "pkg:docker/docker/dockerfile@1?platform=linux%2Famd64", "digest": {"sha256": FRONTEND}},
    {"uri": "pkg:docker/registry.example/team/python@3.12-slim?platform=linux%2Famd64", "digest": {"sha256": BASE}},
    {"uri": "https://git.example/shop.git", "digest": {"sha1": "0" * 40}},
]
USED = (
    UsedImage("docker/dockerfile:1", f"sha256:{FRONTEND}"),
    UsedImage("registry.example/team/python:3.12-slim", f"sha256:{BASE}"),
)
OLD: Mapping[str, Any] = {"predicateType": "https://slsa.dev/provenance/v0.2", "predicate": {"materials": MATERIALS}}
NEW: Mapping[str, Any] = {
    "predicateType": "https://slsa.dev/provenance/v1",
    "predicate": {"buildDefinition": {"resolvedDependencies": MATERIALS}},
}


def stored(folder: Path, statement: Mapping[str, Any] | bytes, subject: str | None = None) -> str:
    """An OCI layout of an image with one attestation, as the reference to it."""
    write_files(folder / "layout", attested(statement, subject))
    return f"oci:{folder / 'layout'}"


def attested(statement: Mapping[str, Any] | bytes, subject: str | None = None) -> dict[str, bytes]:
    """The files of such a layout, whose image is called shop:1.4."""
    about = {"subject": [{"name": "shop", "digest": {"sha256": (subject or sha256(ATTESTED.manifest))[7:]}}]}
    data = statement if isinstance(statement, bytes) else encode({**about, **statement})
    kind = json.loads(data)["predicateType"] if not isinstance(statement, bytes) else NEW["predicateType"]
    layer = descriptor(data, "application/vnd.in-toto+json", annotations={"in-toto.io/predicate-type": kind})
    sbom = descriptor(
        b"{}", "application/vnd.in-toto+json", annotations={"in-toto.io/predicate-type": "https://spdx.dev/Document"}
    )
    config = b"{}"
    manifest = encode(
        {
            "schemaVersion": 2,
            "config": descriptor(config, "application/vnd.oci.image.config.v1+json"),
            "layers": [sbom, layer],
        }
    )
    attached = descriptor(manifest) | {
        "platform": {"os": "unknown", "architecture": "unknown"},
        "annotations": {
            "vnd.docker.reference.type": "attestation-manifest",
            "vnd.docker.reference.digest": sha256(ATTESTED.manifest),
        },
    }
    inner = index(entry(ATTESTED, platform="linux/amd64"), attached)
    named = {"annotations": {"io.containerd.image.name": "docker.io/library/shop:1.4"}}
    top = index({**descriptor(inner, "application/vnd.oci.image.index.v1+json"), **named})
    return layout_files(top, inner, *ATTESTED.blobs, manifest, config, b"{}", data)


@pytest.mark.parametrize("statement", [OLD, NEW], ids=["0.2", "1"])
def test_the_images_of_a_build(tmp_path: Path, statement: Mapping[str, Any]) -> None:
    with open_image(stored(tmp_path, statement), limits=Limits()) as image:
        assert image.used() == USED


@pytest.mark.parametrize(
    ("tags", "used"), [(["shop:1.4"], USED), (["docker.io/library/shop:1.4"], USED), (["shop:2"], ()), ([], USED)]
)
def test_a_saved_image_with_its_index(tmp_path: Path, tags: list[str], used: tuple[UsedImage, ...]) -> None:
    """As Docker saves from its containerd image store; the names in both have to be those of one image."""
    path = tmp_path / "shop.tar"
    path.write_bytes(tar_of({**attested(NEW), **saved_files(ATTESTED, tags)}))
    with open_image(f"docker-archive:{path}", limits=Limits()) as image:
        assert image.used() == used


def test_a_saved_image_whose_name_is_another_ones_in_the_index(tmp_path: Path) -> None:
    path = tmp_path / "shop.tar"
    path.write_bytes(tar_of({**attested(NEW), **saved_files(build([("RUN other", {"other": "1"})]))}))
    with open_image(f"docker-archive:{path}", limits=Limits()) as image:
        assert image.used() == ()


def test_an_image_without_attestations(tmp_path: Path) -> None:
    files = layout_files(index(entry(ATTESTED)), *ATTESTED.blobs)
    write_files(tmp_path / "layout", files)
    with open_image(f"oci:{tmp_path / 'layout'}", limits=Limits()) as image:
        assert image.used() == ()


def test_a_statement_about_another_image(tmp_path: Path) -> None:
    with (
        open_image(stored(tmp_path, NEW, f"sha256:{'0' * 64}"), limits=Limits()) as image,
        pytest.raises(ImageError, match="the provenance attestation is about another image"),
    ):
        image.used()


def test_lint_names_what_was_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["lint", stored(tmp_path, OLD), "--select", "IM511"]) == 3
    said = " ".join(capsys.readouterr().out.split())
    assert "whether registry.example/team/python:3.12-slim was pinned by its digest" in said
    assert f"the provenance attestation says that the build used sha256:{BASE}, and not what was asked for" in said
    assert "dockerfile" not in said.partition("not checked")[2].lower().replace("give the dockerfile", "")


@pytest.mark.parametrize("damaged", [b"no JSON", b"[]", b'{"subject": 1}', b"[" * 5000])
def test_an_attestation_that_cannot_be_read_settles_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], damaged: bytes
) -> None:
    assert run(["lint", stored(tmp_path, damaged), "--select", "IM511"]) == 3
    said = " ".join(capsys.readouterr().out.split())
    assert "whether the base image was pinned by its digest: its attestation cannot be read (" in said
