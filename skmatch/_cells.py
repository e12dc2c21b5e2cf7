"""Cells of unit rows: near rows meet in a cell, so that few pairs are compared."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import faiss
import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

_CELLS_PER_BLOCK = 2**21  # entries of a matrix of similarities: it stays in the cache
_WIDTH = 4096  # columns of the same
_ROUNDING = 1e-5  # more than that of a difference of two float32 inner products
_TAIL = 0.025  # of the intervals, on either side

Rows = NDArray[np.float32]
Numbers = NDArray[np.intp]


class Recall(NamedTuple):
    """Share of the matching pairs that are found, with its 95 % interval."""

    value: float
    low: float
    high: float


EXACT = Recall(1.0, 1.0, 1.0)


class _Homes:
    """The cell of each row, and the other cells that a row probes."""

    def __init__(
        self, home: Numbers, row: Numbers, cell: Numbers, n_cells: int
    ) -> None:
        self.home, self.row, self.cell = home, row, cell
        self._n_cells = n_cells
        self._keys = np.append(row * n_cells + cell, np.iinfo(np.intp).max)  # ascend

    def probes(self, row: Numbers, cell: Numbers) -> NDArray[np.bool_]:
        """Tell for each pair of a row and a cell whether the row probes the cell."""
        wanted = row * self._n_cells + cell
        return self._keys[np.searchsorted(self._keys, wanted)] == wanted


class Cells:
    """Cells of unit rows around the centroids of spherical k-means.

    Row x of home cell h probes cell c if its distance to the hyperplane that bisects
    the two centroids is at most a margin. Let x and y lie within distance r of one
    another, with homes h and c. Both lie on their own side of the bisector of h and c,
    and their distances to it add up to at most r, so one of them is at most r / 2: with
    a margin of r / 2, x meets y in a cell, whatever the centroids are.
    """

    def __init__(self, rows: Rows, n_cells: int, seed: int) -> None:
        n_sample = min(len(rows), 50 * n_cells)
        rng = np.random.default_rng(seed)
        sample = rows[np.sort(rng.choice(len(rows), n_sample, replace=False))]
        kmeans: Any = faiss.Kmeans(
            rows.shape[1],
            n_cells,
            niter=10,
            spherical=True,
            seed=seed,
            min_points_per_centroid=1,
            max_points_per_centroid=50,
        )
        kmeans.train(sample)
        centroids: Rows = kmeans.centroids
        norms = np.linalg.norm(centroids, axis=1, keepdims=True)
        self.centroids = centroids / np.maximum(norms, 1e-12)
        cosines = self.centroids @ self.centroids.T
        self._apart = np.sqrt(np.maximum(2 - 2 * cosines, 0))

    def __len__(self) -> int:
        """Return the number of cells."""
        return len(self.centroids)

    def assign(self, rows: Rows, margin: float, run: Callable[..., Any]) -> _Homes:
        """Find the home of each row and the cells that it probes."""
        reach = (margin * self._apart + _ROUNDING).astype(np.float32)
        step = max(64, _CELLS_PER_BLOCK // 2 // len(self))

        def assign_block(start: int) -> tuple[Numbers, Numbers, Numbers]:
            similarities = rows[start : start + step] @ self.centroids.T  # (b, cells)
            number = np.arange(len(similarities))
            home = similarities.argmax(axis=1)
            least = similarities[number, home][:, None] - reach[home]
            similarities[number, home] = -np.inf
            row, cell = np.divmod(
                np.flatnonzero(similarities >= least), similarities.shape[1]
            )
            return home, row + start, cell

        parts = list(run(assign_block, range(0, len(rows), step)))
        home, row, cell = (np.concatenate(part) for part in zip(*parts, strict=True))
        return _Homes(home, row, cell, len(self))

    def margins(self, left: Rows, right: Rows) -> NDArray[np.float32]:
        """Return the least margin with which each row of `left` meets its `right`."""
        of_left, of_right = left @ self.centroids.T, right @ self.centroids.T
        number = np.arange(len(left))
        home, other = of_left.argmax(axis=1), of_right.argmax(axis=1)
        apart = np.maximum(self._apart[home, other], 1e-12)
        left_gap = of_left[number, home] - of_left[number, other]
        right_gap = of_right[number, other] - of_right[number, home]
        return np.minimum(left_gap, right_gap) / apart

    def meet(
        self,
        left: Rows,
        right: Rows | None,
        bound: float,
        margin: float,
        look: Callable[[Numbers, Numbers], Any],
        run: Callable[..., Any],
    ) -> Iterable[Any]:
        """Return `look` at the pairs that meet in a cell and reach the bound.

        With `right` None, those of `left` with itself, as (smaller, larger). No pair
        comes twice.
        """
        n_cells = len(self)
        ours = self.assign(left, margin, run)
        theirs = ours if right is None else self.assign(right, margin, run)
        residents = _by_cell(ours.home, n_cells)
        probers = _by_cell(ours.cell, n_cells, ours.row)
        if right is not None:
            their_residents = _by_cell(theirs.home, n_cells)
            their_probers = _by_cell(theirs.cell, n_cells, theirs.row)

        def meet_themselves(cell: int) -> Any:
            here, guests = residents(cell), probers(cell)
            home_rows = left[here]
            a, b = above(home_rows, home_rows, bound, triangle=True)
            p, q = above(left[guests], home_rows, bound)
            guest, host = guests[p], here[q]
            # A guest whose host probes its cell in turn is met there too: keep one.
            twice = theirs.probes(host, ours.home[guest])
            keep = (guest < host) | ~twice
            one = np.concatenate([here[a], guest[keep]])
            other = np.concatenate([here[b], host[keep]])
            return look(np.minimum(one, other), np.maximum(one, other))

        def meet_others(cell: int) -> Any:
            assert right is not None
            here = residents(cell)
            visitors = np.concatenate([here, probers(cell)])
            hosts, guests = their_residents(cell), their_probers(cell)
            a, b = above(left[visitors], right[hosts], bound)
            p, q = above(left[here], right[guests], bound)
            mine, guest = here[p], guests[q]
            once = ~ours.probes(mine, theirs.home[guest])
            return look(
                np.concatenate([visitors[a], mine[once]]),
                np.concatenate([hosts[b], guest[once]]),
            )

        meet = meet_themselves if right is None else meet_others
        return run(meet, range(n_cells))


def calibrate(
    needed: NDArray[Any], sizes: Numbers, target: float
) -> tuple[float, Recall]:
    """Choose the smallest margin whose recall reaches a target with confidence.

    `needed` are the margins that the true pairs of a sample of rows need, `sizes` the
    number of pairs of each sampled row. If k of n pairs need more than a margin, its
    recall follows Beta(n - k, k + 1), whatever the distribution of the margins; n is
    lessened for pairs of the same row, which are alike. Without enough pairs the margin
    is infinite: nothing but an exact search is sure to reach the target.
    """
    n_pairs = len(needed)
    needed = np.append(0.0, np.sort(needed))
    for n_missed in range(int((1 - target) * n_pairs), -1, -1):
        recall = interval(n_pairs, n_missed, sizes)
        if recall.low >= target:
            margin = max(0.0, float(needed[n_pairs - n_missed]))
            # Many pairs share a home and need no margin: fewer may be missed.
            n_missed = int((needed > margin).sum())
            return margin, interval(n_pairs, n_missed, sizes)
    return np.inf, EXACT


def interval(n_pairs: int, n_missed: int, sizes: Numbers) -> Recall:
    """Return the recall of a search that missed some of n true pairs of a sample.

    `sizes` are the numbers of pairs of each sampled row. Pairs of the same row are
    alike: they count as fewer pairs.
    """
    if not n_pairs:
        return Recall(1.0, 0.0, 1.0)
    n_alike = (sizes.astype(np.float64) ** 2).sum() / sizes.sum()
    a, b = (n_pairs - n_missed) / n_alike, n_missed / n_alike + 1
    low, high = beta.ppf([_TAIL, 1 - _TAIL], a, b)
    value = 1 - n_missed / n_pairs
    return Recall(value, float(low), max(value, float(high)))


def above(
    left: Rows, right: Rows, bound: float, *, triangle: bool = False
) -> tuple[Numbers, Numbers]:
    """Return the pairs of rows whose inner product is at least `bound`.

    `triangle` keeps those whose second row comes after the first.
    """
    rows, columns = [np.empty(0, np.intp)], [np.empty(0, np.intp)]
    width = max(1, min(len(right), _WIDTH))
    step = max(1, _CELLS_PER_BLOCK // width)
    for start in range(0, len(left), step):
        block = left[start : start + step]
        for first in range(start if triangle else 0, len(right), width):
            similarities = block @ right[first : first + width].T
            places = np.flatnonzero(similarities >= bound)
            row, column = np.divmod(places, similarities.shape[1])
            row, column = row + start, column + first
            if triangle:
                row, column = row[column > row], column[column > row]
            rows.append(row)
            columns.append(column)
    return np.concatenate(rows), np.concatenate(columns)


def _by_cell(
    cell: Numbers, n_cells: int, row: Numbers | None = None
) -> Callable[[int], Numbers]:
    """Return a function that gives the rows of a cell."""
    order = np.argsort(cell, kind="stable")
    ends = np.cumsum(np.bincount(cell, minlength=n_cells))
    rows = order if row is None else row[order]
    return lambda number: rows[ends[number - 1] if number else 0 : ends[number]]
