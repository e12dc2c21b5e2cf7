"""The catalogue of PairClassifierMatcher: titles come and go, nothing is learned."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.exceptions import NotFittedError

from skmatch import PairClassifierMatcher, load, make_product_titles, save
from skmatch.pairs import LazyCatalogue

TITLES, PRODUCT_IDS = make_product_titles(120, random_state=0)
KNOWN, ADDED, NEW = np.split(TITLES, [150, 210])


@pytest.fixture(scope="module")
def fitted():
    matcher = PairClassifierMatcher(n_levels=1, cv=2, random_state=0)
    return pickle.dumps(matcher.fit(KNOWN, PRODUCT_IDS[: len(KNOWN)]))


@pytest.fixture
def matcher(fitted):
    return pickle.loads(fitted)


def assert_same(matcher, other):
    assert matcher.n_samples_fit_ == other.n_samples_fit_
    one, two = matcher.transform(NEW), other.transform(NEW)
    assert one.shape == (len(NEW), matcher.n_samples_fit_)
    assert_array_equal(one.toarray(), two.toarray())


def test_titles_may_come_in_any_parts(matcher, fitted):
    model = matcher._model_
    learned = matcher.threshold_, matcher.best_score_, pickle.dumps(model.levels)
    matcher.transform(NEW)
    returned = matcher.partial_fit(ADDED[:20]).partial_fit(ADDED[20:])
    assert returned is matcher
    at_once = pickle.loads(fitted)
    everything = np.concatenate([KNOWN, ADDED])
    at_once._catalogue_ = LazyCatalogue(at_once._model_, everything, everything, None)
    at_once.n_samples_fit_ = len(everything)
    assert_same(matcher, at_once)
    assert matcher._model_ is model
    now = matcher.threshold_, matcher.best_score_, pickle.dumps(model.levels)
    assert now == learned
    assert len(matcher.get_feature_names_out()) == len(everything)


def test_added_titles_are_found(matcher):
    before = matcher.transform(ADDED)
    after = matcher.partial_fit(ADDED).transform(ADDED)
    itself = after[:, len(KNOWN) :].diagonal()
    assert (itself > matcher.threshold_).mean() > 0.95
    assert after.nnz > before.nnz


def test_removed_titles_are_as_if_they_had_never_been(matcher, fitted):
    rows = len(KNOWN) + np.arange(len(ADDED))
    matcher.partial_fit(ADDED).remove(rows[::2]).remove(len(KNOWN) + np.arange(30))
    assert_same(matcher, pickle.loads(fitted))
    matcher.remove([0, 5])
    shorter = pickle.loads(fitted).remove([5]).remove([0])
    assert_same(matcher, shorter)
    assert matcher._catalogue_.titles[0] == KNOWN[1]


def test_updated_titles_take_the_place_of_the_old_ones(matcher, fitted):
    matcher.update([3, 1], ADDED[:2])
    other = pickle.loads(fitted).remove([1, 3]).partial_fit(ADDED[:2])
    order = [0, other.n_samples_fit_ - 1, 1, other.n_samples_fit_ - 2]
    order += [*range(2, other.n_samples_fit_ - 2)]
    found, expected = matcher.transform(NEW), other.transform(NEW)[:, order]
    np.testing.assert_allclose(found.toarray(), expected.toarray(), atol=1e-5)


def test_columns_of_the_catalogue():
    frame = np.column_stack([KNOWN, np.arange(len(KNOWN)) % 5]).astype(object)
    ids = PRODUCT_IDS[: len(KNOWN)]
    matcher = PairClassifierMatcher(
        n_levels=1, cv=2, random_state=0, columns={1: "code"}
    )
    matcher.fit(frame, ids).partial_fit(frame[:3]).update([0], frame[1:2]).remove([2])
    assert matcher.transform(frame[:1]).shape == (1, len(KNOWN) + 2)
    with pytest.raises(ValueError, match="X has 1 features, but"):
        matcher.partial_fit(KNOWN[:3])


def test_one_that_is_not_fitted_is_fitted():
    matcher = PairClassifierMatcher(n_levels=1, cv=2, random_state=0)
    matcher.partial_fit(KNOWN[:60], PRODUCT_IDS[:60])
    assert matcher.supervision_ == "product_ids"
    for change in (lambda m: m.remove([0]), lambda m: m.update([0], ["a"])):
        with pytest.raises(NotFittedError):
            change(PairClassifierMatcher())


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([150], r"rows holds 150; expected rows of the catalogue, in \[0, 150\)"),
        ([3, -1], "rows holds -1; expected rows"),
        ([3, 4, 3], "rows holds 3 twice"),
        (
            [[1]],
            r"rows has shape \(1, 1\) and dtype int64; expected \(n_rows,\) of int",
        ),
        ([0.0], r"rows has shape \(1,\) and dtype float64; expected"),
        (np.arange(150), "rows holds all 150 rows of the catalogue; expected fewer"),
    ],
)
def test_rows_that_cannot_be_removed(matcher, rows, message):
    with pytest.raises(ValueError, match=message):
        matcher.remove(rows)
    assert matcher.n_samples_fit_ == len(KNOWN)


def test_no_row_is_no_change(matcher, fitted):
    assert_same(matcher.remove([]), pickle.loads(fitted))


def test_what_cannot_be_added_or_updated_changes_nothing(matcher, fitted):
    with pytest.raises(ValueError, match="row 1 of X holds None"):
        matcher.partial_fit(["a", None])
    with pytest.raises(ValueError, match="rows holds 2 rows and X 1; expected as many"):
        matcher.update([0, 1], ["a"])
    assert_same(matcher, pickle.loads(fitted))


def test_the_catalogue_is_saved_and_the_labels_stay_those_of_fit(matcher, tmp_path):
    matcher.partial_fit(ADDED).remove(np.arange(40))
    save(matcher, tmp_path)
    again = load(tmp_path)
    assert_same(again, matcher)
    adapted = again.adapt(NEW)
    assert adapted.n_samples_fit_ == len(KNOWN) + len(NEW)
