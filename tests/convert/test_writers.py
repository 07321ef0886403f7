"""What `driftscan convert` writes: every kind of source in both formats, and what they cannot say."""

from __future__ import annotations

import tomllib
from dataclasses import replace

import pytest
from packaging.pylock import Pylock
from packaging.utils import canonicalize_name

from driftscan.api.checking import Place
from driftscan.api.conversion import convert
from driftscan.convert import Content, for_target, universal
from driftscan.errors import LockError
from driftscan.model.lock import (
    Artifact,
    CondaBuild,
    Dependency,
    Hash,
    Index,
    Lock,
    Origin,
    OriginKind,
    Package,
    PackageId,
    Request,
    Scope,
    ScopeKind,
    SelectionMode,
)
from driftscan.platforms import target

COMMIT = "0123456789abcdef0123456789abcdef01234567"
INDEX = Origin(location="https://index.example/simple")
OTHER = Origin(location="https://other.example/simple")


def digest(letter: str, algorithm: str = "sha256") -> Hash:
    return Hash(algorithm, letter * 64)


def key(name: str, version: str | None = "1.0", origin: Origin = INDEX) -> PackageId:
    return PackageId(canonicalize_name(name), version, origin)


def wheel(name: str, letter: str, *, version: str = "1.0", size: int | None = 10) -> Artifact:
    filename = f"{name}-{version}-py3-none-any.whl"
    return Artifact(
        filename=filename, url=f"https://files.example/{letter}/{filename}", hashes=(digest(letter),), size=size
    )


def sdist(name: str, letter: str) -> Artifact:
    filename = f"{name}-1.0.tar.gz"
    return Artifact(filename=filename, url=f"https://files.example/{letter}/{filename}", hashes=(digest(letter),))


def entry(identity: PackageId, *artifacts: Artifact, requires: tuple[PackageId, ...] = ()) -> Package:
    dependencies = tuple(Dependency(name=each.name, candidates=(each,)) for each in requires)
    return Package(id=identity, artifacts=artifacts, dependencies=dependencies, line=7)


def root(identity: PackageId, marker: str | None = None, **scope: str) -> Dependency:
    found = [Scope(ScopeKind(kind), name) for kind, name in scope.items()]
    return Dependency(
        name=identity.name, candidates=(identity,), marker=marker, scope=found[0] if found else Scope(), line=7
    )


def lock(*packages: Package, **more: object) -> Lock:
    """A flat lock with a root edge for each package, unless `roots` says otherwise."""
    plain = Lock(
        path="shop/poetry.lock",
        format="poetry",
        sha256="ab" * 32,
        mode=SelectionMode.FLAT,
        packages=packages,
        roots=tuple(root(package.id) for package in packages),
    )
    return replace(plain, **more)  # type: ignore[arg-type]


URL = key("remote", None, Origin(OriginKind.URL, "https://files.example/remote-1.0.zip", subdirectory="python"))
VCS = key("lib", None, Origin(OriginKind.VCS, "ssh://git.example/lib", COMMIT, "main", "python"))
WHEEL = key("local", "1.0", Origin(OriginKind.PATH, "wheels/local-1.0-py3-none-any.whl"))
FOLDER = key("tree", None, Origin(OriginKind.DIRECTORY, "libs/tree"))
EDITABLE = key("work", None, Origin(OriginKind.EDITABLE, "../work"))
KINDS = lock(
    entry(key("numbers"), wheel("numbers", "b"), wheel("numbers", "a"), sdist("numbers", "c")),
    entry(key("web"), wheel("web", "d"), requires=(key("numbers"),)),
    entry(key("torch", "1.0", OTHER), wheel("torch", "e", size=None)),
    entry(URL, Artifact(filename="remote-1.0.zip", url=URL.origin.location, hashes=(digest("f"),), size=20)),
    entry(VCS),
    entry(WHEEL, Artifact(filename="local-1.0-py3-none-any.whl", hashes=(digest("9"),))),
    entry(FOLDER),
    entry(EDITABLE),
    roots=(
        root(key("numbers"), "python_version >= '3.9' or sys_platform == 'win32'"),
        root(key("web")),
        root(key("torch", "1.0", OTHER), "sys_platform == 'linux'"),
        root(URL, "sys_platform == 'win32'"),
        root(VCS, "sys_platform == 'win32'"),
        root(WHEEL),
        root(FOLDER),
        root(EDITABLE),
    ),
    requires_python=">=3.11",
)


def test_every_kind_of_source_as_requirements() -> None:
    converted = convert(KINDS, "requirements", folder="../shop")
    assert (
        converted.text
        == f"""\
# Made by driftscan convert from poetry.lock (sha256:{"ab" * 32}).
# For Python >=3.11.

--index-url https://index.example/simple
--extra-index-url https://other.example/simple
lib @ git+ssh://git@git.example/lib@{COMMIT}#subdirectory=python ; sys_platform == 'win32'
../shop/wheels/local-1.0-py3-none-any.whl \\
    --hash=sha256:{"9" * 64}
numbers==1.0 \\
    --hash=sha256:{"a" * 64} \\
    --hash=sha256:{"b" * 64} \\
    --hash=sha256:{"c" * 64}
    # via web
remote @ https://files.example/remote-1.0.zip#subdirectory=python ; sys_platform == 'win32' \\
    --hash=sha256:{"f" * 64}
torch==1.0 ; sys_platform == 'linux' \\
    --hash=sha256:{"e" * 64}
../shop/libs/tree
web==1.0 \\
    --hash=sha256:{"d" * 64}
-e ../work
"""
    )
    assert converted.packages == 8
    assert converted.notes == (
        "lib comes from version control, so pip cannot check hashes (--require-hashes refuses the file)",
        "tree and work come from a folder, so pip cannot check hashes (--require-hashes refuses the file)",
        "which package comes from which index cannot be said; only the hashes decide",
    )


def test_every_kind_of_source_as_pylock() -> None:
    converted = convert(KINDS, "pylock")
    found = tomllib.loads(converted.text)
    Pylock.from_dict(found).validate()
    assert converted.notes == ()
    assert {name: value for name, value in found.items() if name != "packages"} == {
        "lock-version": "1.0",
        "requires-python": ">=3.11",
        "created-by": "driftscan",
    }
    assert {package.pop("name"): package for package in found["packages"]} == {
        "lib": {
            "marker": "sys_platform == 'win32'",
            "vcs": {
                "type": "git",
                "url": "ssh://git@git.example/lib",
                "requested-revision": "main",
                "commit-id": COMMIT,
                "subdirectory": "python",
            },
        },
        "local": {
            "version": "1.0",
            "archive": {"path": "./wheels/local-1.0-py3-none-any.whl", "hashes": {"sha256": "9" * 64}},
        },
        "numbers": {
            "version": "1.0",
            "index": "https://index.example/simple",
            "sdist": {"url": "https://files.example/c/numbers-1.0.tar.gz", "hashes": {"sha256": "c" * 64}},
            "wheels": [
                {"url": f"https://files.example/{letter}/numbers-1.0-py3-none-any.whl"}
                | {"size": 10, "hashes": {"sha256": letter * 64}}
                for letter in "ba"
            ],
        },
        "remote": {
            "marker": "sys_platform == 'win32'",
            "archive": {
                "url": "https://files.example/remote-1.0.zip",
                "size": 20,
                "hashes": {"sha256": "f" * 64},
                "subdirectory": "python",
            },
        },
        "torch": {
            "version": "1.0",
            "marker": "sys_platform == 'linux'",
            "index": "https://other.example/simple",
            "wheels": [
                {"url": "https://files.example/e/torch-1.0-py3-none-any.whl", "hashes": {"sha256": "e" * 64}},
            ],
        },
        "tree": {"directory": {"path": "libs/tree"}},
        "web": {
            "version": "1.0",
            "dependencies": [{"name": "numbers"}],
            "index": "https://index.example/simple",
            "wheels": [
                {"url": "https://files.example/d/web-1.0-py3-none-any.whl", "size": 10, "hashes": {"sha256": "d" * 64}},
            ],
        },
        "work": {"directory": {"path": "../work", "editable": True}},
    }


PARTS = lock(
    entry(key("a"), wheel("a", "a"), requires=(key("b"), key("b", "2.0"))),
    entry(key("b"), wheel("b", "b")),
    replace(entry(key("b", "2.0"), wheel("b", "c", version="2.0")), requires_python=">=3.9"),
    roots=(
        root(key("a")),
        root(key("b"), "python_version < '3.12'", extra="old"),
        root(key("b", "2.0"), "python_version >= '3.12'", group="dev"),
    ),
    extras=frozenset({"old"}),
    groups=frozenset({"dev", "main"}),
    default_groups=frozenset({"main"}),
    environments=("sys_platform == 'linux'",),
)


def written(name: str) -> str:
    address = f"https://files.example/{name}/{name}-1.0-py3-none-any.whl"
    return f'{{url = "{address}", size = 10, hashes = {{sha256 = "{name * 64}"}}}}'


def test_a_pylock_leaves_extras_and_groups_open() -> None:
    assert convert(PARTS, "pylock").text.splitlines()[:30] == [
        'lock-version = "1.0"',
        "environments = [\"sys_platform == 'linux'\"]",
        'extras = ["old"]',
        'dependency-groups = ["dev", "main"]',
        'default-groups = ["main"]',
        'created-by = "driftscan"',
        "",
        "[[packages]]",
        'name = "a"',
        'version = "1.0"',
        "dependencies = [",
        '    {name = "b", version = "1.0"},',
        '    {name = "b", version = "2.0"},',
        "]",
        'index = "https://index.example/simple"',
        "wheels = [",
        f"    {written('a')},",
        "]",
        "",
        "[[packages]]",
        'name = "b"',
        'version = "1.0"',
        "marker = \"python_full_version < '3.12' and 'old' in extras\"",
        'index = "https://index.example/simple"',
        "wheels = [",
        f"    {written('b')},",
        "]",
        "",
        "[[packages]]",
        'name = "b"',
    ]


def lines(content: str) -> list[str]:
    """The requirements of a file, without hashes and comments."""
    kept = [line.removesuffix(" \\") for line in content.splitlines()]
    return [line for line in kept if line and not line.lstrip().startswith(("#", "--"))]


def test_requirements_hold_what_is_asked_for() -> None:
    assert lines(convert(PARTS, "requirements").text) == ["a==1.0"]
    request = Request(extras=frozenset({"old"}), groups=frozenset({"dev"}))
    assert lines(convert(PARTS, "requirements", request=request).text) == [
        "a==1.0",
        "b==1.0 ; python_full_version < '3.12'",
        "b==2.0 ; python_full_version >= '3.12'",
    ]


def test_one_target_needs_no_markers() -> None:
    judged = Place(target=target("3.11.4", "linux"), words="CPython 3.11.4 on linux")
    request = Request(extras=frozenset({"old"}), groups=frozenset({"dev"}))
    converted = convert(PARTS, "requirements", request=request, judged=judged)
    assert converted.text.splitlines()[1] == "# For CPython 3.11.4 on linux."
    assert lines(converted.text) == ["a==1.0", "b==1.0"]
    text = convert(PARTS, "pylock", request=request, judged=judged).text
    (environment,) = tomllib.loads(text)["environments"]
    assert environment == (
        "python_full_version >= '3.11' and python_full_version < '3.12' and implementation_name == 'cpython'"
        " and sys_platform == 'linux' and platform_machine == 'x86_64'"
    )
    assert "marker" not in text


def test_half_a_target_leaves_markers_for_the_other_half() -> None:
    judged = Place(target=target(None, "linux"), words="linux")
    request = Request(extras=frozenset({"old"}), groups=frozenset({"dev"}))
    found = convert(KINDS, "requirements", judged=judged)
    assert "torch==1.0" in lines(found.text)
    assert lines(convert(PARTS, "requirements", request=request, judged=judged).text) == [
        "a==1.0",
        "b==1.0 ; python_full_version < '3.12'",
        "b==2.0 ; python_full_version >= '3.12'",
    ]


def test_a_lock_that_is_not_for_the_target() -> None:
    for subject, words in ((KINDS, "Python >=3.11"), (PARTS, "other environments")):
        judged = Place(target=target("3.10", "macos"), words="CPython 3.10 on macos")
        with pytest.raises(LockError) as refused:
            convert(subject, "requirements", judged=judged)
        assert str(refused.value) == f"shop/poetry.lock: it is made for {words}, not for CPython 3.10 on macos"


def test_own_projects_are_left_out() -> None:
    app = replace(entry(key("app", None, Origin(OriginKind.EDITABLE, ".")), requires=(key("a"),)), is_member=True)
    virtual = entry(key("root", None, Origin(OriginKind.VIRTUAL, ".")))
    for to in ("requirements", "pylock"):
        converted = convert(lock(app, virtual, entry(key("a"), wheel("a", "a"))), to)
        assert converted.packages == 1
        assert converted.notes == (
            "app and root are left out, built from sources: install with `pip install --no-deps`",
        )


def test_what_requirements_cannot_say() -> None:
    loose = replace(entry(key("loose", None)), pinned=False, specifier=">=1,<2")
    weak = entry(key("weak"), Artifact(filename="weak-1.0.tar.gz", hashes=(digest("a", "md5"), digest("b", "sha512"))))
    md5 = entry(key("md5"), Artifact(hashes=(digest("a", "md5"),)))
    converted = convert(lock(loose, weak, md5), "requirements")
    assert converted.text.splitlines()[2:] == [
        "--index-url https://index.example/simple",
        "loose>=1,<2",
        "md5==1.0",
        "weak==1.0 \\",
        f"    --hash=sha512:{'b' * 64}",
    ]
    assert converted.notes == (
        "the lock has no hash that pip accepts for loose and md5",
        "loose is not pinned in the lock either",
    )


def test_indexes_that_the_lock_names_as_a_whole() -> None:
    subject = lock(entry(key("a", "1.0", Origin()), wheel("a", "a")))
    for locations, lines_of_it in (
        (("https://one.example", "https://two.example"), ["--index-url https://one.example", EXTRA]),
        (("", "https://two.example"), [EXTRA]),
        (("https://two.example",), ["--index-url https://two.example"]),
    ):
        written = convert(replace(subject, indexes=tuple(map(Index, locations))), "requirements")
        assert [line for line in written.text.splitlines() if "index" in line] == lines_of_it
        assert len(written.notes) == (len(locations) > 1)


def test_one_version_from_two_indexes() -> None:
    """As PyTorch has it: the same number, other files for other systems. A requirements file keeps them apart."""
    one, two = entry(key("a"), wheel("a", "a")), entry(key("a", "1.0", OTHER), wheel("a", "b"))
    roots = (root(one.id, "sys_platform == 'linux'"), root(two.id, "sys_platform != 'linux'"))
    assert convert(lock(one, two, roots=roots), "requirements").text.splitlines()[4:] == [
        "a==1.0 ; sys_platform == 'linux' \\",
        f"    --hash=sha256:{'a' * 64}",
        "a==1.0 ; sys_platform != 'linux' \\",
        f"    --hash=sha256:{'b' * 64}",
    ]


EXTRA = "--extra-index-url https://two.example"
CONDA = replace(
    entry(key("zlib", "1.3", Origin(OriginKind.CONDA, "https://conda.example/forge"))),
    conda=CondaBuild("h1", "https://conda.example/forge", "linux-64", "zlib-1.3-h1.conda"),
)


@pytest.mark.parametrize(
    ("package", "to", "message"),
    [
        (CONDA, "requirements", ": zlib 1.3 is a conda package, and requirements.txt holds Python distributions only"),
        (CONDA, "pylock", ":7: zlib 1.3 is a conda package, which the standard does not know"),
        (entry(key("a")), "pylock", ":7: a 1.0 has neither files nor hashes"),
        (entry(key("a"), Artifact(hashes=(digest("a"),))), "pylock", ":7: a 1.0 has hashes, but no addresses of files"),
        (
            entry(key("a"), replace(wheel("a", "a"), hashes=())),
            "pylock",
            ":7: a 1.0 has a file without a hash, a-1.0-py3-none-any.whl",
        ),
        (replace(entry(key("a", None)), pinned=False), "pylock", ":7: a is not pinned"),
        (
            entry(VCS._replace(origin=VCS.origin._replace(commit=None))),
            "pylock",
            ":7: lib is from version control without a commit",
        ),
        (entry(URL), "pylock", ":7: remote is an archive without a hash"),
    ],
)
def test_what_a_format_cannot_hold(package: Package, to: str, message: str) -> None:
    with pytest.raises(LockError) as refused:
        convert(lock(package), to)
    tail = ", and pylock.toml has an address and a hash of every file" if to == "pylock" else ""
    assert str(refused.value) == f"shop/poetry.lock{message}{tail}"
    assert refused.value.hint is not None


def test_a_lock_that_contradicts_itself() -> None:
    with pytest.raises(LockError) as refused:
        convert(lock(entry(key("b", "2.0"), wheel("b", "c"))), "pylock")
    assert str(refused.value) == (
        "shop/poetry.lock: pylock.toml cannot say what it says: this is no valid pylock.toml: Version in"
        " 'b-1.0-py3-none-any.whl' is not consistent with package version '2.0' in 'packages[0].wheels[0]'"
    )


def test_a_file_that_says_something_else_is_never_given_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The writer is judged by reading what it wrote: here it forgets the marker."""
    import driftscan.api.conversion as conversion

    def careless(subject: Lock, request: Request | None, folder: str) -> Content:
        found = universal(subject, request, folder)
        entries = tuple(replace(each, condition=each.condition._replace(marker=None)) for each in found.entries)
        return replace(found, entries=entries)

    monkeypatch.setattr(conversion, "universal", careless)
    with pytest.raises(LockError) as refused:
        convert(KINDS, "requirements")
    assert str(refused.value) == (
        "shop/poetry.lock: lib  cannot be converted: on CPython 3.13.5 on linux x86_64, other files would be installed"
    )


def test_the_order_is_that_of_names_and_versions() -> None:
    content = for_target(
        lock(entry(key("b"), wheel("b", "b")), entry(key("a", "2.0")), entry(key("a", "10.0"))),
        Request(),
        target("3.12", "linux"),
        "CPython 3.12 on linux",
    )
    assert [str(each.package.id) for each in content.entries] == ["a 2.0", "a 10.0", "b 1.0"]
