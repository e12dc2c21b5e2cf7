"""The score at every threshold against matches that are decided at each of them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.sparse import csr_array

from skmatch import (
    bcubed_precision_recall_f1,
    decide_matches,
    pairwise_precision_recall_f1,
    rowwise_f1_score,
)
from skmatch.evaluation import (
    best_threshold,
    check_scoring,
    rank_matches,
    score_curve,
    scores_at,
)
from skmatch.graph import keep_matches


def pair_f2(labels, matches):
    precision, recall, _ = pairwise_precision_recall_f1(labels, matches)
    return 5 * precision * recall / (4 * precision + recall) if recall else 0.0


def recall_at_70(labels, matches):
    precision, recall, _ = pairwise_precision_recall_f1(labels, matches)
    return recall if precision >= 0.7 else 0.0


SCORES = {
    "rowwise_f1": rowwise_f1_score,
    "pair_f1": lambda y, matches: pairwise_precision_recall_f1(y, matches)[2],
    "bcubed_f1": lambda y, matches: bcubed_precision_recall_f1(y, matches)[2],
    ("pair_fbeta", 2.0): pair_f2,
    ("recall_at_precision", 0.7): recall_at_70,
}
THRESHOLDS = np.arange(0.05, 1.05, 0.05)


def draw(seed, n_rows=25):
    """Draw a score graph with ties, and labels of which some have one row."""
    rng = np.random.default_rng(seed)
    scores = np.round(rng.random((n_rows, n_rows)), 1)
    scores *= rng.random((n_rows, n_rows)) < 0.3
    half = np.triu(scores, 1).astype(np.float32)
    labels = np.unique(rng.integers(0, 10, n_rows), return_inverse=True)[1]
    return csr_array(half + half.T), labels


@pytest.mark.parametrize("scoring", SCORES, ids=str)
@settings(max_examples=20)
@given(seed=st.integers(0, 2**31))
def test_score_at_each_threshold_is_that_of_its_matches(scoring, seed):
    graph, labels = draw(seed)
    found = scores_at(rank_matches(graph, labels), THRESHOLDS, scoring)
    expected = [
        SCORES[scoring](labels, decide_matches(graph, float(t))) for t in THRESHOLDS
    ]
    assert_allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize("scoring", SCORES, ids=str)
@pytest.mark.parametrize("max_matches", [None, 2])
@settings(max_examples=20)
@given(seed=st.integers(0, 2**31), mutual=st.booleans())
def test_singletons_have_their_best_match(scoring, max_matches, seed, mutual):
    graph, labels = draw(seed)
    limits = {"max_matches": max_matches, "mutual": mutual and max_matches is not None}
    singleton_match = keep_matches(graph, np.inf, match_singletons=True)
    ranked = rank_matches(
        keep_matches(graph, -np.inf, **limits), labels, singleton_match
    )
    found = scores_at(ranked, THRESHOLDS, scoring)
    expected = [
        SCORES[scoring](
            labels, decide_matches(graph, float(t), match_singletons=True, **limits)
        )
        for t in THRESHOLDS
    ]
    assert_allclose(found, expected, atol=1e-12)


def test_curve_begins_without_a_match_and_ends_with_all():
    graph, labels = draw(0)
    curve = score_curve(rank_matches(graph, labels), "rowwise_f1")
    assert curve.shape == (graph.nnz + 1,)
    assert curve[0] == pytest.approx(rowwise_f1_score(labels, np.eye(25)))
    everything = graph.toarray() + np.eye(25)
    assert curve[-1] == pytest.approx(rowwise_f1_score(labels, everything))


@settings(max_examples=30)
@given(seed=st.integers(0, 2**31))
def test_best_threshold_is_the_best_of_all_scores(seed):
    graph, labels = draw(seed)
    threshold, score = best_threshold(rank_matches(graph, labels))
    tried = [
        rowwise_f1_score(labels, decide_matches(graph, float(t)))
        for t in [*np.unique(graph.data), 1.0]
    ]
    assert score == pytest.approx(max(tried), abs=1e-12)
    at = rowwise_f1_score(labels, decide_matches(graph, threshold))
    assert at == pytest.approx(score, abs=1e-12)


def test_graph_without_a_pair():
    ranked = rank_matches(csr_array((3, 3), dtype=np.float32), np.array([0, 1, 2]))
    assert best_threshold(ranked) == (1.0, 1.0)
    assert scores_at(ranked, np.array([0.5]), "pair_f1").tolist() == [1.0]


def test_scoring_of_the_user():
    graph, labels = draw(3)
    ranked = rank_matches(graph, labels)

    def share_of_correct(row, is_correct, n_true):
        assert row.shape == is_correct.shape == (graph.nnz,)
        assert_allclose(n_true, np.bincount(labels)[labels])
        return np.append(0, is_correct.cumsum()) / len(n_true)

    curve = score_curve(ranked, share_of_correct)
    same = np.equal.outer(labels, labels) & (graph.toarray() > 0)
    assert curve[-1] == same.sum() / 25
    with pytest.raises(ValueError, match=r"scoring returned shape \(3,\); expected"):
        score_curve(ranked, lambda *a: np.ones(3))
    with pytest.raises(ValueError, match="knows nothing of match_singletons=True"):
        score_curve(rank_matches(graph, labels, graph), share_of_correct)


@pytest.mark.parametrize(
    ("scoring", "message"),
    [
        ("f1", "scoring='f1'; expected one of"),
        (("pair_fbeta", 0), "pair_fbeta of scoring == 0, must be > 0"),
        (("recall_at_precision", 2), "precision of scoring == 2, must be <= 1"),
        (("pair_f1", 1), "expected one of"),
        (None, "scoring=None; expected one of"),
    ],
)
def test_scoring_that_is_not_known(scoring, message):
    with pytest.raises(ValueError, match=message):
        check_scoring(scoring)
