import copy
import pickle
import tracemalloc

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.sparse import csr_array, csr_matrix, hstack, random_array
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from skmatch import (
    FaissThresholdMatcher,
    decide_matches,
    expand_queries,
    load,
    save,
)
from skmatch.search import _planner, _radius, rows_of


def at_angles(*degrees):
    """Unit vectors in the plane."""
    radians = np.deg2rad(degrees)
    return np.column_stack([np.cos(radians), np.sin(radians)]).astype(np.float32)


def match_slowly(X, threshold):
    """Compare every pair in float64, rounded to float32 as the matcher promises."""
    X = np.asarray(X.toarray() if hasattr(X, "toarray") else X, dtype=np.float64)
    n = len(X)
    found = np.eye(n, dtype=bool)
    for i in range(n):
        for j in range(n):
            norms = np.linalg.norm(X[i]) * np.linalg.norm(X[j])
            cosine = X[i] @ X[j] / norms if norms else 0.0
            found[i, j] |= np.float32(cosine) >= np.float32(threshold)
    return found


def test_known_angles():
    X = at_angles(0, 30, 70, 180)
    matches = FaissThresholdMatcher(np.cos(np.deg2rad(45))).fit_predict(X)
    expected = [[1, 1, 0, 0], [1, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 1]]
    assert_array_equal(matches.toarray(), np.array(expected, dtype=bool))
    assert isinstance(matches, csr_array)
    assert matches.dtype == bool
    assert matches.indices.dtype == np.int32


@pytest.mark.parametrize("threshold", [-1, -0.3, 0, 0.2, 0.6, 0.95, 1])
@pytest.mark.parametrize("kind", ["dense", "sparse"])
def test_equals_the_slow_oracle(rng, threshold, kind):
    X = rng.normal(size=(60, 5)).astype(np.float32)
    X[10:20] = X[:10]
    if kind == "sparse":
        X = csr_array(np.where(rng.random(X.shape) < 0.5, X, 0))
    matches = FaissThresholdMatcher(threshold).fit_predict(X)
    assert_array_equal(matches.toarray(), match_slowly(X, threshold))


@pytest.mark.parametrize("kind", [np.asarray, csr_array])
def test_pair_at_the_threshold_matches(kind):
    X = kind(np.array([[1.0, 0.0], [0.8, 0.6], [0.6, 0.8]], dtype=np.float32))
    for threshold, matched in [(0.8, True), (np.nextafter(np.float32(0.8), 1), False)]:
        matcher = FaissThresholdMatcher(float(threshold))
        assert matcher.fit_predict(X)[0, 1] == matched
        assert matcher.fit(X).transform(X).toarray()[0, 1] == matched * np.float32(0.8)


@pytest.mark.parametrize("kind", [np.asarray, csr_array])
def test_equal_rows_match_at_threshold_one(rng, kind):
    X = rng.normal(size=(500, 96)).astype(np.float32)
    twice = kind(np.vstack([X, 3 * X[::-1]]))
    matches = FaissThresholdMatcher(1.0).fit_predict(twice)
    assert_array_equal(matches.sum(axis=1), np.full(1000, 2))


@settings(max_examples=40)
@given(st.integers(1, 40), st.integers(1, 6), st.floats(-1, 1), st.integers(0, 2**31))
def test_symmetric_with_the_diagonal(n_rows, n_columns, threshold, seed):
    X = np.random.default_rng(seed).normal(size=(n_rows, n_columns))
    matches = FaissThresholdMatcher(threshold).fit_predict(X).toarray()
    assert_array_equal(matches, matches.T)
    assert matches.diagonal().all()


def test_no_cut_at_a_number_of_neighbours():
    X = np.ones((3000, 2), dtype=np.float32)
    assert FaissThresholdMatcher(0.9).fit_predict(X).nnz == 3000**2


def test_transform_gives_similarities_to_the_catalogue(rng):
    catalogue, X = rng.normal(size=(80, 4)), rng.normal(size=(30, 4))
    similarities = FaissThresholdMatcher(0.3).fit(catalogue).transform(X)
    unit = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in (X, catalogue)]
    cosines = unit[0] @ unit[1].T
    assert similarities.shape == (30, 80)
    assert similarities.dtype == np.float32
    assert_allclose(
        similarities.toarray(), np.where(cosines >= 0.3, cosines, 0), atol=1e-6
    )


def test_row_without_a_match_is_empty():
    similarities = FaissThresholdMatcher(0.9).fit(at_angles(0)).transform(at_angles(90))
    assert similarities.shape == (1, 1)
    assert similarities.nnz == 0


@pytest.mark.parametrize("kind", [np.asarray, csr_array])
def test_zero_row_has_similarity_zero(kind):
    X = kind(np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 0.0]]))
    alone = FaissThresholdMatcher(0.1).fit_predict(X)
    assert_array_equal(alone.toarray(), np.eye(3, dtype=bool))
    assert FaissThresholdMatcher(0.0).fit_predict(X).toarray().all()


@pytest.mark.parametrize("kind", [np.asarray, csr_array])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_row_that_is_not_finite_is_named(kind, bad):
    X = np.ones((5, 3))
    X[3, 1] = bad
    with pytest.raises(ValueError, match="row 3 of X holds NaN or inf"):
        FaissThresholdMatcher().fit(kind(X))
    matcher = FaissThresholdMatcher().fit(kind(np.ones((5, 3))))
    with pytest.raises(ValueError, match="row 3 of X holds NaN or inf"):
        matcher.predict(kind(X))


def test_large_and_small_rows_keep_their_direction():
    X = at_angles(0, 10, 90).astype(np.float64) * [[1.7e308], [1e-300], [1.7e308]]
    matches = FaissThresholdMatcher(0.9).fit_predict(X).toarray()
    assert_array_equal(matches, [[1, 1, 0], [1, 1, 0], [0, 0, 1]])


@pytest.mark.parametrize("kind", [np.asarray, csr_array])
def test_partial_fit_adds_to_the_catalogue(rng, kind):
    X = rng.normal(size=(50, 4))
    parts = (
        FaissThresholdMatcher(0.4).partial_fit(kind(X[:20])).partial_fit(kind(X[20:]))
    )
    whole = FaissThresholdMatcher(0.4).fit(kind(X))
    assert parts.n_samples_fit_ == 50
    assert_array_equal(
        parts.transform(kind(X)).toarray(), whole.transform(kind(X)).toarray()
    )
    assert_array_equal(
        parts.get_feature_names_out()[[0, -1]],
        ["faissthresholdmatcher0", "faissthresholdmatcher49"],
    )


def test_fit_starts_anew(rng):
    X = rng.normal(size=(50, 4))
    assert FaissThresholdMatcher().fit(X).fit(X[:3]).n_samples_fit_ == 3


@pytest.mark.parametrize(
    ("index", "bad", "message"),
    [
        ("auto", np.full((5, 7), np.nan), "row 0 of X holds NaN"),
        ("IVF4,Flat", np.full((5, 7), np.nan), "row 0 of X holds NaN"),
        ("IVF4,Flat", np.ones((3, 7)), r"that fits 3 rows of 7 columns"),
    ],
)
def test_refit_that_fails_leaves_the_old_fit(rng, index, bad, message):
    X = rng.normal(size=(200, 4))
    matcher = FaissThresholdMatcher(0.4, index=index).fit(X)
    before = matcher.transform(X)
    with pytest.raises(ValueError, match=message):
        matcher.fit(bad)
    assert (matcher.n_features_in_, matcher.n_samples_fit_) == (4, 200)
    assert (matcher.transform(X) != before).nnz == 0


def test_first_fit_that_fails_leaves_none():
    matcher = FaissThresholdMatcher()
    with pytest.raises(ValueError, match="row 0 of X holds NaN"):
        matcher.fit([[np.nan, 1.0]])
    assert vars(matcher) == vars(FaissThresholdMatcher())


@pytest.mark.parametrize(
    "titles", [["paper bag", "bag"], np.array([["a"], ["b"]], dtype=object)]
)
@pytest.mark.parametrize("method", ["fit", "predict"])
def test_titles_need_an_embedder(titles, method):
    matcher = FaissThresholdMatcher().fit(at_angles(0))
    message = "X holds strings; expected embeddings.* put an embedder before"
    with pytest.raises(ValueError, match=message):
        getattr(matcher, method)(titles)


@pytest.mark.parametrize("threshold", [-1.01, 1.5, np.nan])
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_threshold_out_of_range(threshold, method):
    with pytest.raises(ValueError, match=r"threshold == .*must be"):
        getattr(FaissThresholdMatcher(threshold), method)(at_angles(0))


def test_threshold_of_another_type():
    with pytest.raises(TypeError, match="threshold must be an instance of"):
        FaissThresholdMatcher("0.8").fit(at_angles(0))


def test_threshold_may_change_after_fit():
    X = at_angles(0, 20)
    matcher = FaissThresholdMatcher(0.99).fit(X)
    assert matcher.predict(X).nnz == 2
    assert matcher.set_params(threshold=0.9).predict(X).nnz == 4
    with pytest.raises(ValueError, match="threshold == 2"):
        matcher.set_params(threshold=2).predict(X)


def test_dense_and_sparse_do_not_mix():
    dense, sparse = at_angles(0, 1), csr_array(at_angles(0, 1))
    with pytest.raises(
        ValueError, match="X is sparse and the catalogue of fit is dense"
    ):
        FaissThresholdMatcher().fit(dense).transform(sparse)
    with pytest.raises(
        ValueError, match="X is dense and the catalogue of fit is sparse"
    ):
        FaissThresholdMatcher().fit(sparse).partial_fit(dense)


@pytest.mark.parametrize("kind", [csr_array, csr_matrix])
def test_full_columns_beside_sparse_ones(rng, kind):
    full = csr_array(rng.normal(size=(70, 5)))
    words = random_array((70, 300), density=0.02, rng=1, format="csr")
    both = hstack([full, words], format="csr")
    matches = FaissThresholdMatcher(0.5).fit_predict(kind(both))
    assert_array_equal(matches.toarray(), match_slowly(both, 0.5))


def stored_twice():
    """Three rows: entries that cancel, entries that add up, and indices that fall."""
    values = np.array([1.0, 1.0, -1.0, 0.25, 0.25, 0.5, 2.0, 2.0])
    indices = np.array([1, 0, 0, 0, 0, 1, 1, 0])
    return csr_array((values, indices, np.array([0, 3, 6, 8])))


def test_what_a_sparse_row_stores_twice_is_summed():
    X = stored_twice()
    before = X.data.copy(), X.indices.copy()
    assert_array_equal(X.toarray(), [[0, 1], [0.5, 0.5], [2, 2]])
    matcher = FaissThresholdMatcher(0.9).fit(X)
    assert_array_equal(matcher.predict(X).toarray(), match_slowly(X, 0.9))
    assert_array_equal(X.data, before[0])
    assert_array_equal(X.indices, before[1])


def test_sparse_entries_that_overflow_together_are_refused_by_their_row():
    X = csr_array(
        (np.array([1, 1e308, 1e308]), np.array([0, 1, 1]), np.array([0, 1, 3]))
    )
    with pytest.raises(ValueError, match="row 1 of X holds NaN or inf"):
        FaissThresholdMatcher().fit(X)


def test_wrong_indices_of_sparse_rows_are_refused():
    X = csr_array(np.eye(3))
    matcher = FaissThresholdMatcher().fit(X)
    X.indptr = np.array([0, 3, 1, 3], X.indptr.dtype)
    for method in (matcher.fit, matcher.predict, matcher.transform):
        with pytest.raises(ValueError, match="X is no valid sparse matrix"):
            method(X)


@pytest.mark.parametrize("kind", [np.asarray, csr_array])
def test_pickle_and_clone(rng, kind):
    X = kind(rng.normal(size=(40, 4)))
    matcher = FaissThresholdMatcher(0.4).fit(X)
    again = pickle.loads(pickle.dumps(matcher))
    assert_array_equal(again.transform(X).toarray(), matcher.transform(X).toarray())
    again.partial_fit(X)
    assert (again.n_samples_fit_, matcher.n_samples_fit_) == (80, 40)
    assert not hasattr(clone(matcher), "index_")


@pytest.mark.parametrize("kind", [np.asarray, csr_array])
@pytest.mark.parametrize("index", ["auto", "IVF4,Flat", "HNSW4"])
def test_saved_matcher_finds_the_same(rng, kind, index, tmp_path):
    X = kind(np.repeat(rng.normal(size=(50, 8)), 4, axis=0))
    matcher = FaissThresholdMatcher(0.5, index=index).fit(X).partial_fit(X[:10])
    matcher.set_params(threshold=0.4)
    save(matcher, tmp_path)
    loaded = load(tmp_path)
    assert set(vars(loaded)) == set(vars(matcher))
    assert loaded.n_samples_fit_ == 210
    assert (loaded.transform(X) != matcher.transform(X)).nnz == 0
    assert (loaded.partial_fit(X).predict(X) != matcher.predict(X)).nnz == 0


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"index_": np.ones((5, 3), np.float32)}, r"embeddings of shape \(5, 2\)"),
        ({"index_": "rows"}, r"embeddings of shape \(5, 2\)"),
        ({"n_samples_fit_": 10**12}, r"embeddings of shape"),
        ({"_tuned_for_": ("HNSW0", 0.8, 0.9)}, "index='HNSW0'; expected"),
        ({"_tuned_for_": ("auto", 7.0, 0.9)}, "threshold == 7"),
        ({"_tuned_for_": 3}, "lacks what its catalogue was made by"),
        ({"_index_ends_": (5, "x")}, "lacks what its catalogue was made by"),
        ({"_index_ends_": (5, 4)}, r"_index_ends_=\[5, 4\]; expected .* to 5"),
        ({"_index_ends_": (0, 5)}, r"_index_ends_=\[0, 5\]; expected .* to 5"),
        ({"_index_ends_": (-1, 5)}, r"_index_ends_=\[-1, 5\]; expected .* to 5"),
        ({"_index_ends_": (9,)}, r"_index_ends_=\[9\]; expected .* to 5"),
        ({"_index_ends_": ()}, r"_index_ends_=\[\]; expected .* to 5"),
        (
            {"index_": np.full((5, 2), np.nan, np.float32)},
            "row 0 of index_ holds NaN or inf",
        ),
        ({"index_": csr_array(np.full((5, 2), np.inf))}, "row 0 of index_ holds NaN"),
    ],
)
def test_forged_save_is_refused(changed, message):
    matcher = FaissThresholdMatcher().fit(np.ones((5, 2)))
    state = matcher._state_to_save() | changed
    with pytest.raises(ValueError, match=message):
        FaissThresholdMatcher()._restore(state)


@pytest.mark.parametrize("index", ["IVF16,Flat", "HNSW16", "IVF8_HNSW4,PQ4x4"])
def test_saved_index_is_made_by_the_same_calls(rng, index, tmp_path):
    X = rng.normal(size=(900, 8))
    matcher = FaissThresholdMatcher(0.8, index=index, target_recall=0.1).fit(X[:400])
    for start in range(400, 900, 100):
        matcher.partial_fit(X[start : start + 100])
    save(matcher, tmp_path)
    loaded = load(tmp_path)
    ours, theirs = (faiss.serialize_index(x.search_index_) for x in (matcher, loaded))
    assert_array_equal(ours, theirs)
    assert_array_equal(rows_of(loaded.index_), rows_of(matcher.index_))
    ours, theirs = matcher.transform(X), loaded.transform(X)
    assert_array_equal(ours.toarray(), theirs.toarray())
    save(loaded, tmp_path)
    assert_array_equal(load(tmp_path).transform(X).toarray(), ours.toarray())


@pytest.mark.parametrize("index", ["HNSW8", "IVF8_HNSW4,Flat"])
def test_graphs_are_made_by_one_thread(rng, index, monkeypatch):
    n_threads = []

    def note(*args):
        n_threads.append(faiss.omp_get_max_threads())
        return make_index(*args)

    make_index = _planner.make_index
    monkeypatch.setattr(_planner, "make_index", note)
    FaissThresholdMatcher(index=index, n_jobs=2).fit(rng.normal(size=(100, 4)))
    assert n_threads == [1]


@pytest.mark.parametrize("index", ["auto", "IVF4,Flat"])
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_interrupt_leaves_the_old_catalogue(rng, index, method, monkeypatch):
    X = rng.normal(size=(200, 4))
    matcher = FaissThresholdMatcher(0.4, index=index).fit(X)
    before, expected = dict(vars(matcher)), matcher.transform(X)

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    n_interrupts = 0
    for step in ("flat_index", "clone_index", "plan_search", "unit_rows", "rows_of"):
        with monkeypatch.context() as patch:
            patch.setattr(f"skmatch.matchers._faiss_threshold.{step}", interrupt)
            try:
                getattr(copy.copy(matcher), method)(X[:50])
            except KeyboardInterrupt:
                n_interrupts += 1
    assert n_interrupts > 1
    assert vars(matcher) == before
    assert (matcher.transform(X) != expected).nnz == 0


FORMATS = ["bsr", "coo", "csc", "csr", "dia", "dok", "lil"]


@pytest.mark.parametrize(
    "name", [f"{f}_{k}" for f in FORMATS for k in ("array", "matrix")]
)
def test_every_sparse_format_finds_the_same(rng, name):
    dense = np.where(rng.random((40, 8)) < 0.6, rng.normal(size=(40, 8)), 0)
    X = getattr(sparse, name)(dense)
    before = X.toarray()
    matcher = FaissThresholdMatcher(0.4).fit(X)
    assert_array_equal(matcher.predict(X).toarray(), match_slowly(dense, 0.4))
    assert_array_equal(X.toarray(), before)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int8, bool])
@pytest.mark.parametrize("kind", [np.asarray, csr_array])
def test_every_dtype_and_layout_finds_the_same(rng, dtype, kind):
    values = (3 * rng.normal(size=(40, 12))).astype(dtype)
    if kind is csr_array and dtype == np.float16:
        pytest.skip("scipy has no sparse float16")
    expected = match_slowly(values[::2, ::3].astype(float), 0.45)
    for X in (values[::2, ::3], np.asfortranarray(values[::2, ::3])):
        X = kind(X)
        for array in (X.data, X.indices, X.indptr) if kind is csr_array else (X,):
            array.flags.writeable = False
        matches = FaissThresholdMatcher(0.45).fit(X).predict(X)
        assert_array_equal(matches.toarray(), expected)


@pytest.mark.parametrize("kind", [np.asarray, csr_array])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [1e-44, 1e-40, 1e-20, 1e20, 1e38])
def test_rows_of_extreme_norms_keep_their_direction(rng, kind, dtype, size):
    directions = rng.integers(-3, 4, size=(40, 5))
    directions[7] = 0
    X = (directions * np.float64(size)).astype(dtype)
    X[:20] = directions[:20]
    X = kind(np.ascontiguousarray(X))
    dense = X.toarray() if kind is csr_array else X
    scale = abs(dense).max(axis=1, keepdims=True).astype(float)
    expected = match_slowly(dense / np.where(scale > 0, scale, 1), 0.437)
    matcher = FaissThresholdMatcher(0.437).fit(X)
    assert_array_equal(matcher.predict(X).toarray(), expected)


def test_rounding_of_rows_moves_a_similarity_by_less_than_is_stated(rng):
    """Of pairs whose exact similarity is the threshold, float32 rows lose some."""
    rows = rng.integers(-9, 10, size=(2000, 6)).astype(float)
    norms = np.linalg.norm(rows, axis=1)
    exact = rows @ rows.T / np.multiply.outer(norms, norms)
    row, column = np.nonzero(np.triu(exact > 0.1 - 1e-12, 1))
    matcher = FaissThresholdMatcher(0.1).fit(rows)
    graph = matcher.set_params(threshold=0.1 - 3e-7).score_graph(rows)
    found = graph.toarray()[row, column]
    assert (found > 0).all()
    assert abs(found - exact[row, column]).max() < 3e-7


INDEXES = ["auto", "exact", "cells", "IVF8,Flat", "HNSW16"]


@pytest.mark.parametrize("index", INDEXES)
@pytest.mark.parametrize("n_jobs", [None, 1, 2])
def test_every_index_finds_the_same(rng, index, n_jobs):
    centres = rng.normal(size=(200, 24))
    X = np.repeat(centres, 4, axis=0) + 0.1 * rng.normal(size=(800, 24))
    expected = FaissThresholdMatcher(0.9, index="exact").fit(X[:600])
    matcher = FaissThresholdMatcher(0.9, index=index, n_jobs=n_jobs).fit(X[:300])
    matcher.partial_fit(X[300:600])
    ours, theirs = matcher.transform(X), expected.transform(X)
    matches = expected.predict(X)
    if index in ("auto", "exact", "cells"):  # so few rows are all searched exactly
        assert (matcher.predict(X) != matches).nnz == 0
        assert (ours != theirs).nnz == 0
    else:
        assert (matcher.predict(X) > matches).nnz == 0
        assert matcher.predict(X).nnz > 0.98 * matches.nnz
        assert (ours > theirs).nnz == 0
        assert ours.nnz > 0.9 * theirs.nnz
    report = matcher.report_search(X)
    assert report.recall_low >= 0.98
    assert report.recall_low <= report.recall <= report.recall_high
    again = pickle.loads(pickle.dumps(matcher))
    assert_array_equal(again.transform(X).indices, ours.indices)


@pytest.mark.slow
def test_threshold_and_index_may_change_after_fit(rng):
    X = rng.normal(size=(2000, 8))
    matcher = FaissThresholdMatcher(0.99, index="IVF16,Flat").fit(X)
    lower = FaissThresholdMatcher(0.3).fit(X).transform(X[:200])
    matcher.set_params(threshold=0.3)
    assert matcher.transform(X[:200]).nnz > 0.98 * lower.nnz
    other = FaissThresholdMatcher(0.3).fit(X).set_params(index="IVF4,Flat")
    assert other.transform(X[:200]).nnz > 0.98 * lower.nnz
    assert other.partial_fit(X[:10]).n_samples_fit_ == other.index_.ntotal == 2010
    other.set_params(index="auto").fit(X[:50]).set_params(index="IVF4,Flat")
    assert other.transform(X[:200]).shape == (200, 50)


def repeated(rng, n_distinct=40, n_copies=25, n_features=16):
    """Rows of which many are equal, in random order."""
    distinct = rng.normal(size=(n_distinct, n_features))
    return rng.permutation(np.repeat(distinct, n_copies, axis=0))


@pytest.mark.parametrize("index", ["HNSW8", "PQ8x4", "IVF40,SQ4"])
def test_equal_rows_are_searched_exactly(rng, index):
    X = repeated(rng)
    matcher = FaissThresholdMatcher(0.95, index=index).fit(X)
    assert matcher.search_index_.ntotal == 40
    expected = FaissThresholdMatcher(0.95).fit(X)
    assert (matcher.predict(X) != expected.predict(X)).nnz == 0
    assert (matcher.transform(X) != expected.transform(X)).nnz == 0
    matcher.partial_fit(X[:100]).partial_fit(X[:50] + 1)
    assert matcher.search_index_.ntotal == 40 + len(np.unique(X[:50], axis=0))
    expected.partial_fit(X[:100]).partial_fit(X[:50] + 1)
    assert (matcher.transform(X) != expected.transform(X)).nnz == 0


@pytest.mark.parametrize("in_pipeline", [False, True])
@pytest.mark.parametrize("method", ["predict", "score_graph", "transform"])
def test_missed_target_gives_a_warning(rng, in_pipeline, method):
    X = np.repeat(rng.normal(size=(200, 16)), 3, axis=0)
    X += 0.3 * rng.normal(size=X.shape)
    matcher = FaissThresholdMatcher(0.9, index="HNSW2").fit(X)
    message = r"index='HNSW2' found 0\.\d+ of the pairs .* expected target_recall=0.999"
    if in_pipeline:
        method = method.replace("score_graph", "fit_predict")
    called = make_pipeline(matcher) if in_pipeline else matcher
    with pytest.warns(UserWarning, match=message) as noted:
        getattr(called, method)(X)
    assert noted[0].filename == __file__  # the call, and not what it called
    matcher.set_params(target_recall=0.5)
    getattr(matcher, method)(X)  # a warning would be an error


@pytest.mark.parametrize("index", ["HNSW0", "HNSW1", "NSG0", "IVF0,Flat", "IDMap,Flat"])
@pytest.mark.parametrize("kind", [np.asarray, csr_array])
def test_factory_strings_that_end_the_interpreter_are_refused(kind, index):
    with pytest.raises(ValueError, match=f"index='{index}'; expected 'auto', 'exact'"):
        FaissThresholdMatcher(index=index).fit(kind(np.eye(5)))
    matcher = FaissThresholdMatcher().fit(kind(np.eye(5))).set_params(index=index)
    with pytest.raises(ValueError, match=f"index='{index}'; expected 'auto', 'exact'"):
        matcher.predict(kind(np.eye(5)))


@pytest.mark.parametrize("index", ["auto", "exact", "cells", "IVF2,Flat", "HNSW4"])
@pytest.mark.parametrize("value", [0.0, 1.0, 1e-40])
def test_equal_rows_alone_print_nothing(index, value, capfd):
    X = np.full((50, 4), value, np.float32)
    matches = FaissThresholdMatcher(0.5, index=index).fit_predict(X)
    assert matches.nnz == (50 if value == 0 else 2500)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_number_of_threads_of_faiss(rng, n_jobs, monkeypatch):
    used = []

    def note(*args):
        used.append(faiss.omp_get_max_threads())
        return search(*args)

    search = _radius.find_indexed
    monkeypatch.setattr(_radius, "find_indexed", note)
    FaissThresholdMatcher(0.5, index="IVF4,Flat", n_jobs=n_jobs).fit_predict(
        rng.normal(size=(300, 8))
    )
    assert used == [n_jobs]


def test_matches_of_similarity_zero_are_kept_when_refined():
    whole = FaissThresholdMatcher(0.0).fit_predict(np.eye(3))
    assert whole.nnz == 9
    for params in ({"max_matches": 5}, {"match_singletons": True}):
        refined = FaissThresholdMatcher(0.0, **params).fit(np.eye(3))
        assert (refined.predict(np.eye(3)) != whole).nnz == 0
        assert refined.transform(np.eye(3)).nnz == 9


@pytest.mark.parametrize("kind", [np.asarray, csr_array])
@pytest.mark.parametrize("threshold", [-0.4, 0.3, 0.9])
@pytest.mark.parametrize("singletons", [False, True])
def test_score_graph_is_symmetric_without_a_diagonal(rng, kind, threshold, singletons):
    X = kind(rng.normal(size=(80, 5)))
    matcher = FaissThresholdMatcher(threshold, match_singletons=singletons).fit(X)
    graph = matcher.score_graph(X)
    assert isinstance(graph, csr_array)
    assert (graph.shape, graph.dtype) == ((80, 80), np.float32)
    assert graph.has_sorted_indices
    assert_array_equal(graph.toarray(), graph.T.toarray())
    assert not graph.diagonal().any()
    decided = decide_matches(graph, threshold, match_singletons=singletons)
    assert (decided != matcher.predict(X)).nnz == 0
    unit = X.toarray() if kind is csr_array else X
    unit = unit / np.linalg.norm(unit, axis=1, keepdims=True)
    row, column = graph.nonzero()
    assert_allclose(graph.data, (unit @ unit.T)[row, column], atol=1e-6)


def test_score_graph_holds_all_pairs_at_the_threshold():
    X = at_angles(0, 30, 70, 180)
    graph = FaissThresholdMatcher(np.cos(np.deg2rad(45))).fit(X).score_graph(X)
    cosines = np.cos(np.deg2rad([30, 40]))
    assert_array_equal(graph.indices, [1, 0, 2, 1])
    assert_array_equal(graph.indptr, [0, 1, 3, 4, 4])
    assert_allclose(graph.data, cosines[[0, 0, 1, 1]], rtol=1e-6)


def test_score_graph_holds_the_most_similar_row_of_singletons():
    X = at_angles(0, 5, 40, 70, 200)
    matcher = FaissThresholdMatcher(0.9, match_singletons=True).fit(X)
    pairs = np.argwhere(np.triu(matcher.score_graph(X).toarray()))
    # 40 and 70 degrees are nearest to one another; all are more than 90 from 200.
    assert_array_equal(pairs, [[0, 1], [2, 3]])
    matches = matcher.predict(X).toarray()
    assert_array_equal(matches.sum(axis=1), [2, 2, 2, 2, 1])


def test_singleton_matches_from_its_side_alone():
    X = at_angles(0, 5, 50)
    matcher = FaissThresholdMatcher(0.9, match_singletons=True).fit(X)
    assert_array_equal(matcher.predict(X).toarray(), [[1, 1, 0], [1, 1, 0], [0, 1, 1]])
    assert FaissThresholdMatcher(match_singletons=True).fit_predict(X[:1]).nnz == 1


@pytest.mark.parametrize("kind", [np.asarray, csr_array])
def test_orthogonal_rows_are_no_matches_of_singletons(kind):
    # The inner products of these are not 0, but about 1e-8 and 1e-17.
    X = np.array([[0.1, 0.2, 0.3], [0.3, 0, -0.1], [0.2, -1, 0.6], [-0.2, 1, -0.6]])
    X = kind(X)
    matcher = FaissThresholdMatcher(0.5, match_singletons=True).fit(X)
    assert matcher.score_graph(X).nnz == 0
    assert matcher.predict(X).nnz == 4
    assert matcher.transform(X).nnz == 4


def test_transform_gives_singletons_their_most_similar_row():
    catalogue = at_angles(0, 50)
    matcher = FaissThresholdMatcher(0.9, match_singletons=True).fit(catalogue)
    found = matcher.transform(at_angles(5, 30, 230)).toarray()
    cosines = np.cos(np.deg2rad([5, 20]))
    assert_allclose(found, [[cosines[0], 0], [0, cosines[1]], [0, 0]], rtol=1e-6)


@pytest.mark.parametrize("kind", [np.asarray, csr_array])
def test_best_matches_of_predict_and_transform(kind):
    X = kind(at_angles(0, 10, 15, 40))
    matcher = FaissThresholdMatcher(0.8, max_matches=1).fit(X[:2])
    expected = [[1, 1, 0, 0], [0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 1, 1]]
    assert_array_equal(matcher.predict(X).toarray(), expected)
    matcher.set_params(mutual=True)
    assert_array_equal(matcher.predict(X).sum(axis=1), [1, 2, 2, 1])
    # Rows at 15 and 40 degrees have the same best row of the catalogue.
    found = matcher.transform(X[2:]).toarray()
    assert_allclose(found, [[0, np.cos(np.deg2rad(5))], [0, 0]], rtol=1e-6)


def test_query_expansion_searches_again():
    X = at_angles(0, 20, 40)
    matcher = FaissThresholdMatcher(0.9, query_expansion=True).fit(X)
    first = FaissThresholdMatcher(0.9).fit(X).score_graph(X)
    expanded = expand_queries(X, first)
    graph = matcher.score_graph(X)
    expected = np.triu(expanded @ expanded.T, 1)
    row, column = np.triu(graph.toarray()).nonzero()
    assert_allclose(graph.toarray()[row, column], expected[row, column], rtol=1e-6)
    assert_array_equal(np.argwhere(expected >= 0.9), np.stack([row, column], axis=1))
    assert graph.nnz > first.nnz
    unchanged = FaissThresholdMatcher(0.9).fit(X).transform(X)
    assert (matcher.transform(X) != unchanged).nnz == 0


def test_mutual_matches_need_their_number():
    with pytest.raises(ValueError, match="mutual=True needs max_matches"):
        FaissThresholdMatcher(mutual=True).fit(at_angles(0))


def test_report_names_what_is_done(rng, monkeypatch):
    X = rng.normal(size=(3000, 30))
    matcher = FaissThresholdMatcher(0.9).fit(X)
    assert matcher.report_search(X) == ("all pairs", 0, 1, 1, 1)
    assert matcher.fit(csr_array(X)).report_search(csr_array(X)).method == "all pairs"
    monkeypatch.setattr(_planner, "_SMALL", 1.0)
    low = rng.normal(size=(3000, 3)) @ rng.normal(size=(3, 30))
    assert matcher.fit(low).report_search(low).method in ("prefix", "cells")
    twice = np.repeat(X[:1000], 3, axis=0) + 1e-3
    cells = FaissThresholdMatcher(0.9, index="cells", target_recall=0.9).fit(twice)
    assert cells.report_search(twice).n_cells == round(np.sqrt(1.6 * 3000))


def test_threshold_that_would_find_too_much(rng):
    X = rng.normal(size=(2000, 10))
    matcher = FaissThresholdMatcher(-0.5, max_pairs=100_000).fit(X)
    with pytest.raises(ValueError, match=r"threshold=-0\.5 would find about .*e\+06"):
        matcher.predict(X)
    with pytest.raises(ValueError, match=r"max_pairs=1e\+05, as with") as caught:
        matcher.transform(X)
    fits = float(str(caught.value).rstrip(".").split()[-1])
    assert 50_000 < matcher.set_params(threshold=fits).transform(X).nnz <= 100_000
    sparse = csr_array(np.abs(X))
    with pytest.raises(ValueError, match="would find about"):
        FaissThresholdMatcher(0.1, max_pairs=100).fit(sparse).predict(sparse)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"target_recall": 0}, "target_recall == 0, must be > 0"),
        ({"target_recall": 1.1}, "target_recall == 1.1, must be <= 1"),
        ({"max_pairs": 0}, "max_pairs == 0, must be >= 1"),
        ({"index": "cell"}, "index='cell'; expected 'auto', 'exact', 'cells' or a"),
    ],
)
def test_parameter_out_of_range(rng, params, message):
    with pytest.raises(ValueError, match=message):
        FaissThresholdMatcher(**params).fit(rng.normal(size=(20, 4)))


def test_rows_on_disk(rng, tmp_path):
    X = rng.normal(size=(500, 8)).astype(np.float32)
    np.save(tmp_path / "rows.npy", X)
    on_disk = np.load(tmp_path / "rows.npy", mmap_mode="r")
    matches = FaissThresholdMatcher(0.7).fit(on_disk).predict(on_disk)
    assert (matches != FaissThresholdMatcher(0.7).fit_predict(X)).nnz == 0


def test_faiss_threads_are_left_alone(rng):
    before = faiss.omp_get_max_threads()
    FaissThresholdMatcher(0.4).fit_predict(rng.normal(size=(40, 4)))
    assert faiss.omp_get_max_threads() == before


@pytest.mark.slow
def test_memory_grows_with_the_matches_not_with_the_square(rng):
    centres = rng.normal(size=(10_000, 100)).astype(np.float32)
    X = np.repeat(centres, 2, axis=0)
    X += 0.1 * rng.normal(size=X.shape).astype(np.float32)
    tracemalloc.start()
    matches = FaissThresholdMatcher(0.9).fit_predict(X)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert matches.nnz == 40_000
    assert peak < 12 * X.nbytes  # a dense 20,000 x 20,000 float32 is 200 times X
