"""The daemons that the other real tests stand on do what those tests expect of them."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path

import pytest

from tests.real.base import Mirror, configured_mirror
from tests.real.daemons import Docker, Podman, Registry

pytestmark = pytest.mark.real


def test_an_image_is_built_with_pip_pushed_and_loaded_by_podman(
    docker: Docker, base_image: str, podman: Podman, registry: Registry, tmp_path: Path
) -> None:
    tag = docker.build(
        f"FROM {base_image}\nRUN python3 -m venv /opt/venv\nRUN /opt/venv/bin/pip install six==1.16.0\nCOPY a /a\n",
        {"a": "text"},
    )
    listed = docker("run", "--rm", "--network", "host", tag, "/opt/venv/bin/pip", "freeze")
    docker.push(tag, f"{registry.url}/shop:1")
    podman.load(docker.save(tag, tmp_path / "shop.tar"))
    with urllib.request.urlopen(f"http://{registry.url}/v2/shop/tags/list") as answer:
        tags = json.load(answer)

    assert listed == "six==1.16.0\n"
    assert len(docker.diff_ids(tag)) == 4
    assert tags == {"name": "shop", "tags": ["1"]}
    assert f"localhost/{tag}" in podman("images", "--format", "{{.Repository}}:{{.Tag}}").split()


def test_the_private_registry_asks_for_credentials(private_registry: Registry) -> None:
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(f"http://{private_registry.url}/v2/")


@pytest.mark.parametrize(
    "text",
    [
        "deb [signed-by=/k] http://other.example/x jammy main\ndeb [arch=amd64] http://deb.example/debian SUITE main\n",
        (
            "Types: deb\nURIs: http://other.example\nSuites: SUITE-security\n\n"
            "Types: deb\nURIs: http://deb.example/debian\nSuites: SUITE SUITE-updates\n"
        ),
    ],
)
def test_the_mirror_of_this_release_is_found_in_both_formats(text: str, tmp_path: Path) -> None:
    mirror = configured_mirror()
    assert mirror is not None
    (tmp_path / "apt").mkdir()
    (tmp_path / "apt" / "sources.list").write_text(text.replace("SUITE", mirror.suite))
    assert configured_mirror(tmp_path) == Mirror("http://deb.example/debian", mirror.suite)
