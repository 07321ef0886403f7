"""CUDA facts: of the image, and of what is installed."""

from __future__ import annotations

import json

import pytest

from driftscan.inventory import take
from driftscan.model.image import ImageConfig
from driftscan.model.inventory import Cuda, Inventory
from tests.builders.installed import distribution, glibc, interpreter, venv
from tests.builders.rootfs import Content, layer_ids, rootfs

SITE = "opt/venv/lib/python3.11/site-packages"


def taken(files: dict[str, Content], env: dict[str, str] | None = None) -> Inventory:
    image = rootfs({**glibc(), **interpreter(), **venv(), **files})
    return take(image, ImageConfig(env=env or {}, entrypoint=("/opt/venv/bin/python3",)), layer_ids(1))


def test_the_toolkit_and_what_the_image_declares() -> None:
    version = json.dumps({"cuda": {"name": "CUDA SDK", "version": "12.4.20240301"}})
    env = {"CUDA_VERSION": "12.4.1", "NVIDIA_REQUIRE_CUDA": "cuda>=12.4"}
    assert taken({"usr/local/cuda/version.json": version}, env).cuda == Cuda("12.4.20240301", "12.4.1", "cuda>=12.4")
    assert taken({}).cuda == Cuda()


@pytest.mark.parametrize("data", ["", "{", "[1]", '{"cuda": 12}', '{"cuda": {"version": "../x"}}', "[" * 10_000])
def test_a_version_file_that_says_nothing(data: str) -> None:
    assert taken({"usr/local/cuda/version.json": data}).cuda.toolkit is None


def test_what_packages_are_built_for() -> None:
    torch = b"from typing import Optional\n__version__ = '2.6.0'\ncuda: Optional[str] = '12.4'\nhip = None\n"
    files = {
        **distribution("torch", "2.6.0", SITE, {"torch/version.py": torch}),
        **distribution("torchvision", "0.21.0+cu124", SITE),
        **distribution("nvidia-cublas-cu12", "12.4.5.8", SITE),
        **distribution("six", "1.17.0", SITE),
    }
    (environment,) = (each for each in taken(files).environments if each.path == "/opt/venv")
    assert [tuple(each) for each in environment.cuda] == [
        ("nvidia-cublas-cu12", "12.4.5.8", "12", "its name"),
        ("torch", "2.6.0", "12.4", "torch/version.py"),
        ("torchvision", "0.21.0+cu124", "12.4", "its version"),
    ]


def test_a_torch_for_processors_only() -> None:
    files = distribution("torch", "2.6.0+cpu", SITE, {"torch/version.py": b"cuda: Optional[str] = None\n"})
    (environment,) = (each for each in taken(files).environments if each.path == "/opt/venv")
    assert environment.cuda == ()
