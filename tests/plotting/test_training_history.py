import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.exceptions import NotFittedError

from skmatch import (
    AdapterBertEmbedder,
    AdapterBertPairClassifier,
    FaissThresholdMatcher,
    LSTMTitleEmbedder,
)
from skmatch.plotting import TrainingHistoryDisplay


def trained(kind, losses=(0.5, 0.25, 0.125), scores=(0.5, 0.75, 0.625), best_epoch=2):
    """Return an estimator with the attributes that training leaves."""
    estimator = kind()
    estimator.history_ = [
        {"epoch": epoch, "loss": loss, "validation_score": score, "seconds": 1.0}
        for epoch, (loss, score) in enumerate(zip(losses, scores, strict=True), 1)
    ]
    estimator.best_epoch_ = best_epoch
    return estimator


def texts_of(display):
    axes = display.score_ax_ or display.ax_
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_lines_are_those_of_a_fitted_embedder(fitted):
    display = TrainingHistoryDisplay.from_estimator(fitted)
    for line, name in ((display.loss_, "loss"), (display.score_, "validation_score")):
        expected = [(row["epoch"], row[name]) for row in fitted.history_]
        assert_array_equal(line.get_xydata(), expected)
    assert_array_equal(display.best_.get_xdata(), [fitted.best_epoch_] * 2)
    assert display.score_.axes is display.score_ax_ is not display.ax_
    assert texts_of(display) == [
        "loss", "validation score", f"kept: epoch {fitted.best_epoch_}"
    ]  # fmt: skip


def test_ticks_are_whole_epochs():
    display = TrainingHistoryDisplay.from_estimator(trained(LSTMTitleEmbedder))
    ticks = display.ax_.get_xticks()
    assert_array_equal(ticks, ticks.round())


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (LSTMTitleEmbedder, "Row-wise F1 of validation titles"),
        (AdapterBertEmbedder, "Row-wise F1 of validation titles"),
        (AdapterBertPairClassifier, "F1 of validation pairs"),
    ],
)
def test_the_axis_has_the_name_of_the_score(kind, name):
    display = TrainingHistoryDisplay.from_estimator(trained(kind))
    assert display.score_ax_.get_ylabel() == name


def test_without_validation_there_is_the_loss_alone():
    embedder = trained(LSTMTitleEmbedder, scores=[np.nan] * 3, best_epoch=3)
    display = TrainingHistoryDisplay.from_estimator(embedder)
    assert (display.score_, display.score_ax_) == (None, None)
    assert texts_of(display) == ["loss", "kept: epoch 3"]


def test_another_estimator_is_refused():
    with pytest.raises(ValueError, match=r"estimator=FaissThresholdMatcher\(\); expec"):
        TrainingHistoryDisplay.from_estimator(FaissThresholdMatcher())


def test_one_that_is_not_fitted_is_refused():
    with pytest.raises(NotFittedError):
        TrainingHistoryDisplay.from_estimator(LSTMTitleEmbedder())


def test_one_that_was_not_trained_is_refused():
    with pytest.raises(ValueError, match="estimator was fitted without an epoch"):
        TrainingHistoryDisplay.from_estimator(trained(AdapterBertEmbedder, (), ()))
