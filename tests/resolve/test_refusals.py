"""Input that cannot be locked: one sentence with file and line, and the old lock stays as it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.builders.indexes import PackageIndex, metadata, sdist
from tests.resolve.conftest import Lock

PLACE = ("--python", "3.12.4", "--python-platform", "x86_64-manylinux_2_28")
WORDS = "CPython 3.12.4 on manylinux_2_28_x86_64"
OLD = "six==1.0 --hash=sha256:" + "0" * 64 + "\n"
BUILDS = "hint: --allow-builds lets its code run on this machine"


def offer(index: PackageIndex) -> None:
    index.release("six", "1.0")
    index.release("six", "1.16")
    index.release("flask", "3.0", "click>=8")
    index.release("click", "8.1")
    index.release("click", "7.0")
    index.release("taken_back", "1.0", entry={"yanked": "it deletes files"})
    index.release("on_windows", "1.0", tag="cp312-cp312-win_amd64")
    index.release("modern", "1.0", entry={"requires-python": ">=3.13"})
    index.add("source-1.0.tar.gz", sdist("source", "1.0", metadata("source", "1.0", form="2.2")))
    index.release("above", "1.0", "source>=1")
    index.release("gap", "1.0", "nowhere")
    index.release("a", "1.0", "b")
    index.release("b", "1.0", "click<8")


def project(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (folder / name).write_text(text)


CASES: list[tuple[str, dict[str, str], list[str]]] = [
    ("empty", {"requirements.in": ""}, ["requirements.in: it asks for nothing"]),
    (
        "comments and options",
        {"requirements.in": "# six\n--pre\n\n"},
        ["requirements.in: it asks for nothing"],
    ),
    (
        "constraints alone",
        {"requirements.in": "-c limits.txt\n", "limits.txt": "six==1.16\n"},
        ["requirements.in: it asks for nothing"],
    ),
    (
        "a project without dependencies",
        {"pyproject.toml": '[project]\nname = "shop"\nversion = "1"\n'},
        ["pyproject.toml: it asks for nothing"],
    ),
    (
        "unsatisfiable",
        {"requirements.in": "six\nflask\nclick<8\n"},
        [
            "requirements.in:2: flask 3.0 requires click>=8, and click<8 is asked for (requirements.in:3)",
            "hint: widen one of the two",
        ],
    ),
    (
        "two lines that exclude each other",
        {"requirements.in": "-r more.in\nclick>=8\n", "more.in": "\nclick<8\n"},
        ["requirements.in:2: click>=8 is asked for, and click<8 too (more.in:2); no release is both"],
    ),
    (
        "no such version",
        {"requirements.in": "six>=99\n"},
        ["requirements.in:1: no release of six is >=99; the newest is 1.16"],
    ),
    (
        "misspelled",
        {"requirements.in": "six\n# web\nflaks\n"},
        ["requirements.in:3: there is no project flaks on INDEX/flaks/", "hint: check its spelling, and the index"],
    ),
    (
        "misspelled in a project",
        {"pyproject.toml": '[project]\nname = "shop"\nversion = "1"\ndependencies = [\n  "six",\n  "flaks>=1",\n]\n'},
        ["pyproject.toml:6: there is no project flaks on INDEX/flaks/", "hint: check its spelling, and the index"],
    ),
    (
        "yanked",
        {"requirements.in": "six\ntaken-back\n"},
        [
            "requirements.in:2: taken-back leaves only releases that were yanked, such as 1.0 (it deletes files)",
        ],
    ),
    (
        "yanked, and pinned",
        {"requirements.in": "six\ntaken-back==1.0\n"},
        ["requirements.in:2: taken-back 1.0 was yanked (it deletes files)", "hint: ask for another version"],
    ),
    (
        "sdist only",
        {"requirements.in": "source\n"},
        [
            (
                f"requirements.in:1: source has nothing for {WORDS}: source 1.0 has only a source distribution for it, "
                "and nothing is built"
            ),
            BUILDS,
        ],
    ),
    (
        "sdist only, further down",
        {"requirements.in": "six\nabove\n"},
        [
            (
                f"requirements.in:2: above brings in source, but source has nothing for {WORDS}: source 1.0 has only a "
                "source distribution for it, and nothing is built"
            ),
            BUILDS,
        ],
    ),
    (
        "nowhere, further down",
        {"requirements.in": "six\ngap\n"},
        [
            "requirements.in:2: gap brings in nowhere, but there is no project nowhere on INDEX/nowhere/",
            "hint: check its spelling, and the index",
        ],
    ),
    (
        "no artifact for the platform",
        {"requirements.in": "six\non-windows\n"},
        [f"requirements.in:2: on-windows has nothing for {WORDS}: on-windows 1.0 has no file for it"],
    ),
    (
        "another Python",
        {"requirements.in": "modern\n"},
        [f"requirements.in:1: modern has nothing for {WORDS}: modern 1.0 requires Python >=3.13"],
    ),
    (
        "wrong hash",
        {"requirements.in": f"six==1.16 --hash=sha256:{'1' * 64}\n"},
        [
            f"requirements.in:1: no file of six 1.16 has the hash that is asked for, sha256:{'1' * 64}",
            "hint: take the hash out, and it is fetched from the index",
        ],
    ),
    (
        "editable",
        {"requirements.in": "six\n-e .\n"},
        [
            "requirements.in:2: `-e .` is a folder, whose content no hash can pin",
            "hint: lock what it requires: driftscan lock pyproject.toml",
        ],
    ),
    (
        "VCS without a commit",
        {"requirements.in": "shop @ git+https://me:secret@git.example/shop.git@main\n"},
        [
            (
                "requirements.in:1: shop comes from https://git.example/shop.git at main without a commit, and what is "
                "there can change"
            ),
            "hint: put the full id of a commit behind @",
        ],
    ),
    (
        "VCS with a commit",
        {"requirements.in": f"shop @ git+https://git.example/shop.git@{'a' * 40}\n"},
        [
            (
                "requirements.in:1: only a build of https://git.example/shop.git tells what it requires, "
                "and nothing is built"
            ),
            BUILDS,
        ],
    ),
    (
        "outside of the project",
        {"requirements.in": "six\n-r ../secret.txt\n"},
        [
            "requirements.in:2: `../secret.txt` leads out of the project, and only the project is read",
            "hint: the project is FOLDER",
        ],
    ),
    (
        "remote",
        {"requirements.in": "-r https://me:secret@files.example/r.txt?token=1\n"},
        [
            "requirements.in:1: it includes https://files.example/r.txt, and nothing is fetched",
            "hint: keep the file in the project",
        ],
    ),
    (
        "a circle",
        {"requirements.in": "-r more.in\n", "more.in": "six\n-r requirements.in\n"},
        ["more.in:2: requirements.in includes itself", "hint: remove one of the -r or -c lines in the circle"],
    ),
    (
        "a variable",
        {"requirements.in": "--index-url https://me:${TOKEN}@index.example/simple\nsix\n"},
        [
            "requirements.in:1: it has the variable ${TOKEN}, and nothing of the environment is put into a lock",
            "hint: give an index with credentials by --index-url, PIP_INDEX_URL, UV_INDEX or a netrc file",
        ],
    ),
    (
        "dynamic",
        {"pyproject.toml": '[project]\nname = "shop"\ndynamic = ["version", "dependencies"]\n'},
        [
            "pyproject.toml:3: its dependencies are dynamic, so only a build would tell them",
            "hint: write them into [project], or into a requirements file to lock instead",
        ],
    ),
    (
        "a source of uv's",
        {
            "pyproject.toml": '[project]\nname = "shop"\nversion = "1"\ndependencies = ["six"]\n'
            '[tool.uv.sources]\nsix = {index = "internal"}\n'
        },
        [
            "pyproject.toml:6: six comes from where tool.uv.sources says, which only uv obeys",
            "hint: uv lock, then driftscan convert uv.lock -o requirements.txt",
        ],
    ),
    (
        "no requirement",
        {"requirements.in": "six\nnumpy=1.0=py_0\n"},
        [
            (
                "requirements.in:2: `numpy=1.0=py_0` is no requirement: Expected semicolon (after name with no version "
                "specifier) or end"
            ),
            "hint: conda packages (`name=version=build`) are not requirements",
        ],
    ),
    (
        "a lock",
        {"uv.lock": "version = 1\n"},
        ["uv.lock: it is a lock already", "hint: driftscan convert uv.lock -o requirements.txt"],
    ),
    (
        "setup.py",
        {"setup.py": "raise SystemExit('it was run')\n"},
        [
            "setup.py: only running it would tell what it requires",
            "hint: write the requirements into pyproject.toml or a requirements file",
        ],
    ),
]


@pytest.mark.parametrize(("files", "lines"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_refused(
    index: PackageIndex, project_folder: Path, lock: Lock, files: dict[str, str], lines: list[str]
) -> None:
    offer(index)
    project(project_folder, files)
    (project_folder / "locked.txt").write_text(OLD)
    code, out, err = lock(next(iter(files)), *PLACE, "-o", "locked.txt", "--upgrade")
    found = err.replace(str(project_folder.resolve()), "FOLDER").splitlines()
    assert (code, out, found) == (2, "", [f"driftscan: error: {lines[0]}", *lines[1:]])
    assert (project_folder / "locked.txt").read_text() == OLD
    assert sorted(path.name for path in project_folder.iterdir()) == sorted({*files, "locked.txt"})


@pytest.mark.parametrize(
    "name",
    [
        "unsatisfiable",
        pytest.param("misspelled", marks=pytest.mark.real),
        pytest.param("sdist only, further down", marks=pytest.mark.real),
        pytest.param("nowhere, further down", marks=pytest.mark.real),
    ],
)
def test_refused_in_the_same_words_by_pip_tools(
    index: PackageIndex, project_folder: Path, lock: Lock, name: str
) -> None:
    offer(index)
    files, lines = next(case[1:] for case in CASES if case[0] == name)
    project(project_folder, files)
    code, _, err = lock(next(iter(files)), *PLACE, "-o", "locked.txt", "--engine", "pip-tools")
    assert (code, err.splitlines()) == (2, [f"driftscan: error: {lines[0]}", *lines[1:]])


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda index: index.content.clear(), "there is no project six on INDEX/six/"),
        (
            lambda index: index.page("six", {"files": [{"filename": "six-1.0-py3-none-any.whl"}]}),
            "six cannot be looked up: INDEX/six/: the page has no text in 'url' of six-1.0-py3-none-any.whl",
        ),
    ],
)
def test_an_index_that_is_of_no_use(
    index: PackageIndex, project_folder: Path, lock: Lock, prepare: Callable[[PackageIndex], None], message: str
) -> None:
    offer(index)
    prepare(index)
    project(project_folder, {"requirements.in": "six\n"})
    assert lock("requirements.in", *PLACE)[2].splitlines()[0] == f"driftscan: error: requirements.in:1: {message}"


def test_several_inputs_that_ask_for_nothing(index: PackageIndex, project_folder: Path, lock: Lock) -> None:
    files = {"a.in": "", "b.in": "# nothing\n", "limits.txt": "six==1.16\n", "locked.txt": OLD}
    project(project_folder, files)
    for more in ((), ("--check",)):
        code, _, err = lock("a.in", "b.in", "-c", "limits.txt", "-o", "locked.txt", *PLACE, *more)
        assert (code, err) == (2, "driftscan: error: a.in, b.in: they ask for nothing\n")
    assert (project_folder / "locked.txt").read_text() == OLD


def test_an_index_that_does_not_tell_when_files_were_uploaded(
    index: PackageIndex, project_folder: Path, lock: Lock
) -> None:
    index.release("six", "1.0")
    project(project_folder, {"requirements.in": "six\n"})
    code, _, err = lock("requirements.in", *PLACE, "--exclude-newer", "2024-01-01")
    assert (code, err.replace(index.url, "URL")) == (
        2,
        (
            "driftscan: error: requirements.in:1: the index does not tell why nothing was found: "
            "URL/files/six-1.0-py3-none-any.whl: it does not tell when six-1.0-py3-none-any.whl was uploaded, "
            "so nothing can be said of what was there before\n"
        ),
    )


def test_an_index_that_does_not_answer(
    index: PackageIndex, project_folder: Path, lock: Lock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    project(project_folder, {"requirements.in": "# nothing\nsix\n"})
    code, _, err = lock("requirements.in", *PLACE, "--index-url", "http://127.0.0.1:9/simple")
    assert (code, err) == (
        2,
        (
            "driftscan: error: requirements.in:2: six cannot be looked up: http://127.0.0.1:9: it gives no answer: "
            "Connection refused\n"
        ),
    )


def test_a_search_that_finds_nothing_is_told_in_the_words_of_the_engine(
    index: PackageIndex, project_folder: Path, lock: Lock
) -> None:
    offer(index)
    project(project_folder, {"requirements.in": "six\na\nflask\n"})
    code, _, err = lock("requirements.in", *PLACE)
    assert code == 2
    assert err.startswith("driftscan: error: requirements.in:2: nothing satisfies all requirements: Because ")
    assert "all versions of b depend on click<8" in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "requirements are needed"),
        (("a.in", "b.in"), "where to write the lock is not clear"),
        (("requirements.in", "-o", "requirements.in"), "requirements.in would be replaced by what is made from it"),
        (("requirements.in", "-o", "gone/r.txt"), "there is no folder gone"),
        (
            ("requirements.in", "--universal", "--for", "x"),
            "a universal lock is for all platforms, and --for names one",
        ),
        (
            ("requirements.in", "--for", "x", "--python", "3.12"),
            "an image says itself which Python and platform it has",
        ),
        (("requirements.in", "--exclude-newer", "soon"), "'soon' is no moment"),
        (("requirements.in", "--extra", "web"), "extras and groups are those of a project"),
        (
            ("requirements.in", "--index-url", "index.example"),
            "the index index.example is no address that can be asked",
        ),
        (("requirements.in", "--universal", "--engine", "pip-tools"), "pip-tools resolves for one target, not for all"),
        (
            ("requirements.in", "--python", "3.11", "--python-platform", "manylinux_2_31_armv7l"),
            "uv cannot resolve for CPython 3.11.0 on manylinux_2_31_armv7l",
        ),
        (("requirements.in", "--offline"), "nothing can be resolved offline"),
        (("requirements.in", "--check"), "there is no lock to check"),
        (("gone.in",), "gone.in: there is no such file"),
    ],
)
def test_usage(index: PackageIndex, project_folder: Path, lock: Lock, arguments: tuple[str, ...], message: str) -> None:
    project(project_folder, {"requirements.in": "six\n"})
    code, out, err = lock(*arguments)
    assert (code, out) == (2, "")
    assert err.splitlines()[0].endswith(f"driftscan: error: {message}") or f": {message}" in err.splitlines()[0]


def test_an_old_lock_that_cannot_be_read_is_no_reason_to_lose_it(
    index: PackageIndex, project_folder: Path, lock: Lock
) -> None:
    offer(index)
    project(project_folder, {"requirements.in": "six\n", "requirements.txt": "<<<<<<< ours\nsix==1.0\n"})
    code, _, err = lock("requirements.in", *PLACE)
    assert (code, err.splitlines()[0]) == (
        2,
        "driftscan: error: requirements.txt:1: a merge conflict was left in it",
    )
    assert (project_folder / "requirements.txt").read_text().startswith("<<<<<<< ours")
