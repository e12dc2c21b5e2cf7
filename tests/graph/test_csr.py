import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.sparse import csr_array

from skmatch.graph import keep_entries, row_indices, symmetrize


def test_symmetric_graph_has_each_pair_from_both_sides():
    made = symmetrize(np.array([0.5, 0.2]), np.array([0, 1]), np.array([2, 2]), 3)
    assert_array_equal(made.toarray(), [[0, 0, 0.5], [0, 0, 0.2], [0.5, 0.2, 0]])
    assert made.has_sorted_indices
    assert made.indices.dtype == np.int32


def test_no_pairs_make_an_empty_graph():
    none = np.empty(0, np.intp)
    assert symmetrize(np.empty(0, np.float32), none, none, 4).shape == (4, 4)


@pytest.fixture
def graph():
    values = np.array([0.0, 2.0, 3.0, -1.0])  # a stored zero is an entry
    return csr_array((values, np.array([1, 0, 2, 1]), np.array([0, 1, 3, 3, 4])))


def test_row_of_each_entry(graph):
    assert_array_equal(row_indices(graph), [0, 1, 1, 3])


def test_kept_entries_stay_in_their_rows(graph):
    kept = keep_entries(graph, np.array([True, False, True, True]))
    assert_array_equal(kept.indptr, [0, 1, 2, 2, 3])
    assert_array_equal(kept.indices, [1, 2, 1])
    assert_array_equal(kept.data, [0, 3, -1])
    assert kept.shape == graph.shape
    assert keep_entries(graph, np.zeros(4, bool)).nnz == 0
