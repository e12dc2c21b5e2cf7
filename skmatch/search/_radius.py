"""All pairs of rows whose cosine similarity reaches a threshold, found as planned."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import issparse

from skmatch._progress import track
from skmatch.search._cells import Cells, Run, SortedRows
from skmatch.search._equal_rows import EqualRows
from skmatch.search._faiss_index import find_indexed
from skmatch.search._recall import EXACT, Recall, SearchReport
from skmatch.search._similarities import Pairs, join, pairs_above, rerank, rounding
from skmatch.search._sparse import sparse_pairs
from skmatch.search._threads import limit_threads
from skmatch.search._unit_rows import Embeddings, Indices

_ROWS_PER_TASK = 2048


class Plan(NamedTuple):
    """How the pairs are found, about how many flop that takes, and with what recall.

    With `directions`, an upper bound of each similarity is compared, that of the rows
    as :func:`shorten` makes them; with `cells`, only those of rows in a common cell;
    with `index`, a faiss index of each of several equal rows once is searched.
    """

    flop: float = 0.0
    directions: Embeddings | None = None  # (n_features, n_prefix)
    cells: Cells | None = None  # of rows that are shortened, if there are directions
    margin: float = math.inf
    one_sided: bool = False  # whether only the left rows probe
    sorted_right: SortedRows | None = None  # if they were sorted already
    recall: Recall = EXACT
    index: Any = None
    equal: EqualRows | None = None  # among the rows of the index
    factory: str = ""  # the string that made the index

    @property
    def report(self) -> SearchReport:
        """Say which method it is, and what share of the pairs it finds."""
        if self.index is not None:
            return SearchReport(self.factory, 0, *self.recall)
        if self.cells is not None:
            return SearchReport("cells", len(self.cells), *self.recall)
        method = "all pairs" if self.directions is None else "prefix"
        return SearchReport(method, 0, *self.recall)


@contextmanager
def threads(n_threads: int) -> Iterator[Run]:
    """Give a function that maps on threads; BLAS and OpenMP have one each meanwhile."""
    with limit_threads(1):
        pool = ThreadPoolExecutor(n_threads)
        try:
            yield pool.map if n_threads > 1 else map
        finally:  # an interrupt does not wait for what has not begun
            pool.shutdown(cancel_futures=True)


def search_pairs(
    left: Any, right: Any, threshold: float, plan: Plan, n_threads: int
) -> Pairs:
    """Return the pairs of unit rows at or above the threshold, with their similarity.

    With `right` None, those of `left` with itself, as (smaller, larger).
    """
    if issparse(left):
        return join(sparse_pairs(left, right, threshold))
    if plan.equal is None:
        with threads(n_threads) as run:
            return join(find_pairs(left, right, threshold, plan, run))
    with limit_threads(n_threads):
        return find_indexed(plan.index, plan.equal, left, right, threshold)


def find_pairs(
    left: Embeddings,
    right: Embeddings | None,
    threshold: float,
    plan: Plan,
    run: Run,
    rows_per_task: int = _ROWS_PER_TASK,
) -> Iterable[Pairs]:
    """Return blocks of the pairs of dense rows, found by products or in cells.

    1. Shorten the rows, if the plan has directions.
    2. Compare all of them, or those in a common cell, with a bound that lies below the
       threshold by what rounding may take.
    3. Compute the similarity of the pairs that pass again, in float64.
    """
    other = left if right is None else right
    bound = threshold - rounding(left.shape[1])

    def finish(rows: Indices, columns: Indices) -> Pairs:
        return rerank(left, other, rows, columns, threshold)

    if plan.cells is not None:
        theirs = plan.sorted_right or sort_by_cell(other, plan, run)
        ours = theirs if right is None else sort_by_cell(left, plan, run)
        return plan.cells.find_pairs(
            ours, theirs, bound, plan.margin, finish, run, one_sided=plan.one_sided
        )
    short_left = shorten(left, plan.directions)
    short_right = short_left if right is None else shorten(right, plan.directions)

    def compare(start: int) -> Pairs:
        block = short_left[start : start + rows_per_task]
        first = start if right is None else 0
        rows, columns, _ = pairs_above(
            block, short_right[first:], bound, triangle=right is None
        )
        return finish(rows + start, columns + first)

    starts = range(0, len(left), rows_per_task)
    return track(run(compare, starts), "Rows compared", len(starts))


def sort_by_cell(rows: Embeddings, plan: Plan, run: Run) -> SortedRows:
    """Shorten rows and sort them by the cells of a plan."""
    assert plan.cells is not None
    short = shorten(rows, plan.directions)
    return plan.cells.sort(short, plan.cells.find_homes(short, run))


def shorten(rows: Embeddings, directions: Embeddings | None) -> Embeddings:
    """Rotate rows by PCA, keep the first columns and append the norm of the others.

    By the inequality of Cauchy and Schwarz the inner product of two short rows is no
    smaller than that of the rows. Their norm is that of the rows, and so they are
    nowhere farther apart. Without directions the rows stay whole.
    """
    if directions is None:
        return rows
    short = np.empty((len(rows), directions.shape[1] + 1), np.float32)
    np.matmul(rows, directions, out=short[:, :-1])
    short[:, -1] = norm_of_rest(rows, short[:, :-1])
    return short


def widest_margin(threshold: float, n_features: int) -> float:
    """Return the margin of cells of shortened rows that finds every pair."""
    # What shorten adds to the squared norms, and what rounding may take.
    slack = 4 * rounding(n_features)
    return math.sqrt(max(0.0, 2 - 2 * threshold) + slack) / 2


def norm_of_rest(rows: Embeddings, rotated: Embeddings) -> Embeddings:
    """Return the norm of what is left of rows but for some rotated columns: (n_rows,).

    Of a difference of nearly equal squares nothing but rounding may be left: it is as
    large as rounding may make it.
    """
    square = np.einsum("ij,ij->i", rows, rows)
    square -= np.einsum("ij,ij->i", rotated, rotated)
    return np.sqrt(np.maximum(square, 0) + rounding(rows.shape[1]))
