"""How well matches agree: the matches of a title's matches should be its own.

True matches always are so, and false ones rarely. This shows, without a label, whether
the probabilities of a score graph are too high.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

from skmatch.graph._csr import row_indices
from skmatch.graph._decide import decide_matches

_SHIFTS = np.arange(0.0, 2.6, 0.25)
# How much agreement counts against the number of matches: on training titles of four
# files, 12 loses 0.015 of the best F1 over all shifts, 8 loses 0.047, no shift 0.064.
_POWER = 12


def measure_agreement(matches: csr_array) -> float:
    """Return the mean Jaccard similarity of the matches of two titles that match.

    `matches` is symmetric, with the diagonal. It is 1 if groups do not overlap.
    """
    matches = csr_array(matches, dtype=np.float32)
    n_matches = np.diff(matches.indptr)
    both = csr_array((matches @ matches.T).multiply(matches))
    left, right = row_indices(both), both.indices
    is_other = left != right
    left, right, n_both = left[is_other], right[is_other], both.data[is_other]
    if not len(left):
        return 1.0
    return float(np.mean(n_both / (n_matches[left] + n_matches[right] - n_both)))


def shift_log_odds(graph: csr_array, shift: float) -> csr_array:
    """Lower the log-odds of all probabilities of a score graph."""
    if shift == 0:
        return graph
    p = np.clip(graph.data.astype(np.float64), 1e-6, 1 - 1e-6)
    shifted = p / (p + (1 - p) * np.exp(shift))
    return csr_array(
        (shifted.astype(np.float32), graph.indices, graph.indptr), shape=graph.shape
    )


def choose_shift(graph: csr_array) -> float:
    """Return how far to lower the log-odds so that matches are many, and agree.

    The matches are those of the highest expected F1. The best shift has the largest
    product of their agreement, to the twelfth power, and the sum of probabilities.
    """
    best, chosen = -np.inf, 0.0
    for shift in _SHIFTS.tolist():
        shifted = shift_log_odds(graph, shift)
        matches = decide_matches(shifted, "expected_f1")
        agreement = measure_agreement(matches.maximum(matches.T))
        total = float(shifted.data.sum(dtype=np.float64))
        if agreement == 0 or total == 0:
            continue
        value = _POWER * np.log(agreement) + np.log(total)
        if value > best:
            best, chosen = value, shift
    return chosen
