"""Ids stay with most of their listings, and all that has changed is told."""

import numpy as np
import pytest

from skmatch.catalogue._assignment import NEW, assign_products, list_moves


def assign(before, groups, next_product=10):
    return assign_products(np.array(before), np.array(groups), next_product).tolist()


def moves(before, after, next_product=10):
    found = list_moves(np.array(before), np.array(after), next_product)
    return [(m.kind, m.product, m.other, m.places.tolist()) for m in found]


@pytest.mark.parametrize(
    ("before", "groups", "after"),
    [
        ([NEW, NEW, NEW], [1, 0, 1], [10, 11, 10]),  # by their first listing
        ([3, 3, NEW], [0, 0, 0], [3, 3, 3]),
        ([3, 4, NEW], [0, 0, 0], [3, 3, 3]),  # of as many, the older product
        ([3, 4, 4], [0, 0, 0], [4, 4, 4]),  # the one with most listings
        ([3, 3, 3], [0, 0, 1], [3, 3, 10]),  # the larger part keeps the id
        ([3, 3], [0, 1], [3, 10]),  # of equal parts, the first
        ([3, 3, 3, 4], [0, 0, 1, 1], [3, 3, 4, 4]),
        ([3, 3, 4, 4, 4], [0, 1, 1, 0, 0], [4, 3, 3, 4, 4]),
    ],
)
def test_groups_take_the_id_that_most_of_their_listings_have(before, groups, after):
    assert assign(before, groups) == after


def test_an_id_is_given_to_one_group_alone():
    rng = np.random.default_rng(0)
    for _ in range(200):
        before, groups = rng.integers(-1, 4, 12), rng.integers(0, 5, 12)
        after = np.array(assign(before, groups))
        pairs = {*zip(groups.tolist(), after.tolist(), strict=True)}
        assert len(pairs) == len({g for g, _ in pairs}) == len({p for _, p in pairs})
        assert (after != NEW).all()
        assert set(after) <= {*before.tolist(), *range(10, 15)} - {NEW}


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ([3, 3], [3, 3], []),
        ([NEW, NEW], [10, 10], [("created", 10, None, [0, 1])]),
        ([3, NEW], [3, 3], [("joined", 3, None, [1])]),
        ([3, 4], [3, 3], [("merged", 4, 3, [1])]),
        ([3, 3], [3, 10], [("split", 3, 10, [1])]),
        ([3, 3, 4], [3, 4, 4], [("moved", 3, 4, [1])]),
    ],
)
def test_what_has_changed_is_told(before, after, told):
    assert moves(before, after) == told
