"""The fuzzing targets run: on their seeds, with every input that ever broke something, and on some changed ones."""

from __future__ import annotations

import random

import pytest

from fuzz.run import changed, survives
from fuzz.targets import SEEDS, TARGETS, Target

CHANGED = 100


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_and_what_is_like_them(name: str) -> None:
    seeds = TARGETS[name].seeds(name)
    chance = random.Random(1)
    assert seeds
    for seed in seeds:
        TARGETS[name].run(seed)
    for _ in range(CHANGED):
        TARGETS[name].run(changed(chance.choice(seeds), chance))


def test_kept_seeds_belong_to_a_target() -> None:
    assert {path.name for path in SEEDS.glob("*")} <= TARGETS.keys()


def test_what_breaks_is_seen() -> None:
    def broken(data: bytes) -> None:
        raise ZeroDivisionError(data)

    assert not survives(Target(broken, list), b"x")
