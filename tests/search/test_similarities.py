import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array

from skmatch.search import inner_products, similar_pairs, unit_rows
from skmatch.search._similarities import join, pairs_above, rerank, rounding


@pytest.fixture
def rows(rng):
    return unit_rows(rng.normal(size=(70, 6)))


@pytest.mark.parametrize("kind", [np.asarray, csr_array])
def test_inner_products_of_pairs(rows, kind):
    left, right = np.array([0, 3, 5, 9, 1, 1]), np.array([1, 3, 2, 0, 7, 8])
    found = inner_products(kind(rows), kind(rows), left, right, 4, 17)
    assert found.dtype == np.float32
    assert_allclose(found, (rows @ rows.T)[left, right], rtol=1e-5)
    assert len(inner_products(kind(rows), kind(rows), left[:0], right[:0])) == 0


@pytest.mark.parametrize("triangle", [False, True])
def test_pairs_above_a_bound_in_blocks(rows, triangle):
    expected = rows @ rows.T >= 0.3
    expected = np.triu(expected, 1) if triangle else expected
    row, column, similarity = pairs_above(
        rows,
        rows,
        0.3,
        triangle=triangle,
        entries_per_block=200,
        columns_per_block=13,
    )
    found = np.zeros((70, 70), dtype=bool)
    found[row, column] = True
    assert len(row) == expected.sum()
    assert_array_equal(found, expected)
    assert_allclose(similarity, (rows @ rows.T)[row, column], rtol=1e-5)


def test_similar_pairs_are_unordered():
    rows = np.array([[1, 0], [0.8, 0.6], [0, 1], [1, 0]], np.float32)
    row, column, similarity = similar_pairs(rows, 0.7)
    assert sorted(zip(row.tolist(), column.tolist(), strict=True)) == [
        (0, 1),
        (0, 3),
        (1, 3),
    ]
    assert sorted(similarity.tolist()) == pytest.approx([0.8, 0.8, 1.0])


def test_reranking_is_in_float64():
    left = np.array([[0.6, 0.8]], dtype=np.float32)
    first = np.array([0])
    assert rerank(left, left, first, first, 1.0)[2].tolist() == [1.0]
    assert rerank(left, -left, first, first, -1.0)[2].tolist() == [-1.0]


def test_reranking_keeps_the_pairs_at_the_threshold(rows):
    left, right = (x.ravel() for x in np.indices((70, 70)))
    cosines = (rows.astype(float) @ rows.T.astype(float)).ravel()
    threshold = float(np.float32(np.sort(cosines)[4000]))
    found = rerank(rows, rows, left, right, threshold, pairs_per_block=9)
    exact = rerank(rows, rows, left, right, -1.0)[2]
    reaches = exact >= np.float32(threshold)
    assert_array_equal(found[0], left[reaches])
    assert_array_equal(found[1], right[reaches])
    assert_array_equal(found[2], exact[reaches])


def test_rounding_bounds_the_error_of_float32(rng):
    rows = unit_rows(rng.normal(size=(300, 512)))
    error = rows @ rows.T - rows.astype(float) @ rows.T.astype(float)
    assert 0 < abs(error).max() < rounding(512)


def test_no_blocks_give_no_pairs():
    assert [len(part) for part in join([])] == [0, 0, 0]
