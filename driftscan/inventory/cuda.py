"""What is known of CUDA: the image's toolkit, what the image declares, and what installed packages are built for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator

from driftscan.model.image import ImageConfig
from driftscan.model.inventory import Cuda, CudaBuild, Distribution
from driftscan.rootfs import RootFS

_TORCH = re.compile(rb"^cuda(?::[^=\n]{0,40})?\s*=\s*['\"](\d{1,3}(?:\.\d{1,3}){0,2})['\"]", re.MULTILINE)
_WHEEL = re.compile(r"nvidia-.*-cu(\d{1,3})")
_LABEL = re.compile(r".*\+cu(\d{2})(\d)")
_VERSION = re.compile(r"\d{1,3}(?:\.\d{1,10}){0,3}")


def read(rootfs: RootFS, config: ImageConfig) -> Cuda:
    """The toolkit under /usr/local/cuda (version.json), and the variables that NVIDIA's base images set."""
    return Cuda(
        toolkit=_toolkit(rootfs.read("usr/local/cuda/version.json")),
        declared=config.env.get("CUDA_VERSION") or None,
        driver_requirement=config.env.get("NVIDIA_REQUIRE_CUDA") or None,
    )


def _toolkit(data: bytes | None) -> str | None:
    try:
        document = json.loads(data or b"")
    except (ValueError, RecursionError):
        return None
    entry = document.get("cuda") if isinstance(document, dict) else None
    version = entry.get("version") if isinstance(entry, dict) else None
    return version if isinstance(version, str) and _VERSION.fullmatch(version) else None


def builds(rootfs: RootFS, distributions: Iterable[Distribution]) -> Iterator[CudaBuild]:
    """Distributions that are built for a CUDA or bring parts of it, with what tells so."""
    for distribution in distributions:
        if distribution.shadowed_by is not None:
            continue
        if distribution.name == "torch" and (found := _TORCH.search(_torch_version(rootfs, distribution))):
            yield CudaBuild(distribution.name, distribution.version, found[1].decode(), "torch/version.py")
        elif label := _LABEL.fullmatch(distribution.version):
            yield CudaBuild(distribution.name, distribution.version, f"{label[1]}.{label[2]}", "its version")
        elif wheel := _WHEEL.fullmatch(distribution.name):
            yield CudaBuild(distribution.name, distribution.version, wheel[1], "its name")


def _torch_version(rootfs: RootFS, distribution: Distribution) -> bytes:
    return rootfs.read(f"{distribution.site}/torch/version.py") or b""
