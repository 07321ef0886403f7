from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftscan.model.image import ImageConfig
from driftscan.model.inventory import Distribution, Inventory
from driftscan.model.lock import Unchecked
from driftscan.report import inventory_json, inventory_text
from driftscan.report.view import View
from tests.builders import reports

Golden = Callable[[str, str], None]


@pytest.mark.parametrize("width", [40, 100])
def test_text(width: int, golden: Golden) -> None:
    golden(f"inventory-{width}.txt", inventory_text.render(reports.inventory(), reports.IMAGE, View(width=width)))


def test_json(golden: Golden) -> None:
    golden("inventory.json", inventory_json.render(reports.inventory(), reports.IMAGE, View()))


def test_nothing_in_it() -> None:
    shown = inventory_text.render(Inventory(config=ImageConfig()), replace(reports.IMAGE, digest=None), View())
    assert shown == "shop:1.4 (docker)\nlinux/amd64\nno Python environment · 0 distributions\n"


def test_everything_known_of_a_distribution_is_in_the_json() -> None:
    full = replace(
        reports.SHOP,
        requires=("a",),
        requires_python=">=3",
        wheel=reports.NUMPY.wheel,
        built_on_the_spot="its WHEEL says so",
        owner="python3-shop",
        shadowed_by="/x",
        conda_name="shop",
    )
    environment = replace(reports.ENVIRONMENT, distributions=(full,))
    rendered = inventory_json.render(replace(reports.inventory(), environments=(environment,)), reports.IMAGE, View())
    (shown,) = json.loads(rendered)["environments"][0]["distributions"]
    assert set(shown) == {field.name for field in fields(Distribution)}


def test_layers_and_values_that_are_empty_keep_their_place() -> None:
    document = json.loads(inventory_json.render(reports.inventory(), reports.IMAGE, View()))
    assert [layer["index"] for layer in document["layers"]] == [1, 2, 4, 6]
    assert document["config"]["env"] == {"EMPTY": "", "PATH": "/opt/venv/bin:/usr/bin"}
    assert document["default_environment"] == 0


def test_colour_changes_nothing_but_colour() -> None:
    plain = inventory_text.render(reports.inventory(), reports.IMAGE, View())
    painted = inventory_text.render(reports.inventory(), reports.IMAGE, View(color=True))
    assert re.sub(r"\x1b\[[0-9;]*m", "", painted) == plain


@given(untrusted=st.text(alphabet=st.characters(codec=None), max_size=20))
def test_untrusted_text_stays_on_its_line(untrusted: str) -> None:
    def shown(word: str) -> str:
        distribution = replace(reports.SHOP, version=f"1{word}", installer=f"i{word}", owner=f"o{word}")
        environment = replace(reports.ENVIRONMENT, path=f"/{word}", distributions=(distribution,))
        inventory = replace(
            reports.inventory(),
            environments=(environment,),
            os_name=f"n{word}",
            layers=(reports.layer(1, f"RUN {word}"),),
            unchecked=(Unchecked(f"w{word}", f"y{word}"),),
        )
        return inventory_text.render(inventory, reports.IMAGE, View(width=10_000, verbose=True))

    assert all(character == "\n" or character.isprintable() for character in shown(untrusted))
    assert shown(untrusted).count("\n") == shown("word").count("\n")
