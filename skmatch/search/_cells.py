"""Cells of unit rows: near rows meet in a cell, so that few pairs are compared."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, NamedTuple

import faiss
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_array, csr_array
from scipy.stats import beta

ROWS_PER_CELL = 16  # that train its centroid
_ENTRIES_PER_BLOCK = 2**19  # of a matrix of similarities: it stays in the cache
_CELLS_PER_TASK = 8
_PAIRS_PER_LOOK = 4096
# Rows that visit cells together: a few at first, then as many as memory allows.
_ROWS_PER_VISIT, _MOST_ROWS, _PROBES_PER_VISIT = 2**14, 2**18, 2**25
# Columns of the same. Rows that lie a power of two apart share the places of a cache:
# with 1024 columns, products of 16 dimensions take twice as long.
_WIDTH = 1000
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


class Sorted(NamedTuple):
    """Rows in the order of their cells, so that those of a cell lie side by side."""

    rows: Rows
    number: Numbers  # (n_rows,) of each row, before it was sorted
    home: NDArray[np.int32]  # (n_rows,) cell of each row
    ends: Numbers  # (n_cells + 1,)

    def residents(self, cell: int) -> slice:
        """Return the places of the rows of a cell."""
        return slice(self.ends[cell], self.ends[cell + 1])


class Cells:
    """Cells of unit rows around the centroids of spherical k-means.

    Row x of home cell h probes cell c if its distance to the hyperplane that bisects
    the two centroids is at most a margin. Let x and y lie within distance r of one
    another, with homes h and c. Both lie on their own side of the bisector of h and c,
    and their distances to it add up to at most r, so one of them is at most r / 2: with
    a margin of r / 2, x meets y in a cell, whatever the centroids are.
    """

    def __init__(self, rows: Rows, n_cells: int, seed: int) -> None:
        n_sample = min(len(rows), ROWS_PER_CELL * n_cells)
        rng = np.random.default_rng(seed)
        sample = rows[np.sort(rng.choice(len(rows), n_sample, replace=False))]
        kmeans: Any = faiss.Kmeans(
            rows.shape[1],
            n_cells,
            niter=4,
            spherical=True,
            seed=seed,
            min_points_per_centroid=1,
            max_points_per_centroid=ROWS_PER_CELL,
            gpu=faiss.get_num_gpus() > 0,
        )
        kmeans.train(sample)
        centroids: Rows = kmeans.centroids
        norms = np.linalg.norm(centroids, axis=1, keepdims=True)
        self.centroids = centroids / np.maximum(norms, 1e-12)
        precise = self.centroids.astype(np.float64)  # some lie close together
        square = (precise**2).sum(axis=1)
        squares = square[:, None] + square - 2 * (precise @ precise.T)
        self._apart = np.sqrt(np.maximum(squares, 0))

    def __len__(self) -> int:
        """Return the number of cells."""
        return len(self.centroids)

    def find_homes(self, rows: Rows, run: Callable[..., Any]) -> NDArray[np.int32]:
        """Return the cell of each row."""

        def find(start: int) -> NDArray[np.int32]:
            similarities = rows[start : start + step] @ self.centroids.T  # (b, cells)
            return similarities.argmax(axis=1).astype(np.int32)

        step = max(64, _ENTRIES_PER_BLOCK // len(self))
        return np.concatenate([*run(find, range(0, len(rows), step))])

    def probe(
        self,
        rows: Rows,
        home: NDArray[np.int32],
        margin: float,
        run: Callable[..., Any],
    ) -> csc_array:
        """Mark the other cells that rows probe: bool (n_rows, n_cells)."""
        n_cells = len(self)
        reach = (margin * self._apart + _ROUNDING).astype(np.float32)
        step = max(64, _ENTRIES_PER_BLOCK // n_cells)

        def probe_block(start: int) -> tuple[Any, Any]:
            block, homes = rows[start : start + step], home[start : start + step]
            similarities = block @ self.centroids.T  # (b, cells)
            number = np.arange(len(block))
            least = reach.take(homes, axis=0)
            np.subtract(similarities[number, homes][:, None], least, out=least)
            similarities[number, homes] = -np.inf
            places = np.flatnonzero(similarities >= least)
            ends = np.searchsorted(places, (number + 1) * n_cells)
            n_probes = np.diff(ends, prepend=0)
            return n_probes, (places - np.repeat(number * n_cells, n_probes)).astype(
                np.int32
            )

        parts = [*run(probe_block, range(0, len(rows), step))]
        n_probes, cells = (np.concatenate(part) for part in zip(*parts, strict=True))
        ends = np.append(0, n_probes.cumsum()).astype(np.int32)
        marks = np.ones(len(cells), bool), cells, ends
        return csr_array(marks, shape=(len(rows), n_cells)).tocsc()

    def margins(self, left: Rows, right: Rows) -> NDArray[np.float32]:
        """Return the least margin with which each row of `left` meets its `right`."""
        of_left, of_right = left @ self.centroids.T, right @ self.centroids.T
        number = np.arange(len(left))
        home, other = of_left.argmax(axis=1), of_right.argmax(axis=1)
        apart = np.maximum(self._apart[home, other], 1e-12)
        left_gap = of_left[number, home] - of_left[number, other]
        right_gap = of_right[number, other] - of_right[number, home]
        return np.minimum(left_gap, right_gap) / apart

    def sort(self, rows: Rows, run: Callable[..., Any]) -> Sorted:
        """Sort rows by their cells."""
        home = self.find_homes(rows, run)
        number = np.argsort(home, kind="stable")
        ends = np.append(0, np.cumsum(np.bincount(home, minlength=len(self))))
        return Sorted(rows.take(number, axis=0), number, home[number], ends)

    def meet(
        self,
        ours: Sorted,
        theirs: Sorted,
        bound: float,
        margin: float,
        look: Callable[[Numbers, Numbers], Any],
        run: Callable[..., Any],
        *,
        one_sided: bool = False,
    ) -> Iterator[Any]:
        """Yield `look` at the pairs that meet in a cell and reach the bound.

        If both sides are the same, a pair is (smaller, larger). No pair comes twice. If
        `one_sided`, the rows of `theirs` stay where they are: with twice the margin,
        those of `ours` find the same pairs alone.
        """

        def give(a: Numbers, b: Numbers) -> Any:
            one, other = ours.number[a], theirs.number[b]
            if ours is theirs:
                one, other = np.minimum(one, other), np.maximum(one, other)
            return look(one, other)

        def stay(cells: range) -> Any:
            return give(*_join(_meet_at_home(ours, theirs, bound, n) for n in cells))

        def visit(
            guests: Sorted, hosts: Sorted, first: int, probes: csc_array, cells: range
        ) -> Any:
            a, b = _join(
                _meet_guests(guests, hosts, first, probes, bound, n) for n in cells
            )
            if not one_sided:
                keep = self._is_guest(guests, hosts, a, b, has_ties=guests is ours)
                a, b = a[keep], b[keep]
            return give(a, b) if guests is ours else give(b, a)

        starts = range(0, len(self), _CELLS_PER_TASK)
        tasks = [range(n, min(n + _CELLS_PER_TASK, len(self))) for n in starts]
        yield from run(stay, tasks)
        ways = [(ours, theirs), (theirs, ours)]
        for guests, hosts in ways[: 1 if one_sided or ours is theirs else 2]:
            first, n_rows = 0, _ROWS_PER_VISIT
            while first < len(guests.rows):
                some = slice(first, first + n_rows)
                probes = self.probe(guests.rows[some], guests.home[some], margin, run)
                yield from run(partial(visit, guests, hosts, first, probes), tasks)
                first += n_rows
                n_probes = max(1, probes.nnz / probes.shape[0])  # of a row
                n_rows = min(_MOST_ROWS, 1 + int(_PROBES_PER_VISIT / n_probes))

    def _is_guest(
        self, guests: Sorted, hosts: Sorted, a: Numbers, b: Numbers, *, has_ties: bool
    ) -> NDArray[np.bool_]:
        """Tell of the pairs in which each row probes the other's cell who is the guest.

        That is the row nearer to the border: of the sum of the two, it is the side.
        """
        is_guest = np.empty(len(a), dtype=bool)
        for start in range(0, len(a), _PAIRS_PER_LOOK):
            some = slice(start, start + _PAIRS_PER_LOOK)
            one, other = a[some], b[some]
            way = self.centroids[guests.home[one]] - self.centroids[hosts.home[other]]
            pair = guests.rows.take(one, axis=0) + hosts.rows.take(other, axis=0)
            lead = np.einsum("ij,ij->i", pair, way)
            wins_ties = one < other if guests is hosts else np.bool_(has_ties)
            is_guest[some] = (lead < 0) | ((lead == 0) & wins_ties)
        return is_guest


def _meet_at_home(
    ours: Sorted, theirs: Sorted, bound: float, cell: int
) -> tuple[Numbers, Numbers]:
    """Return the places of the pairs of rows that live in a cell."""
    here, there = ours.residents(cell), theirs.residents(cell)
    is_same = ours is theirs
    a, b = above(ours.rows[here], theirs.rows[there], bound, triangle=is_same)
    return a + here.start, b + there.start


def _meet_guests(
    guests: Sorted,
    hosts: Sorted,
    first: int,
    probes: csc_array,
    bound: float,
    cell: int,
) -> tuple[Numbers, Numbers]:
    """Return the places of the pairs of rows that probe a cell and that live there."""
    start, end = probes.indptr[cell : cell + 2]
    here, who = hosts.residents(cell), probes.indices[start:end] + first
    a, b = above(guests.rows.take(who, axis=0), hosts.rows[here], bound)
    return who[a], b + here.start


def _join(pairs: Iterable[tuple[Numbers, Numbers]]) -> tuple[Numbers, Numbers]:
    """Join the pairs of several cells."""
    one, other = zip(*pairs, strict=True)
    return np.concatenate(one), np.concatenate(other)


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
    most = range(int((1 - target) * n_pairs), -1, -1)
    first = bisect_left(
        most, target, key=lambda n_missed: interval(n_pairs, n_missed, sizes).low
    )
    if first == len(most):
        return np.inf, EXACT
    margin = max(0.0, float(needed[n_pairs - most[first]]))
    # Many pairs share a home and need no margin: fewer may be missed.
    n_missed = int((needed > margin).sum())
    return margin, interval(n_pairs, n_missed, sizes)


def interval(n_pairs: int, n_missed: int, sizes: Numbers) -> Recall:
    """Return the recall of a search that missed some of n true pairs of a sample.

    `sizes` are the numbers of pairs of each sampled row. Pairs of the same row are
    alike: they count as fewer pairs.
    """
    if not n_pairs:
        return Recall(1.0, 0.0, 1.0)
    n_alike = count_alike(sizes)
    a, b = (n_pairs - n_missed) / n_alike, n_missed / n_alike + 1
    low, high = beta.ppf([_TAIL, 1 - _TAIL], a, b)
    value = 1 - n_missed / n_pairs
    return Recall(value, float(low), max(value, float(high)))


def count_alike(sizes: Numbers) -> float:
    """Return the number of pairs that say no more than one, as they share a row."""
    return float((sizes.astype(np.float64) ** 2).sum() / max(1, sizes.sum()))


def above(
    left: Rows, right: Rows, bound: float, *, triangle: bool = False
) -> tuple[Numbers, Numbers]:
    """Return the pairs of rows whose inner product is at least `bound`.

    `triangle` keeps those whose second row comes after the first.
    """
    rows, columns = [np.empty(0, np.intp)], [np.empty(0, np.intp)]
    width = max(1, min(len(right), _WIDTH))
    step = max(1, _ENTRIES_PER_BLOCK // width)
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
