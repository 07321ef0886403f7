from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from driftscan.inventory import take
from driftscan.model.image import ImageConfig
from driftscan.model.inventory import Inventory
from tests.builders.installed import glibc, interpreter, venv
from tests.builders.rootfs import Content, layer_ids, rootfs

Take = Callable[..., Inventory]
"""take(*layers, prefer=None, **config): the inventory of these layers on top of Debian with Python and one venv."""


@pytest.fixture
def base() -> dict[str, Content]:
    """Debian with Python 3.11.9 in /usr/local and a virtual environment in /opt/venv."""
    return {**glibc(), **interpreter(), **venv()}


@pytest.fixture
def take_on(base: Mapping[str, Content]) -> Take:
    def run(*layers: Mapping[str, Content], prefer: str | None = None, **config: object) -> Inventory:
        merged = rootfs(base, *layers)
        return take(merged, ImageConfig(**config), layer_ids(len(layers) + 1), prefer=prefer)  # type: ignore[arg-type]

    return run
