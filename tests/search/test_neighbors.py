import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from sklearn.preprocessing import normalize

from skmatch.search import _neighbors as candidates
from skmatch.search._neighbors import find_nearest, inner_products, unit_rows


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    return normalize(abs(rng.normal(size=(40, 6)))).astype(np.float32)


@pytest.mark.parametrize("make", [np.asarray, csr_array], ids=["dense", "sparse"])
@pytest.mark.parametrize("n_threads", [1, 2])
def test_nearest_are_those_of_all_pairs(rows, make, n_threads, monkeypatch):
    monkeypatch.setattr(candidates, "_ROWS_PER_BLOCK", 7)
    found = find_nearest(make(rows), make(rows), 5, n_threads)
    expected = np.argsort(-(rows @ rows.T), axis=1)[:, :5]
    for row in range(len(rows)):
        assert set(found[1][found[0] == row]) == set(expected[row])


def test_more_nearest_than_rows_are_all_rows(rows):
    row, column = find_nearest(rows[:3], rows[:4], 9, 1)
    assert sorted(zip(row, column, strict=True)) == [
        (i, j) for i in range(3) for j in range(4)
    ]


def test_sparse_rows_without_a_common_word_are_no_candidates():
    row, column = find_nearest(csr_array(np.eye(3, dtype=np.float32)), csr_array(
        np.eye(3, dtype=np.float32)), 3, 1)  # fmt: skip
    assert_array_equal(row, column)
    assert len(row) == 3


def test_a_row_is_searched_by_its_rarest_words_as_far_as_its_work_allows(monkeypatch):
    # Row i has the words up to i: word j is in 6 - j rows.
    rows = csr_array(np.tri(6, dtype=np.float32))
    before = rows.toarray()
    for work, n_words in ((0, 1), (1, 1), (2, 1), (3, 2), (6, 3), (20, 5), (21, 6)):
        monkeypatch.setattr(candidates, "_WORK_PER_ROW", work)
        kept = candidates._keep_rarest(rows, np.arange(6, 0, -1))
        assert_array_equal(kept.toarray()[5], [0] * (6 - n_words) + [1] * n_words)
        assert (np.diff(kept.indptr) > 0).all()
    assert_array_equal(rows.toarray(), before)


def test_a_search_by_the_rarest_words_finds_the_rows_that_have_them(monkeypatch):
    monkeypatch.setattr(candidates, "_WORK_PER_ROW", 3)
    words = np.ones((50, 26), np.float32)
    words[:, 1:] = np.repeat(np.eye(25), 2, axis=0)  # a word of all, and one of two
    row, column = find_nearest(csr_array(words), csr_array(words), 20, 1)
    assert sorted(zip(row, column, strict=True)) == [
        (i, j) for i in range(50) for j in (i // 2 * 2, i // 2 * 2 + 1)
    ]


@pytest.mark.parametrize("make", [np.asarray, csr_array], ids=["dense", "sparse"])
def test_similarities_of_pairs(rows, make, monkeypatch):
    monkeypatch.setattr(candidates, "_PAIRS_PER_BLOCK", 4)
    left, right = np.array([0, 3, 5, 9, 1, 1]), np.array([1, 3, 2, 0, 7, 8])
    found = inner_products(make(rows), make(rows), left, right)
    assert_allclose(found, (rows @ rows.T)[left, right], rtol=1e-5)
    assert len(inner_products(make(rows), make(rows), left[:0], right[:0])) == 0


def test_unit_rows_keep_zero_rows():
    dense = unit_rows(np.array([[3.0, 4.0], [0.0, 0.0]]))
    assert_allclose(dense, [[0.6, 0.8], [0, 0]], rtol=1e-6)
    assert dense.dtype == unit_rows(csr_array(dense)).dtype == np.float32
