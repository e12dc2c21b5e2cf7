"""What the score of a pair means among those of the other candidates of its rows."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from skmatch.search._neighbors import inner_products

Features = dict[str, NDArray[np.float32]]
_N_NEAR = 5  # the density around a title is that up to this neighbour


def mirror(
    scores: NDArray[np.float32],
    left: NDArray[np.intp],
    right: NDArray[np.intp],
    n_rows: int,
) -> csr_array:
    """Return the graph of unordered pairs, each stored from both sides."""
    ends = np.concatenate([left, right]), np.concatenate([right, left])
    shape = (n_rows, n_rows)
    return csr_array((np.concatenate([scores, scores]), ends), shape=shape)


class ScoreGraph:
    """The scores of the candidates of each row, and what a look around them needs."""

    def __init__(self, graph: csr_array) -> None:
        self.graph = graph
        row = np.repeat(np.arange(graph.shape[0]), np.diff(graph.indptr))
        self._falling = graph.data[np.lexsort((-graph.data, row))]  # in each row
        self._starts = graph.indptr.astype(np.intp)
        squares = csr_array((graph.data**2, graph.indices, graph.indptr), graph.shape)
        self._degrees, self._squares = (
            np.asarray(x.sum(axis=1)).ravel() for x in (graph, squares)
        )

    def look(
        self, rows: NDArray[np.intp], scores: NDArray[np.float32], is_in: bool
    ) -> _Side:
        """Look at a score among those of its row, whether it is one of them or not."""

        def nth(number: int) -> NDArray[np.float32]:
            """Return the row's score of this rank; 0 where there is none."""
            found = np.zeros(len(rows), np.float32)
            place = self._starts[rows] + number
            is_there = place < self._starts[rows + 1]
            found[is_there] = self._falling[place[is_there]]
            return found

        best, near = nth(0), nth(_N_NEAR - 1)
        other = np.where(scores >= best, nth(1), best) if is_in else best
        if not is_in:  # as if it were
            near = np.maximum(near, np.minimum(scores, nth(_N_NEAR - 2)))
        alone = np.zeros_like(scores) if is_in else scores
        return _Side(
            rank=self._count_above(rows, scores),
            of_best=ratio(scores, np.maximum(best, scores)),
            of_near=ratio(scores, near, 10.0),
            margin=scores - other,
            degree=self._degrees[rows] + alone,
            square=self._squares[rows] + alone * scores,
        )

    def _count_above(
        self, rows: NDArray[np.intp], scores: NDArray[np.float32]
    ) -> NDArray[np.intp]:
        """Count the scores of each row above a score."""
        low, high = self._starts[rows], self._starts[rows + 1]
        while (low < high).any():  # a binary search in all rows at once
            middle = (low + high) // 2
            is_above = (
                self._falling[np.minimum(middle, len(self._falling) - 1)] > scores
            )
            is_open = low < high
            low = np.where(is_open & is_above, middle + 1, low)
            high = np.where(is_open & ~is_above, middle, high)
        return low - self._starts[rows]


class _Side(NamedTuple):
    """One score a pair against all scores of one of its rows."""

    rank: NDArray[np.intp]
    of_best: NDArray[np.float32]
    of_near: NDArray[np.float32]
    margin: NDArray[np.float32]
    degree: NDArray[np.float32]
    square: NDArray[np.float32]  # sum of the squares of the scores


def compare_neighbourhoods(
    name: str,
    scores: NDArray[np.float32],
    left: NDArray[np.intp],
    right: NDArray[np.intp],
    of_left: ScoreGraph,
    of_right: ScoreGraph,
    *,
    in_left: bool = True,
    in_right: bool = True,
) -> Features:
    """Compare pairs with the other candidates of their two rows.

    `of_left` and `of_right` are the scores of the candidates of all rows, against the
    same columns; `in_left` and `in_right` tell whether these pairs are among them. The
    best candidate is the only one that can be right where a product has few rows, and
    in a dense neighbourhood a high score says little.

    *_rank_* : number of candidates of a side with a higher score
    *_of_best_*, *_of_near_* : the score over a side's best and over its fifth one
    *_margin_* : the score less that of the side's best other candidate
    *_degree_* : sum of a side's scores; of probabilities, its expected matches
    *_support : sum over common candidates of the product of the scores
    *_agreement : cosine of the scores of the candidates of both sides
    """
    both = of_left.look(left, scores, in_left), of_right.look(right, scores, in_right)
    features = {name: scores}
    for what in ("rank", "of_best", "of_near", "margin", "degree"):
        less, more = sides(*(getattr(side, what) for side in both))
        features |= {f"{name}_{what}_less": less, f"{name}_{what}_more": more}
    support = inner_products(of_left.graph, of_right.graph, left, right)
    features[f"{name}_support"] = support
    # A row is a candidate of its own, with a score of 1.
    norms = np.sqrt((1 + both[0].square) * (1 + both[1].square))
    features[f"{name}_agreement"] = (support + 2 * scores) / norms
    return {key: np.asarray(value, np.float32) for key, value in features.items()}


def sides(
    a: NDArray[Any], b: NDArray[Any]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the less and the more of both sides: a pair has no order."""
    return np.minimum(a, b), np.maximum(a, b)


def ratio(
    a: NDArray[np.float32], b: NDArray[np.float32], empty: float = 0.0
) -> NDArray[np.float32]:
    """Divide; where there is nothing to divide by, give `empty`."""
    return np.divide(a, b, out=np.full(len(a), empty, np.float32), where=b > 0)
