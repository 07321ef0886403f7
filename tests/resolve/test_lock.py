"""`driftscan lock` as a user runs it, against an index on loopback."""

from __future__ import annotations

import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.builders.indexes import PackageIndex, Served, metadata, sdist, wheel
from tests.builders.wheels import wheel as real_wheel
from tests.resolve.conftest import ENGINES, UV_AT_FIRST, Lock

PLACE = ("--python", "3.12.4", "--python-platform", "x86_64-manylinux_2_28")
WORDS = "CPython 3.12.4 on manylinux_2_28_x86_64"


def shop(index: PackageIndex) -> dict[str, str]:
    """A few releases that require each other; digests by file name."""
    return {
        "flask": index.release("flask", "3.0.0", "click>=8", "colorama; sys_platform == 'win32'"),
        "click-8.0": index.release("click", "8.0"),
        "click-8.1": index.release("click", "8.1"),
        "colorama": index.release("colorama", "0.4"),
        "six": index.release("six", "1.16"),
    }


def write(project: Path, text: str, name: str = "requirements.in") -> None:
    (project / name).write_text(text)


def body(project: Path, name: str = "requirements.txt") -> str:
    """The lock without the comment at its top."""
    return (project / name).read_text().partition("\n\n")[2]


def pins(project: Path, name: str = "requirements.txt") -> list[str]:
    return re.findall(r"^[a-z][\w-]*==[^\s;]+", (project / name).read_text(), re.MULTILINE)


@ENGINES
def test_a_complete_hashed_lock(index: PackageIndex, project: Path, lock: Lock, engine: str) -> None:
    digests = shop(index)
    write(project, "flask  # the shop\nsix\n")
    assert lock("requirements.in", *PLACE, "--engine", engine) == (
        0,
        "",
        "+ click 8.1\n+ flask 3.0.0\n+ six 1.16\n3 packages locked in requirements.txt for " + WORDS + "\n",
    )
    assert body(project) == (
        f"click==8.1 \\\n    --hash=sha256:{digests['click-8.1']}\n    # via flask\n"
        f"flask==3.0.0 \\\n    --hash=sha256:{digests['flask']}\n    # via -r requirements.in\n"
        f"six==1.16 \\\n    --hash=sha256:{digests['six']}\n    # via -r requirements.in\n"
    )


def test_how_it_was_made_is_recorded(index: PackageIndex, project: Path, lock: Lock) -> None:
    shop(index)
    write(project, "six\n")
    lock("requirements.in", *PLACE)
    head = (project / "requirements.txt").read_text().partition("\n\n")[0]
    assert re.sub(r"sha256:\w+|uv [\d.]+", "…", head).splitlines() == [
        "# Made by driftscan lock. Change what it is made from, and run this again:",
        "#",
        "#    driftscan lock requirements.in -o requirements.txt " + " ".join(PLACE),
        "#",
        "# inputs: …",
        f"# for: {WORDS}",
        "# engine: …",
    ]


@UV_AT_FIRST
def test_pins_are_kept_until_an_upgrade_is_asked_for(
    index: PackageIndex, project: Path, lock: Lock, engine: str
) -> None:
    options = (*PLACE, "--engine", engine)
    write(project, "flask\nsix\n")
    index.release("flask", "3.0.0", "click>=8")
    index.release("click", "8.0")
    index.release("six", "1.16")
    lock("requirements.in", *options)
    index.release("click", "8.1")
    index.release("six", "1.17")
    assert lock("requirements.in", *options)[2] == f"3 packages locked in requirements.txt for {WORDS}\n"
    assert lock("requirements.in", *options, "-P", "click")[2].splitlines()[0] == "~ click 8.0 -> 8.1"
    assert pins(project) == ["click==8.1", "flask==3.0.0", "six==1.16"]
    assert lock("requirements.in", *options, "--upgrade")[2].splitlines()[0] == "~ six 1.16 -> 1.17"
    assert lock("requirements.in", *options, "-P", "six==1.16")[2].splitlines()[0] == "~ six 1.17 -> 1.16"


def test_a_lock_stays_for_what_it_was_made_for(index: PackageIndex, project: Path, lock: Lock) -> None:
    """Whoever locks again, on whatever machine."""
    shop(index)
    write(project, "flask\n")
    for options in (("--python", "3.12.4", "--python-platform", "windows"), ("--universal", "--python", "3.10")):
        lock("requirements.in", *options)
        before = body(project)
        record = [line for line in (project / "requirements.txt").read_text().splitlines() if line.startswith("# for")]
        assert lock("requirements.in")[0] == 0
        assert body(project) == before
        assert record[0] in (project / "requirements.txt").read_text()
    (project / "requirements.txt").write_text("# for: PyPy 3.10.14 on manylinux_2_36_x86_64\n")
    assert lock("requirements.in")[2] == (
        "driftscan: error: requirements.txt: PyPy 3.10.14 on manylinux_2_36_x86_64 cannot be made again from its name\n"
        "hint: name the image that the lock is for: --for IMAGE\n"
    )


def test_the_same_input_gives_the_same_bytes(index: PackageIndex, project: Path, lock: Lock) -> None:
    shop(index)
    write(project, "six\nflask\n")
    lock("requirements.in", *PLACE)
    first = (project / "requirements.txt").read_bytes()
    (project / "requirements.txt").unlink()
    lock("requirements.in", *PLACE)
    assert (project / "requirements.txt").read_bytes() == first


def test_another_target_than_this_machine(index: PackageIndex, project: Path, lock: Lock) -> None:
    shop(index)
    write(project, "flask\n")
    lock("requirements.in", "--python", "3.11.2", "--python-platform", "windows")
    assert pins(project) == ["click==8.1", "colorama==0.4", "flask==3.0.0"]


def test_all_platforms_at_once(index: PackageIndex, project: Path, lock: Lock) -> None:
    shop(index)
    write(project, "flask\n")
    assert lock("requirements.in", "--universal", "--python", "3.10")[2].splitlines()[-1] == (
        "3 packages locked in requirements.txt for all platforms, Python 3.10.0 and newer"
    )
    assert "colorama==0.4 ; sys_platform == 'win32' \\\n" in body(project).replace('"', "'")


@UV_AT_FIRST
def test_a_project_with_extras_and_groups(index: PackageIndex, project: Path, lock: Lock, engine: str) -> None:
    shop(index)
    index.release("pytest", "8.0")
    index.release("ruff", "0.8")
    write(
        project,
        """[project]
name = "Shop"
version = "1"
dependencies = ["six<2"]
[project.optional-dependencies]
web = ["flask"]
all = ["shop[web]"]
[dependency-groups]
dev = [{include-group = "test"}, "ruff"]
test = ["pytest"]
""",
        "pyproject.toml",
    )
    lock("pyproject.toml", *PLACE, "--engine", engine, "-o", "base.txt")
    assert pins(project, "base.txt") == ["six==1.16"]
    assert "    # via shop (pyproject.toml)\n" in body(project, "base.txt")
    lock("pyproject.toml", *PLACE, "--engine", engine, "--extra", "all", "--group", "dev")
    assert pins(project) == ["click==8.1", "flask==3.0.0", "pytest==8.0", "ruff==0.8", "six==1.16"]


def test_constraints_narrow_and_bring_nothing_in(index: PackageIndex, project: Path, lock: Lock) -> None:
    shop(index)
    write(project, "-c limits.txt\nflask\n")
    write(project, "click<8.1\nsix==1\n", "limits.txt")
    lock("requirements.in", *PLACE)
    assert pins(project) == ["click==8.0", "flask==3.0.0"]
    assert "    # via -c limits.txt, flask\n" in body(project)


def test_a_pylock(index: PackageIndex, project: Path, lock: Lock) -> None:
    digests = shop(index)
    write(project, "flask\n")
    lock("requirements.in", *PLACE, "-o", "pylock.toml")
    text = (project / "pylock.toml").read_text().replace(index.url, "URL")
    assert text.partition("created-by")[2].partition("[tool.driftscan]")[0] == (
        ' = "driftscan"\n\n[[packages]] # via flask\nname = "click"\nversion = "8.1"\n'
        'index = "URL/simple"\nwheels = [\n'
        f'    {{url = "URL/files/click-8.1-py3-none-any.whl", hashes = {{sha256 = "{digests["click-8.1"]}"}}}},\n]\n\n'
        '[[packages]] # via -r requirements.in\nname = "flask"\nversion = "3.0.0"\n'
        'dependencies = [\n    {name = "click"},\n]\nindex = "URL/simple"\nwheels = [\n'
        f'    {{url = "URL/files/flask-3.0.0-py3-none-any.whl", hashes = {{sha256 = "{digests["flask"]}"}}}},\n]\n\n'
    )
    assert f'for = "{WORDS}"' in text
    assert lock("requirements.in", *PLACE, "-o", "pylock.toml")[2] == f"2 packages locked in pylock.toml for {WORDS}\n"


@UV_AT_FIRST
def test_the_index_as_it_was(index: PackageIndex, project: Path, lock: Lock, engine: str) -> None:
    index.release("six", "1.16", entry={"upload-time": "2024-01-01T00:00:00Z"})
    index.release("six", "1.17", entry={"upload-time": "2024-06-01T00:00:00Z"})
    old = index.release("click", "8.0", entry={"upload-time": "2024-01-01T00:00:00Z"})
    index.release("click", "8.0", tag="cp312-cp312-win_amd64", entry={"upload-time": "2024-06-01T00:00:00Z"})
    write(project, "six\nclick\n")
    options = (*PLACE, "--engine", engine)
    assert lock("requirements.in", *options, "--exclude-newer", "2024-06-01")[0] == 0
    assert pins(project) == ["click==8.0", "six==1.16"]
    assert re.findall("click.*\n.*sha256:(.*)\n", body(project)) == [old]
    assert "# before: 2024-06-01T00:00:00Z\n" in (project / "requirements.txt").read_text()


def test_a_file_without_a_strong_hash_is_fetched(index: PackageIndex, project: Path, lock: Lock) -> None:
    digest = index.release("six", "1.16", entry={"hashes": {"md5": "0" * 32}})
    write(project, "six\n")
    assert lock("requirements.in", *PLACE)[0] == 0
    assert f"--hash=sha256:{digest}\n" in body(project)


@pytest.mark.parametrize(
    ("hashes", "tags"),
    [
        ("all", ["cp312-cp312-manylinux_2_28_x86_64", "cp312-cp312-win_amd64", "py3-none-any"]),
        ("target", ["cp312-cp312-manylinux_2_28_x86_64", "py3-none-any"]),
        ("exact", ["cp312-cp312-manylinux_2_28_x86_64"]),
    ],
)
def test_which_hashes(index: PackageIndex, project: Path, lock: Lock, hashes: str, tags: list[str]) -> None:
    every = ("py3-none-any", "cp312-cp312-win_amd64", "cp312-cp312-manylinux_2_28_x86_64")
    digests = {index.release("six", "1.16", tag=tag): tag for tag in every}
    write(project, "six\n")
    lock("requirements.in", *PLACE, "--hashes", hashes)
    assert (
        sorted(digests[digest] for digest in re.findall(r"sha256:(\w{64}) ?\\?$", body(project), re.MULTILINE)) == tags
    )


@UV_AT_FIRST
def test_a_wheel_by_its_address_and_one_in_the_project(
    index: PackageIndex, project: Path, lock: Lock, engine: str
) -> None:
    shop(index)
    real_wheel(project, "tool", "2.0", {"tool.py": b""}, requires=["six"])
    click = real_wheel(project.parent, "click", "8.2", {"click.py": b""})
    digest = index.add(click.name, click.read_bytes())
    write(project, f"./tool-2.0-py3-none-any.whl\nclick @ {index.url}/files/{click.name}\n")
    code, _, err = lock("requirements.in", *PLACE, "--engine", engine)
    assert (code, err.splitlines()[-1]) == (0, f"3 packages locked in requirements.txt for {WORDS}")
    found = body(project)
    assert f"click @ {index.url}/files/click-8.2-py3-none-any.whl \\\n    --hash=sha256:{digest}\n" in found
    assert "./tool-2.0-py3-none-any.whl \\\n" in found


@UV_AT_FIRST
def test_files_in_a_folder(index: PackageIndex, project: Path, lock: Lock, engine: str) -> None:
    shop(index)
    (project / "wheels").mkdir()
    data = wheel("six", "2.0", metadata("six", "2.0", "click"), {"six-2.0.dist-info/WHEEL": b"Wheel-Version: 1.0\n"})
    (project / "wheels/six-2.0-py3-none-any.whl").write_bytes(data)
    write(project, "--find-links wheels\nsix\n")
    assert lock("requirements.in", *PLACE, "--engine", engine)[0] == 0
    assert pins(project) == ["click==8.1", "six==2.0"]


def test_nothing_is_taken_that_was_yanked_since(index: PackageIndex, project: Path, lock: Lock) -> None:
    index.release("six", "1.16")
    write(project, "six\n")
    lock("requirements.in", *PLACE)
    index.release("six", "1.17")
    path = "/simple/six/"
    page = index.content[path]
    assert isinstance(page, Served)
    index.content[path] = page._replace(
        data=page.data.replace(
            b'six-1.16-py3-none-any.whl", "url"', b'six-1.16-py3-none-any.whl", "yanked": "broken", "url"'
        )
    )
    assert lock("requirements.in", *PLACE)[2].splitlines() == [
        "six was yanked since it was locked (broken)",
        "~ six 1.16 -> 1.17",
        f"1 package locked in requirements.txt for {WORDS}",
    ]


def test_a_build_is_only_for_who_asks_for_it(index: PackageIndex, project: Path, lock: Lock) -> None:
    index.add("tool-1.0.tar.gz", sdist("tool", "1.0", metadata("tool", "1.0", form="2.2")))
    write(project, "tool\n")
    assert lock("requirements.in", *PLACE)[2].splitlines() == [
        (
            f"driftscan: error: requirements.in:1: tool has nothing for {WORDS}: "
            "tool 1.0 has only a source distribution for it, and nothing is built"
        ),
        "hint: --allow-builds lets its code run on this machine",
    ]


def test_stdout(index: PackageIndex, project: Path, lock: Lock) -> None:
    shop(index)
    write(project, "six\n")
    code, out, err = lock("requirements.in", *PLACE, "-o", "-", "-q")
    assert (code, err) == (0, "")
    assert out.splitlines()[-1] == "    # via -r requirements.in"
    assert sorted(path.name for path in project.iterdir()) == ["requirements.in"]


def test_pip_reads_of_a_wheel_what_it_requires(index: PackageIndex, project: Path, lock: Lock) -> None:
    """pip by itself fetches it whole where no metadata stand beside it."""
    text = metadata("shop", "1.0", "six", 'click; extra == "web"', fields="Provides-Extra: web\n")
    index.add("shop-1.0-py3-none-any.whl", wheel("shop", "1.0", text, {"shop/large": bytes(200_000)}))
    index.release("six", "1.16")
    index.release("click", "8.1")
    write(project, "shop[web]\n")
    assert lock("requirements.in", *PLACE, "--engine", "pip-tools")[:2] == (0, "")
    assert pins(project) == ["click==8.1", "shop==1.0", "six==1.16"]
    assert {asked.range is not None for asked in index.asked if asked.path.endswith(".whl")} == {True}


def test_pip_fetches_a_wheel_of_which_no_parts_are_sent(index: PackageIndex, project: Path, lock: Lock) -> None:
    file = real_wheel(project.parent, "shop", "1.0", {"shop/__init__.py": b""}, requires=["six"])
    index.add(file.name, file.read_bytes())
    index.content[f"/files/{file.name}"] = Served(file.read_bytes(), parts=False)
    index.release("six", "1.16")
    write(project, "shop\n")
    code, _, err = lock("requirements.in", *PLACE, "--engine", "pip-tools")
    assert (code, pins(project)) == (3, ["shop==1.0", "six==1.16"])
    warning = "driftscan: warning: not verified: what shop 1.0 requires: "
    assert err.replace(index.url, "INDEX").splitlines()[-1] == (
        f"{warning}INDEX/files/{file.name}: it sends no parts of files"
    )


def test_what_is_no_file_is_written_to_and_not_replaced(index: PackageIndex, project: Path, lock: Lock) -> None:
    """As root, `-o /dev/null` would put a file in place of the device."""
    shop(index)
    write(project, "six\n")
    os.mkfifo(project / "pipe")
    with ThreadPoolExecutor(1) as pool:
        read = pool.submit((project / "pipe").read_text)
        assert lock("requirements.in", *PLACE, "-o", "pipe", "--quiet") == (0, "", "")
        assert "six==1.16 \\\n" in read.result(timeout=60)
    assert (project / "pipe").is_fifo()
    assert lock("requirements.in", *PLACE, "-o", ".")[2] == (
        "driftscan: error: .: it is a folder, not a lock\nhint: it holds requirements.in\n"
    )


@ENGINES
def test_an_extra_that_is_misspelled(index: PackageIndex, project: Path, lock: Lock, engine: str) -> None:
    """Installers warn of it, and leave it out."""
    text = metadata("shop", "1.0", 'six; extra == "web-app"', fields="Provides-Extra: Web_App\n")
    index.add("shop-1.0-py3-none-any.whl", wheel("shop", "1.0", text), metadata=text)
    index.release("six", "1.16")
    write(project, "\nshop[web.app, wep]\n")
    code, _, err = lock("requirements.in", *PLACE, "--engine", engine)
    assert (code, pins(project)) == (0, ["shop==1.0", "six==1.16"])
    assert err.splitlines()[0] == "requirements.in:2: shop 1.0 has no extra wep"
