"""Layers paired with the instructions that made them, as each builder writes them into the history."""

from __future__ import annotations

import pytest

from driftscan.image.history import instruction, layer_ids
from driftscan.model.image import HistoryEntry, ImageConfig, LayerId

LONG = "0123456789ab" + "c" * 52


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        # The classic builder.
        ("/bin/sh -c pip install -r requirements.txt", "RUN pip install -r requirements.txt"),
        ("/bin/sh -c #(nop) COPY dir:abc in /app ", "COPY dir:abc in /app"),
        (f"/bin/sh -c #(nop) ADD file:{LONG} in / ", "ADD file:0123456789ab in /"),
        (f"/bin/sh -c #(nop) COPY multi:{LONG} in /srv/ ", "COPY multi:0123456789ab in /srv/"),
        ('/bin/sh -c #(nop)  CMD ["python3"]', 'CMD ["python3"]'),
        ("|1 VERSION=3.11 /bin/sh -c make install", "RUN make install"),
        ("|2 A=x y B=/bin/sh  /bin/sh -c echo $A", "RUN echo $A"),
        ("/bin/bash -o pipefail -c curl x | tar x", "RUN curl x | tar x"),
        ("/bin/bash -eo pipefail -c curl x | tar x", "RUN curl x | tar x"),
        ("/bin/sh -ec apt-get update", "RUN apt-get update"),
        # BuildKit.
        ("RUN /bin/sh -c pip install -U numpy # buildkit", "RUN pip install -U numpy"),
        ("RUN |1 WHO=world /bin/sh -c echo $WHO # buildkit", "RUN echo $WHO"),
        ("RUN |2 A=1 B=2 3 /bin/bash -euxo pipefail -c make # buildkit", "RUN make"),
        ("RUN python -m pip install x # buildkit", "RUN python -m pip install x"),
        ("COPY . /app # buildkit", "COPY . /app"),
        ("COPY --from=build /opt/venv /opt/venv # buildkit", "COPY --from=build /opt/venv /opt/venv"),
        ("WORKDIR /srv", "WORKDIR /srv"),
        ('ENTRYPOINT ["gunicorn"]', 'ENTRYPOINT ["gunicorn"]'),
        (
            "RUN /bin/sh -c apt-get update &&     apt-get install -y x # buildkit",
            "RUN apt-get update &&     apt-get install -y x",
        ),
        ("RUN /bin/sh -c echo '# buildkit' # buildkit", "RUN echo '# buildkit'"),
        ("RUN /bin/sh -c <<EOF (echo a...)", "RUN <<EOF (echo a...)"),
        # Buildah, and what commits without a Dockerfile leave.
        ("/bin/sh -c dnf install python3", "RUN dnf install python3"),
        ("/bin/sh -c #(nop) COPY file:1234 in /x", "COPY file:1234 in /x"),
        ("bazel build ...", "bazel build ..."),
        ("bash", "bash"),
        ("", None),
        ("   ", None),
    ],
)
def test_instructions(written: str, expected: str | None) -> None:
    assert instruction(HistoryEntry(written)) == expected


def test_only_a_comment() -> None:
    assert instruction(HistoryEntry("", comment="Imported from -")) == "Imported from -"
    assert instruction(HistoryEntry("RUN x", comment="buildkit.dockerfile.v0")) == "RUN x"


def config(history: tuple[HistoryEntry, ...], count: int) -> ImageConfig:
    return ImageConfig(history=history, diff_ids=tuple(f"sha256:{number:064x}" for number in range(count)))


def test_entries_that_made_no_layer_are_passed_over() -> None:
    history = (
        HistoryEntry("/bin/sh -c #(nop) ADD file:1 in / "),
        HistoryEntry('/bin/sh -c #(nop)  CMD ["sh"]', empty_layer=True),
        HistoryEntry("RUN /bin/sh -c make # buildkit"),
        HistoryEntry("ENV A=1", empty_layer=True),
    )
    assert layer_ids(config(history, 2)) == (
        LayerId(1, f"sha256:{0:064x}", "ADD file:1 in /"),
        LayerId(2, f"sha256:{1:064x}", "RUN make"),
    )


@pytest.mark.parametrize("count", [1, 3])
def test_a_history_that_does_not_fit_says_nothing(count: int) -> None:
    history = (HistoryEntry("RUN one"), HistoryEntry("RUN two"))
    assert [layer.created_by for layer in layer_ids(config(history, count))] == [None] * count


def test_no_history_and_no_layers() -> None:
    assert layer_ids(config((), 1)) == (LayerId(1, f"sha256:{0:064x}", None),)
    assert layer_ids(ImageConfig()) == ()


@pytest.mark.parametrize("written", ["RUN " + "|1 " * 1_000_000, " " * 3_000_000 + "x", "|1 " + "a " * 1_500_000])
def test_long_lines_take_no_time(written: str) -> None:
    assert instruction(HistoryEntry(written)) == written.strip()
