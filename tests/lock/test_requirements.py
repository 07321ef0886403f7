"""requirements.txt: entries, options, includes and constraints."""

from __future__ import annotations

import pytest

from driftscan.lock.requirements import parse
from driftscan.model.lock import Artifact, Hash, Lock, NoteKind, Origin, OriginKind, Package, SelectionMode
from tests.builders.files import document

A, B, C = (Hash("sha256", character * 64) for character in "abc")
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def read(text: str | bytes, **others: str) -> Lock:
    """The lock `app/requirements.txt`; others lie beside it, `_` standing for a dot in their names."""
    files = {f"app/{name.replace('_', '.')}": content for name, content in others.items()}
    return parse(document("app/requirements.txt", {"app/requirements.txt": text, **files}))


def only(lock: Lock) -> Package:
    (package,) = lock.packages
    return package


def hashes(package: Package) -> tuple[Hash, ...]:
    return tuple(value for artifact in package.artifacts for value in artifact.hashes)


def test_header() -> None:
    lock = read("flask==3.0\n")
    assert (lock.path, lock.format, lock.mode) == ("app/requirements.txt", "requirements", SelectionMode.FLAT)
    assert (lock.extras, lock.groups) == (frozenset(), frozenset())
    assert (lock.project_name, lock.hashes_required) == (None, False)
    assert len(lock.sha256) == 64


def test_a_pinned_entry() -> None:
    package = only(read(f"# top\nFlask_App[Async.IO] == 3.0.0 --hash={A} --hash={B}\n"))
    assert (str(package.id), package.pinned, package.specifier, package.line) == ("flask-app 3.0.0", True, "==3.0.0", 2)
    assert package.artifacts == (Artifact(hashes=(A, B)),)
    assert (package.dependencies, package.path, package.notes) == (None, None, ())


def test_the_root_edge_of_an_entry() -> None:
    (root,) = read("a[x,Y_z]==1 ; python_version < '3.12'\n").roots
    assert (root.name, root.specifier, root.extras, root.line) == ("a", "==1", frozenset({"x", "y-z"}), 1)
    assert (root.marker, root.candidates) == ('python_version < "3.12"', (only(read("a==1")).id,))


@pytest.mark.parametrize(
    ("text", "version", "pinned"),
    [
        ("a", None, False),
        ("a>=1", None, False),
        ("a==1.*", None, False),
        ("a==1.0", "1.0", True),
        ("a===1.0-custom", "1.0-custom", True),
        ("a==1.0,>0.5", "1.0", True),
        ("a==v1.0-RC1", "1.0rc1", True),
        ("a==1.0+cpu", "1.0+cpu", True),
        ("a~=1.0", None, False),
        ("a!=1.0", None, False),
    ],
)
def test_what_counts_as_pinned(text: str, version: str | None, pinned: bool) -> None:
    package = only(read(text))
    assert (package.id.version, package.pinned) == (version, pinned)


@pytest.mark.parametrize(
    ("line", "name", "version", "origin"),
    [
        (
            f"a @ git+https://files.example/a.git@{COMMIT}",
            "a",
            None,
            (OriginKind.VCS, "https://files.example/a.git", COMMIT, COMMIT),
        ),
        (
            "a@git+ssh://git@files.example/a.git@v1",
            "a",
            None,
            (OriginKind.VCS, "ssh://files.example/a.git", None, "v1"),
        ),
        (
            "git+https://files.example/a.git#egg=A_b[x]&subdirectory=s",
            "a-b",
            None,
            (OriginKind.VCS, "https://files.example/a.git", None, None),
        ),
        (
            "-e git+https://me:pw@files.example/a.git@b/c#egg=a",
            "a",
            None,
            (OriginKind.VCS, "https://files.example/a.git", None, "b/c"),
        ),
        ("hg+https://files.example/a@tip#egg=a", "a", None, (OriginKind.VCS, "https://files.example/a", None, "tip")),
        (
            "https://files.example/a-1.0-py3-none-any.whl",
            "a",
            "1.0",
            (OriginKind.URL, "https://files.example/a-1.0-py3-none-any.whl", None, None),
        ),
        (
            "https://me:pw@files.example/a_b-1.0.tar.gz?k=v",
            "a-b",
            "1.0",
            (OriginKind.URL, "https://files.example/a_b-1.0.tar.gz", None, None),
        ),
        (
            "a @ https://files.example/archive/main.zip",
            "a",
            None,
            (OriginKind.URL, "https://files.example/archive/main.zip", None, None),
        ),
        (
            "./wheels/a-1.0-py3-none-any.whl",
            "a",
            "1.0",
            (OriginKind.PATH, "./wheels/a-1.0-py3-none-any.whl", None, None),
        ),
        ("wheels/a-1.0.tar.gz", "a", "1.0", (OriginKind.PATH, "wheels/a-1.0.tar.gz", None, None)),
        (
            "file:///srv/a-1.0-py3-none-any.whl",
            "a",
            "1.0",
            (OriginKind.PATH, "/srv/a-1.0-py3-none-any.whl", None, None),
        ),
        ("a @ file:///srv/a", "a", None, (OriginKind.DIRECTORY, "/srv/a", None, None)),
        ("./libs/a_lib", "a-lib", None, (OriginKind.DIRECTORY, "./libs/a_lib", None, None)),
        ("-e ./libs/a_lib[x]", "a-lib", None, (OriginKind.EDITABLE, "./libs/a_lib", None, None)),
        ("--editable=libs/a", "a", None, (OriginKind.EDITABLE, "libs/a", None, None)),
    ],
)
def test_places(
    line: str, name: str, version: str | None, origin: tuple[OriginKind, str, str | None, str | None]
) -> None:
    package = only(read(f"{line} ; python_version > '3'\n"))
    found = package.id.origin
    assert (package.id.name, package.id.version) == (name, version)
    assert (found.kind, found.location, found.commit, found.reference) == origin
    assert package.pinned
    assert read(f"{line} ; python_version > '3'\n").roots[0].marker == "python_version > '3'"


@pytest.mark.parametrize(
    ("line", "kind", "text"),
    [
        ("a @ git+https://files.example/a.git", NoteKind.UNPINNED_VCS, "https://files.example/a.git without a commit"),
        (
            "a @ git+https://files.example/a.git@v1",
            NoteKind.UNPINNED_VCS,
            "https://files.example/a.git without a commit ('v1' can move)",
        ),
        ("a @ https://files.example/a.zip", NoteKind.URL_WITHOUT_HASH, "https://files.example/a.zip without a hash"),
        ("-e ./a", NoteKind.LOCAL_SOURCE, "the folder ./a"),
        ("./a-1-py3-none-any.whl", NoteKind.LOCAL_SOURCE, "the file ./a-1-py3-none-any.whl without a hash"),
    ],
)
def test_places_that_can_change(line: str, kind: NoteKind, text: str) -> None:
    assert only(read(f"\n{line}")).notes == ((kind, text, 2),)


@pytest.mark.parametrize(
    "line",
    [
        f"a @ git+https://files.example/a.git@{COMMIT}",
        f"a @ https://files.example/a.zip#{A.algorithm}={A.digest}",
        f"a @ https://files.example/a.zip --hash={A}",
        f"./a-1-py3-none-any.whl --hash={A}",
    ],
)
def test_places_that_cannot_change(line: str) -> None:
    assert only(read(line)).notes == ()


def test_a_folder_is_named_by_its_project() -> None:
    files = {
        "app/requirements.txt": "-e .\n./libs/other\n./libs/nameless\n../outside\n",
        "app/pyproject.toml": '[project]\nname = "The.App"\n',
        "app/libs/other/pyproject.toml": '[project]\nname = "real-name"\n',
        "app/libs/nameless/pyproject.toml": "broken = = =",
    }
    lock = parse(document("app/requirements.txt", files))
    assert [package.id.name for package in lock.packages] == ["the-app", "real-name", "nameless", "outside"]
    assert lock.project_name == "the-app"


@pytest.mark.parametrize(("name", "expected"), [("app/requirements.txt", "app"), ("requirements.txt", "project")])
def test_the_folder_itself_without_a_name(name: str, expected: str) -> None:
    assert only(parse(document(name, {name: "."}))).id.name == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a==1", False),
        ("--require-hashes\na==1", True),
        (f"a==1 --hash={A}\nb==1", True),
        (f"a @ https://files.example/a.zip#sha256={A.digest}", False),
        ("a==1\n-c c.txt", True),
        (f"-e ./a --hash={A}", False),
        (f"./a --hash={A} -e ./b", False),
        (f"--no-require-hashes\na==1 --hash={A}", False),
        (f"a==1 --hash={A}\n-r c.txt\n--no-require-h", False),
    ],
)
def test_what_turns_require_hashes_on(text: str, expected: bool) -> None:
    assert read(text, c_txt=f"other==2 --hash={B}").hashes_required is expected


@pytest.mark.parametrize(
    ("text", "location"),
    [
        ("a==1", ""),
        ("-i https://one.example/simple\na==1", "https://one.example/simple"),
        # pip's index is one for all entries, whatever the order.
        ("a==1\n--index-url=https://me:pw@one.example/simple/", "https://one.example/simple"),
        ("--index-url https://one.example/a\na==1\n--pypi-url https://two.example/b", "https://two.example/b"),
        ("--index-url https://one.example/a --index-url https://two.example/b\na==1", "https://two.example/b"),
        ("--index-url ${INDEX_URL}\na==1", "${INDEX_URL}"),
        ("-r more.txt\na==1", "https://three.example/c"),
        ("--extra-index-url https://one.example/a\na==1", ""),
    ],
)
def test_the_index_of_all_entries(text: str, location: str) -> None:
    lock = read(text, more_txt="-i https://three.example/c")
    assert only(lock).id.origin == Origin(location=location)


def test_includes_are_read_from_where_they_stand() -> None:
    files = {
        "app/requirements.txt": "-r sub/more.txt\n--requirement=base.txt\na==1\n",
        "app/sub/more.txt": "b==1\n-rdeep.txt\n",
        "app/sub/deep.txt": "\nc==1\n",
        "app/base.txt": "d==1\n",
    }
    lock = parse(document("app/requirements.txt", files))
    assert [(str(each.id), each.path, each.line) for each in lock.packages] == [
        ("b 1", "app/sub/more.txt", 1),
        ("c 1", "app/sub/deep.txt", 2),
        ("d 1", "app/base.txt", 1),
        ("a 1", None, 3),
    ]


def test_only_the_first_include_of_a_line_counts() -> None:
    lock = read("-r a.txt -r b.txt -c b.txt\n", a_txt="a==1", b_txt="b==1")
    assert [str(each.id) for each in lock.packages] == ["a 1"]


def test_options_on_a_requirement_line_are_ignored() -> None:
    lock = read("a==1 -r b.txt -i https://one.example --require-hashes --no-binary :all:", b_txt="b==1")
    assert [str(each.id) for each in lock.packages] == ["a 1"]
    assert lock.packages[0].id.origin == Origin()


def test_a_folder_before_an_editable_is_the_editable_one() -> None:
    assert only(read("./a -e ./b\n")).id.origin == Origin(OriginKind.EDITABLE, "./a")


def test_the_same_file_twice_is_no_circle() -> None:
    lock = read("-r a.txt\n-r b.txt\n", a_txt="-r b.txt\n", b_txt=f"b==1 --hash={A}")
    assert [str(each.id) for each in lock.packages] == ["b 1"]
    assert hashes(lock.packages[0]) == (A,)


def test_constraints_pin_and_hash_what_is_required() -> None:
    lock = read("-c c.txt\na\nb>=1\nd\n", c_txt=f"A==1.0 --hash={A}\nb<3\nunused==1\nd @ https://files.example/d.zip")
    assert [(str(each.id), each.pinned, hashes(each)) for each in lock.packages] == [
        ("a 1.0", True, (A,)),
        ("b", False, ()),
        ("d", True, ()),
    ]
    assert lock.packages[2].id.origin.location == "https://files.example/d.zip"
    assert [note.kind for note in lock.packages[2].notes] == [NoteKind.URL_WITHOUT_HASH]


def test_hashes_of_an_entry_and_its_constraint_are_intersected() -> None:
    lock = read(f"-c c.txt\na==1 --hash={A} --hash={B}\n", c_txt=f"a==1 --hash={B} --hash={C}")
    assert hashes(only(lock)) == (B,)


def test_hashes_of_one_project_twice_are_intersected() -> None:
    lock = read(f"a==1 --hash={A} --hash={B}\na[x]==1 --hash={C} --hash={B}\na==1\n")
    assert hashes(only(lock)) == (B,)
    assert [sorted(root.extras) for root in lock.roots] == [[], ["x"], []]


def test_one_project_for_disjoint_environments() -> None:
    lock = read(
        f"a==1 ; sys_platform == 'linux' --hash={A}\n"
        f"a==2 ; sys_platform == 'win32' --hash={B}\n"
        f"a==1 ; sys_platform == 'darwin' --hash={C}\n"
    )
    assert [(str(each.id), hashes(each)) for each in lock.packages] == [("a 1", (A, C)), ("a 2", (B,))]
    assert [root.marker for root in lock.roots] == [
        'sys_platform == "linux"',
        'sys_platform == "win32"',
        'sys_platform == "darwin"',
    ]


def test_constraints_for_disjoint_environments() -> None:
    lock = read(
        "-c c.txt\na\nb ; os_name == 'posix'\n",
        c_txt="a==1; os_name == 'nt'\na==2; os_name == 'posix'\nb==1; os_name == 'posix'",
    )
    assert [(str(root.candidates[0]), root.marker) for root in lock.roots] == [
        ("a 1", 'os_name == "nt"'),
        ("a 2", 'os_name == "posix"'),
        ("b 1", 'os_name == "posix"'),
    ]


def test_requirements_inside_of_constraints_are_requirements() -> None:
    lock = read("-c c.txt\n", c_txt="-r r.txt\nx==1", r_txt="a==1")
    assert [str(each.id) for each in lock.packages] == ["a 1"]


def test_variables_stay_as_they_are_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "secret")
    lock = read("a @ https://files.example/${TOKEN}/a.zip\n")
    assert only(lock).id.origin.location == "https://files.example/${TOKEN}/a.zip"


def test_constraints_of_projects_that_no_entry_names() -> None:
    lock = read("-c pins.txt\na\n", pins_txt="a==1\nB_b==2.0\nc>2\nd==4 ; python_version < '3.12'\n")
    assert lock.constraints == {"b-b": "2.0"}
    assert [str(package.id) for package in lock.packages] == ["a 1"]
