"""Titles that are there very often: some rows are scored, the others follow.

n equal titles match in all n² pairs. Of each title, and so of those that differ in
nothing but case and spaces,

1. the first 16 rows are scored;
2. every other row is like the first one: it has the same probabilities, and with the
   first one, and with rows that are like it, that of the first two;
3. pairs are stored if one of the two is among the first 500 rows of its title.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array, eye_array

from skmatch.graph import keep_entries, row_indices
from skmatch.titles import distinct

MOST_SCORED = 16
MOST_STORED = 500


class Copies(NamedTuple):
    """Which rows are scored, and which of these the others are like."""

    scored: NDArray[np.intp]  # (n_scored,) rows, in order
    stored: NDArray[np.intp]  # (n_stored,) the first 500 rows of each title
    like: NDArray[np.intp]  # (n_rows,) position in `scored` of what a row is like
    second: NDArray[np.intp]  # (n_scored,) position of its second copy, if it has one

    def at(self, row_a: int, row_b: int) -> tuple[int, int]:
        """Return the positions, in `scored`, of a pair that two rows are like."""
        a, b = int(self.like[row_a]), int(self.like[row_b])
        return a, int(self.second[a]) if a == b else b

    def spread(self, graph: csr_array) -> csr_array:
        """Return the symmetric graph of all rows, of that of the scored ones."""
        if len(self.scored) == len(self.like):
            return graph
        is_second = graph.indices == self.second[row_indices(graph)]
        among = np.zeros(len(self.scored), np.float32)
        among[row_indices(graph)[is_second]] = graph.data[is_second]
        rows = self._is_like()
        spread = csr_array(rows @ (graph + diags_array(among, format="csr")))
        spread = self.spread_columns(spread)
        spread = keep_entries(spread, row_indices(spread) != spread.indices)
        is_late = np.ones(len(self.like), bool)
        is_late[self.stored] = False
        if is_late.any():  # a late row is in no column yet
            late = keep_entries(spread, is_late[row_indices(spread)])
            spread = csr_array(spread + late.T)
        spread.sort_indices()
        return spread

    def spread_columns(self, graph: csr_array) -> csr_array:
        """Return a graph whose columns are all rows, of one of the scored ones.

        Only the first 500 rows of a title have entries.
        """
        if len(self.scored) == len(self.like):
            return graph
        spread = csr_array(graph @ self._is_like()[self.stored].T)
        entries = spread.data, self.stored[spread.indices], spread.indptr
        return csr_array(entries, shape=(graph.shape[0], len(self.like)))

    def _is_like(self) -> csr_array:
        """Return 1 where a row is like a scored one: (n_rows, n_scored)."""
        one = eye_array(len(self.scored), dtype=np.float32, format="csr")
        return csr_array(one[self.like])


def find_copies(
    titles: NDArray[np.object_], others: NDArray[Any] | None = None
) -> Copies:
    """Find the titles that are there more often than they are scored.

    Rows are copies if what `others` says of them, (n,) or (n, n_columns), is equal too.
    """
    _, copy_of = distinct(titles)
    if others is not None:
        rows = others.tolist() if others.ndim == 1 else map(tuple, others.tolist())
        codes: dict[Any, int] = {}
        pairs = zip(copy_of.tolist(), rows, strict=True)
        copy_of = np.array([codes.setdefault(pair, len(codes)) for pair in pairs])
    order = np.argsort(copy_of, kind="stable")
    sizes = np.bincount(copy_of)
    firsts = order[sizes.cumsum() - sizes]  # of each title, the first row
    rank = np.empty(len(order), np.intp)
    rank[order] = np.arange(len(order)) - (sizes.cumsum() - sizes).repeat(sizes)
    is_scored = rank < MOST_SCORED
    position = is_scored.cumsum() - 1
    scored = np.flatnonzero(is_scored)
    second = np.full(len(scored), -1)
    is_often = sizes > MOST_SCORED
    seconds = order[(sizes.cumsum() - sizes)[is_often] + 1]
    second[position[firsts[is_often]]] = position[seconds]
    return Copies(
        scored,
        np.flatnonzero(rank < MOST_STORED),
        np.where(is_scored, position, position[firsts[copy_of]]),
        second,
    )
