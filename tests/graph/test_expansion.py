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


@pytest.mark.parametrize("kind", [np.asarray, csr_array])
def test_embeddings_that_are_not_finite_are_refused_by_their_row(kind):
    X = kind(np.array([[1.0, 0.0], [np.nan, 1.0]]))
    with pytest.raises(ValueError, match="row 1 of embeddings holds NaN or inf"):
        expand_queries(X, np.eye(2))
    with pytest.raises(ValueError, match="row 1 of score_graph holds NaN or inf"):
        expand_queries(np.eye(2), X)


def test_embeddings_that_are_no_matrix_are_refused():
    with pytest.raises(ValueError, match=r"embeddings has shape \(2,\); expected two"):
        expand_queries([1.0, 0.0], np.eye(2))


def test_any_matrix_may_be_given():
    graph, expected = [[0, 1], [1, 0]], np.full((2, 2), 0.5**0.5)
    assert_allclose(expand_queries([[1, 0], [0, 1]], graph), expected, atol=1e-6)
    expanded = expand_queries(csr_array(np.eye(2)).tocsc(), csr_array(graph).tolil())
    assert_allclose(expanded.toarray(), expected)
