import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import NotFittedError

from skmatch import ClassDisjointKFold, FaissThresholdMatcher, TunedThresholdMatcherCV
from skmatch.plotting import ThresholdCurveDisplay

ANGLES = np.radians([0, 10, 90, 120, 180, 185, 250, 290])
VECTORS = np.column_stack([np.cos(ANGLES), np.sin(ANGLES)])
LABELS = [0, 0, 1, 1, 2, 2, 3, 3]


def tune(**params):
    return TunedThresholdMatcherCV(
        FaissThresholdMatcher(),
        **{"cv": ClassDisjointKFold(2), "thresholds": [0.9, 0.1, 0.99]} | params,
    ).fit(VECTORS, LABELS)


def test_curve_band_and_chosen_point_are_those_of_the_folds(legend):
    tuned = tune()
    display = ThresholdCurveDisplay.from_estimator(tuned)
    folds = np.array([tuned.cv_results_[f"split{k}_test_score"] for k in (0, 1)])
    mean, std = folds.mean(axis=0)[[1, 0, 2]], folds.std(axis=0)[[1, 0, 2]]
    assert_allclose(
        display.line_.get_xydata(), np.column_stack([[0.1, 0.9, 0.99], mean])
    )
    band = display.band_.get_paths()[0].vertices
    assert std.max() > 0
    for threshold, low, high in zip(
        [0.1, 0.9, 0.99], mean - std, mean + std, strict=True
    ):
        heights = band[band[:, 0] == threshold, 1]
        assert_allclose([heights.min(), heights.max()], [low, high])
    assert_allclose(
        display.best_.get_xydata(), [[tuned.best_threshold_, tuned.best_score_]]
    )
    assert display.ax_.get_title() == "Galleries of about 4 rows"
    assert legend(display) == [
        "mean of 2 folds",
        "± one standard deviation",
        f"chosen: {tuned.best_score_:.3f} at {tuned.best_threshold_:.3f}",
    ]


def test_of_one_gallery_there_is_no_spread(legend):
    prefit = FaissThresholdMatcher().fit(VECTORS)
    tuned = TunedThresholdMatcherCV(prefit, cv="prefit").fit(VECTORS, LABELS)
    display = ThresholdCurveDisplay.from_estimator(tuned)
    assert display.band_ is None
    assert legend(display)[0] == "one gallery"
    assert display.ax_.get_title() == "Galleries of about 8 rows"


@pytest.mark.parametrize(
    ("scoring", "name"),
    [
        ("rowwise_f1", "Row-wise F1"),
        ("pair_f1", "F1 of pairs"),
        ("bcubed_f1", "B-cubed F1"),
        (("pair_fbeta", 2), "F-beta of pairs, beta = 2"),
        (("recall_at_precision", 0.95), "Recall of pairs at a precision of 0.95"),
        (lambda row, is_correct, n_true: np.ones(len(row) + 1), "<lambda>"),
    ],
)
def test_the_axis_has_the_name_of_the_score(scoring, name):
    display = ThresholdCurveDisplay.from_estimator(tune(scoring=scoring))
    assert display.ax_.get_ylabel() == name


def test_of_very_many_thresholds_the_figure_has_few():
    threshold = np.linspace(0, 1, 100_000)
    display = ThresholdCurveDisplay(
        threshold, threshold**2, 0 * threshold,
        best_threshold=1, best_score=1, gallery_size=10,
    ).plot()  # fmt: skip
    x, y = display.line_.get_data()
    assert len(x) < 2_100
    assert_array_equal(y, x**2)


def test_another_estimator_is_refused():
    with pytest.raises(ValueError, match=r"estimator=FaissThresholdMatcher\(\); expec"):
        ThresholdCurveDisplay.from_estimator(FaissThresholdMatcher())


def test_one_that_is_not_fitted_is_refused():
    with pytest.raises(NotFittedError):
        ThresholdCurveDisplay.from_estimator(
            TunedThresholdMatcherCV(FaissThresholdMatcher())
        )
