"""Images written in YAML, as the pages of the rules show them: what each instruction puts into a base with Python.

The document maps instructions to lists. An item is one of

- `idna 3.10`, a distribution in /opt/venv as pip installs it, or a mapping from that to facts of it: `site`, `requires`
  and `tags` (lists), `files` by path, `direct_url`, `generator`, and `record: false` for one without RECORD;
- a mapping from `conda NAME VERSION BUILD` to facts of a package in /opt/conda;
- a mapping from a path to its content: a text, `{bytes: SIZE}`, or what an ELF file is made of (`_ELF`);
- `rm PATH`.

ENV, ENTRYPOINT and CMD go into the configuration, as a builder does.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import ZipFile, ZipInfo

import yaml

from tests.builders.archives import Step, docker_archive
from tests.builders.elves import Elf
from tests.builders.installed import distribution, glibc, interpreter, venv
from tests.builders.linked import API, LIBRARY, library, python
from tests.builders.rootfs import Content, Removed

SITE = "opt/venv/lib/python3.11/site-packages"
CHANNEL = "https://conda.example/conda-forge"
_MACHINES = {"x86_64": 62, "aarch64": 183}
_ELF = frozenset(("machine", "needs", "soname", "versions", "undefined", "exports", "strings", "options"))

BASE: Mapping[str, Content] = {
    **glibc(),
    **interpreter(),
    **venv(),
    "usr/local/bin/python3.11": python("libc.so.6", "libm.so.6", exports=(*API, "PyList_New", "PyUnicode_AsUTF8")),
    f"{LIBRARY}/libc.so.6": Elf(
        soname="libc.so.6", definitions=("GLIBC_2.17", "GLIBC_2.34", "GLIBC_2.36"), data=b"\0release version 2.36."
    ).build(),
    f"{LIBRARY}/libm.so.6": library(definitions=("GLIBC_2.29",)),
    f"{LIBRARY}/libstdc++.so.6": library("libc.so.6", definitions=("GLIBCXX_3.4", "GLIBCXX_3.4.30")),
}
"""Debian 12 with Python 3.11.9, as far as anything looks."""


class _Config(NamedTuple):
    env: dict[str, str]
    commands: dict[str, list[str]]


def image(path: Path, text: str) -> Path:
    """Write the image that `text` describes as an archive of `docker save`."""
    config = _Config({"PATH": "/opt/venv/bin:/usr/local/bin:/usr/bin:/bin"}, {"Entrypoint": ["/opt/venv/bin/python"]})
    steps: list[Step] = [("FROM python:3.11-slim-bookworm", BASE)]
    for instruction, items in (yaml.safe_load(text) or {}).items():
        if not _configures(instruction, config):
            files: dict[str, Content] = {}
            for item in items:
                files |= _files(item)
            steps.append((instruction, files))
    env = [f"{name}={value}" for name, value in config.env.items()]
    return docker_archive(path, steps, Env=env, **config.commands)


def wheel(path: Path, text: str) -> Path:
    """Write the wheel that `text` describes: one distribution of an image, as it is before it is installed."""
    (content,) = (_files(item) for item in [yaml.safe_load(text)])
    info = next(name.rpartition("/")[0] for name in content if name.endswith(".dist-info/METADATA"))
    own = {f"{info}/INSTALLER", f"{info}/RECORD"}
    files = {name.removeprefix(f"{SITE}/"): data for name, data in content.items() if name not in own}
    with ZipFile(path, "w") as archive:
        for name, data in sorted(files.items()):
            assert isinstance(data, bytes)
            archive.writestr(ZipInfo(name), data)  # its date is always 1980, so that the hash stays
    return path


def _configures(instruction: str, config: _Config) -> bool:
    word, _, rest = instruction.partition(" ")
    if word == "ENV":
        name, _, value = rest.partition("=")
        config.env[name] = value
    elif word in ("ENTRYPOINT", "CMD"):
        config.commands[word.capitalize()] = json.loads(rest)
    return word in ("ENV", "ENTRYPOINT", "CMD")


def _files(item: str | Mapping[str, Any]) -> dict[str, Content]:
    if isinstance(item, str):
        return {item[4:]: Removed()} if item.startswith("rm ") else _distribution(item, {})
    ((subject, facts),) = item.items()
    if subject.startswith("/"):
        return {subject[1:]: _content(facts)}
    return _conda(subject, facts) if subject.startswith("conda ") else _distribution(subject, facts)


def _content(value: str | Mapping[str, Any]) -> bytes:
    if isinstance(value, str):
        return value.encode()
    if "bytes" in value:
        return bytes(value["bytes"])
    assert value.keys() <= _ELF, f"an ELF file is made of {sorted(_ELF)}, not {sorted(value)}"
    versions = [(name, [(version, False) for version in wanted]) for name, wanted in value.get("versions", {}).items()]
    return Elf(
        machine=_MACHINES[value.get("machine", "x86_64")],
        needed=value.get("needs", ["libc.so.6"]),
        soname=value.get("soname"),
        versions=versions,
        needs=value.get("undefined", ()),
        exports=value.get("exports", ("PyInit_module",)),
        data=_strings(value.get("strings", ())),
        debug=_strings(value.get("options", ())),
    ).build()


def _strings(texts: Sequence[str]) -> bytes:
    return b"".join(b"\0" + text.encode() + b"\0" for text in texts)


def _distribution(title: str, facts: Mapping[str, Any]) -> dict[str, Content]:
    name, version = title.split(" ")
    site = facts.get("site", f"/{SITE}")[1:]
    tags = facts.get("tags", ["py3-none-any"])
    files = {path: _content(value) for path, value in facts.get("files", {f"{name.replace('-', '_')}.py": ""}).items()}
    folder = f"{name.replace('-', '_')}-{version}.dist-info"
    if "direct_url" in facts:
        files[f"{folder}/direct_url.json"] = json.dumps(facts["direct_url"]).encode()
    found = distribution(
        name,
        version,
        site,
        files=files,
        metadata="".join(f"Requires-Dist: {requirement}\n" for requirement in facts.get("requires", ())),
        wheel=f"Root-Is-Purelib: {str(tags == ['py3-none-any']).lower()}\n" + "".join(f"Tag: {tag}\n" for tag in tags),
        installer="conda" if site.startswith("opt/conda") else "pip",
    )
    if not facts.get("record", True):
        del found[f"{site}/{folder}/RECORD"]
    return found


def _conda(title: str, facts: Mapping[str, Any]) -> dict[str, Content]:
    """A package and, with the first of them, the interpreter of the prefix."""
    _, name, version, build = title.split(" ")
    url = f"{CHANNEL}/linux-64/{name}-{version}-{build}.conda"
    record = {
        "name": name,
        "version": version,
        "build": build,
        "channel": f"{CHANNEL}/linux-64",
        "subdir": "linux-64",
        "fn": url.rpartition("/")[2],
        "url": url,
        "files": [],
        **facts,
    }
    files: dict[str, Content] = {f"opt/conda/conda-meta/{name}-{version}-{build}.json": json.dumps(record)}
    if name == "python":
        files |= {"opt/conda/conda-meta/history": "", **interpreter("opt/conda", version)}
    return files
