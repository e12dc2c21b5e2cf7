import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array

from skmatch.search import draw, unit_rows


@pytest.mark.parametrize("kind", [np.asarray, csr_array])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_rows_of_norm_one_and_zero_rows(kind, dtype):
    rows = unit_rows(kind(np.array([[3, 4], [0, 0], [0, -2]], dtype=dtype)))
    assert rows.dtype == np.float32
    rows = rows.toarray() if kind is csr_array else rows
    assert_allclose(rows, [[0.6, 0.8], [0, 0], [0, -1]], rtol=1e-7)


@pytest.mark.parametrize("kind", [np.asarray, csr_array])
@pytest.mark.parametrize("size", [5e-324, 1e-300, 1e-20, 1e20, 3e307])
def test_direction_survives_any_size(kind, size):
    rows = unit_rows(kind(np.array([[3 * size, 4 * size], [1.0, 0.0]])))
    rows = rows.toarray() if kind is csr_array else rows
    assert_allclose(rows, [[0.6, 0.8], [1, 0]], rtol=2e-7)


def test_sparse_rows_of_another_dtype_without_zeros():
    X = csr_array(([3.0, 0.0, 4.0], [0, 1, 2], [0, 3]), shape=(1, 3))
    rows = unit_rows(X, sparse_dtype=np.float64)
    assert rows.dtype == np.float64
    assert_array_equal(rows.indices, [0, 2])
    assert_array_equal(X.data, [3, 0, 4])


def test_dense_rows_are_scaled_block_by_block(rng, tmp_path):
    X = rng.normal(size=(50, 3))
    np.save(tmp_path / "rows.npy", X)
    on_disk = np.load(tmp_path / "rows.npy", mmap_mode="r")
    rows = unit_rows(on_disk, rows_per_block=7)
    assert rows.flags.c_contiguous
    assert_array_equal(rows, unit_rows(X))
    assert_allclose(rows, X / np.linalg.norm(X, axis=1, keepdims=True), rtol=1e-5)


def test_input_is_not_changed(rng):
    dense, sparse = np.full((2, 2), 3.0, np.float32), csr_array(np.full((2, 2), 3.0))
    unit_rows(dense)
    unit_rows(sparse, np.float64)
    assert_array_equal(dense, sparse.toarray())


def test_drawn_indices_are_distinct_and_the_same_each_time():
    drawn = draw(100, 30)
    assert len(set(drawn.tolist())) == 30
    assert drawn.max() < 100
    assert_array_equal(drawn, draw(100, 30))
    assert not np.array_equal(drawn, draw(100, 30, seed=1))
    everything = draw(100, 200)
    assert_array_equal(np.sort(everything), np.arange(100))
    assert not np.array_equal(everything, np.arange(100))  # in random order
