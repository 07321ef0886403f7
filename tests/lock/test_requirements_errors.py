"""Requirements files that cannot be read: each error names file, line and way out."""

from __future__ import annotations

import pytest

from driftscan.errors import LockError
from driftscan.lock.requirements import parse
from tests.builders.files import document

NO_VERSION = "Expected semicolon (after name with no version specifier) or end"
NO_END = "Expected comma (within version specifier), semicolon (after version specifier) or end"


def refused(text: str | bytes, **others: str) -> tuple[str | None, str, str | None]:
    """Place, message and hint for `app/requirements.txt`; others lie beside it, `_` standing for a dot."""
    files = {f"app/{name.replace('_', '.')}": content for name, content in others.items()}
    with pytest.raises(LockError) as caught:
        parse(document("app/requirements.txt", {"app/requirements.txt": text, **files}))
    return caught.value.where, caught.value.message, caught.value.hint


@pytest.mark.parametrize(
    ("text", "where", "message", "hint"),
    [
        (
            "a==1\nb=1.0=py_0\n",
            ":2",
            "`b=1.0=py_0` is no requirement: " + NO_VERSION,
            "conda packages (`name=version=build`) are not requirements",
        ),
        (
            "a==1 ; hostname == 'x'",
            ":1",
            "`a==1 ; hostname == 'x'` is no requirement: Expected a marker variable or quoted string",
            None,
        ),
        ("a==1\t--hash=sha256:00", ":1", "`a==1\t--hash=sha256:00` is no requirement: " + NO_END, None),
        ("a==1 --hash=sha256:xyz", ":1", "the hash 'sha256:xyz' is not of the form sha256:hexadecimal", "lock again"),
        ("a==1 --hash=crc32:00", ":1", "the hash 'crc32:00' is not of the form sha256:hexadecimal", "lock again"),
        ("\n--unknown x", ":2", "'--unknown' is no option of requirements files", None),
        ("--re x", ":1", "'--re' is no option of requirements files", None),
        ("--pre=yes", ":1", "the option --pre takes no value", None),
        ("--index-url", ":1", "the option --index-url has no value", None),
        ("-r 'x", ":1", "its options cannot be split into words (No closing quotation)", None),
        ("--hash=sha256:00", ":1", "a --hash stands before any requirement", "lock again"),
        (
            "a==1\n-r https://me:pw@files.example/r.txt?t=1",
            ":2",
            "it includes https://files.example/r.txt, and nothing is fetched",
            "keep the file in the project",
        ),
        (
            "a==1 -e ./b",
            ":1",
            "`a==1` is no folder, and pip takes it for the one that -e is about",
            "write -e on a line of its own",
        ),
        (
            "--require-hashes\n--no-require-hashes",
            ":2",
            "--require-hashes and --no-require-hashes exclude each other",
            None,
        ),
        ("-r gone.txt", ":1", "it includes gone.txt, which does not exist", None),
        ("-r ../../r.txt", ":1", "`../../r.txt` leads out of the project", None),
        (
            "-r requirements.txt",
            ":1",
            "requirements.txt includes itself",
            "remove one of the -r or -c lines in the circle",
        ),
        (
            "https://me:pw@files.example/download?k=v",
            ":1",
            "https://files.example/download does not tell which project it is",
            "write `name @ url`",
        ),
        (
            "git+https://files.example/a.git",
            ":1",
            "git+https://files.example/a.git does not tell which project it is",
            "write `name @ url`",
        ),
        ("./odd-name.whl", ":1", "./odd-name.whl does not tell which project it is", "write `name @ url`"),
        ("a==1\n<<<<<<< HEAD\nb==1", ":2", "a merge conflict was left in it", "resolve it, or lock again"),
        ("# -*- coding: klingon -*-\na==1", "", "it is not klingon text", "save it as UTF-8"),
        ("# coding: undefined\na==1", "", "it is not undefined text", "save it as UTF-8"),
        (b"a==1 # \xff", "", "it is not utf-8 text", "save it as UTF-8"),
        (f"a=={'9' * 5000}", ":1", f"`a=={'9' * 97}…` is no requirement: its version is too long to be real", None),
        (
            f"a @ https://files.example/{'a' * 20000}.zip",
            ":1",
            "a requirement of 20,030 characters is too long to be real",
            None,
        ),
        ("./a-1-py3-none-any.whl ; os_name", ":1", "the marker `os_name` does not parse: it ends too early", None),
    ],
)
def test_refused(text: str | bytes, where: str, message: str, hint: str | None) -> None:
    assert refused(text) == (f"app/requirements.txt{where}", message, hint)


def test_a_deeply_nested_marker_is_refused() -> None:
    nested = f"a==1 ; {'(' * 3000}os_name == 'nt'{')' * 3000}"
    assert refused(nested) == (
        "app/requirements.txt:1",
        f"`{nested[:100]}…` is no requirement: it is nested more than 64 levels deep",
        None,
    )
    alternating = "os_name == 'nt'"
    for _ in range(33):
        alternating = f"(os_name == 'x' or (os_name == 'nt' and {alternating}))"
    assert refused(f"a==1 ; {alternating}")[1].endswith("is no requirement: it is nested more than 64 levels deep")


def test_a_marker_of_the_greatest_nesting_is_read() -> None:
    nested = f"a==1 ; {'(' * 64}os_name == 'nt'{')' * 64}"
    lock = parse(document("requirements.txt", {"requirements.txt": nested}))
    assert [package.id.name for package in lock.packages] == ["a"]


def test_many_parentheses_side_by_side_are_not_nested() -> None:
    marker = " or ".join(["(os_name == 'nt')"] * 100)
    lock = parse(document("requirements.txt", {"requirements.txt": f"a==1 ; {marker}"}))
    assert [package.id.name for package in lock.packages] == ["a"]


def test_a_circle_is_refused_where_it_closes() -> None:
    where, message, _ = refused("-r a.txt", a_txt="\n-c requirements.txt")
    assert (where, message) == ("app/a.txt:2", "requirements.txt includes itself")


def test_an_avalanche_of_includes_is_refused() -> None:
    levels = {f"l{level}_txt": f"-r l{level + 1}.txt\n" * 10 for level in range(9)}
    where, message, _ = refused("-r l0.txt", **levels, l9_txt="a==1")
    assert message == "more than 256 files are included"
    assert where is not None


def test_a_chain_of_includes_has_an_end() -> None:
    levels = {f"l{level}_txt": f"-r l{level + 1}.txt\n" for level in range(40)}
    assert refused("-r l0.txt", **levels)[1] == "files include each other more than 32 levels deep"
