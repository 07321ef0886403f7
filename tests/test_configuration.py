"""Which file counts, and where its paths lead."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from driftscan.api.configuration import load, read_baseline
from driftscan.errors import UsageError


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository whose folder `apps/shop` is the current one."""
    (tmp_path / "repository" / "apps" / "shop").mkdir(parents=True)
    (tmp_path / "repository" / ".git").mkdir()
    monkeypatch.chdir(tmp_path / "repository" / "apps" / "shop")
    return tmp_path / "repository"


def test_without_a_file_nothing_is_set(repository: Path) -> None:
    assert load(Path.cwd()).path is None


def test_the_nearest_file_counts(repository: Path) -> None:
    (repository / "pyproject.toml").write_text("[tool.driftscan]\noffline = true\n")
    assert load(Path.cwd()).path == "../../pyproject.toml"
    assert load(Path.cwd()).values["offline"].where == "../../pyproject.toml:2"
    (repository / "apps" / "driftscan.toml").write_text("offline = false\n")
    assert load(Path.cwd()).path == "../driftscan.toml"
    (repository / "apps" / "shop" / "pyproject.toml").write_text('[project]\nname = "driftscan-user"\n')
    assert load(Path.cwd()).path == "../driftscan.toml"


def test_nothing_above_the_repository_counts(repository: Path) -> None:
    (repository.parent / "driftscan.toml").write_text("offline = true\n")
    assert load(Path.cwd()).path is None


def test_without_a_repository_only_the_folder_itself_counts(tmp_path: Path) -> None:
    (tmp_path / "driftscan.toml").write_text("offline = true\n")
    (tmp_path / "below").mkdir()
    assert load(tmp_path / "below").path is None
    assert load(tmp_path).path == "driftscan.toml"


def test_a_pyproject_that_is_none_of_its_business_may_be_broken(repository: Path) -> None:
    (repository / "pyproject.toml").write_text("[project\n")
    assert load(Path.cwd()).path is None


def test_two_files_in_a_folder(repository: Path) -> None:
    (repository / "pyproject.toml").write_text("[tool.driftscan]\n")
    (repository / "driftscan.toml").write_text("")
    with pytest.raises(UsageError) as caught:
        load(Path.cwd())
    assert str(caught.value) == "../../pyproject.toml:1: ../../driftscan.toml has settings as well"
    assert caught.value.hint == "keep them in one of the two"


def test_paths_start_from_the_file(repository: Path) -> None:
    (repository / "driftscan.toml").write_text(
        'baseline = "ci/b.toml"\nwheels = "dist"\noutput = ["json=out/drift.json"]\n'
        '[[target]]\nlocks = ["locks/uv.lock"]\ntarget = "images/shop.tar"\n'
        '[[target]]\nlocks = ["locks/uv.lock"]\ntarget = "oci:layout:1.4"\n'
        '[[target]]\nlocks = ["/abs/uv.lock"]\ntarget = "shop:1.4"\n'
        '[[suppress]]\npath = "locks/*"\n[[suppress]]\npath = "/opt/*"\n[[suppress]]\npath = "**/x"\n'
    )
    (repository / "images").mkdir()
    (repository / "images" / "shop.tar").write_bytes(b"")
    found = load(Path.cwd())
    assert {key: value.content for key, value in found.values.items()} == {
        "baseline": "../../ci/b.toml",
        "wheels": "../../dist",
        "output": ("json=../../out/drift.json",),
    }
    assert [(target.locks, target.target) for target in found.targets] == [
        (("../../locks/uv.lock",), "../../images/shop.tar"),
        (("../../locks/uv.lock",), "oci:../../layout:1.4"),
        (("/abs/uv.lock",), "shop:1.4"),
    ]
    assert [entry.path for entry in found.entries] == ["../../locks/*", "/opt/*", "**/x"]


@pytest.mark.parametrize(
    "text", ['baseline = "../outside.toml"', 'output = ["json=/tmp/drift.json"]', 'output = {json = "link/drift.json"}']
)
def test_a_file_of_a_repository_writes_only_in_it(repository: Path, text: str) -> None:
    (repository / "link").symlink_to(repository.parent)
    (repository / "driftscan.toml").write_text(text)
    with pytest.raises(UsageError, match=r"leads out of the repository, and a configuration file writes only in it$"):
        load(Path.cwd())


def test_a_file_by_name(repository: Path) -> None:
    (repository / "other.toml").write_text("quiet = true\n")
    (repository / "pyproject.toml").write_text("[project]\n")
    assert load(Path.cwd(), "../../other.toml").values["quiet"].where == "../../other.toml:1"
    for file, said in (("none.toml", "there is no such file"), ("../../pyproject.toml", "it has no [tool.driftscan]")):
        with pytest.raises(UsageError) as caught:
            load(Path.cwd(), file)
        assert str(caught.value) == f"{file}: {said}"


def test_files_that_cannot_be_read(repository: Path) -> None:
    (repository / "driftscan.toml").write_bytes(b"quiet = true\n# \xff\n")
    with pytest.raises(UsageError) as caught:
        load(Path.cwd())
    assert str(caught.value) == "../../driftscan.toml:2: it is not UTF-8 text"
    (repository / "driftscan.toml").unlink()
    (repository / "driftscan.toml").mkdir()
    with pytest.raises(UsageError) as caught:
        load(Path.cwd())
    assert str(caught.value) == "../../driftscan.toml: it cannot be read: Is a directory"


def test_a_byte_order_mark_does_no_harm(repository: Path) -> None:
    (repository / "driftscan.toml").write_bytes(b"\xef\xbb\xbfquiet = true\n")
    assert load(Path.cwd()).values["quiet"].content is True


def test_a_baseline_that_is_missing(tmp_path: Path) -> None:
    path = os.fspath(tmp_path / "b.toml")
    with pytest.raises(UsageError) as caught:
        read_baseline(path)
    assert (str(caught.value), caught.value.hint) == (
        f"{path}: there is no such baseline",
        "`driftscan baseline` writes one",
    )
