"""Recall of a search that is not exact, estimated from a sample of rows."""

from __future__ import annotations

from bisect import bisect_left
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from skmatch.search._unit_rows import Indices

_TAIL = 0.025  # of the intervals, on either side


class Recall(NamedTuple):
    """Share of the matching pairs that are found, with its 95 % interval."""

    value: float
    low: float
    high: float


EXACT = Recall(1.0, 1.0, 1.0)


class SearchReport(NamedTuple):
    """How a search finds its pairs, as of :meth:`FaissThresholdMatcher.report_search`.

    Attributes
    ----------
    method : str
        "all pairs", "prefix" (all pairs by a bound on their similarity), "cells" or a
        faiss factory string.
    n_cells : int
        Number of cells; 0 where there are none.
    recall : float
        Share of the pairs, in ``[0, 1]``, that are found, as estimated from a sample of
        rows of which all pairs are known; 1 where the search is exact.
    recall_low, recall_high : float
        Ends of the 95 % interval of `recall`.
    """

    method: str
    n_cells: int
    recall: float
    recall_low: float
    recall_high: float

    def __str__(self) -> str:
        """Return the report as a sentence."""
        cells = f" in {self.n_cells:,} cells" if self.n_cells else ""
        start = f"The search by {self.method!r}{cells} finds "
        if self.recall_low == self.recall_high == 1:
            return f"{start}all pairs."
        return (
            f"{start}{self.recall:.2%} of the pairs (95 % interval "
            f"{self.recall_low:.2%} to {self.recall_high:.2%}), by a sample of rows."
        )


def interval(n_pairs: int, n_missed: int, sizes: Indices) -> Recall:
    """Return the recall of a search that missed k of n true pairs of a sample.

    Its posterior is Beta(n - k, k + 1), with n and k divided by the design effect of
    `sizes`, the number of pairs of each sampled row.
    """
    if not n_pairs:
        return Recall(1.0, 0.0, 1.0)
    if n_missed == n_pairs:
        return Recall(0.0, 0.0, 0.0)
    effect = design_effect(sizes)
    a, b = (n_pairs - n_missed) / effect, n_missed / effect + 1
    low, high = beta.ppf([_TAIL, 1 - _TAIL], a, b)
    value = 1 - n_missed / n_pairs
    return Recall(value, float(low), max(value, float(high)))


def design_effect(sizes: Indices) -> float:
    """Return how many pairs tell as much as one independent pair: Σ size² / Σ size.

    Pairs of the same row are missed together, and `sizes` are the pairs of each row.
    """
    return float((sizes.astype(np.float64) ** 2).sum() / max(1, sizes.sum()))


def calibrate(
    needed: NDArray[Any], sizes: Indices, target: float
) -> tuple[float, Recall]:
    """Choose the smallest margin whose recall reaches a target with confidence.

    `needed` is the margin that each true pair of a sample of rows needs, `sizes` the
    number of pairs of each sampled row. The pairs that a margin misses are those that
    need a larger one; :func:`interval` bounds its recall, whatever the distribution of
    the margins. Without enough pairs the margin is infinite: nothing but an exact
    search is sure to reach the target.
    """
    n_pairs = len(needed)
    needed = np.append(0.0, np.sort(needed))
    falling = range(int((1 - target) * n_pairs), -1, -1)  # pairs that may be missed
    first = bisect_left(
        falling, target, key=lambda n_missed: interval(n_pairs, n_missed, sizes).low
    )
    if first == len(falling):
        return np.inf, EXACT
    margin = max(0.0, float(needed[n_pairs - falling[first]]))
    # Many pairs share a home and need no margin: fewer may be missed.
    n_missed = int((needed > margin).sum())
    return margin, interval(n_pairs, n_missed, sizes)
