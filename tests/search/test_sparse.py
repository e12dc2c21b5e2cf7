import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array, hstack, random_array

from skmatch.search import unit_rows
from skmatch.search._similarities import join
from skmatch.search._sparse import (
    keep_rarest,
    most_similar_sparse,
    sparse_neighbors,
    sparse_pairs,
)


@pytest.mark.parametrize("n_threads", [1, 2])
def test_neighbors_are_those_of_all_pairs(rng, n_threads):
    rows = unit_rows(abs(rng.normal(size=(40, 6))))
    row, column = sparse_neighbors(
        csr_array(rows), csr_array(rows), 5, n_threads, rows_per_block=7
    )
    expected = np.argsort(-(rows @ rows.T), axis=1)[:, :5]
    for index in range(len(rows)):
        assert set(column[row == index]) == set(expected[index])


@pytest.mark.parametrize("n_neighbors", [1, 3, 20])
def test_of_equally_similar_rows_the_first_are_near(rng, n_neighbors):
    words = csr_array((rng.random((200, 12)) < 0.2).astype(np.float32))
    row, column, similarity = most_similar_sparse(words, words, n_neighbors, 1, 64)
    products = (words @ words.T).toarray()
    has_few = 0
    for index, own in enumerate(products):
        near = np.lexsort((np.arange(len(own)), -own))[
            : min(n_neighbors, (own > 0).sum())
        ]
        assert column[row == index].tolist() == near.tolist()
        assert_array_equal(similarity[row == index], own[near])
        has_few += len(near) < n_neighbors
    assert n_neighbors < 20 or has_few


def test_rows_that_share_no_column_are_no_neighbors():
    rows = csr_array(np.eye(3, dtype=np.float32))
    row, column = sparse_neighbors(rows, rows, 3, 1)
    assert_array_equal(row, column)
    assert len(row) == 3


def test_no_rows_have_no_neighbors():
    rows = csr_array(np.eye(3, dtype=np.float32))
    assert [len(part) for part in sparse_neighbors(rows[:0], rows, 3, 1)] == [0, 0]


@pytest.mark.parametrize(
    ("work", "n_columns"), [(0, 1), (1, 1), (2, 1), (3, 2), (6, 3), (20, 5), (21, 6)]
)
def test_rarest_columns_are_kept_as_far_as_the_work_allows(work, n_columns):
    # Row i has the columns up to i: column j is in 6 - j rows.
    rows = csr_array(np.tri(6, dtype=np.float32))
    kept = keep_rarest(rows, np.arange(6, 0, -1), work)
    assert_array_equal(kept.toarray()[5], [0] * (6 - n_columns) + [1] * n_columns)
    assert (np.diff(kept.indptr) > 0).all()
    assert_array_equal(rows.toarray(), np.tri(6))


def test_search_by_the_rarest_columns_finds_the_rows_that_have_them():
    words = np.ones((50, 26), np.float32)
    words[:, 1:] = np.repeat(np.eye(25), 2, axis=0)  # a word of all, and one of two
    rows = csr_array(words)
    row, column = sparse_neighbors(rows, rows, 20, 1, work_per_row=3)
    assert sorted(zip(row, column, strict=True)) == [
        (i, j) for i in range(50) for j in (i // 2 * 2, i // 2 * 2 + 1)
    ]


@pytest.mark.parametrize("threshold", [-0.2, 0.0, 0.4])
@pytest.mark.parametrize("is_self", [False, True])
def test_pairs_of_full_and_sparse_columns(rng, threshold, is_self):
    full = csr_array(rng.normal(size=(70, 5)))
    words = random_array((70, 300), density=0.02, rng=1, format="csr")
    rows = unit_rows(hstack([full, words], format="csr"), np.float64)
    others = None if is_self else rows[:50]
    row, column, similarity = join(
        sparse_pairs(rows, others, threshold, entries_per_block=900)
    )
    cosines = (rows @ (rows if is_self else others).T).toarray()
    expected = cosines >= threshold
    expected = np.triu(expected, 1) if is_self else expected
    assert_array_equal(np.stack([row, column]), expected.nonzero())
    assert_allclose(similarity, cosines[row, column], rtol=1e-6)
