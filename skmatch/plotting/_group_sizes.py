"""GroupSizesDisplay: how many products have so many rows, and how many groups."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_consistent_length

from skmatch.evaluation import encode_labels
from skmatch.plotting._display import OTHER, SAME, DisplayMixin


class GroupSizesDisplay(DisplayMixin):
    """How many products have each number of rows, and how many predicted groups.

    Groups that are larger than any product are chains of wrong matches; more single
    rows than products of one row are matches that were missed.

    Parameters
    ----------
    size : ndarray of shape (n_sizes,), dtype int64
        Numbers of rows that a product or a group has, rising, from 1.
    n_true, n_predicted : ndarray of shape (n_sizes,), dtype int64
        Number of products, and of predicted groups, of each size.

    Attributes
    ----------
    true_, predicted_ : matplotlib Line2D
        The points of both, without those of sizes that none has.
    ax_ : matplotlib Axes
        The axes of the figure; both are logarithmic.
    figure_ : matplotlib Figure
        The figure.

    See Also
    --------
    group_matches : Put rows into groups.
    evaluate_matches : Which groups mix products.

    Examples
    --------
    >>> from skmatch.plotting import GroupSizesDisplay
    >>> display = GroupSizesDisplay.from_predictions(
    ...     ["tea", "tea", "mug", "bag"], [0, 0, 0, 1]
    ... )
    >>> display.size
    array([1, 2, 3])
    >>> display.n_true, display.n_predicted
    (array([2, 1, 0]), array([1, 0, 1]))
    """

    def __init__(
        self,
        size: NDArray[np.int64],
        n_true: NDArray[np.int64],
        n_predicted: NDArray[np.int64],
    ) -> None:
        self.size = size
        self.n_true = n_true
        self.n_predicted = n_predicted

    @classmethod
    def from_predictions(
        cls, y: ArrayLike, groups: ArrayLike, *, ax: Any = None
    ) -> Self:
        """Draw the sizes of products and of predicted groups.

        Parameters
        ----------
        y : array-like of shape (n_samples,)
            Product labels, int or str.
        groups : array-like of shape (n_samples,)
            The predicted group of each row, int or str, as of :func:`group_matches`.
        ax : matplotlib Axes or None, default=None
            Axes to draw on; None makes a new figure.

        Returns
        -------
        display : GroupSizesDisplay
            The numbers of the figure, which is drawn.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If a label or a group is missing, there is no row, or the lengths differ.
        """
        codes = encode_labels(y, "y"), encode_labels(groups, "groups")
        check_consistent_length(*codes)
        if not len(codes[0]):
            raise ValueError("y is empty; expected at least one row.")
        counts = [np.bincount(np.bincount(code)) for code in codes]
        n_true, n_predicted = (
            np.pad(count, (0, max(map(len, counts)) - len(count))) for count in counts
        )
        size = np.flatnonzero(n_true + n_predicted)
        return cls(size, n_true[size], n_predicted[size]).plot(ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw the figure.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Axes to draw on; None makes a new figure.

        Returns
        -------
        self : GroupSizesDisplay
            The display, with its artists as attributes.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        ax = self._begin(ax)
        self.true_ = self._draw(ax, self.n_true, "products", SAME, "o")
        self.predicted_ = self._draw(ax, self.n_predicted, "groups", OTHER, "x")
        ax.set_xscale("log", base=2)
        ax.set_yscale("log")
        ax.set(
            xlabel="Rows of a product or group",
            ylabel="Number of products or groups",
            title=f"Gallery of {self.size @ self.n_true:,} rows",
        )
        ax.xaxis.set_major_formatter("{x:,.0f}")
        ax.yaxis.set_major_formatter("{x:,.0f}")
        ax.legend()
        return self

    def _draw(
        self, ax: Any, counts: NDArray[np.int64], what: str, colour: str, style: str
    ) -> Any:
        """Draw how many there are of each size that one has."""
        size, counts = self.size[counts > 0], counts[counts > 0]
        label = f"{what}: {counts.sum():,}, the largest of {size[-1]:,} rows"
        (line,) = ax.plot(
            size, counts, style, color=colour, label=label, fillstyle="none",
            markersize=10, markeredgewidth=2,
        )  # fmt: skip
        return line
