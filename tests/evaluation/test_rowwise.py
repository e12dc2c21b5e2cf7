import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose
from scipy.sparse import csr_array
from sklearn.base import BaseEstimator
from sklearn.metrics import f1_score

from skmatch import clustered_standard_error, rowwise_f1_score, rowwise_f1_scorer

labelled_matches = st.integers(1, 12).flatmap(
    lambda n: st.tuples(
        st.lists(st.integers(0, 3), min_size=n, max_size=n),
        arrays(bool, (n, n)),
    )
)


def score_with_sets(labels, matches):
    """Score with Python sets: slow, and plain to see."""
    scores = []
    for i, label in enumerate(labels):
        true = {j for j, other in enumerate(labels) if other == label}
        found = {j for j in range(len(labels)) if matches[i, j]}
        scores.append(2 * len(true & found) / (len(true) + len(found)))
    return scores


@given(labelled_matches)
def test_equals_python_sets(case):
    labels, matches = case
    scores = rowwise_f1_score(labels, csr_array(matches), average=None)
    assert_allclose(scores, score_with_sets(labels, matches))


@given(labelled_matches)
def test_equals_f1_score_of_sklearn(case):
    labels, matches = case
    indicator = np.equal.outer(labels, labels)
    assume(len(labels) > 1)  # sklearn does not read one column as an indicator
    expected = f1_score(indicator, matches, average="samples", zero_division=0)
    assert_allclose(rowwise_f1_score(labels, matches), expected)
    assert_allclose(rowwise_f1_score(csr_array(indicator), matches), expected)


@given(labelled_matches)
def test_matrix_sets_and_strings_agree(case):
    labels, matches = case
    true = [[str(j) for j in np.flatnonzero(np.equal(labels, x))] for x in labels]
    found = [[str(j) for j in np.flatnonzero(row)] for row in matches]
    expected = rowwise_f1_score(labels, matches)
    assert_allclose(rowwise_f1_score(list(map(set, true)), found), expected)
    assert_allclose(
        rowwise_f1_score([" ".join(x) for x in true], [" ".join(x) for x in found]),
        expected,
    )


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1))
def test_group_labels_score_as_their_matches(pairs):
    labels, groups = np.array(pairs).T
    matches, same = np.equal.outer(groups, groups), np.equal.outer(labels, labels)
    expected = rowwise_f1_score(labels, matches, average=None)
    same[0, 0] = False  # an indicator is taken as it is
    for kind in (np.asarray, list, pd.Series, np.float32):
        found = rowwise_f1_score(labels, kind(groups), average=None)
        assert_allclose(found, expected)
    assert_allclose(
        rowwise_f1_score(same, groups, average=None),
        rowwise_f1_score(same, matches, average=None),
    )


def test_a_group_of_many_rows_is_counted():
    labels = np.arange(20_000) // 2
    score = rowwise_f1_score(labels, np.zeros(20_000, dtype=np.int64))
    assert score == pytest.approx(2 * 2 / (20_000 + 2))


def test_str_are_ids_and_no_group_labels():
    assert rowwise_f1_score(["a", "a"], ["a", "b"]) == 0.5


def test_known_values():
    matches = np.array([[1, 1, 0], [1, 1, 0], [0, 0, 1]], dtype=bool)
    scores = rowwise_f1_score(["a", "a", "a"], matches, average=None)
    assert_allclose(scores, [0.8, 0.8, 0.5])
    assert rowwise_f1_score(["a", "a", "b"], matches) == 1.0


def test_labels_may_be_int_or_str():
    matches = np.array([[1, 1, 0], [0, 1, 0], [0, 1, 1]])
    assert rowwise_f1_score([7, 7, 9], matches) == rowwise_f1_score(
        np.array(["x", "x", "y"], dtype=object), matches
    )


def test_duplicate_and_explicit_zero_entries_count_once_and_not_at_all():
    entries = np.array([True, True, False]), np.array([0, 0, 1]), np.array([0, 3, 3])
    matches = csr_array(entries, shape=(2, 2))
    assert_allclose(rowwise_f1_score([0, 1], matches, average=None), [1, 0])
    assert_allclose(rowwise_f1_score(matches, matches, average=None), [1, 0])
    assert matches.nnz == 3  # the argument is left as it was


def test_row_without_anything_scores_zero():
    nothing = csr_array((2, 2), dtype=bool)
    assert_allclose(rowwise_f1_score(nothing, nothing, average=None), [0, 0])
    assert rowwise_f1_score([set(), {"a"}], ["", "a"]) == 0.5


def test_sample_weight():
    matches = np.eye(3, dtype=bool)
    score = rowwise_f1_score([0, 0, 1], matches, sample_weight=[0, 0, 2])
    assert score == 1.0


@pytest.mark.parametrize(
    ("y_true", "y_pred", "message"),
    [
        ([0, 1], csr_array((3, 3)), r"2 labels and y_pred has shape \(3, 3\)"),
        (csr_array((2, 2)), csr_array((3, 3)), r"\(2, 2\) and y_pred \(3, 3\)"),
        ([{1}, {2}], csr_array((2, 2)), "y_true holds id sets"),
        (csr_array((2, 2)), [{1}, {2}], "y_true is a matrix"),
        ([0, 1], [{1}, {2}], "row 0 of y_true is 0"),
        (["a"], ["a", "b"], "inconsistent numbers of samples"),
        (["a"], [0, 1], "inconsistent numbers of samples"),
        ([0, 1], [0, None], "row 1 of y_pred is None"),
        (np.eye(3), [0, 1], r"y_true has shape \(3, 3\) and y_pred 2 labels"),
        ([], [], "empty"),
        (["tea", "mug"], [[1, 0], [0, 1]], "not both str; .* or a numpy array"),
        ([1.0, np.nan], np.eye(2), "row 1 of y_true is nan"),
        (["a", None], np.eye(2), "row 1 of y_true is None"),
        (pd.Series(["a", pd.NA]), np.eye(2), "row 1 of y_true is (nan|<NA>)"),
        ([1, "a"], np.eye(2), r"row 1 of y_true is 'a', a str, and row 0 is 1"),
    ],
)
def test_bad_input_is_named(y_true, y_pred, message):
    with pytest.raises(ValueError, match=message):
        rowwise_f1_score(y_true, y_pred)


def test_bad_sample_weight():
    with pytest.raises(ValueError, match=r"sum 0\.0; expected one above 0"):
        rowwise_f1_score(["a"], ["a"], sample_weight=[0])
    for weights in ([1, 1], 1, [np.nan], [10**400], ["x"]):
        with pytest.raises(ValueError, match=r"finite weight for each of the 1 rows"):
            rowwise_f1_score(["a"], ["a"], sample_weight=weights)
    with pytest.raises(ValueError, match="average=None, expected sample_weight=None"):
        rowwise_f1_score(["a"], ["a"], average=None, sample_weight=[1])


def test_unknown_average():
    with pytest.raises(ValueError, match="average='macro'"):
        rowwise_f1_score(["a"], ["a"], average="macro")


def test_scorer_is_larger_for_better():
    class Matcher(BaseEstimator):
        def fit(self, X, y=None):
            return self

        def predict(self, X):
            return csr_array(np.equal.outer(X, X))

    labels = np.array([0, 0, 1])
    assert rowwise_f1_scorer(Matcher(), labels, labels) == 1.0


def test_scorer_takes_a_clusterer():
    class Grouper(BaseEstimator):
        def fit(self, X, y=None):
            return self

        def predict(self, X):
            return X + 7

    labels = np.array([0, 0, 1])
    assert rowwise_f1_scorer(Grouper(), labels, labels) == 1.0


def test_clustered_standard_error_is_that_of_product_means(rng):
    scores = rng.random(40)
    alone = clustered_standard_error(scores, np.arange(40))
    assert alone == pytest.approx(scores.std() / np.sqrt(40))
    twice = clustered_standard_error(np.repeat(scores, 3), np.repeat(np.arange(40), 3))
    assert twice == pytest.approx(alone)


def test_clustered_standard_error_is_the_spread_of_many_draws(rng):
    sizes = rng.integers(1, 9, 300)
    labels = np.repeat(np.arange(300), sizes)
    scores = rng.random(300)[labels] + 0.1 * rng.random(len(labels))
    totals, means = np.bincount(labels, scores), []
    for _ in range(2000):
        drawn = rng.integers(0, 300, 300)
        means.append(totals[drawn].sum() / sizes[drawn].sum())
    assert clustered_standard_error(scores, labels) == pytest.approx(
        np.std(means), rel=0.1
    )


@pytest.mark.parametrize("labels", [None, 5, "abc"])
def test_labels_that_are_no_sequence_are_named(labels):
    with pytest.raises(ValueError, match="y_true should be a 1d array of product"):
        rowwise_f1_score(labels, np.eye(3))
