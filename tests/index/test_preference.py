"""Which file of a release tells its requirements."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st
from packaging.utils import parse_wheel_filename

from driftscan.index.page import File
from driftscan.index.preference import Preference
from driftscan.model.target import Target
from driftscan.platforms import target

LINUX = target("3.12", "linux")
ENDINGS = (
    "py3-none-any.whl",
    "py2-none-any.whl",
    "py2.py3-none-any.whl",
    "cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
    "cp312-abi3-manylinux_2_17_x86_64.whl",
    "cp38-abi3-manylinux_2_17_x86_64.whl",
    "cp312-none-any.whl",
    "cp312-cp312-win_amd64.whl",
    "no-wheel.whl",
)
NAMES = st.sampled_from([*(f"shop-1.0-{ending}" for ending in ENDINGS), "shop-1.0.tar.gz"])
FILES = st.lists(
    st.builds(
        lambda name, metadata: File(filename=name, url="https://files.example/it", metadata=metadata),
        NAMES,
        st.sampled_from([None, ()]),
    ),
    min_size=1,
)


def naive(files: Sequence[File], place: Target) -> File:
    """The least by: wheels first, those that fit, those for any platform, those with metadata, the best tag."""

    def order(file: File) -> tuple[bool, bool, bool, bool, int]:
        try:
            tags = parse_wheel_filename(file.filename)[3]
        except ValueError:
            tags = frozenset()
        places = [number for number, tag in enumerate(place.tags or ()) if tag in tags]
        fits = place.tags is None or bool(places)
        is_any = file.filename.endswith("-any.whl")
        return not file.is_wheel, not fits, not is_any, file.metadata is None, min(places, default=0)

    return min(files, key=order)


@given(FILES)
def test_the_file_that_tells_best(files: list[File]) -> None:
    for place in (LINUX, Target()):
        assert Preference(place).telling(files) is naive(files, place)
