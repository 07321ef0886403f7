"""`driftscan lock --check`: three steps, each named, and a file that stays as it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.builders.indexes import PackageIndex, Served
from tests.resolve.conftest import Lock

PLACE = ("--python", "3.12.4", "--python-platform", "x86_64-manylinux_2_28")
WORDS = "CPython 3.12.4 on manylinux_2_28_x86_64"
KNOWN = "resolve  not needed: the lock was made from these inputs\n"
SOUND = "audit    3 pins: none was yanked, and no hash is gone"


@pytest.fixture
def locked(index: PackageIndex, project: Path, lock: Lock) -> Path:
    """A project whose lock is up to date."""
    index.release("flask", "3.0", "click>=8", "tool; extra == 'more'")
    index.release("click", "8.1")
    index.release("six", "1.16")
    index.release("tool", "1.0")
    write(project, "flask\nsix\n")
    assert lock("requirements.in", *PLACE)[0] == 0
    index.asked.clear()
    return project


def write(project: Path, text: str) -> None:
    (project / "requirements.in").write_text(text)


def check(lock: Lock, project: Path, *arguments: str) -> tuple[int, str]:
    """Exit code and what is printed; the lock must not change."""
    before = (project / "requirements.txt").read_bytes()
    code, out, err = lock("requirements.in", "--check", *arguments)
    assert err == ""
    assert (project / "requirements.txt").read_bytes() == before
    return code, out


def test_up_to_date(locked: Path, lock: Lock) -> None:
    assert check(lock, locked) == (
        0,
        f"requirements.txt is up to date\ninputs   satisfied: 2 requirements of requirements.in\n{KNOWN}{SOUND}\n",
    )


def test_no_network_is_needed_while_the_inputs_are_satisfied(
    index: PackageIndex, locked: Path, lock: Lock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    write(locked, "# in another order\nsix\nflask\n")
    assert check(lock, locked, "--offline") == (
        0,
        (
            f"requirements.txt is up to date\ninputs   satisfied: 2 requirements of requirements.in\n{KNOWN}"
            "audit    not done: it needs the index\n"
        ),
    )
    assert index.asked == []


def test_a_requirement_that_the_lock_lacks(locked: Path, lock: Lock) -> None:
    write(locked, "flask\nsix\n\ntool>=1\n")
    lacks = "inputs   requirements.in:4 asks for tool>=1, which the lock does not have\n"
    assert check(lock, locked) == (1, f"requirements.txt is stale\n{lacks}resolve  + tool 1.0\n{SOUND}\n")
    rest = "resolve  not done: it needs the index\naudit    not done: it needs the index\n"
    assert check(lock, locked, "--offline") == (1, f"requirements.txt is stale\n{lacks}{rest}")


def test_a_requirement_that_a_pin_does_not_satisfy(index: PackageIndex, locked: Path, lock: Lock) -> None:
    index.release("six", "2.0")
    write(locked, "flask\nsix>=2\n")
    assert check(lock, locked) == (
        1,
        (
            "requirements.txt is stale\ninputs   requirements.in:2 asks for six>=2, and the lock has 1.16\n"
            f"resolve  ~ six 1.16 -> 2.0\n{SOUND}\n"
        ),
    )


def test_a_pin_that_nothing_asks_for_any_more(locked: Path, lock: Lock) -> None:
    write(locked, "six\n")
    code, out = check(lock, locked)
    assert (code, out.splitlines()[1:5]) == (
        1,
        [
            "inputs   requirements.txt:9: nothing asks for click 8.1 any more",
            "         requirements.txt:12: nothing asks for flask 3.0 any more",
            "resolve  - click 8.1",
            "         - flask 3.0",
        ],
    )


def test_a_wider_requirement_is_resolved_with_the_old_pins(index: PackageIndex, locked: Path, lock: Lock) -> None:
    index.release("six", "2.0")
    write(locked, "flask>=1\nsix\n")
    assert check(lock, locked) == (
        0,
        (
            "requirements.txt is up to date\n"
            "inputs   satisfied: 2 requirements of requirements.in; the lock was made from others\n"
            f"resolve  the same pins\n{SOUND}\n"
        ),
    )
    assert check(lock, locked, "--offline")[0] == 3


def test_an_extra_is_only_known_to_the_index(locked: Path, lock: Lock) -> None:
    write(locked, "flask[more]\nsix\n")
    code, out = check(lock, locked)
    assert (code, out.splitlines()[2]) == (1, "resolve  + tool 1.0")


def test_what_an_extra_brings_in_is_left_to_the_resolution(locked: Path, lock: Lock) -> None:
    """Who requires whom is recorded for what the lock was made from, and that asked for no extra."""
    write(locked, "flask\nsix\ntool\n")
    assert lock("requirements.in", *PLACE)[0] == 0
    write(locked, "flask[more]\nsix\n")
    satisfied = "inputs   satisfied: 2 requirements of requirements.in; the lock was made from others\n"
    audited = SOUND.replace("3 pins", "4 pins")
    assert check(lock, locked) == (
        0,
        f"requirements.txt is up to date\n{satisfied}resolve  the same pins\n{audited}\n",
    )
    assert check(lock, locked, "--offline")[0] == 3
    write(locked, "flask[more]\n")
    code, out = check(lock, locked)
    assert (code, out.splitlines()[2]) == (1, "resolve  - six 1.16")


def change(index: PackageIndex, name: str, edit: Callable[[bytes], bytes]) -> None:
    page = index.content[f"/simple/{name}/"]
    assert isinstance(page, Served)
    index.content[f"/simple/{name}/"] = page._replace(data=edit(page.data))


def test_a_pin_that_was_yanked(index: PackageIndex, locked: Path, lock: Lock) -> None:
    change(index, "six", lambda data: data.replace(b'"url"', b'"yanked": "broken", "url"'))
    code, out = check(lock, locked)
    assert (code, out.splitlines()[0]) == (1, "requirements.txt is stale")
    assert out.splitlines()[-1] == "audit    requirements.txt:15: six 1.16 was yanked (broken)"


def test_a_hash_that_is_gone(index: PackageIndex, locked: Path, lock: Lock) -> None:
    text = (locked / "requirements.txt").read_text()
    digest = text.rpartition("sha256:")[2][:64]
    change(index, "six", lambda data: data.replace(digest.encode(), b"0" * 64))
    code, out = check(lock, locked)
    assert (code, out.splitlines()[-1]) == (
        1,
        f"audit    requirements.txt:15: no file of six 1.16 has the hash sha256:{digest} any more",
    )


def test_a_release_that_is_gone(index: PackageIndex, locked: Path, lock: Lock) -> None:
    change(index, "six", lambda data: data.replace(b"1.16", b"1.15"))
    code, out = check(lock, locked)
    assert (code, out.splitlines()[-1]) == (1, "audit    requirements.txt:15: six 1.16 is gone from the index")


def test_files_that_were_added_make_nothing_stale(index: PackageIndex, locked: Path, lock: Lock) -> None:
    index.release("six", "1.16", tag="cp313-cp313-win_amd64")
    code, out = check(lock, locked)
    assert (code, out.splitlines()[-1]) == (0, f"{SOUND}; 1 file was added since")


def test_an_index_that_does_not_answer_leaves_the_audit_open(locked: Path, lock: Lock) -> None:
    code, out = check(lock, locked, "--index-url", "http://127.0.0.1:9/simple", "--no-cache")
    assert (code, out.splitlines()[0]) == (3, "requirements.txt is up to date, and could not be audited")
    assert out.splitlines()[-1] == (
        "audit    the index cannot be asked: http://127.0.0.1:9: it gives no answer: Connection refused"
    )


def test_the_cutoff_that_the_lock_records_counts(index: PackageIndex, project: Path, lock: Lock) -> None:
    for version, day in (("1.16", "2024-01-01"), ("2.0", "2024-06-01")):
        index.release("six", version, entry={"upload-time": f"{day}T00:00:00Z"})
    write(project, "six<3\n")
    lock("requirements.in", *PLACE, "--exclude-newer", "2024-03-01")
    write(project, "six<4\n")
    assert check(lock, project)[1].splitlines()[2] == "resolve  the same pins"
    code, out = check(lock, project, "--exclude-newer", "2024-07-01")
    assert (code, out.splitlines()[1]) == (
        1,
        "inputs   requirements.txt has files before 2024-03-01T00:00:00Z, not those before 2024-07-01T00:00:00Z",
    )


def test_another_target_than_the_lock_is_for(locked: Path, lock: Lock) -> None:
    code, out = check(lock, locked, "--python", "3.13.1", "--python-platform", "macos")
    assert (code, out.splitlines()[1]) == (
        1,
        f"inputs   requirements.txt is for {WORDS}, not for CPython 3.13.1 on macosx_13_0_arm64",
    )


def test_a_lock_of_another_tool(index: PackageIndex, locked: Path, lock: Lock) -> None:
    lines = (locked / "requirements.txt").read_text().splitlines(keepends=True)
    kept = [line for line in lines if not line.startswith("#")]
    (locked / "requirements.txt").write_text("".join(["#    uv pip compile requirements.in\n", *kept]))
    code, out = check(lock, locked, *PLACE)
    assert (code, out.splitlines()[1:3]) == (
        0,
        [
            "inputs   satisfied: 2 requirements of requirements.in; the lock does not say from which it was made",
            "resolve  the same pins",
        ],
    )


def test_entries_without_a_pin_or_a_hash(locked: Path, lock: Lock) -> None:
    (locked / "requirements.txt").write_text("flask\nclick==8.1\nsix==1.16 --hash=sha256:" + "0" * 64 + "\n")
    code, out = check(lock, locked, "--offline", *PLACE)
    assert (code, out.splitlines()[1:4]) == (
        1,
        [
            "inputs   requirements.txt:1: flask is not pinned",
            "         requirements.txt:2: click 8.1 has no hash",
            "resolve  not done: it needs the index",
        ],
    )


def test_a_pylock_and_a_universal_lock(locked: Path, lock: Lock) -> None:
    for name, options in (("pylock.toml", PLACE), ("all.txt", ("--universal", "--python", "3.11"))):
        assert lock("requirements.in", "-o", name, *options)[0] == 0
        code, out, _ = lock("requirements.in", "-o", name, "--check")
        assert (code, out.splitlines()[0]) == (0, f"{name} is up to date")
        write(locked, "flask\nsix<2\n")
        code, out, _ = lock("requirements.in", "-o", name, "--check")
        assert (code, out.splitlines()[2]) == (0, "resolve  the same pins")
        write(locked, "flask\nsix\n")
