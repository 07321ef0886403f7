"""pip's own parser is the judge of what a requirements file says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from driftscan.errors import LockError
from driftscan.lock.document import Document
from driftscan.lock.requirements import parse
from driftscan.lock.requirements_lines import logical_lines
from tests.builders.files import document

pip_exceptions = pytest.importorskip("pip._internal.exceptions")
pip_parser = pytest.importorskip("pip._internal.req.req_file")

HASH = "--hash=sha256:" + "0" * 64
PIECES = (
    *("a==1", "b", "c>=1,<2", "d ; python_version < '3'", "e[x]", "./f", "g @ https://files.example/g.zip#h"),
    *(
        HASH,
        "--hash",
        "sha256:00",
        "-e ./h",
        "--editable=./i",
        "-ij",
        "--pre",
        "--no-require-hashes",
        "--no-binary",
        ":all:",
        "'q r'",
        '"',
        "--",
    ),
    *(
        " ",
        " ",
        " ",
        "\t",
        "\\",
        "\\\n",
        "\\\n",
        "\n",
        "\n",
        "\n",
        "\r\n",
        "\x0c",
        "\u2028",
        "#",
        " # k",
        "\n# l\n",
        "-",
    ),
)


def read_by_pip(path: Path) -> list[tuple[str, bool, tuple[str, ...]]] | None:
    """Requirement, whether editable, hashes; None where pip refuses the file."""
    try:
        parsed = list(pip_parser.parse_requirements(str(path), session=None))
    except (pip_exceptions.PipError, SystemExit):
        return None
    return [
        (
            each.requirement.strip(),
            each.is_editable,
            tuple(f"{name}:{one}" for name, many in (each.options or {}).get("hashes", {}).items() for one in many),
        )
        for each in parsed
    ]


def read_by_us(data: bytes) -> list[tuple[str, bool, tuple[str, ...]]] | None:
    try:
        lines = list(logical_lines(Document("requirements.txt", data)))
    except LockError:
        return None
    found = []
    for line in lines:
        if line.wanted is not None:
            hashes = tuple(value for name, value in line.options if name == "--hash" and not line.is_editable)
            # uv and Poetry write markers behind editables; pip reads past them.
            wanted = line.wanted if line.requirement else line.wanted.split(" ;")[0]
            found.append((wanted, line.is_editable, hashes))
    return found


@given(text=st.lists(st.sampled_from(PIECES), max_size=14).map("".join))
@example(text="a==1 -e ./h")
@example(text=f"./f {HASH} -e ./h --editable=./i")
def test_lines_are_cut_as_pip_cuts_them(text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "requirements.txt"
    path.write_bytes(text.encode())
    expected = read_by_pip(path)
    found = read_by_us(text.encode())
    if expected is None:
        return
    assert found == expected


FILES = {
    "requirements.txt": """\
# coding: utf-8
--index-url https://index.example/simple
-r sub/base.txt -r sub/unread.txt
-c constraints.txt
Flask [async,Dot.Env]==3.0.0 ; python_version >= "3.8" and os_name != 'nt' \\
    --hash=sha256:00 \\
    --hash sha512:11   # via x
b==1 \\
    # cut
    --hash=sha256:22
c==2 # swallowed \\
d==3
git+https://files.example/e.git@v1#egg=e
f @ https://files.example/f-1-py3-none-any.whl ; sys_platform == "linux"
./wheels/g-1-py3-none-any.whl
-e git+https://files.example/h.git#egg=h
""",
    "sub/base.txt": "-rmore.txt\ni~=1.0; python_version > '3'\n",
    "sub/more.txt": "\ufeffj==1\r\nk===2\r\n",
    "sub/unread.txt": "never==1\n",
    "constraints.txt": "z==1\n-r pinned.txt\n",
    "pinned.txt": "y==1\n",
    "wheels/g-1-py3-none-any.whl": "",
}
PRINT = """
import sys
from pip._internal.network.session import PipSession
from pip._internal.req.constructors import install_req_from_parsed_requirement
from pip._internal.req.req_file import parse_requirements
for parsed in parse_requirements(sys.argv[1], session=PipSession()):
    if not parsed.constraint:
        found = install_req_from_parsed_requirement(parsed)
        hashes = sorted(f"{name}:{one}" for name, many in found.hash_options.items() for one in many)
        print(found.name, found.specifier, sorted(found.extras), found.markers, hashes, sep="|")
"""


def test_a_project_is_read_as_pip_reads_it(tmp_path: Path) -> None:
    for name, content in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content.encode())
    command = [sys.executable, "-W", "ignore", "-c", PRINT, str(tmp_path / "requirements.txt")]
    lines = subprocess.run(command, check=True, capture_output=True, text=True, cwd=tmp_path).stdout.splitlines()
    lock = parse(document("requirements.txt", FILES))
    packages = {package.id: package for package in lock.packages}
    found = []
    for root in lock.roots:
        package = packages[root.candidates[0]]
        hashes = sorted(str(value) for artifact in package.artifacts for value in artifact.hashes)
        found.append("|".join((root.name, root.specifier, str(sorted(root.extras)), str(root.marker), str(hashes))))
    assert found == [_normal(line) for line in lines]


def _normal(line: str) -> str:
    name, specifier, extras, marker, hashes = line.split("|")
    # pip makes a specifier of a local wheel's file name.
    specifier = "" if name == "g" else specifier
    extras = str(sorted(map(canonicalize_name, extras.strip("[]'").split("', '")))) if extras != "[]" else extras
    marker = marker if marker == "None" else str(Requirement(f"a ; {marker}").marker)
    return "|".join((canonicalize_name(name), specifier, extras, marker, hashes))
