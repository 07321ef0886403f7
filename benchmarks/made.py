"""Big locks as uv and Poetry would write them, of packages that exist nowhere: the same for the same seed."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Sequence
from typing import NamedTuple

_PYTHONS = ("cp311", "cp312", "cp313", "cp314")
_PLATFORMS = ("manylinux_2_17_x86_64", "musllinux_1_2_x86_64", "macosx_11_0_arm64", "win_amd64")
_MARKERS = ("sys_platform == 'win32'", "python_full_version < '3.13'", "platform_machine == 'x86_64'")


class Made(NamedTuple):
    """A made-up package: its files, and what it requires, each with a marker or none."""

    name: str
    version: str
    files: tuple[str, ...]
    requires: tuple[tuple[str, str | None], ...]


def packages(count: int, seed: int = 0) -> tuple[Made, ...]:
    """`count` packages; each but the first few is required by some before it, and one in five holds compiled code."""
    random_ = random.Random(seed)  # noqa: S311  # no secret
    names = [f"made-{seed}-{number:04}" for number in range(count)]
    return tuple(_package(random_, names, number) for number in range(count))


def _package(random_: random.Random, names: Sequence[str], number: int) -> Made:
    version = f"{random_.randrange(1, 30)}.{random_.randrange(20)}.{random_.randrange(9)}"
    later = range(number + 1, min(number + 40, len(names)))
    required = sorted(random_.sample(later, min(len(later), 1 + random_.randrange(6))))
    stem = f"{names[number].replace('-', '_')}-{version}"
    tags = [f"{python}-{python}-{platform}" for python in _PYTHONS for platform in _PLATFORMS]
    wheels = tags if random_.random() < 0.2 else ["py3-none-any"]  # a share, no measure of time
    return Made(
        name=names[number],
        version=version,
        files=(f"{stem}.tar.gz", *(f"{stem}-{tag}.whl" for tag in wheels)),
        requires=tuple(
            # The next one always, so that the first package leads to all.
            (names[other], random_.choice(_MARKERS) if index and random_.random() < 0.3 else None)
            for index, other in enumerate(sorted({number + 1, *required} if later else required))
        ),
    )


def uv_lock(made: Sequence[Made]) -> str:
    """A uv.lock of a project that requires the first package and, in its group dev, the second."""
    return "\n".join((*_UV_HEAD, *(line for package in made for line in _uv_package(package)), *_uv_project(made)))


_UV_HEAD = ("version = 1", "revision = 3", 'requires-python = ">=3.11"', "")


def _uv_package(package: Made) -> Iterator[str]:
    yield from ("[[package]]", f'name = "{package.name}"', f'version = "{package.version}"')
    yield 'source = { registry = "https://index.example/simple" }'
    if package.requires:
        yield "dependencies = ["
        for name, marker in package.requires:
            yield f'    {{ name = "{name}"{_condition(marker)} }},'
        yield "]"
    sdist, *wheels = (_uv_file(file) for file in package.files)
    yield from (f"sdist = {sdist}", "wheels = [", *(f"    {wheel}," for wheel in wheels), "]", "")


def _condition(marker: str | None) -> str:
    return f', marker = "{marker}"' if marker else ""


def _uv_file(name: str) -> str:
    digest = _digest(name)
    folder = f"{digest[:2]}/{digest[2:4]}/{digest[4:]}"
    url = f"https://files.example/packages/{folder}/{name}"
    date = "2026-01-01T00:00:00.000Z"
    return f'{{ url = "{url}", hash = "sha256:{digest}", size = {len(name) * 4321}, upload-time = "{date}" }}'


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def _uv_project(made: Sequence[Made]) -> Iterator[str]:
    yield from ("[[package]]", 'name = "project"', 'version = "1"', 'source = { editable = "." }')
    yield f'dependencies = [{{ name = "{made[0].name}" }}]'
    yield from ("", "[package.dev-dependencies]", f'dev = [{{ name = "{made[1].name}" }}]', "")


def poetry_lock(made: Sequence[Made]) -> str:
    """A poetry.lock of version 2.1, all of it in the group main."""
    lines = [line for package in made for line in _poetry_package(package)]
    digest = _digest("pyproject")
    tail = ("[metadata]", 'lock-version = "2.1"', 'python-versions = ">=3.11"', f'content-hash = "{digest}"', "")
    return "\n".join((*lines, *tail))


def _poetry_package(package: Made) -> Iterator[str]:
    yield from ("[[package]]", f'name = "{package.name}"', f'version = "{package.version}"')
    yield from (f'description = "Made up for measuring, {package.name}"', "optional = false")
    yield from ('python-versions = ">=3.8"', 'groups = ["main"]', "files = [")
    for file in package.files:
        yield f'    {{file = "{file}", hash = "sha256:{_digest(file)}"}},'
    yield from ("]", "")
    if package.requires:
        yield "[package.dependencies]"
        for name, marker in package.requires:
            yield f'{name} = {{version = ">=0"{_condition(marker)}}}' if marker else f'{name} = ">=0"'
        yield ""
