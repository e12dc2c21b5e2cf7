"""PairPrecisionRecallDisplay: precision and recall of pairs at every threshold."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skmatch.plotting._display import DisplayMixin, next_colour, thin_out
from skmatch.plotting._scored_pairs import ScoredPairs, read_scored_pairs


class PairPrecisionRecallDisplay(DisplayMixin):
    """Precision and recall of the pairs that match at every threshold.

    The precision is the share of the matching pairs that are right; the recall is the
    share of all pairs of the same product that match. Pairs without a score never do.

    Parameters
    ----------
    precision, recall : ndarray of shape (n_thresholds,), dtype float64
        Both at each threshold, in ``[0, 1]``; larger is better.
    threshold : ndarray of shape (n_thresholds,), dtype float64
        The distinct scores of pairs, falling.
    gallery_size : int
        Number of rows that were matched with one another.
    n_same : int
        Number of pairs of the same product among them, at least 1.
    name : str or None, default=None
        What the curve is called in the legend.

    Attributes
    ----------
    line_ : matplotlib Line2D
        The curve, which steps from one threshold to the next.
    best_ : matplotlib Line2D
        The point of the highest F1. It is an oracle: chosen by `y` itself.
    ax_ : matplotlib Axes
        The axes of the figure.
    figure_ : matplotlib Figure
        The figure.

    See Also
    --------
    pairwise_precision_recall_f1 : The same of matches.
    ScoreHistogramDisplay : Where the scores lie.

    Examples
    --------
    >>> import numpy as np
    >>> from skmatch.plotting import PairPrecisionRecallDisplay
    >>> scores = np.array([[0, 0.9, 0.3], [0.9, 0, 0.8], [0.3, 0.8, 0]])
    >>> labels = ["tea", "tea", "mug"]
    >>> display = PairPrecisionRecallDisplay.from_predictions(labels, scores)
    >>> display.threshold
    array([0.9, 0.8, 0.3])
    >>> display.precision
    array([1.        , 0.5       , 0.33333333])
    """

    def __init__(
        self,
        precision: NDArray[np.float64],
        recall: NDArray[np.float64],
        threshold: NDArray[np.float64],
        *,
        gallery_size: int,
        n_same: int,
        name: str | None = None,
    ) -> None:
        self.precision = precision
        self.recall = recall
        self.threshold = threshold
        self.gallery_size = gallery_size
        self.n_same = n_same
        self.name = name

    @classmethod
    def from_predictions(
        cls, y: ArrayLike, score_graph: Any, *, name: str | None = None, ax: Any = None
    ) -> Self:
        """Draw precision and recall of the pairs of a score graph.

        Parameters
        ----------
        y : array-like of shape (n_samples,)
            Product labels, int or str.
        score_graph : sparse or dense matrix of shape (n_samples, n_samples)
            Scores of pairs, as of ``matcher.score_graph(X)``. Of a pair that differs
            from its mirror image, the larger score counts; the diagonal does not.
        name : str or None, default=None
            What the curve is called in the legend.
        ax : matplotlib Axes or None, default=None
            Axes to draw on, on which there may be curves of other matchers; None makes
            a new figure.

        Returns
        -------
        display : PairPrecisionRecallDisplay
            The numbers of the figure, which is drawn.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If a label is missing, no two are the same, or `score_graph` has another
            shape, a score that is not finite, or none.
        """
        pairs = read_scored_pairs(y, score_graph)
        display = cls(
            *_curve(pairs),
            gallery_size=pairs.gallery_size,
            n_same=pairs.n_same,
            name=name,
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
        self : PairPrecisionRecallDisplay
            The display, with its artists as attributes.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        ax = self._begin(ax)
        kind = type(self).__name__
        colour = next_colour(ax, kind)
        both = self.precision + self.recall
        f1 = 2 * self.precision * self.recall / np.where(both > 0, both, 1)
        best = int(f1.argmax())
        name = f"{self.name}: " if self.name else ""
        found = f"best F1 of pairs {f1[best]:.3f}, at {self.threshold[best]:.3f}"
        drawn = thin_out(self.recall, self.precision)
        (self.line_,) = ax.plot(
            self.recall[drawn], self.precision[drawn], color=colour,
            drawstyle="steps-pre", gid=kind,
        )  # fmt: skip
        (self.best_,) = ax.plot(
            self.recall[best], self.precision[best], "D", color=colour, markersize=7,
            label=f"{name}{found} (oracle)",
        )  # fmt: skip
        ax.set(
            xlabel="Recall: share of the pairs of a product that match",
            ylabel="Precision: share of the matches that are right",
            title=f"Gallery of {self.gallery_size:,} rows, {self.n_same:,} pairs of "
            "the same product",
            xlim=(-0.02, 1.02),
            ylim=(-0.02, 1.02),
        )
        ax.legend(loc="lower left")
        return self


def _curve(pairs: ScoredPairs) -> tuple[NDArray[np.float64], ...]:
    """Return precision, recall and threshold at each distinct score, falling."""
    order = np.argsort(-pairs.score, kind="stable")
    score = pairs.score[order]
    is_last = np.append(score[1:] < score[:-1], True)  # of those with its score
    n_right = pairs.is_same[order].cumsum()[is_last]
    n_matches = np.flatnonzero(is_last) + 1
    return n_right / n_matches, n_right / pairs.n_same, score[is_last]
