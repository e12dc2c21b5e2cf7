"""ThresholdCurveDisplay: the score at every threshold, and the one that was chosen."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from skmatch.matchers import TunedThresholdMatcherCV
from skmatch.plotting._display import OTHER, SAME, DisplayMixin, thin_out

_SCORES = {
    "rowwise_f1": "Row-wise F1",
    "pair_f1": "F1 of pairs",
    "bcubed_f1": "B-cubed F1",
}


class ThresholdCurveDisplay(DisplayMixin):
    """Score at every threshold, its spread over the folds, and the chosen threshold.

    A flat top says that the threshold hardly matters; a wide band, that the folds do
    not agree on it. To tell two curves on the same axes apart, set the colour and label
    of `line_`, `band_` and `best_`.

    Parameters
    ----------
    threshold : ndarray of shape (n_thresholds,), dtype float64
        Thresholds, smallest scores of a match, in any order.
    mean_score : ndarray of shape (n_thresholds,), dtype float64
        Mean over the folds of the score at each threshold; larger is better.
    std_score : ndarray of shape (n_thresholds,), dtype float64
        Its standard deviation over the folds, at least 0.
    best_threshold : float
        The threshold that was chosen.
    best_score : float
        Its mean score.
    gallery_size : float
        Mean number of rows of a fold that were matched with one another.
    n_folds : int, default=1
        Number of folds; of a single one no spread is drawn.
    score_name : str, default="Row-wise F1"
        What the score is called on its axis.

    Attributes
    ----------
    line_ : matplotlib Line2D
        The mean score, by rising threshold.
    band_ : matplotlib PolyCollection or None
        One standard deviation to either side; None of a single fold.
    best_ : matplotlib Line2D
        The chosen threshold, a point.
    ax_ : matplotlib Axes
        The axes of the figure.
    figure_ : matplotlib Figure
        The figure.

    See Also
    --------
    TunedThresholdMatcherCV : Choose the threshold.

    Examples
    --------
    >>> from sklearn.feature_extraction.text import TfidfVectorizer
    >>> from sklearn.pipeline import make_pipeline
    >>> from skmatch import (
    ...     FaissThresholdMatcher, TunedThresholdMatcherCV, make_product_titles
    ... )
    >>> from skmatch.plotting import ThresholdCurveDisplay
    >>> titles, product_ids = make_product_titles(100, random_state=0)
    >>> pipe = make_pipeline(TfidfVectorizer(), FaissThresholdMatcher())
    >>> tuned = TunedThresholdMatcherCV(pipe).fit(titles, product_ids)
    >>> display = ThresholdCurveDisplay.from_estimator(tuned)
    >>> display.ax_.get_ylabel()
    'Row-wise F1'
    """

    def __init__(
        self,
        threshold: NDArray[np.float64],
        mean_score: NDArray[np.float64],
        std_score: NDArray[np.float64],
        *,
        best_threshold: float,
        best_score: float,
        gallery_size: float,
        n_folds: int = 1,
        score_name: str = "Row-wise F1",
    ) -> None:
        self.threshold = threshold
        self.mean_score = mean_score
        self.std_score = std_score
        self.best_threshold = best_threshold
        self.best_score = best_score
        self.gallery_size = gallery_size
        self.n_folds = n_folds
        self.score_name = score_name

    @classmethod
    def from_estimator(
        cls, estimator: TunedThresholdMatcherCV, *, ax: Any = None
    ) -> Self:
        """Draw the scores by which a fitted estimator chose its threshold.

        Parameters
        ----------
        estimator : TunedThresholdMatcherCV
            A fitted one.
        ax : matplotlib Axes or None, default=None
            Axes to draw on; None makes a new figure.

        Returns
        -------
        display : ThresholdCurveDisplay
            The numbers of the figure, which is drawn.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If `estimator` is another one; if it is not fitted, a NotFittedError.
        """
        if not isinstance(estimator, TunedThresholdMatcherCV):
            raise ValueError(
                f"estimator={estimator!r:.50}; expected a fitted "
                "TunedThresholdMatcherCV."
            )
        check_is_fitted(estimator, "cv_results_")
        results = estimator.cv_results_
        display = cls(
            results["threshold"],
            results["mean_test_score"],
            results["std_test_score"],
            best_threshold=estimator.best_threshold_,
            best_score=estimator.best_score_,
            gallery_size=estimator.gallery_size_,
            n_folds=sum(name.startswith("split") for name in results),
            score_name=_name_score(estimator.scoring),
        )
        return display.plot(ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw the figure.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Axes to draw on; None makes a new figure.

        Returns
        -------
        self : ThresholdCurveDisplay
            The display, with its artists as attributes.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        ax = self._begin(ax)
        order = np.argsort(self.threshold, kind="stable")
        order = order[thin_out(self.threshold[order], self.mean_score[order])]
        threshold, mean, std = (
            values[order]
            for values in (self.threshold, self.mean_score, self.std_score)
        )
        folds = f"mean of {self.n_folds} folds" if self.n_folds > 1 else "one gallery"
        (self.line_,) = ax.plot(threshold, mean, color=SAME, label=folds)
        self.band_ = None
        if self.n_folds > 1:
            self.band_ = ax.fill_between(
                threshold, mean - std, mean + std, color=SAME, alpha=0.35, linewidth=0,
                label="± one standard deviation",
            )  # fmt: skip
        (self.best_,) = ax.plot(
            self.best_threshold, self.best_score, "D", color=OTHER, markersize=8,
            label=f"chosen: {self.best_score:.3f} at {self.best_threshold:.3f}",
        )  # fmt: skip
        ax.set(
            xlabel="Threshold (smallest score of a match)",
            ylabel=self.score_name,
            title=f"Galleries of about {self.gallery_size:,.0f} rows",
        )
        if self.mean_score.min() >= 0:
            ax.set_ylim(bottom=0)  # the band is no score
        ax.legend(loc="lower center")
        return self


def _name_score(scoring: Any) -> str:
    """Return what a `scoring` is called on an axis."""
    if callable(scoring):
        return getattr(scoring, "__name__", "Score")
    if isinstance(scoring, str):
        return _SCORES[scoring]
    name, value = scoring
    if name == "pair_fbeta":
        return f"F-beta of pairs, beta = {value:g}"
    return f"Recall of pairs at a precision of {value:g}"
