"""Any lock that a format can hold survives being written and read: pins, files, hashes, markers, extras and groups."""

from __future__ import annotations

from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.utils import canonicalize_name

from driftscan import markers
from driftscan.convert import WRITERS, universal
from driftscan.graph import DependencyGraph
from driftscan.lock import parse
from driftscan.lock.document import Document
from driftscan.model.lock import (
    Artifact,
    Dependency,
    Hash,
    Lock,
    Origin,
    OriginKind,
    Package,
    PackageId,
    Request,
    SelectionMode,
)
from driftscan.platforms import target

PLACES = [target(python, system) for python, system in product(("3.9.4", "3.13.1"), ("linux", "macos", "windows"))]
NAMES = ("a", "b-c", "numpy", "zope-interface")
MARKERS = (
    None,
    "sys_platform == 'linux'",
    "sys_platform != 'win32' and python_version >= '3.12'",
    "'x' in extras",
    "'dev' in dependency_groups and os_name == 'nt'",
    "'x' in extras or ('dev' not in dependency_groups and python_full_version < '3.10')",
)
FIXED = MARKERS[:3]
TAGS = ("py3-none-any", "cp312-cp312-win_amd64")
DIGESTS = st.binary(min_size=32, max_size=32).map(bytes.hex)
COMMITS = st.binary(min_size=20, max_size=20).map(bytes.hex)


def wheel(name: str, version: str, tag: str, digest: str, size: int | None) -> Artifact:
    filename = f"{name.replace('-', '_')}-{version}-{tag}.whl"
    url = f"https://files.example/{digest[:4]}/{filename}"
    return Artifact(filename=filename, url=url, hashes=(Hash("sha256", digest),), size=size)


@st.composite
def packages(draw: st.DrawFn, name: str) -> Package:
    version = draw(st.sampled_from(("1.0", "2.1.post1", "1.0+cpu", "3.0rc1")))
    kind = draw(st.sampled_from((OriginKind.INDEX, OriginKind.INDEX, OriginKind.VCS, OriginKind.URL)))
    digest = draw(DIGESTS)
    if kind is OriginKind.VCS:
        origin = Origin(
            kind, f"https://git.example/{name}", draw(COMMITS), None, draw(st.sampled_from((None, "python")))
        )
        return Package(id=PackageId(canonicalize_name(name), None, origin))
    if kind is OriginKind.URL:
        filename = f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
        origin = Origin(kind, f"https://files.example/{filename}")
        file = Artifact(filename=filename, url=origin.location, hashes=(Hash("sha256", digest),))
        return Package(id=PackageId(canonicalize_name(name), version, origin), artifacts=(file,))
    tags = draw(
        st.lists(st.sampled_from(("py3-none-any", "cp312-cp312-win_amd64")), min_size=1, max_size=2, unique=True)
    )
    sizes = st.none() | st.integers(1, 1 << 32)
    files = tuple(wheel(name, version, tag, draw(DIGESTS), draw(sizes)) for tag in tags)
    key = PackageId(canonicalize_name(name), version, Origin(location="https://index.example/simple"))
    return Package(id=key, artifacts=files, requires_python=draw(st.sampled_from((None, ">=3.9"))))


@st.composite
def locks(draw: st.DrawFn, conditions: tuple[str | None, ...]) -> Lock:
    found = [draw(packages(name)) for name in draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=4))]
    return Lock(
        path="uv.lock",
        format="uv",
        sha256="0" * 64,
        mode=SelectionMode.FLAT,
        packages=tuple(found),
        roots=tuple(
            Dependency(name=each.id.name, candidates=(each.id,), marker=draw(st.sampled_from(conditions)))
            for each in found
        ),
        requires_python=draw(st.sampled_from((None, ">=3.9", "<4,>=3.9"))),
        environments=draw(st.sampled_from(((), ("sys_platform != 'darwin'",)))),
        extras=frozenset({"x"}),
        groups=frozenset({"dev", "docs"}),
        default_groups=draw(st.sampled_from((frozenset(), frozenset({"dev"})))),
    )


def written(lock: Lock, to: str, request: Request | None) -> tuple[str, Lock]:
    text = WRITERS[to](universal(lock, request)).text
    name = {"pylock": "pylock.toml", "requirements": "requirements.txt"}[to]
    return text, parse(Document(name, text.encode()))


@given(locks(MARKERS))
@settings(max_examples=60)
def test_pylock(lock: Lock) -> None:
    text, found = written(lock, "pylock", None)
    assert found.requires_python == lock.requires_python
    # packaging writes markers with double quotes.
    assert tuple(each.replace('"', "'") for each in found.environments) == lock.environments
    assert (found.extras, found.groups) == (lock.extras, lock.groups)
    assert found.default_groups == lock.default_groups
    for place, extras, groups in product(PLACES, ((), ("x",)), ((), ("dev",))):
        if any(markers.evaluate(each, place.markers) for each in lock.environments) or not lock.environments:
            request = Request(extras=frozenset(extras), groups=frozenset(groups), default_groups=False)
            one, two = (DependencyGraph.build([each]).select(place, request).packages for each in (lock, found))
            assert {key: package.artifacts for key, package in one.items()} == {
                key: package.artifacts for key, package in two.items()
            }
    again, _ = written(found, "pylock", None)
    assert with_single_quotes(again) == with_single_quotes(text)


def with_single_quotes(text: str) -> str:
    return text.replace('\\"', "'")


@given(locks(FIXED))
@settings(max_examples=60)
def test_requirements(lock: Lock) -> None:
    text, found = written(lock, "requirements", Request())
    for place in PLACES:
        if any(markers.evaluate(each, place.markers) for each in lock.environments) or not lock.environments:
            one, two = (DependencyGraph.build([each]).select(place).packages.values() for each in (lock, found))
            assert set(map(pinned, one)) == set(map(pinned, two))
    again, _ = written(found, "requirements", Request())
    assert body(again) == body(text)


def pinned(package: Package) -> tuple[object, ...]:
    """All that a requirements file can say of a package."""
    origin = package.id.origin
    hashes = {value for artifact in package.artifacts for value in artifact.hashes}
    return package.id.name, package.id.version, origin.kind, origin.commit, origin.subdirectory, frozenset(hashes)


def body(text: str) -> list[str]:
    return [line for line in text.splitlines() if not line.startswith("#")]
