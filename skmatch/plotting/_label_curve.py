"""LabelCurveDisplay: the score by the number of pairs that were judged."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from sklearn.utils.validation import check_consistent_length

from skmatch.evaluation import (
    clustered_standard_error,
    encode_labels,
    rowwise_f1_score,
)
from skmatch.matchers import PairClassifierMatcher
from skmatch.plotting._display import DisplayMixin, import_pyplot, next_colour


class LabelCurveDisplay(DisplayMixin):
    """Row-wise F1 by the number of judged pairs that a matcher learned from.

    It tells how much better matches get by judging more pairs, and when to stop.

    Parameters
    ----------
    n_pairs : ndarray of shape (n_points,), dtype int64
        Numbers of judged pairs, rising, from 0.
    score : ndarray of shape (n_points,), dtype float64
        Row-wise F1 with each of them, in ``[0, 1]``; larger is better.
    standard_error : ndarray of shape (n_points,), dtype float64
        Standard error of each over the products, at least 0.
    gallery_size : int
        Number of rows that were matched with one another.
    name : str or None, default=None
        What the curve is called in the legend; None makes no legend.

    Attributes
    ----------
    line_ : matplotlib ErrorbarContainer
        The curve, with one standard error to either side.
    ax_ : matplotlib Axes
        The axes of the figure.
    figure_ : matplotlib Figure
        The figure.

    See Also
    --------
    PairClassifierMatcher.suggest_pairs : The pairs to judge.

    Examples
    --------
    >>> from skmatch import PairClassifierMatcher, make_product_titles
    >>> from skmatch.plotting import LabelCurveDisplay
    >>> titles, product_ids = make_product_titles(30, random_state=0)
    >>> matcher = PairClassifierMatcher(n_levels=1, cv=2, random_state=0)
    >>> display = LabelCurveDisplay.from_estimator(
    ...     matcher, titles, product_ids, n_pairs=(0, 20)
    ... )
    >>> display.n_pairs
    array([ 0, 20])
    """

    def __init__(
        self,
        n_pairs: NDArray[np.int64],
        score: NDArray[np.float64],
        standard_error: NDArray[np.float64],
        *,
        gallery_size: int,
        name: str | None = None,
    ) -> None:
        self.n_pairs = n_pairs
        self.score = score
        self.standard_error = standard_error
        self.gallery_size = gallery_size
        self.name = name

    @classmethod
    def from_estimator(
        cls,
        estimator: PairClassifierMatcher,
        X: Any,
        y: ArrayLike,
        *,
        n_pairs: ArrayLike = (0, 100, 200, 500),
        name: str | None = None,
        ax: Any = None,
    ) -> Self:
        """Judge more and more pairs by known labels, and draw how the score rises.

        1. Fit the matcher without labels.
        2. Ask it for the pairs whose answers would teach most; `y` answers.
        3. Fit it anew with all answers so far, and go on with 2.

        Parameters
        ----------
        estimator : PairClassifierMatcher
            The matcher; clones of it are fitted, one for each of `n_pairs`.
        X : array-like of str of shape (n_samples,) or (n_samples, n_fields)
            Titles, matched with one another.
        y : array-like of shape (n_samples,)
            Product labels, int or str. They answer, and they tell the score.
        n_pairs : array-like of int of shape (n_points,), default=(0, 100, 200, 500)
            Numbers of judged pairs, rising, at least 0. The curve ends where there are
            no more candidates to judge.
        name : str or None, default=None
            What the curve is called in the legend.
        ax : matplotlib Axes or None, default=None
            Axes to draw on, on which there may be curves of other matchers; None makes
            a new figure.

        Returns
        -------
        display : LabelCurveDisplay
            The numbers of the figure, which is drawn.

        Raises
        ------
        ImportError
            If matplotlib is not installed; before anything is fitted.
        ValueError
            If `estimator` is another one, a label or a title is missing, the lengths
            differ, or `n_pairs` does not rise from 0 or more.

        Notes
        -----
        The score is that of all rows, those of judged pairs too, which keep their
        answers.
        """
        import_pyplot(cls.__name__)
        if not isinstance(estimator, PairClassifierMatcher):
            raise ValueError(
                f"estimator={estimator!r:.50}; expected a PairClassifierMatcher."
            )
        labels = encode_labels(y, "y")
        check_consistent_length(X, labels)
        numbers = _check_numbers(n_pairs)
        points = np.array([*_judge(estimator, X, labels, numbers)])
        return cls(
            points[:, 0].astype(np.int64),
            points[:, 1],
            points[:, 2],
            gallery_size=len(labels),
            name=name,
        ).plot(ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw the figure.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Axes to draw on; None makes a new figure.

        Returns
        -------
        self : LabelCurveDisplay
            The display, with its artists as attributes.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        ax = self._begin(ax)
        kind = type(self).__name__
        self.line_ = ax.errorbar(
            self.n_pairs, self.score, self.standard_error, marker="o", capsize=3,
            color=next_colour(ax, kind), label=self.name,
        )  # fmt: skip
        self.line_[0].set_gid(kind)
        ax.set(
            xlabel="Number of judged pairs",
            ylabel="Row-wise F1, ± one standard error",
            title=f"Gallery of {self.gallery_size:,} rows",
        )
        if self.name:
            ax.legend(loc="lower right")
        return self


def _check_numbers(n_pairs: Any) -> NDArray[np.intp]:
    """Return numbers of pairs; raise unless they rise from 0 or more."""
    numbers = np.asarray(n_pairs)
    if (
        numbers.ndim != 1
        or not numbers.size
        or numbers.dtype.kind not in "iu"
        or numbers[0] < 0
        or (numbers[1:] <= numbers[:-1]).any()
    ):
        raise ValueError(
            f"n_pairs={n_pairs!r:.50}; expected int that rise, the first at least 0."
        )
    return numbers.astype(np.intp)


def _judge(
    estimator: PairClassifierMatcher,
    X: Any,
    labels: NDArray[np.intp],
    numbers: NDArray[np.intp],
) -> Iterator[tuple[int, float, float]]:
    """Give the number of judged pairs, the score with them, and its error."""
    pairs = np.empty((0, 2), np.intp)
    matcher = clone(estimator).fit(X)
    for number in numbers:
        if number > len(pairs):
            suggested = matcher.suggest_pairs(X, int(number) - len(pairs))
            pairs = np.concatenate([pairs, suggested])
            is_match = labels[pairs[:, 0]] == labels[pairs[:, 1]]
            matcher = clone(estimator).fit(X, pairs=pairs, is_match=is_match)
        scores = rowwise_f1_score(labels, matcher.predict(X), average=None)
        error = clustered_standard_error(scores, labels)
        yield len(pairs), float(np.mean(scores)), error
        if number > len(pairs):  # there are no more candidates
            return
