"""An inverted file of unit rows, with a probing rule that can lose no pair."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_array, csr_array

from skmatch._progress import track
from skmatch.search._similarities import (
    ENTRIES_PER_BLOCK,
    PAIRS_PER_BLOCK,
    pairs_above,
)
from skmatch.search._unit_rows import Embeddings, Indices, draw

Run = Callable[[Callable[..., Any], Iterable[Any]], Iterable[Any]]  # a map

ROWS_PER_CELL = 16  # that train its centroid
_CELLS_PER_TASK = 8
# Rows that probe together: a few at first, then as many as memory allows.
_ROWS_PER_BATCH, _MOST_ROWS, _PROBES_PER_BATCH = 2**14, 2**18, 2**25
_ROUNDING = 1e-5  # more than that of a difference of two float32 inner products


class SortedRows(NamedTuple):
    """Rows in the order of their home cells, so that those of a cell are neighbours."""

    rows: Embeddings
    indices: Indices  # (n_rows,) of each row, before it was sorted
    home: NDArray[np.int32]  # (n_rows,) cell of each row
    ends: Indices  # (n_cells + 1,)

    def of_cell(self, cell: int) -> slice:
        """Return the positions of the rows whose home is a cell."""
        return slice(self.ends[cell], self.ends[cell + 1])


class Cells:
    """Cells of unit rows around the centroids of spherical k-means.

    The home of row x is the cell of its nearest centroid. It also probes cell c if its
    distance to the hyperplane that bisects the centroids of c and of its home h,
    ``(x · h - x · c) / |h - c|``, is at most a margin.

    Theorem: a margin of r / 2 finds every pair of rows x and y within distance r of one
    another, whatever the centroids are. Proof: let their homes h and c differ. Both
    rows lie on their own side of the bisector of h and c, so their distances to it add
    up to at most r, and the smaller one is at most r / 2: that row probes the home of
    the other.
    """

    def __init__(
        self,
        rows: Embeddings,
        n_cells: int,
        seed: int,
        entries_per_block: int = ENTRIES_PER_BLOCK,
    ) -> None:
        import faiss  # takes a quarter of a second: only when it is used

        sample = rows[np.sort(draw(len(rows), ROWS_PER_CELL * n_cells, seed))]
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
        centroids: Embeddings = kmeans.centroids
        norms = np.linalg.norm(centroids, axis=1, keepdims=True)
        self.centroids = centroids / np.maximum(norms, 1e-12)
        precise = self.centroids.astype(np.float64)  # some lie close together
        square = (precise**2).sum(axis=1)
        squares = square[:, None] + square - 2 * (precise @ precise.T)
        self._distances = np.sqrt(np.maximum(squares, 0))  # between centroids
        self._entries_per_block = entries_per_block

    def __len__(self) -> int:
        """Return the number of cells."""
        return len(self.centroids)

    def find_homes(self, rows: Embeddings, run: Run) -> NDArray[np.int32]:
        """Return the cell of each row."""

        def find(start: int) -> NDArray[np.int32]:
            similarities = rows[start : start + step] @ self.centroids.T  # (b, cells)
            return similarities.argmax(axis=1).astype(np.int32)

        step = max(64, self._entries_per_block // len(self))
        return np.concatenate([*run(find, range(0, max(1, len(rows)), step))])

    def probe(
        self,
        rows: Embeddings,
        home: NDArray[np.int32],
        margin: float,
        run: Run,
        among: Indices | None = None,
    ) -> csc_array:
        """Mark the other cells (`among` some) that rows probe: (n_rows, n_cells)."""
        among = np.arange(len(self)) if among is None else among
        column = np.full(len(self), -1)  # of a cell among them
        column[among] = np.arange(len(among))
        centroids = self.centroids[among]
        distances = self._distances.take(among, axis=1)  # its rows are contiguous
        gap = (margin * distances + _ROUNDING).astype(np.float32)
        step = max(64, self._entries_per_block // len(among))

        def probe_block(start: int) -> tuple[Any, Any]:
            block, homes = rows[start : start + step], home[start : start + step]
            similarities = block @ centroids.T  # (b, among)
            at_home = np.einsum("ij,ij->i", block, self.centroids.take(homes, axis=0))
            least = gap.take(homes, axis=0)
            np.subtract(at_home[:, None], least, out=least)
            own = column[homes]
            is_among = np.flatnonzero(own >= 0)
            similarities[is_among, own[is_among]] = -np.inf
            hits = np.flatnonzero(similarities >= least)
            index, column_of_hit = np.divmod(hits, len(among))
            n_probes = np.bincount(index, minlength=len(block))
            return n_probes, among[column_of_hit].astype(np.int32)

        parts = [*run(probe_block, range(0, max(1, len(rows)), step))]
        n_probes, cells = (np.concatenate(part) for part in zip(*parts, strict=True))
        ends = np.append(0, n_probes.cumsum()).astype(np.int32)
        marks = np.ones(len(cells), bool), cells, ends
        return csr_array(marks, shape=(len(rows), len(self))).tocsc()

    def margins(self, left: Embeddings, right: Embeddings) -> NDArray[np.float32]:
        """Return the least margin that finds each row of `left` and its `right`."""
        left_similarities = left @ self.centroids.T
        right_similarities = right @ self.centroids.T
        index = np.arange(len(left))
        home, other = (
            left_similarities.argmax(axis=1),
            right_similarities.argmax(axis=1),
        )
        distance = np.maximum(self._distances[home, other], 1e-12)
        left_gap = left_similarities[index, home] - left_similarities[index, other]
        right_gap = right_similarities[index, other] - right_similarities[index, home]
        return np.minimum(left_gap, right_gap) / distance

    def sort(self, rows: Embeddings, home: NDArray[np.int32]) -> SortedRows:
        """Sort rows by their home cells."""
        order = np.argsort(home, kind="stable")
        ends = np.append(0, np.cumsum(np.bincount(home, minlength=len(self))))
        return SortedRows(rows.take(order, axis=0), order, home[order], ends)

    def find_pairs(
        self,
        ours: SortedRows,
        theirs: SortedRows,
        bound: float,
        margin: float,
        finish: Callable[[Indices, Indices], Any],
        run: Run,
        *,
        among: Indices | None = None,
        one_sided: bool = False,
        rows_per_batch: int = _ROWS_PER_BATCH,
        probes_per_batch: int = _PROBES_PER_BATCH,
    ) -> Iterator[Any]:
        """Yield `finish` of blocks of pairs in a cell that reach the bound.

        1. In each cell, compare the rows whose home it is.
        2. In each cell, compare the rows that probe it with those whose home it is:
           first `ours` probe, then `theirs`, if they are others.
        3. A pair in which each row probes the home of the other is kept from one side.

        With `among`, only some of the cells are looked at.
        If both sides are the same, a pair is (smaller, larger). No pair comes twice. If
        `one_sided`, the rows of `theirs` do not probe: with twice the margin, those of
        `ours` find the same pairs alone.
        """

        def restore(a: Indices, b: Indices) -> Any:
            row, column = ours.indices[a], theirs.indices[b]
            if ours is theirs:
                row, column = np.minimum(row, column), np.maximum(row, column)
            return finish(row, column)

        def compare_homes(cells: Indices) -> Any:
            return restore(
                *_join(_pairs_at_home(ours, theirs, bound, n) for n in cells)
            )

        def compare_probes(
            probing: SortedRows,
            resident: SortedRows,
            first: int,
            probes: csc_array,
            cells: Indices,
        ) -> Any:
            a, b = _join(
                _pairs_of_probes(probing, resident, first, probes, bound, n)
                for n in cells
            )
            if not one_sided:
                keep = self._is_nearer(probing, resident, a, b)
                a, b = a[keep], b[keep]
            return restore(a, b) if probing is ours else restore(b, a)

        among = np.arange(len(self)) if among is None else among
        starts = range(0, len(among), _CELLS_PER_TASK)
        tasks = [among[start : start + _CELLS_PER_TASK] for start in starts]
        homes = run(compare_homes, tasks)
        yield from track(homes, "Cells compared", len(tasks))
        sides = [(ours, theirs), (theirs, ours)]
        for probing, resident in sides[: 1 if one_sided or ours is theirs else 2]:
            first, n_rows = 0, rows_per_batch
            while first < len(probing.rows):
                batch = slice(first, first + n_rows)
                probes = self.probe(
                    probing.rows[batch], probing.home[batch], margin, run, among
                )
                compare = partial(compare_probes, probing, resident, first, probes)
                compared = run(compare, tasks)
                yield from track(compared, "Neighbouring cells compared", len(tasks))
                first += n_rows
                n_probes = max(1, probes.nnz / probes.shape[0])  # of a row
                n_rows = min(_MOST_ROWS, 1 + int(probes_per_batch / n_probes))

    def _is_nearer(
        self, probing: SortedRows, resident: SortedRows, a: Indices, b: Indices
    ) -> NDArray[np.bool_]:
        """Mark the pairs whose probing row is nearer to the bisector than the other.

        Of a pair in which each row probes the home of the other, exactly one is: the
        other row is on the side of the bisector on which the sum of the two lies. If it
        lies on the bisector, that whose home comes first.
        """
        is_nearer = np.empty(len(a), dtype=bool)
        for start in range(0, len(a), PAIRS_PER_BLOCK):
            block = slice(start, start + PAIRS_PER_BLOCK)
            one, other = a[block], b[block]
            homes = probing.home[one], resident.home[other]
            normal = self.centroids[homes[0]] - self.centroids[homes[1]]
            total = probing.rows.take(one, axis=0) + resident.rows.take(other, axis=0)
            side = np.einsum("ij,ij->i", total, normal)
            is_nearer[block] = (side < 0) | ((side == 0) & (homes[0] < homes[1]))
        return is_nearer


def _pairs_at_home(
    ours: SortedRows, theirs: SortedRows, bound: float, cell: int
) -> tuple[Indices, Indices]:
    """Return the positions of the pairs of rows whose home is a cell."""
    left, right = ours.of_cell(cell), theirs.of_cell(cell)
    is_same = ours is theirs
    a, b, _ = pairs_above(ours.rows[left], theirs.rows[right], bound, triangle=is_same)
    return a + left.start, b + right.start


def _pairs_of_probes(
    probing: SortedRows,
    resident: SortedRows,
    first: int,
    probes: csc_array,
    bound: float,
    cell: int,
) -> tuple[Indices, Indices]:
    """Return the positions of the pairs of rows that probe a cell and of its rows."""
    start, end = probes.indptr[cell : cell + 2]
    left, right = probes.indices[start:end] + first, resident.of_cell(cell)
    a, b, _ = pairs_above(probing.rows.take(left, axis=0), resident.rows[right], bound)
    return left[a], b + right.start


def _join(pairs: Iterable[tuple[Indices, Indices]]) -> tuple[Indices, Indices]:
    """Join the pairs of several cells."""
    rows, columns = zip(*pairs, strict=True)
    return np.concatenate(rows), np.concatenate(columns)
