from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from scipy.sparse import csr_array

from skmatch import FaissThresholdMatcher, group_matches, link_catalogues
from skmatch.graph import group_with_answers

METHODS = ["components", "average", "complete", "louvain"]


def chain():
    """Two triangles of 0.9, joined by one match of 0.6."""
    similarities = np.eye(6)
    for a, b in [(0, 1), (0, 2), (1, 2), (3, 4), (3, 5), (4, 5)]:
        similarities[a, b] = similarities[b, a] = 0.9
    similarities[2, 3] = similarities[3, 2] = 0.6
    return similarities


@pytest.mark.parametrize(
    ("method", "n_groups"),
    [("components", 1), ("average", 2), ("complete", 2), ("louvain", 2)],
)
def test_chain_of_two_groups(method, n_groups):
    labels = group_matches(chain(), method=method, threshold=0.5)
    assert labels.dtype == np.int64
    assert labels.tolist() == ([0] * 6 if n_groups == 1 else [0, 0, 0, 1, 1, 1])
    assert len(set(labels.tolist())) == n_groups


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", [np.asarray, csr_array])
def test_groups_of_clean_matches(method, kind):
    truth = np.array([0, 1, 0, 2, 1, 0, 3])
    matches = kind(np.equal.outer(truth, truth))
    assert_array_equal(group_matches(matches, method=method), truth)


@pytest.mark.parametrize("method", METHODS)
def test_groups_hold_together_by_matches_and_are_numbered_in_order(rng, method):
    rows = rng.normal(size=(200, 6))
    similarities = FaissThresholdMatcher(0.7).fit(rows).score_graph(rows)
    labels = group_matches(similarities, method=method, threshold=0.75)
    first = [labels.tolist().index(group) for group in range(labels.max() + 1)]
    assert first == sorted(first)
    kept = similarities.toarray() + np.eye(200) >= np.float32(0.75)
    for group in range(labels.max() + 1):
        inside = kept[np.ix_(labels == group, labels == group)]
        reached = np.linalg.matrix_power(inside.astype(float), len(inside))
        assert (reached > 0).all()
    again = group_matches(similarities, method=method, threshold=0.75)
    assert_array_equal(labels, again)


def splits(n):
    """Every way to part n rows in two."""
    for number in range(1, 2 ** (n - 1)):
        yield (number >> np.arange(n)) % 2 == 1


@given(st.integers(0, 2**31), st.floats(0.2, 0.9))
def test_average_and_complete_keep_their_promise(seed, threshold):
    rng = np.random.default_rng(seed)
    similarities = np.round(rng.random((12, 12)), 3)
    similarities = np.triu(similarities, 1) + np.triu(similarities, 1).T + np.eye(12)
    similarities[similarities < threshold] = 0
    for method, reduce in (("average", np.mean), ("complete", np.min)):
        labels = group_matches(similarities, method=method, threshold=threshold)
        for group in set(labels.tolist()):
            rows = np.flatnonzero(labels == group)
            pairs = similarities[np.ix_(rows, rows)][np.triu_indices(len(rows), 1)]
            if method == "complete":
                assert (pairs >= np.float32(threshold) - 1e-6).all()
            # The groups that were merged last had the mean; so has one of any split.
            if len(rows) > 1:
                best = max(
                    similarities[np.ix_(rows[side], rows[~side])].mean()
                    for side in splits(len(rows))
                )
                assert best >= threshold - 1e-6
        for one, other in combinations(range(labels.max() + 1), 2):
            between = similarities[np.ix_(labels == one, labels == other)]
            assert reduce(between) < threshold + 1e-6  # nothing is left to merge


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("threshold", [0.6, 0.7, 0.8, 0.9])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_pair_at_the_threshold_is_a_group(method, threshold, dtype):
    for n_rows in (2, 3):
        similarities = np.full((n_rows, n_rows), threshold, dtype=dtype)
        labels = group_matches(similarities, method=method, threshold=threshold)
        assert labels.tolist() == [0] * n_rows
    assert link_catalogues(similarities[:1, :1], threshold=threshold).nnz == 1


def test_similarity_above_one_by_rounding():
    similarities = np.full((3, 3), 1 + 2**-52)
    assert group_matches(similarities, threshold=0.5).tolist() == [0, 0, 0]
    rows, columns = np.array([0, 0, 1, 1, 2, 0]), np.array([1, 1, 0, 2, 1, 2])
    twice = csr_array((np.ones(6, bool), (rows, columns)), shape=(3, 3))
    assert group_matches(twice).tolist() == [0, 0, 0]


def test_threshold_by_default():
    weak = np.array([[1, 0.4], [0.4, 1]])
    assert group_matches(weak).tolist() == [0, 1]
    assert group_matches(weak, method="components").tolist() == [0, 0]
    # of the two groups of a chain, one pair in nine matches
    assert group_matches(chain() > 0).tolist() == [0, 0, 0, 1, 1, 1]


@pytest.mark.parametrize("exponent", [-1060, -500, 500, 1023])
def test_scores_of_any_size(exponent):
    """Louvain squares their sum."""
    scores = np.ldexp(chain(), exponent)
    labels = group_matches(scores, method="louvain")
    assert labels.tolist() == [0, 0, 0, 1, 1, 1]


def test_scores_of_all_sizes_at_once():
    scores = chain()
    scores[0, 1], scores[4, 5], scores[0, 5] = 1e300, 1e-320, 5e-324
    labels = group_matches(scores, method="louvain")
    assert labels[0] == labels[1]


@pytest.mark.parametrize("method", METHODS)
def test_scores_of_zero_are_no_matches(method):
    assert group_matches(np.zeros((2, 2)), method=method).tolist() == [0, 1]


@pytest.mark.parametrize("method", METHODS)
def test_negative_scores_are_no_matches(method):
    scores = np.full((2, 2), -1e-320)  # which float32 rounds to 0
    assert group_matches(scores, method=method, threshold=0).tolist() == [0, 1]


def test_match_seen_from_one_side_counts():
    assert group_matches(np.array([[1, 0.9], [0, 1]])).tolist() == [0, 0]


@pytest.mark.parametrize("method", METHODS)
def test_no_rows_and_no_matches(method):
    assert group_matches(np.eye(3), method=method).tolist() == [0, 1, 2]
    assert group_matches(csr_array((0, 0)), method=method).shape == (0,)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"shape \(2, 3\); expected a square"):
        group_matches(np.ones((2, 3)))
    with pytest.raises(ValueError, match="method='single'; expected one of"):
        group_matches(np.eye(2), method="single")
    with pytest.raises(ValueError, match=r"threshold == -0\.5, must be >= 0"):
        group_matches(np.eye(2), threshold=-0.5)


def no_pairs():
    return np.empty(0, np.intp), np.empty(0, np.intp)


@pytest.mark.parametrize("threshold", [0.3, 0.6])
def test_without_answers_groups_are_those_of_the_mean(threshold):
    rng = np.random.default_rng(0)
    scores = np.triu(rng.random((60, 60)) * (rng.random((60, 60)) < 0.05), k=1)
    graph = csr_array(scores + scores.T)
    groups = group_with_answers(graph, threshold, no_pairs(), no_pairs())
    expected = group_matches(graph, threshold=threshold)
    pairs = {*zip(groups.tolist(), expected.tolist(), strict=True)}
    assert len(pairs) == groups.max() + 1 == expected.max() + 1


def test_answers_bind_whatever_the_scores_are():
    scores = np.ones((6, 6)) - np.eye(6)
    scores[4:] = scores[:, 4:] = 0
    same = np.array([0, 1, 3]), np.array([1, 5, 4])  # 0, 1 and 5, by a chain
    different = np.array([2]), np.array([5])
    groups = group_with_answers(csr_array(scores), 0.5, same, different).tolist()
    assert groups[0] == groups[1] == groups[5] != groups[2]
    assert groups[3] == groups[4]


def test_two_rows_that_differ_part_a_large_group():
    n = 200
    scores = csr_array(np.ones((n, n)) - np.eye(n))
    groups = group_with_answers(
        scores, 0.01, no_pairs(), (np.array([0]), np.array([n - 1]))
    )
    assert groups[0] != groups[-1]
    assert len(set(groups.tolist())) == 2
