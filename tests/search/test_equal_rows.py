import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skmatch.search import _equal_rows
from skmatch.search._equal_rows import EqualRows, expand_pairs


@pytest.fixture
def rows():
    rows = np.array([[1, 0], [0, 1], [1, 0], [0, 0], [0, 1], [1, 0]], np.float32)
    rows[3] = -0.0, 0.0
    return rows


@pytest.fixture(params=[False, True])
def hashes(request, monkeypatch):
    """Good ones, and ones that are all the same."""
    if request.param:
        monkeypatch.setattr(
            _equal_rows, "_hash", lambda rows: np.zeros(len(rows), np.uint64)
        )
    return request.param


@pytest.mark.usefixtures("rows")
def test_groups_are_numbered_by_their_first_row(rows):
    equal = EqualRows(rows)
    assert_array_equal(equal.first, [0, 1, 3])
    assert_array_equal(equal.without_copies(rows), rows[[0, 1, 3]])
    more = EqualRows(np.vstack([rows, [[0, 1], [5, 5]]]).astype(np.float32))
    assert_array_equal(more.first, [0, 1, 3, 7])


def test_rows_that_differ_are_never_equal(rng, hashes):
    rows = rng.integers(2, size=(100, 5)).astype(np.float32)
    equal = EqualRows(rows)
    if not hashes:
        assert len(equal) == len(np.unique(rows, axis=0))
    groups = np.arange(len(equal))
    pairs = groups, groups, np.ones(len(equal), np.float32)
    left, right, _ = expand_pairs(equal, equal, pairs)
    assert (left < right).all()
    assert (rows[left] == rows[right]).all()
    same = np.triu((rows[:, None] == rows).all(axis=2), 1)
    assert len(left) == same.sum() or hashes
    query, group = equal.find(rows, rows[:40])
    assert_array_equal(rows[query], rows[equal.first[group]])
    assert len(query) == 40 or hashes


def test_minus_zero_equals_zero(rows):
    zero = np.zeros((1, 2), np.float32)
    assert_array_equal(EqualRows(rows).find(rows, zero), [[0], [2]])


def test_pairs_of_groups_become_those_of_their_rows(rows):
    equal = EqualRows(rows)
    pairs = np.array([0, 1]), np.array([1, 1]), np.array([0.5, 1], np.float32)
    left, right, similarity = expand_pairs(equal, equal, pairs)
    found = dict(zip(zip(left, right, strict=True), similarity, strict=True))
    assert found == {(i, j): 0.5 for i in (0, 2, 5) for j in (1, 4)} | {(1, 4): 1.0}


def test_pairs_of_two_sides(rows):
    ours, theirs = EqualRows(rows[:3]), EqualRows(rows)
    pairs = np.array([0]), np.array([0]), np.ones(1, np.float32)
    left, right, _ = expand_pairs(ours, theirs, pairs)
    found = set(zip(left.tolist(), right.tolist(), strict=True))
    assert found == {(i, j) for i in (0, 2) for j in (0, 2, 5)}
