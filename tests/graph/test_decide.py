import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.sparse import csr_array, csr_matrix, random_array

from skmatch import decide_matches
from skmatch.graph import keep_matches


@pytest.fixture
def graph():
    scores = np.array([[0, 0.9, 0.6, 0], [0.9, 0, 0.7, 0], [0.6, 0.7, 0, 0.2],
                       [0, 0, 0.2, 0]])  # fmt: skip
    return csr_array(scores.astype(np.float32))


@pytest.mark.parametrize(
    ("refinements", "expected"),
    [
        ({}, [[1, 1, 1, 0], [1, 1, 1, 0], [1, 1, 1, 0], [0, 0, 0, 1]]),
        (
            {"max_matches": 1},
            [[1, 1, 0, 0], [1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 0, 1]],
        ),
        (
            {"max_matches": 1, "mutual": True},
            [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]],
        ),
        (
            {"match_singletons": True},
            [[1, 1, 1, 0], [1, 1, 1, 0], [1, 1, 1, 0], [0, 0, 1, 1]],
        ),
        (
            {"max_matches": 1, "mutual": True, "match_singletons": True},
            [[1, 1, 0, 0], [1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1]],
        ),
    ],
)
def test_refinements(graph, refinements, expected):
    matches = decide_matches(graph, 0.6, **refinements)
    assert matches.dtype == bool
    assert_array_equal(matches.toarray().astype(int), expected)


@pytest.mark.parametrize("kind", [np.asarray, csr_matrix, lambda x: x.tolist()])
def test_any_matrix_of_scores(graph, kind):
    found = decide_matches(kind(graph.toarray()), 0.6)
    assert_array_equal(found.toarray(), decide_matches(graph, 0.6).toarray())


def test_a_pair_at_the_threshold_matches(graph):
    assert decide_matches(graph, float(np.float32(0.6))).nnz == 10
    assert decide_matches(graph, float(np.nextafter(np.float32(0.6), 1))).nnz == 8


@pytest.mark.parametrize(
    "threshold", [0.5, np.float32(0.5), 1e38, 1e300, 10**30, np.inf, -np.inf]
)
def test_scores_and_thresholds_beyond_float32(threshold):
    scores = np.array([[0, 1e300, -1e300], [1e300, 0, 0.1], [-1e300, 0.1, 0]])
    found = decide_matches(scores, threshold).toarray()
    with np.errstate(over="ignore"):
        reached = scores.astype(np.float32) >= np.float32(threshold)
    assert_array_equal(found, reached & (scores != 0) | np.eye(3, dtype=bool))


def test_expected_f1_of_scores_that_are_no_probabilities():
    scores = np.array([[0, 1e300, -1e300], [1e300, 0, 0.1], [-1e300, 0.1, 0]])
    found = decide_matches(scores, "expected_f1").toarray()
    expected = decide_matches(np.clip(scores, 0, 1), "expected_f1").toarray()
    assert_array_equal(found, expected)


def test_the_graph_that_is_given_is_left_alone(graph):
    before = graph.copy()
    decide_matches(graph, 0.65, max_matches=1, mutual=True, match_singletons=True)
    assert (graph != before).nnz == 0
    assert graph.nnz == before.nnz


def test_stored_zeros_and_negative_scores_that_reach_the_threshold_match():
    scores = np.array([0.0, 0.0, -0.5, -0.5], np.float32)
    graph = csr_array((scores, ([0, 1, 1, 2], [1, 0, 2, 1])), shape=(3, 3))
    assert decide_matches(graph, 0.0).nnz == 3 + 2
    assert decide_matches(graph, -0.5).nnz == 3 + 4
    assert decide_matches(graph, 0.0, max_matches=3, match_singletons=True).nnz == 5


def test_singleton_needs_a_score_above_rounding():
    scores = np.array([[0, 1e-7, 0], [0, 0, 3e-7], [0, -1.0, 0]])
    matches = decide_matches(scores, 0.5, match_singletons=True)
    assert_array_equal(matches.toarray().astype(int), [[1, 0, 0], [0, 1, 1], [0, 0, 1]])


def test_singleton_that_is_similar_to_none_stays_alone():
    scores = np.array([[0, 0.2, 0], [0.2, 0, -0.3], [0, -0.3, 0]], np.float32)
    matches = decide_matches(scores, 0.5, match_singletons=True)
    assert_array_equal(matches.toarray(), [[1, 1, 0], [1, 1, 0], [0, 0, 1]])


@pytest.mark.parametrize("mutual", [False, True])
@pytest.mark.parametrize("shape", [(40, 40), (30, 50)])
def test_best_matches_equal_a_slow_loop(rng, shape, mutual):
    dense = np.round(random_array(shape, density=0.4, rng=rng).toarray(), 1)
    graph = csr_array(dense.astype(np.float32))
    kept = keep_matches(graph, 0.2, max_matches=3, mutual=mutual).toarray()

    def first(values):
        best = np.argsort(-values, kind="stable")[:3]
        return [j for j in best if np.float32(values[j]) >= np.float32(0.2)]

    for i, j in np.ndindex(shape):
        expected = j in first(dense[i]) and (not mutual or i in first(dense[:, j]))
        assert kept[i, j] == pytest.approx(dense[i, j] if expected else 0, abs=1e-6)


def test_best_of_many_rows_equal_the_matches_at_every_threshold(rng):
    """To limit and then lower the threshold is to limit above each threshold."""
    half = np.triu(rng.random((30, 30)) * (rng.random((30, 30)) < 0.5), 1)
    graph = csr_array((half + half.T).astype(np.float32))
    for mutual in (False, True):
        limited = keep_matches(graph, -np.inf, max_matches=3, mutual=mutual)
        for threshold in (0.1, 0.4, 0.7, 0.95):
            first = keep_matches(limited, threshold)
            then = keep_matches(graph, threshold, max_matches=3, mutual=mutual)
            assert_array_equal(first.toarray(), then.toarray())


def test_expected_f1_is_the_best_of_all_sets_of_matches():
    rng = np.random.default_rng(0)
    scores = (rng.random((40, 12)) * (rng.random((40, 12)) < 0.6)).astype(np.float32)
    scores[0] = 0
    kept = keep_matches(csr_array(scores), "expected_f1").toarray()
    for row, found in zip(scores.astype(float), kept, strict=True):
        falling = np.sort(row)[::-1]
        f1 = [2 * (1 + falling[:k].sum()) / (2 + k + row.sum()) for k in range(13)]
        n_best = int(np.argmax(np.round(f1, 12)))
        assert_array_equal(np.sort(found)[::-1][:n_best], np.float32(falling[:n_best]))
        assert (found > 0).sum() == n_best


def test_expected_f1_takes_sure_matches_and_leaves_faint_ones():
    scores = np.array([[1.0, 1.0, 0.05], [0.3, 0, 0], [0.9, 0.6, 0.6]], np.float32)
    kept = keep_matches(csr_array(scores), "expected_f1").toarray() > 0
    assert_array_equal(kept, [[1, 1, 0], [0, 0, 0], [1, 1, 1]])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((csr_array((2, 3)), 0.5), r"shape \(2, 3\); expected a square matrix"),
        ((csr_array((2, 2)), np.nan), "threshold == nan, must be a number of"),
        ((csr_array((2, 2)), 0.5, 0), "max_matches == 0, must be >= 1"),
        ((csr_array((2, 2)), 0.5, None, True), "mutual=True needs max_matches"),
    ],
)
def test_bad_input_is_named(arguments, message):
    graph, threshold, *others = arguments
    names = ("max_matches", "mutual")
    with pytest.raises(ValueError, match=message):
        decide_matches(graph, threshold, **dict(zip(names, others, strict=False)))


def test_threshold_of_another_type():
    with pytest.raises(TypeError, match="threshold must be an instance of"):
        decide_matches(csr_array((2, 2)), "high")


@pytest.mark.parametrize("dtype", [np.float32, np.float64, bool])
def test_scores_of_any_type_and_a_stored_diagonal(dtype):
    scores = np.array([[1, 0.8, 0], [0.8, 1, 0], [0, 0, 1]]).astype(dtype)
    expected = [[1, 1, 0], [1, 1, 0], [0, 0, 1]]
    for refinements in ({}, {"max_matches": 1}, {"match_singletons": True}):
        matches = decide_matches(scores, 0.8, **refinements)
        assert_array_equal(matches.toarray(), expected)
