from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftscan.cli import run
from driftscan.errors import ImageError
from driftscan.inventory.document import parse
from driftscan.model.inventory import Inventory
from driftscan.report import inventory_json
from driftscan.report.view import View
from tests.builders import reports
from tests.builders.archives import Step, docker_archive
from tests.builders.installed import distribution, glibc, interpreter, venv


def _without_natives(found: Inventory) -> Inventory:
    return replace(found, environments=tuple(replace(each, natives=()) for each in found.environments))


def _written(found: Inventory) -> Any:
    return json.loads(inventory_json.render(found, reports.IMAGE, View()))


def test_what_was_written_is_read_back() -> None:
    held = _without_natives(reports.inventory())
    found = parse(_written(held))
    assert found.inventory == held
    assert (found.digest, found.platform) == (reports.IMAGE.digest, reports.IMAGE.platform)


def test_compiled_code_is_not_checked() -> None:
    found = parse(_written(reports.inventory())).inventory
    assert found.environments[0].unchecked[-1] == (
        "compiled code of what is installed",
        "an inventory does not hold their symbols; compare with the image itself",
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"schema": "driftscan.inventory/2"}, "it is no driftscan.inventory/1"),
        ({"default_environment": 7}, "its default environment is none that it has"),
        ({"environments": [{"kind": "moon"}]}, "an environment of the kind 'moon' is not known"),
        (
            {"environments": [{"kind": "venv", "distributions": [{"form": "x"}]}]},
            "a distribution of the form 'x' is not known",
        ),
        ({"environments": [{"kind": "venv", "problems": [{"kind": "x"}]}]}, "a problem of the kind 'x' is not known"),
        ({"environments": [{"kind": "venv", "target": {"tags": ["cp311"]}}]}, "'cp311' is no tag of a wheel"),
    ],
)
def test_what_is_refused(change: dict[str, object], said: str) -> None:
    with pytest.raises(ImageError) as caught:
        parse({**_written(reports.inventory()), **change})
    assert caught.value.message == said


def _paths(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key)
        yield from _paths(inner, (*path, key))


PATHS = list(_paths(_written(reports.inventory())))


@given(st.sampled_from(PATHS), st.sampled_from([None, "", "x-y", -1, 1.5, True, [], [None], [[]], {}, {"a": 1}]))
def test_any_other_value_anywhere_is_read_or_refused(path: tuple[str | int, ...], value: object) -> None:
    document = _written(reports.inventory())
    at = document
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    with contextlib.suppress(ImageError):
        parse(document)


BASE: Step = ("ADD rootfs.tar /", {**glibc(), **interpreter(), **venv()})
INSTALL: Step = ("RUN pip install idna==3.9", {**distribution("idna", "3.9")})


def test_an_inventory_is_compared_as_its_image_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("requirements.txt").write_text(f"idna==3.10 --hash=sha256:{'ab' * 32}\n")
    docker_archive(tmp_path / "shop.tar", [BASE, INSTALL], Entrypoint=["/opt/venv/bin/python3", "-m", "idna"])
    assert run(["inspect", "shop.tar", "-q", "-o", "json=shop.json"]) == 0
    capsys.readouterr()
    seen = []
    for target in ("shop.tar", "shop.json", "inventory:shop.json"):
        assert run(["compare", "requirements.txt", target, "-q", "-f", "json"]) == 1
        document = json.loads(capsys.readouterr().out)
        seen.append((document["findings"], document["environment"], document["summary"]))
    assert seen[0] == seen[1] == seen[2]
