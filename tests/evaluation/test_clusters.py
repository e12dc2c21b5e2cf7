import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from skmatch import bcubed_precision_recall_f1, pairwise_precision_recall_f1

labelled_matches = st.integers(1, 12).flatmap(
    lambda n: st.tuples(
        st.lists(st.integers(0, 3), min_size=n, max_size=n),
        arrays(bool, (n, n)),
    )
)


@given(labelled_matches)
def test_pairs_and_bcubed_equal_slow_loops(case):
    labels, matches = case
    n = len(labels)
    same = np.equal.outer(labels, labels)
    matches = np.asarray(matches, dtype=bool)
    pairs = [(i, j) for i in range(n) for j in range(n) if i != j]
    n_both = sum(same[p] and matches[p] for p in pairs)
    n_true, n_found = sum(same[p] for p in pairs), sum(matches[p] for p in pairs)
    precision, recall, f1 = pairwise_precision_recall_f1(labels, matches)
    assert precision == pytest.approx(n_both / n_found if n_found else 1)
    assert recall == pytest.approx(n_both / n_true if n_true else 1)
    if precision + recall:
        assert f1 == pytest.approx(2 * precision * recall / (precision + recall))
    found = matches | np.eye(n, dtype=bool)
    precision, recall, _ = bcubed_precision_recall_f1(labels, matches)
    assert precision == pytest.approx(np.mean((same & found).sum(1) / found.sum(1)))
    assert recall == pytest.approx(np.mean((same & found).sum(1) / same.sum(1)))


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1))
def test_groups_score_as_their_matches(pairs):
    labels, groups = np.array(pairs).T
    found, same = np.equal.outer(groups, groups), np.equal.outer(labels, labels)
    for score in (pairwise_precision_recall_f1, bcubed_precision_recall_f1):
        expected = score(labels, found)
        assert score(labels, groups) == pytest.approx(expected)
        assert score(same, groups) == pytest.approx(expected)
        assert score(same, found) == pytest.approx(expected)


def test_scores_of_nothing_and_missing_labels():
    with pytest.raises(ValueError, match="empty"):
        bcubed_precision_recall_f1([], [])
    with pytest.raises(ValueError, match="row 1 of y_pred is None"):
        pairwise_precision_recall_f1([0, 1], [0, None])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        pairwise_precision_recall_f1([0, 1], [0])
