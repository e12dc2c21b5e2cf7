import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import coo_array, csr_array, csr_matrix, lil_array

from skmatch import decide_matches, expand_queries, group_matches, link_catalogues
from skmatch._matrices import as_csr
from skmatch.graph import (
    find_entries,
    keep_entries,
    keep_rows,
    row_indices,
    symmetrize,
    widen,
)


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


FORMATS = ["csr", "csc", "bsr", "coo", "dia", "dok", "lil"]
CALLS = {
    "score_graph": decide_matches,
    "matches": group_matches,
    "scores": link_catalogues,
}


def call(name, matrix):
    """Give a matrix to the function that has a parameter of this name."""
    return CALLS[name](matrix, threshold=0.5)


def values_of(result):
    return result if isinstance(result, np.ndarray) else result.toarray()


@pytest.fixture
def unsorted():
    """Two rows whose indices fall, with an entry that is stored twice."""
    scores = np.array([0.25, 0.5, 0.5, 0.125, 0.75])
    return csr_array((scores, np.array([1, 1, 0, 1, 0]), np.array([0, 3, 5])))


@pytest.mark.parametrize("name", CALLS)
def test_what_is_stored_twice_is_summed(name, unsorted):
    assert_array_equal(
        values_of(call(name, unsorted)), values_of(call(name, unsorted.toarray()))
    )


@pytest.mark.parametrize("index_dtype", [np.int32, np.int64])
@pytest.mark.parametrize("kind", [csr_array, csr_matrix])
@pytest.mark.parametrize("name", [*CALLS, "expand"])
def test_the_arrays_that_are_given_stay_as_they_are(name, kind, index_dtype, unsorted):
    graph = kind(unsorted)
    graph.indices, graph.indptr = (
        part.astype(index_dtype) for part in (graph.indices, graph.indptr)
    )
    parts = graph.data, graph.indices, graph.indptr
    before = [part.copy() for part in parts]
    for part in parts:
        part.flags.writeable = False
    if name == "expand":
        expand_queries(graph, graph)
    else:
        call(name, graph)
    for part, now, copy in zip(
        parts, (graph.data, graph.indices, graph.indptr), before, strict=True
    ):
        assert now is part
        assert_array_equal(part, copy)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("name", CALLS)
def test_every_format_gives_the_same(name, format, rng):
    scores = np.where(rng.random((12, 12)) < 0.4, rng.random((12, 12)), 0)
    scores = np.maximum(scores, scores.T)
    expected = values_of(call(name, scores))
    assert_array_equal(
        values_of(call(name, csr_array(scores).asformat(format))), expected
    )
    half = values_of(call(name, scores.astype(np.float16)))
    assert_allclose(half, expected, atol=1e-3)


def broken(format, n=3):
    """A matrix of a format whose indices are wrong."""
    graph = csr_array(np.eye(n)).asformat(format)
    if format in ("csr", "csc", "bsr"):
        graph.indptr = np.array([0, 3, 1, 3], graph.indptr.dtype)
    elif format == "coo":
        graph.coords = (np.array([0, 1, 10**6]), graph.coords[1])
    elif format == "dia":
        graph.offsets = np.array([0, 10**6])
    elif format == "dok":
        graph._dict[(0, 10**6)] = 1.0
    else:
        graph.rows[1] = [10**6]
    return graph


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("name", CALLS)
def test_wrong_indices_are_refused(name, format):
    with pytest.raises(ValueError, match=f"{name} is no valid sparse matrix"):
        call(name, broken(format))


def test_other_wrong_indices_are_refused():
    def changed(**parts):
        graph = csr_array(np.eye(3))
        vars(graph).update(parts)
        return graph

    lil = lil_array(np.eye(3))
    lil.data[1] = [1.0] * 1000
    for graph in [
        changed(indices=np.array([0, 1, 3])),
        changed(indices=np.array([0, -1, 2])),
        changed(indptr=np.array([0, 1, 2, 30])),
        changed(indptr=np.array([0, 5, 5, 0])),
        changed(indptr=np.array([1, 1, 2, 3])),
        changed(indptr=np.array([0, 3])),
        changed(data=np.ones(1)),
        lil,
    ]:
        with pytest.raises(ValueError, match="X is no valid sparse matrix"):
            as_csr(graph, "X")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", [np.asarray, csr_array, coo_array])
@pytest.mark.parametrize("name", CALLS)
def test_scores_that_are_not_finite_are_refused_by_their_row(name, kind, value):
    scores = np.array([[0.0, 0.5], [value, 0.0]])
    with pytest.raises(ValueError, match=f"row 1 of {name} holds NaN or inf"):
        call(name, kind(scores))


@pytest.mark.parametrize("name", CALLS)
def test_what_is_no_matrix_of_numbers_is_refused(name):
    with pytest.raises(ValueError, match=rf"{name} has shape \(3,\); expected two"):
        call(name, np.ones(3))
    with pytest.raises(ValueError, match=rf"{name} has shape \(3,\); expected two"):
        call(name, coo_array(np.ones(3)))
    for scores in ([["a"]], np.array([[1j]]), csr_array(np.array([[1j]])), [[None]]):
        with pytest.raises(ValueError, match=f"{name} has dtype .*; expected real"):
            call(name, scores)


def test_entries_are_found_in_all_rows_at_once():
    rng = np.random.default_rng(0)
    dense = rng.random((30, 40)) * (rng.random((30, 40)) < 0.3)
    graph = csr_array(dense)
    rows, columns = (x.ravel() for x in np.indices(dense.shape))
    position, is_stored = find_entries(graph, rows, columns)
    assert_array_equal(is_stored, dense.ravel() > 0)
    assert_array_equal(graph.data[position[is_stored]], dense.ravel()[is_stored])
    nothing = find_entries(csr_array((3, 3)), np.array([0, 2]), np.array([1, 1]))
    assert not nothing[1].any()


def test_further_rows_are_empty():
    dense = np.arange(9.0).reshape(3, 3)
    wider = widen(csr_array(dense), 5)
    assert_array_equal(wider.toarray(), np.pad(dense, (0, 2)))
    assert_array_equal(widen(wider, 5).toarray(), wider.toarray())


def test_rows_are_kept_in_their_place():
    dense = np.arange(12.0).reshape(4, 3)
    kept = keep_rows(csr_array(dense), np.array([3, 1, 3]))
    assert_array_equal(kept.toarray(), dense * [[0], [1], [0], [1]])
