"""Which pairs match by their probabilities."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, eye_array

from skmatch.graph._refine import limit_matches


class Refinements(NamedTuple):
    """What is done to the matches above a threshold, as in PairClassifierMatcher."""

    max_matches: int | None
    reciprocal: bool
    nearest_for_lonely: bool


def find_matches(
    graph: csr_array, threshold: float | str, refinements: Refinements
) -> csr_array:
    """Return which rows match by their probabilities."""
    kept = keep_matches(graph, threshold)
    if refinements.max_matches is not None:
        kept = limit_matches(
            kept, refinements.max_matches, reciprocal=refinements.reciprocal
        )
    if refinements.nearest_for_lonely:
        is_lonely = np.diff(kept.indptr) == 0
        nearest = limit_matches(graph, 1)
        row = np.repeat(np.arange(graph.shape[0]), np.diff(nearest.indptr))
        nearest.data = np.where(is_lonely[row], nearest.data, 0)
        nearest.eliminate_zeros()
        kept = kept + nearest
    matches = (kept.astype(bool) + eye_array(kept.shape[0], dtype=bool)).tocsr()
    matches.sort_indices()
    return csr_array(matches)


def keep_matches(graph: csr_array, threshold: float | str) -> csr_array:
    """Keep the probabilities of matches."""
    least: Any = threshold
    if threshold == "expected_f1":
        least = _thresholds_of_expected_f1(graph)
    kept = graph.copy()
    kept.data = np.where(kept.data >= np.asarray(least, np.float32), kept.data, 0)
    # What is 0 is no match, even if the threshold is.
    kept.eliminate_zeros()
    return kept


def _thresholds_of_expected_f1(graph: csr_array) -> NDArray[np.float32]:
    """Return for each entry the least probability that its row should match by.

    The expected F1 of a row with its k most probable matches is about
    ``2 (1 + their sum) / (1 + k + 1 + the sum of all)``; it always matches itself.
    """
    n_each = np.diff(graph.indptr)
    row = np.repeat(np.arange(graph.shape[0]), n_each)
    falling = np.lexsort((-graph.data, row))
    probability = graph.data[falling].astype(np.float64)
    total = np.asarray(graph.sum(axis=1), np.float64).ravel()
    right = np.cumsum(probability)
    right -= np.append(0, right)[graph.indptr[row]]
    n_matches = np.arange(graph.nnz) - graph.indptr[row] + 1
    score = 2 * (1 + right) / (2 + n_matches + total[row])
    best = 2 / (2 + total)  # without a match
    least = np.full(graph.shape[0], np.inf)
    np.maximum.at(best, row, score)
    is_best = score >= best[row]
    np.minimum.at(least, row[is_best], probability[is_best])
    return least[row].astype(np.float32)
