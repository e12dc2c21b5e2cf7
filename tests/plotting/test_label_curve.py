import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from sklearn.ensemble import HistGradientBoostingClassifier

from skmatch import (
    FaissThresholdMatcher,
    PairClassifierMatcher,
    clustered_standard_error,
    make_product_titles,
    rowwise_f1_score,
)
from skmatch.plotting import LabelCurveDisplay

TITLES, PRODUCT_IDS = make_product_titles(20, random_state=0)
N_ROWS = len(TITLES)


class Oracle(PairClassifierMatcher):
    """Matches what was judged to match; suggests the first pairs not yet judged."""

    n_candidates_in_all = 10**6
    fits = []  # noqa: RUF012

    def fit(self, X, y=None, *, pairs=None, is_match=None):
        assert y is None
        self.pairs_ = np.empty((0, 2), int) if pairs is None else pairs
        self.is_match_ = np.empty(0, bool) if is_match is None else is_match
        self.fits.append(len(self.pairs_))
        return self

    def suggest_pairs(self, X, n_pairs):
        pairs = np.array([(i, j) for j in range(len(X)) for i in range(j)])
        pairs = pairs[: self.n_candidates_in_all]
        return pairs[len(self.pairs_) :][:n_pairs]

    def predict(self, X):
        matches = np.eye(len(X), dtype=bool)
        left, right = self.pairs_[self.is_match_].T
        matches[left, right] = matches[right, left] = True
        return csr_array(matches)


@pytest.fixture
def oracle():
    Oracle.fits.clear()
    yield Oracle()
    Oracle.n_candidates_in_all = 10**6


def judged(n_pairs):
    """Return the score of each row where the first pairs are judged."""
    matches = np.eye(N_ROWS, dtype=bool)
    pairs = [(i, j) for j in range(N_ROWS) for i in range(j)][:n_pairs]
    for i, j in pairs:
        matches[i, j] = matches[j, i] = PRODUCT_IDS[i] == PRODUCT_IDS[j]
    return rowwise_f1_score(PRODUCT_IDS, matches, average=None)


def test_scores_are_those_of_the_pairs_judged_so_far(oracle, legend):
    display = LabelCurveDisplay.from_estimator(
        oracle, TITLES, PRODUCT_IDS, n_pairs=(0, 100, 600), name="oracle"
    )
    scores = [judged(n) for n in (0, 100, 600)]
    means = [np.mean(each) for each in scores]
    errors = [clustered_standard_error(each, PRODUCT_IDS) for each in scores]
    assert means[0] < means[1] < means[2]
    assert Oracle.fits == [0, 100, 600]
    line, _, (bars,) = display.line_.lines
    assert_allclose(line.get_xydata(), np.column_stack([[0, 100, 600], means]))
    ends = np.array(bars.get_segments())[:, :, 1]
    assert_allclose(ends, np.c_[means] + np.outer(errors, [-1, 1]))
    assert display.ax_.get_title() == f"Gallery of {N_ROWS} rows"
    assert legend(display) == ["oracle"]
    assert not hasattr(oracle, "pairs_")


def test_a_first_number_above_0_begins_without_labels_all_the_same(oracle):
    display = LabelCurveDisplay.from_estimator(
        oracle, TITLES, PRODUCT_IDS, n_pairs=[50]
    )
    assert Oracle.fits == [0, 50]
    assert_allclose(display.score, [judged(50).mean()])
    assert display.ax_.get_legend() is None


def test_the_curve_ends_with_the_candidates(oracle):
    Oracle.n_candidates_in_all = 120
    display = LabelCurveDisplay.from_estimator(
        oracle, TITLES, PRODUCT_IDS, n_pairs=(0, 100, 200, 300)
    )
    assert_array_equal(display.n_pairs, [0, 100, 120])
    assert Oracle.fits == [0, 100, 120]


def test_curves_on_the_same_axes_have_names_and_colours(ax, legend):
    values = np.array([0, 10]), np.array([0.5, 0.6]), np.array([0.01, 0.01])
    drawn = [
        LabelCurveDisplay(*values, gallery_size=9, name=name).plot(ax) for name in "ab"
    ]
    assert legend(drawn[1]) == ["a", "b"]
    assert len({each.line_[0].get_color() for each in drawn}) == 2


@pytest.mark.slow
def test_a_matcher_judges_and_learns():
    quick = HistGradientBoostingClassifier(max_iter=5, random_state=0)
    matcher = PairClassifierMatcher(classifier=quick, cv=2, random_state=0)
    display = LabelCurveDisplay.from_estimator(
        matcher, TITLES, PRODUCT_IDS, n_pairs=(0, 40)
    )
    alone = matcher.fit(TITLES).predict(TITLES)
    assert display.score[0] == rowwise_f1_score(PRODUCT_IDS, alone)
    assert display.score[1] > display.score[0]


@pytest.mark.parametrize(
    "n_pairs", [(), (0, 0), (10, 5), (-1, 5), (0, 1.5), 5, "ab", [[0, 1]], None]
)
def test_numbers_that_do_not_rise_are_refused(oracle, n_pairs):
    with pytest.raises(ValueError, match=r"n_pairs=.*; expected int that rise"):
        LabelCurveDisplay.from_estimator(oracle, TITLES, PRODUCT_IDS, n_pairs=n_pairs)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (PRODUCT_IDS[1:], "inconsistent numbers of samples"),
        ([None, *PRODUCT_IDS[1:]], "row 0 of y is None"),
    ],
)
def test_bad_labels_are_named(oracle, y, message):
    with pytest.raises(ValueError, match=message):
        LabelCurveDisplay.from_estimator(oracle, TITLES, y)


def test_another_estimator_is_refused():
    with pytest.raises(ValueError, match=r"estimator=FaissThresholdMatcher\(\); expec"):
        LabelCurveDisplay.from_estimator(FaissThresholdMatcher(), TITLES, PRODUCT_IDS)


def test_without_matplotlib_nothing_is_fitted(oracle, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"LabelCurveDisplay needs matplotlib: pip"):
        LabelCurveDisplay.from_estimator(oracle, TITLES, PRODUCT_IDS)
    assert Oracle.fits == []
