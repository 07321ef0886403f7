"""`--lazy` from the command line to the exit code: what it saves, what it says, and what it never lets pass."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from driftscan.cli import run
from tests.builders.archives import Step, docker_archive
from tests.builders.indexes import package_index
from tests.builders.installed import distribution, glibc, interpreter, venv
from tests.builders.registry import FaultyRegistry, faulty_registry
from tests.builders.rootfs import Content, Link
from tests.builders.tocs import KINDS, File, Layer, Toc, digest, layer
from tests.builders.wheels import wheel

SITE = "opt/venv/lib/python3.11/site-packages"
HASH = "--hash=sha256:" + "ab" * 32
LOCK = f"idna==3.10 {HASH}\nsix==1.16.0 {HASH}\n"
BASE: Mapping[str, Content] = {**glibc(), **interpreter(), **venv()}
INSTALL: Mapping[str, Content] = {**distribution("idna", "3.10"), **distribution("six", "1.16.0")}
SURPRISE: Mapping[str, Content] = distribution("evil", "6.6.6")
ENTRYPOINT = {"Entrypoint": ["/opt/venv/bin/python3", "-m", "six"]}
WHY_ONE = (
    "it was read by its table of contents; whether its tar stream, which other runtimes unpack, holds the same was not "
    "checked; run without --lazy to check it"
)
WHY_TWO = (
    "they were read by their tables of contents; whether their tar streams, which other runtimes unpack, hold the same "
    "was not checked; run without --lazy to check them"
)


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no-docker")
    monkeypatch.setenv("CONTAINER_HOST", f"unix://{tmp_path}/no-podman")
    (tmp_path / "requirements.txt").write_text(LOCK)
    return tmp_path


@pytest.fixture
def registry() -> Iterator[FaultyRegistry]:
    with faulty_registry() as service:
        yield service


def files(content: Mapping[str, Content]) -> list[File]:
    return [_file(path, each) for path, each in content.items()]


def _file(path: str, content: Content) -> File:
    if isinstance(content, Link):
        return File(path, type="symlink", link=content.target, mode=0o777)
    if isinstance(content, bytes | str):
        return File(path, content.encode() if isinstance(content, str) else content, mode=0o755)
    return File(path, type="dir", mode=0o755)


def hiding(name: str) -> Any:
    """What makes a table say nothing of the files with `name` in theirs."""

    def change(toc: Toc) -> None:
        toc["entries"] = [each for each in toc["entries"] if name not in each["name"]]

    return change


def compared(registry: FaultyRegistry, capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, dict[str, Any]]:
    target = f"registry:{registry.url}/shop:1"
    code = run(["compare", "requirements.txt", target, "--format", "json", "-q", *options])
    return code, json.loads(capsys.readouterr().out)


def size_of_answers(registry: FaultyRegistry, layers: list[Layer]) -> int:
    """Bytes of layers that were asked for."""
    blobs = {digest(each.blob): len(each.blob) for each in layers}
    asked = [(each.path.rpartition("/")[2], each.range) for each in registry.requests]
    spans = [(blobs[name], (span or "bytes=0-")[6:].split("-")) for name, span in asked if name in blobs]
    return sum((int(end) + 1 if end else size) - int(start) for size, (start, end) in spans)


@pytest.mark.parametrize("kind", KINDS)
def test_all_is_as_the_lock_says_as_far_as_is_known(
    kind: str, registry: FaultyRegistry, capsys: pytest.CaptureFixture[str]
) -> None:
    layers = [layer(kind, files(BASE)), layer(kind, files(INSTALL))]
    registry.add_layers(layers, config=ENTRYPOINT)
    code, document = compared(registry, capsys, "--lazy")
    assert (code, document["verdict"], document["findings"]) == (3, "incomplete", [])
    assert document["unchecked"] == [{"what": "layers 1 and 2", "why": WHY_TWO}]
    assert document["summary"]["matching"] == 2
    # Nothing of it was kept, so that the next look reads all.
    registry.requests.clear()
    code, document = compared(registry, capsys)
    assert (code, document["verdict"], document["unchecked"]) == (0, "clean", [])
    assert size_of_answers(registry, layers) == sum(len(each.blob) for each in layers)
    # And what that proved is believed without asking, --lazy or not.
    registry.requests.clear()
    assert compared(registry, capsys, "--lazy")[0] == 0
    assert size_of_answers(registry, layers) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_table_that_hides_what_is_unpacked(
    kind: str, registry: FaultyRegistry, capsys: pytest.CaptureFixture[str]
) -> None:
    base, other = layer(kind, files(BASE)), layer(kind, files({**INSTALL, **SURPRISE}), hiding("evil"))
    registry.add_layers([Layer(base.blob, base.tar), other], config=ENTRYPOINT)
    code, document = compared(registry, capsys, "--lazy")
    assert (code, document["verdict"], document["findings"]) == (3, "incomplete", [])
    assert document["unchecked"] == [{"what": "layer 2", "why": WHY_ONE}]
    code, document = compared(registry, capsys)
    assert (code, document["verdict"]) == (1, "drift")
    assert {finding["package"] for finding in document["findings"]} == {"evil"}


def test_as_text(registry: FaultyRegistry, capsys: pytest.CaptureFixture[str]) -> None:
    registry.add_layers([layer("eStargz", files({**BASE, **INSTALL}))], config=ENTRYPOINT)
    assert run(["compare", "--lazy", "-q", "requirements.txt", f"registry:{registry.url}/shop:1"]) == 3
    text = " ".join(capsys.readouterr().out.split())
    assert f"layer 1: {WHY_ONE}" in text


def test_inspecting_it(registry: FaultyRegistry, capsys: pytest.CaptureFixture[str]) -> None:
    """What is written down of it says so as well, whoever compares that."""
    registry.add_layers([layer("eStargz", files({**BASE, **INSTALL}))], config=ENTRYPOINT)
    target = f"registry:{registry.url}/shop:1"
    assert run(["inspect", "--lazy", "-q", target, "-f", "json", "-o", "json=seen.json"]) == 0
    assert json.loads(capsys.readouterr().out)["unchecked"] == [{"what": "layer 1", "why": WHY_ONE}]
    assert run(["compare", "requirements.txt", "inventory:seen.json", "-f", "json"]) == 3
    assert {"what": "layer 1", "why": WHY_ONE} in json.loads(capsys.readouterr().out)["unchecked"]


def test_what_moved(registry: FaultyRegistry, capsys: pytest.CaptureFixture[str]) -> None:
    made = layer("eStargz", files({**BASE, **INSTALL}))
    registry.add_layers([made], "1", ENTRYPOINT)
    registry.add_layers([Layer(made.blob, made.tar)], "2", ENTRYPOINT)
    names = [f"registry:{registry.url}/shop:{tag}" for tag in (1, 2)]
    assert run(["diff", "--lazy", "-q", "-f", "json", *names]) == 3
    assert json.loads(capsys.readouterr().out)["unchecked"] == [
        {"what": f"{registry.url}/shop:1: layer 1", "why": WHY_ONE}
    ]


def test_a_lock_for_it(registry: FaultyRegistry, capsys: pytest.CaptureFixture[str]) -> None:
    registry.add_layers([layer("eStargz", files({**BASE, **INSTALL}))], config=ENTRYPOINT)
    target = f"registry:{registry.url}/shop:1"
    assert run(["check", "--lazy", "-f", "json", "requirements.txt", "--for", target]) == 3
    assert {"what": "layer 1", "why": WHY_ONE} in json.loads(capsys.readouterr().out)["unchecked"]
    run(["check", "-f", "json", "requirements.txt", "--for", target])
    assert {"what": "layer 1", "why": WHY_ONE} not in json.loads(capsys.readouterr().out)["unchecked"]


def test_a_lock_of_it(
    registry: FaultyRegistry, capsys: pytest.CaptureFixture[str], project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "wheels").mkdir()
    wheel(project / "wheels", "shop", "1.0", {"shop/__init__.py": b"\n"})
    with zipfile.ZipFile(project / "wheels/shop-1.0-py3-none-any.whl") as archive:
        unpacked = {f"{SITE}/{name}": archive.read(name) for name in archive.namelist()}
    registry.add_layers([layer("eStargz", files({**BASE, **unpacked}))], config=ENTRYPOINT)
    monkeypatch.setenv("HOME", str(project))
    with package_index() as index:
        index.add("shop-1.0-py3-none-any.whl", (project / "wheels/shop-1.0-py3-none-any.whl").read_bytes())
        found = ["-o", "requirements.adopted.txt", "--index-url", index.simple, f"registry:{registry.url}/shop:1"]
        assert run(["adopt", "--lazy", *found]) == 3
        assert f"not verified: layer 1: {WHY_ONE}" in capsys.readouterr().err
        assert run(["adopt", *found]) == 0
        assert "not verified" not in capsys.readouterr().err


def test_as_a_setting(
    registry: FaultyRegistry, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.add_layers([layer("eStargz", files({**BASE, **INSTALL}))], config=ENTRYPOINT)
    monkeypatch.setenv("DRIFTSCAN_LAZY", "true")
    assert compared(registry, capsys)[0] == 3
    monkeypatch.delenv("DRIFTSCAN_LAZY")
    Path("driftscan.toml").write_text("lazy = true\n")
    assert compared(registry, capsys)[0] == 3


def test_of_anything_but_a_registry(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    steps: list[Step] = [("ADD", BASE), ("RUN", INSTALL)]
    docker_archive(project / "shop.tar", steps, **ENTRYPOINT)
    assert run(["compare", "--lazy", "-q", "requirements.txt", "shop.tar", "-f", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["unchecked"] == []


def test_a_table_that_lies_about_a_file(registry: FaultyRegistry, capsys: pytest.CaptureFixture[str]) -> None:
    def change(toc: Toc) -> None:
        (metadata,) = (each for each in toc["entries"] if each["name"].endswith("six-1.16.0.dist-info/METADATA"))
        metadata.update(digest=digest(b""), chunkDigest=digest(b""))

    registry.add_layers([layer("eStargz", files({**BASE, **INSTALL}), change)], config=ENTRYPOINT)
    assert run(["compare", "--lazy", "-q", "requirements.txt", f"registry:{registry.url}/shop:1"]) == 2
    error = capsys.readouterr().err
    assert "layer 1, entry '" in error
    assert "six-1.16.0.dist-info/METADATA': it does not have the digest that the table of contents says" in error
    assert "hint: without --lazy the layer is read whole" in error
