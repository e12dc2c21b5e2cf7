"""ScoreHistogramDisplay: scores of pairs of the same product and of other pairs."""

from __future__ import annotations

from numbers import Integral
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_scalar

from skmatch.plotting._display import OTHER, SAME, DisplayMixin
from skmatch.plotting._scored_pairs import read_scored_pairs


class ScoreHistogramDisplay(DisplayMixin):
    """How often each score is of a pair of the same product, and of another pair.

    Where the two histograms overlap, no threshold can tell the pairs apart. The number
    of pairs is on a logarithmic axis: as a rule most pairs are of two products.

    Parameters
    ----------
    bin_edges : ndarray of shape (n_bins + 1,), dtype float64
        Scores between which pairs are counted, rising; each bin holds its lower edge,
        the last one both.
    n_same, n_other : ndarray of shape (n_bins,), dtype int64
        Number of pairs of the same product, and of two products, in each bin.
    n_unscored : int
        Number of pairs of the same product that have no score: no threshold finds them.
    gallery_size : int
        Number of rows that were matched with one another.

    Attributes
    ----------
    same_, other_ : matplotlib StepPatch
        The two histograms.
    ax_ : matplotlib Axes
        The axes of the figure.
    figure_ : matplotlib Figure
        The figure.

    See Also
    --------
    PairPrecisionRecallDisplay : What each threshold makes of it.

    Examples
    --------
    >>> import numpy as np
    >>> from skmatch.plotting import ScoreHistogramDisplay
    >>> scores = np.array([[0, 0.9, 0.3], [0.9, 0, 0.8], [0.3, 0.8, 0]])
    >>> display = ScoreHistogramDisplay.from_predictions(
    ...     ["tea", "tea", "mug"], scores, n_bins=2
    ... )
    >>> display.n_same, display.n_other
    (array([0, 1]), array([1, 1]))
    """

    def __init__(
        self,
        bin_edges: NDArray[np.float64],
        n_same: NDArray[np.int64],
        n_other: NDArray[np.int64],
        *,
        n_unscored: int,
        gallery_size: int,
    ) -> None:
        self.bin_edges = bin_edges
        self.n_same = n_same
        self.n_other = n_other
        self.n_unscored = n_unscored
        self.gallery_size = gallery_size

    @classmethod
    def from_predictions(
        cls, y: ArrayLike, score_graph: Any, *, n_bins: int = 40, ax: Any = None
    ) -> Self:
        """Draw the scores of the pairs of a score graph.

        Parameters
        ----------
        y : array-like of shape (n_samples,)
            Product labels, int or str.
        score_graph : sparse or dense matrix of shape (n_samples, n_samples)
            Scores of pairs, as of ``matcher.score_graph(X)``. Of a pair that differs
            from its mirror image, the larger score counts; the diagonal does not.
        n_bins : int, default=40
            Number of bins, at least 1, of equal width from the lowest score to the
            highest one.
        ax : matplotlib Axes or None, default=None
            Axes to draw on; None makes a new figure.

        Returns
        -------
        display : ScoreHistogramDisplay
            The numbers of the figure, which is drawn.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If a label is missing, no two are the same, `score_graph` has another shape,
            a score that is not finite, or none, or `n_bins` is below 1.
        """
        check_scalar(n_bins, "n_bins", Integral, min_val=1)
        pairs = read_scored_pairs(y, score_graph)
        edges = np.histogram_bin_edges(pairs.score, n_bins)
        n_same, n_other = (
            np.histogram(pairs.score[kept], edges)[0]
            for kept in (pairs.is_same, ~pairs.is_same)
        )
        display = cls(
            edges,
            n_same,
            n_other,
            n_unscored=pairs.n_same - int(n_same.sum()),
            gallery_size=pairs.gallery_size,
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
        self : ScoreHistogramDisplay
            The display, with its artists as attributes.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        ax = self._begin(ax)
        n_same, n_other = int(self.n_same.sum()), int(self.n_other.sum())
        more = f", {self.n_unscored:,} more without a score" if self.n_unscored else ""
        self.other_ = ax.stairs(
            self.n_other, self.bin_edges, fill=True, color=OTHER, alpha=0.45,
            label=f"two products: {n_other:,} pairs",
        )  # fmt: skip
        self.same_ = ax.stairs(
            self.n_same, self.bin_edges, color=SAME, linewidth=2, baseline=0.5,
            label=f"the same product: {n_same:,} pairs{more}",
        )  # fmt: skip
        ax.set_yscale("log")
        ax.set(
            xlabel="Score of a pair",
            ylabel="Number of pairs",
            title=f"Gallery of {self.gallery_size:,} rows",
            ylim=(0.5, None),
        )
        ax.legend()
        return self
