import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.sparse import csr_array, random_array

from skmatch import expand_queries


def unit(rng, n_rows=60, n_features=5):
    X = rng.normal(size=(n_rows, n_features))
    return (X / np.linalg.norm(X, axis=1, keepdims=True)).astype(np.float32)


def test_expanded_is_the_weighted_mean(rng):
    X = unit(rng)
    graph = random_array((60, 60), density=0.1, rng=rng, format="csr")
    expected = graph.toarray()
    np.fill_diagonal(expected, 1)  # whatever is stored there
    expected = expected @ X
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    expanded = expand_queries(X, graph)
    assert expanded.dtype == np.float32
    assert_allclose(expanded, expected, atol=1e-5)
    sparse = expand_queries(csr_array(X), graph)
    assert_allclose(sparse.toarray(), expected, atol=1e-5)


def test_row_without_a_match_stays(rng):
    X = unit(rng, 4)
    assert_allclose(expand_queries(X, csr_array((4, 4))), X, atol=1e-7)


def test_shapes_that_do_not_fit():
    with pytest.raises(ValueError, match=r"shape \(3, 3\) and embeddings \(2, 2\)"):
        expand_queries(np.eye(2), csr_array((3, 3)))
