"""The pairs of a score graph, and which of them are the same product."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skmatch._matrices import as_csr
from skmatch.evaluation import encode_labels, unordered_pairs


class ScoredPairs(NamedTuple):
    """Pairs that have a score, each once."""

    score: NDArray[np.float64]  # (n_pairs,)
    is_same: NDArray[np.bool_]  # (n_pairs,), whether both rows are the same product
    n_same: int  # pairs of the same product, those without a score too
    gallery_size: int  # rows that were matched with one another


def read_scored_pairs(y: ArrayLike, score_graph: Any) -> ScoredPairs:
    """Return the pairs of a score graph; of two scores of a pair, the larger counts.

    Raise unless there is a pair with a score, and one of the same product.
    """
    labels = encode_labels(y, "y")
    graph = as_csr(score_graph, "score_graph")
    expected = (len(labels), len(labels))
    if graph.shape != expected:
        raise ValueError(
            f"score_graph has shape {graph.shape}; expected {expected}, the rows of y "
            "with one another."
        )
    n_rows = np.bincount(labels)
    n_same = int((n_rows * (n_rows - 1) // 2).sum())
    if not n_same:
        raise ValueError("y has no two rows of one product; expected a pair to match.")
    pairs = unordered_pairs(graph)
    if not len(pairs.score):
        raise ValueError("score_graph has no score of two rows; expected at least one.")
    is_same = labels[pairs.left] == labels[pairs.right]
    return ScoredPairs(pairs.score, is_same, n_same, len(labels))
