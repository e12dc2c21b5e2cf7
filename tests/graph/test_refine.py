import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array, random_array

from skmatch import (
    FaissThresholdMatcher,
    blend_neighbours,
    limit_matches,
    match_lonely_rows,
)


def unit(rng, n_rows=60, n_features=5):
    rows = np.repeat(rng.normal(size=(n_rows // 3, n_features)), 3, axis=0)
    rows += 0.3 * rng.normal(size=rows.shape)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("reciprocal", [False, True])
@pytest.mark.parametrize("shape", [(40, 40), (30, 50)])
def test_limit_equals_a_slow_loop(rng, shape, reciprocal):
    dense = np.round(random_array(shape, density=0.4, rng=rng).toarray(), 1)
    kept = limit_matches(csr_array(dense), 3, reciprocal=reciprocal).toarray()

    def first(values):
        return [j for j in np.argsort(-values, kind="stable")[:3] if values[j] > 0]

    for i, j in np.ndindex(shape):
        expected = j in first(dense[i]) and (not reciprocal or i in first(dense[:, j]))
        assert kept[i, j] == pytest.approx(dense[i, j] if expected else 0, abs=1e-6)


def test_blend_is_the_weighted_mean(rng):
    rows = unit(rng)
    graph = random_array((60, 60), density=0.1, rng=rng, format="csr")
    expected = graph.toarray()
    np.fill_diagonal(expected, 1)
    expected = expected @ rows
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    blended = blend_neighbours(rows, graph)
    assert blended.dtype == np.float32
    assert_allclose(blended, expected, atol=1e-5)
    sparse = blend_neighbours(csr_array(rows), graph)
    assert_allclose(sparse.toarray(), expected, atol=1e-5)


@pytest.mark.parametrize("kind", [np.asarray, csr_array])
def test_lonely_rows_get_the_nearest(rng, kind, monkeypatch):
    monkeypatch.setattr("skmatch.graph._refine._ENTRIES_PER_BLOCK", 300)
    rows, others = unit(rng), unit(rng, 30)
    graph = csr_array(([0.5], ([3], [4])), shape=(60, 60))
    found = match_lonely_rows(graph, kind(rows)).toarray()
    cosines = rows @ rows.T
    np.fill_diagonal(cosines, -2)
    for row in range(60):
        nearest = 4 if row == 3 else cosines[row].argmax()
        assert found[row].nonzero()[0].tolist() == [nearest]
    found = match_lonely_rows(csr_array((60, 30)), kind(rows), kind(others))
    assert_array_equal(found.toarray().argmax(axis=1), (rows @ others.T).argmax(axis=1))


def test_row_that_is_similar_to_none_remains_alone():
    assert match_lonely_rows(csr_array((2, 2)), np.eye(2)).nnz == 0


def test_shapes_that_do_not_fit():
    with pytest.raises(ValueError, match=r"shape \(3, 3\) and embeddings \(2, 2\)"):
        blend_neighbours(np.eye(2), csr_array((3, 3)))
    with pytest.raises(ValueError, match=r"shape \(3, 3\); expected \(2, 2\)"):
        match_lonely_rows(csr_array((3, 3)), np.eye(2))
    with pytest.raises(ValueError, match="max_matches == 0, must be >= 1"):
        limit_matches(csr_array((3, 3)), 0)


@pytest.mark.parametrize("kind", [np.asarray, csr_array])
def test_as_parameters_of_the_matcher(rng, kind):
    X = kind(unit(rng))
    graph = FaissThresholdMatcher(0.6).fit(X).transform(X)
    graph.setdiag(0)
    graph.eliminate_zeros()

    def predict(**params):
        matches = FaissThresholdMatcher(0.6, **params).fit(X).predict(X)
        assert matches.diagonal().all()
        return matches.toarray()

    def expected(similarities):
        return (similarities.toarray() > 0) | np.eye(60, dtype=bool)

    assert_array_equal(predict(max_matches=2), expected(limit_matches(graph, 2)))
    mutual = predict(max_matches=2, reciprocal=True)
    assert_array_equal(mutual, expected(limit_matches(graph, 2, reciprocal=True)))
    assert_array_equal(mutual, mutual.T)
    lonely = predict(nearest_for_lonely=True)
    assert_array_equal(lonely, expected(match_lonely_rows(graph, X)))
    assert (lonely.sum(axis=1) > 1).all()
    blended = FaissThresholdMatcher(0.6).fit_predict(blend_neighbours(X, graph))
    assert_array_equal(predict(blend=True), blended.toarray())
    assert not np.array_equal(blended.toarray(), predict())
    catalogue = FaissThresholdMatcher(0.9, max_matches=1, nearest_for_lonely=True)
    assert (np.diff(catalogue.fit(X[:40]).transform(X).indptr) == 1).all()


def test_reciprocal_needs_a_number():
    with pytest.raises(ValueError, match="reciprocal=True needs max_matches"):
        FaissThresholdMatcher(reciprocal=True).fit(np.eye(2))
