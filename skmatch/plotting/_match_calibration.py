"""MatchCalibrationDisplay: which share of the pairs of a probability match."""

from __future__ import annotations

from numbers import Integral
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_scalar

from skmatch.plotting._display import CURVES, NEUTRAL, DisplayMixin, next_colour
from skmatch.plotting._scored_pairs import read_scored_pairs

_Z = 1.96  # standard normal deviates of an interval of 95 %


class MatchCalibrationDisplay(DisplayMixin):
    """Share of pairs that are the same product, by their probability.

    Below the diagonal, probabilities are too high. Only pairs that have a score are
    counted.

    Parameters
    ----------
    probability : ndarray of shape (n_bins,), dtype float64
        Mean probability of the pairs of each bin that has any, in ``[0, 1]``.
    share_same : ndarray of shape (n_bins,), dtype float64
        Share of them that are the same product, in ``[0, 1]``.
    n_pairs : ndarray of shape (n_bins,), dtype int64
        How many they are, at least 1.
    gallery_size : int
        Number of rows that were matched with one another.
    name : str or None, default=None
        What the curve is called in the legend.

    Attributes
    ----------
    line_ : matplotlib ErrorbarContainer
        The curve, with Wilson's interval of 95 % of each share. It takes the pairs for
        independent; as pairs of a product are alike, it is rather too narrow.
    ax_ : matplotlib Axes
        The axes of the figure.
    figure_ : matplotlib Figure
        The figure.

    See Also
    --------
    sklearn.calibration.CalibrationDisplay : The same for classifiers.

    Examples
    --------
    >>> import numpy as np
    >>> from skmatch.plotting import MatchCalibrationDisplay
    >>> scores = np.array([[0, 0.9, 0.3], [0.9, 0, 0.8], [0.3, 0.8, 0]])
    >>> display = MatchCalibrationDisplay.from_predictions(
    ...     ["tea", "tea", "mug"], scores, n_bins=2
    ... )
    >>> display.probability, display.share_same
    (array([0.3 , 0.85]), array([0. , 0.5]))
    """

    def __init__(
        self,
        probability: NDArray[np.float64],
        share_same: NDArray[np.float64],
        n_pairs: NDArray[np.int64],
        *,
        gallery_size: int,
        name: str | None = None,
    ) -> None:
        self.probability = probability
        self.share_same = share_same
        self.n_pairs = n_pairs
        self.gallery_size = gallery_size
        self.name = name

    @classmethod
    def from_predictions(
        cls,
        y: ArrayLike,
        score_graph: Any,
        *,
        n_bins: int = 10,
        name: str | None = None,
        ax: Any = None,
    ) -> Self:
        """Draw the share of matches by the probabilities of a score graph.

        Parameters
        ----------
        y : array-like of shape (n_samples,)
            Product labels, int or str.
        score_graph : sparse or dense matrix of shape (n_samples, n_samples)
            Probabilities of pairs in ``[0, 1]``, as of ``score_graph(X)`` of a
            :class:`PairClassifierMatcher`. Of a pair that differs from its mirror
            image, the larger one counts; the diagonal does not.
        n_bins : int, default=10
            Number of bins, at least 1, of equal width in ``[0, 1]``; a probability on
            an edge is in the bin above.
        name : str or None, default=None
            What the curve is called in the legend.
        ax : matplotlib Axes or None, default=None
            Axes to draw on, on which there may be curves of other matchers; None makes
            a new figure.

        Returns
        -------
        display : MatchCalibrationDisplay
            The numbers of the figure, which is drawn.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If a label is missing, no two are the same, `score_graph` has another shape,
            no score, or one that is not in ``[0, 1]``, or `n_bins` is below 1.
        """
        check_scalar(n_bins, "n_bins", Integral, min_val=1)
        pairs = read_scored_pairs(y, score_graph)
        is_out = (pairs.score < 0) | (pairs.score > 1)
        if is_out.any():
            raise ValueError(
                f"score_graph holds {pairs.score[is_out][0]:.6g}; expected "
                "probabilities in [0, 1]."
            )
        number = np.digitize(pairs.score, np.linspace(0, 1, n_bins + 1)[1:-1])
        n_pairs = np.bincount(number, minlength=n_bins)
        probability, share = (
            np.bincount(number, values, n_bins)[n_pairs > 0] / n_pairs[n_pairs > 0]
            for values in (pairs.score, pairs.is_same)
        )
        display = cls(
            probability,
            share,
            n_pairs[n_pairs > 0],
            gallery_size=pairs.gallery_size,
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
        self : MatchCalibrationDisplay
            The display, with its artists as attributes.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        ax = self._begin(ax)
        kind = type(self).__name__
        colour = next_colour(ax, kind)
        if colour == CURVES[0]:  # the first curve on these axes
            ax.plot([0, 1], [0, 1], ":", color=NEUTRAL, label="as probable as said")
        name = self.name or "share, with an interval of 95 %"
        low, high = _wilson_interval(self.share_same, self.n_pairs)
        self.line_ = ax.errorbar(
            self.probability, self.share_same, color=colour, marker="o",
            yerr=(self.share_same - low, high - self.share_same), capsize=3,
            label=f"{name} ({self.n_pairs.sum():,} pairs)",
        )  # fmt: skip
        self.line_[0].set_gid(kind)
        ax.set(
            xlabel="Mean probability of a match",
            ylabel="Share of pairs that are the same product",
            title=f"Gallery of {self.gallery_size:,} rows",
            xlim=(-0.02, 1.02),
            ylim=(-0.02, 1.02),
        )
        ax.legend()
        return self


def _wilson_interval(
    share: NDArray[np.float64], n: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return both ends of the interval of a share of n."""
    centre = (share + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = np.sqrt(share * (1 - share) / n + (_Z / (2 * n)) ** 2)
    half *= _Z / (1 + _Z**2 / n)
    return np.minimum(centre - half, share), np.maximum(centre + half, share)
