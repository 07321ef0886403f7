"""What holds for every lock: order does not matter, a selection is closed, asking for more never takes away."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from driftscan import markers
from driftscan.graph import DependencyGraph, Selection
from driftscan.model.lock import Lock, PackageId, ScopeKind, SelectionMode
from tests.builders.generated import Asked, locks, request, requests
from tests.builders.locks import LINUX, lock


def select(subject: Lock, asked: Asked) -> Selection:
    return DependencyGraph.build([subject]).select(LINUX, request(subject, asked))


@given(locks(), requests, st.randoms(use_true_random=False))
def test_the_order_of_packages_does_not_matter(subject: Lock, asked: Asked, random: Random) -> None:
    shuffled = list(subject.packages)
    random.shuffle(shuffled)
    other = lock(shuffled, subject.roots, mode=subject.mode, default_groups=subject.default_groups)
    one, two = select(subject, asked), select(other, asked)
    assert set(one.packages) == set(two.packages)
    assert one.extras == two.extras
    assert set(one.unknown) == set(two.unknown)
    assert [len(one.chain(key)) for key in one.packages] == [len(two.chain(key)) for key in one.packages] or (
        subject.mode is SelectionMode.FLAT
    )


@given(locks(), requests)
def test_each_package_is_in_exactly_one_part(subject: Lock, asked: Asked) -> None:
    found = select(subject, asked)
    parts = [*found.packages, *found.excluded, *found.unknown]
    assert sorted(map(str, parts)) == sorted(str(each.id) for each in subject.packages)
    assert list(found.packages) == [each.id for each in subject.packages if each.id in found.packages]


@given(locks(), requests)
def test_a_selection_is_closed_under_edges_that_apply(subject: Lock, asked: Asked) -> None:
    found = select(subject, asked)
    if subject.mode is SelectionMode.FLAT:
        return
    for key, each in found.packages.items():
        for dependency in each.dependencies or ():
            extra = dependency.scope.name if dependency.scope.kind is ScopeKind.EXTRA else ""
            applies = dependency.scope.kind is ScopeKind.PRODUCTION or extra in found.extras.get(key, ())
            if applies and markers.evaluate(dependency.marker, LINUX.markers) is True:
                assert set(dependency.candidates) <= set(found.packages)
                assert dependency.extras <= found.extras.get(dependency.candidates[0], frozenset())


@given(locks(), requests)
def test_a_chain_follows_edges_of_the_lock(subject: Lock, asked: Asked) -> None:
    found = select(subject, asked)
    roots = {candidate for root in subject.roots for candidate in root.candidates}

    def leads(parent: PackageId, child: PackageId) -> bool:
        return any(child in each.candidates for each in found.packages[parent].dependencies or ())

    assert set(found.parents) == set(found.packages)
    for key, parent in found.parents.items():
        assert found.chain(key)[-1] == key.name
        assert leads(parent, key) if parent is not None else key in roots


@given(locks(), requests, requests)
def test_asking_for_more_takes_nothing_away(
    subject: Lock,
    asked: Asked,
    more: Asked,
) -> None:
    wider = (asked[0] | more[0], asked[1] | more[1], asked[2] or more[2])
    one, two = select(subject, asked), select(subject, wider)
    assert set(one.packages) <= set(two.packages)
    assert set(two.excluded) <= set(one.excluded)
