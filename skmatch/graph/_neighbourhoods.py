"""A score among the scores of the other candidates of its row."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from skmatch.graph._csr import row_indices

_N_NEAR = 5  # the density around a row is that up to this neighbour


class Standing(NamedTuple):
    """One score a pair against all scores of one of its rows; each (n_pairs,)."""

    rank: NDArray[np.intp]  # number of higher scores
    of_best: NDArray[np.float32]  # the score over the row's highest
    of_near: NDArray[np.float32]  # the score over the row's fifth highest
    margin: NDArray[np.float32]  # the score less the highest of the others
    degree: NDArray[np.float32]  # sum of the row's scores
    square: NDArray[np.float32]  # sum of the squares of the row's scores


class Neighbourhoods:
    """The scores of the candidates of each row, sorted to compare others with them."""

    def __init__(self, graph: csr_array) -> None:
        self.graph = graph
        self._falling = _sort_falling(graph)
        self._starts = graph.indptr.astype(np.intp)
        squares = csr_array((graph.data**2, graph.indices, graph.indptr), graph.shape)
        self._degrees, self._squares = (
            np.asarray(x.sum(axis=1)).ravel() for x in (graph, squares)
        )

    def compare(
        self, rows: NDArray[np.intp], scores: NDArray[np.float32], holds_pairs: bool
    ) -> Standing:
        """Compare a score with those of its row, for each pair.

        `holds_pairs` tells whether these scores are among those of the rows; if not,
        they are compared as if they were.
        """
        best, near = self._nth(rows, 0), self._nth(rows, _N_NEAR - 1)
        if holds_pairs:
            other = np.where(scores >= best, self._nth(rows, 1), best)
            own = np.zeros_like(scores)
        else:
            other, own = best, scores
            near = np.maximum(near, np.minimum(scores, self._nth(rows, _N_NEAR - 2)))
        return Standing(
            rank=self._count_above(rows, scores),
            of_best=ratio(scores, np.maximum(best, scores)),
            of_near=ratio(scores, near, empty=10.0),
            margin=scores - other,
            degree=self._degrees[rows] + own,
            square=self._squares[rows] + own * scores,
        )

    def _nth(self, rows: NDArray[np.intp], n: int) -> NDArray[np.float32]:
        """Return the score of rank n, from 0, of each row; 0 where there is none."""
        scores = np.zeros(len(rows), np.float32)
        position = self._starts[rows] + n
        is_there = position < self._starts[rows + 1]
        scores[is_there] = self._falling[position[is_there]]
        return scores

    def _count_above(
        self, rows: NDArray[np.intp], scores: NDArray[np.float32]
    ) -> NDArray[np.intp]:
        """Count the scores of each row above a score, by binary search in all rows."""
        low, high = self._starts[rows], self._starts[rows + 1]
        last = len(self._falling) - 1
        while (low < high).any():
            middle = (low + high) // 2
            is_above = self._falling[np.minimum(middle, last)] > scores
            is_open = low < high
            low = np.where(is_open & is_above, middle + 1, low)
            high = np.where(is_open & ~is_above, middle, high)
        return low - self._starts[rows]


def _sort_falling(graph: csr_array) -> NDArray[np.float32]:
    """Return the scores of each row, the largest first: as one array of integers.

    To sort these is three times as fast as to sort by two keys. The bits of a float
    rise with its value, once those of a negative one are turned.
    """
    bits = (-graph.data.astype(np.float32, copy=False)).view(np.int32)
    rising = np.where(bits < 0, bits ^ np.int32(0x7FFFFFFF), bits)
    keys = row_indices(graph).astype(np.int64) << 32
    keys += rising.astype(np.int64) + 2**31
    keys.sort()
    rising = ((keys & 0xFFFFFFFF) - 2**31).astype(np.int32)
    bits = np.where(rising < 0, rising ^ np.int32(0x7FFFFFFF), rising)
    return -bits.view(np.float32)


def ratio(
    a: NDArray[np.float32], b: NDArray[np.float32], empty: float = 0.0
) -> NDArray[np.float32]:
    """Divide; where there is nothing to divide by, give `empty`."""
    return np.divide(a, b, out=np.full(len(a), empty, np.float32), where=b > 0)
