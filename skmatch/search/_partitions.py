"""A search in parts that know nothing of one another: the cells of a sample.

The rows of a cell, and those that probe it, are all that its pairs need. So a cluster
can look for the pairs of some cells by themselves:

1. :func:`plan_partitions` trains cells on a sample, and puts neighbouring cells into
   one part, or a cell of many rows into several.
2. :func:`assign_rows` tells of each row, by itself, which parts it goes to: it lives
   in one of them, and probes cells of the others.
3. :func:`join_part` finds the pairs of a part. No pair is found twice.

The pairs, and their similarities, are those of one machine that searches exactly. With
a narrower margin, which :func:`calibrate_partitions` chooses by all pairs of a sample,
few are lost, and each row goes to fewer cells.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skmatch.search._cells import Cells, SortedRows
from skmatch.search._prefixes import measure_prefixes
from skmatch.search._radius import shorten, widest_margin
from skmatch.search._recall import EXACT, Recall, calibrate
from skmatch.search._similarities import Pairs, pairs_above, rerank, rounding
from skmatch.search._unit_rows import Embeddings, Indices

_BUDGET = 2e9  # flop to measure prefixes of the sample
_ROWS_PER_PART = 20_000  # that live there
_ROWS_PER_CELL = 64  # that train its centroid


class Partitions(NamedTuple):
    """Cells and their parts, and how near to its border a row probes a cell."""

    cells: Cells
    directions: Embeddings | None  # the rows are shortened to find their cells
    threshold: float
    margin: float
    first_part: NDArray[np.int32]  # (n_cells,)
    n_parts: NDArray[np.int32]  # (n_cells,) of the cell: more than 1 if it has no other


class Assigned(NamedTuple):
    """Which parts rows go to: an entry for each row and part."""

    row: Indices  # (n_entries,)
    part: NDArray[np.int32]
    lives: NDArray[np.bool_]  # whether the row lives there, or else probes
    home: NDArray[np.int32]  # the cell that the row lives in


class PartRows(NamedTuple):
    """Rows of a part: those that live there, or those that probe it."""

    rows: Embeddings
    home: NDArray[np.int32]  # (n_rows,)


def count_to_train(n_rows: int) -> tuple[int, int]:
    """Return how many cells rows have, and how many rows are to train them.

    Half the cells of one machine: each row is copied to the parts of the cells that it
    probes, and that costs more than to compare it with more rows in fewer of them.
    """
    n_cells = max(1, round(0.5 * math.sqrt(1.6 * n_rows)))
    return n_cells, min(n_rows, _ROWS_PER_CELL * n_cells)


def probe_sample(
    rows: Embeddings,
    order: NDArray[np.int64],
    sample: Embeddings,
    sample_order: NDArray[np.int64],
    partitions: Partitions,
) -> tuple[Indices, NDArray[np.float32]]:
    """Return the margins that the pairs of rows and sampled rows need.

    That is the sampled row of each pair, and the least margin that finds the pair.
    """
    threshold, directions = partitions.threshold, partitions.directions
    of_rows, of_sample = (shorten(x, directions) for x in (rows, sample))
    bound = threshold - rounding(rows.shape[1])
    mine, theirs, _ = pairs_above(of_sample, of_rows, bound)
    is_other = sample_order[mine] != order[theirs]
    mine, theirs, _ = rerank(sample, rows, mine[is_other], theirs[is_other], threshold)
    return mine, partitions.cells.margins(of_sample[mine], of_rows[theirs])


def calibrate_partitions(
    partitions: Partitions,
    mine: Indices,
    needed: NDArray[np.float32],
    target_recall: float,
) -> tuple[Partitions, Recall]:
    """Return partitions of a narrower margin, and their recall.

    `mine` and `needed` are all of :func:`probe_sample`. Without enough pairs the margin
    stays.
    """
    margin, recall = calibrate(needed, np.bincount(mine), target_recall)
    if margin >= partitions.margin:
        return partitions, EXACT
    return partitions._replace(margin=margin), recall


def plan_partitions(
    sample: Embeddings,
    n_rows: int,
    threshold: float,
    rows_per_part: int = _ROWS_PER_PART,
) -> Partitions:
    """Plan the search of `n_rows` unit rows by a sample of them.

    It loses no pair, whatever the sample is; a sample unlike the rows takes more time.

    Parameters
    ----------
    sample : ndarray of shape (n_sampled, n_features), dtype float32
        Unit rows, at best 40 times the square root of `n_rows`.
    n_rows : int
        Number of all rows.
    threshold : float
        Smallest cosine similarity of a pair.
    rows_per_part : int, default=20000
        Number of rows that live in a part, at most.

    Returns
    -------
    partitions : Partitions
        What the steps of a search in parts need.
    """
    n_cells = min(count_to_train(n_rows)[0], len(sample))
    n_pairs = 0.5 * n_rows**2
    prefixes = measure_prefixes(sample, sample, threshold, n_pairs, _BUDGET)
    directions = min(prefixes, key=lambda x: x.flop(4 / n_cells)).directions
    short = shorten(sample, directions)
    cells = Cells(short, n_cells, seed=0)
    drawn = np.bincount(cells.find_homes(short, map), minlength=n_cells)
    of_home = drawn / len(sample) * n_rows
    n_parts = np.maximum(1, np.ceil(of_home / rows_per_part)).astype(np.int32)
    first_part, n_so_far = np.empty(n_cells, np.int32), 0
    for group in _split(cells.centroids, of_home, rows_per_part):
        first_part[group] = n_so_far
        n_so_far += n_parts[group].max()
    margin = widest_margin(threshold, sample.shape[1])
    return Partitions(cells, directions, threshold, margin, first_part, n_parts)


def assign_rows(
    rows: Embeddings, order: NDArray[np.int64], partitions: Partitions
) -> Assigned:
    """Return the parts of unit rows, each by itself.

    A row lives in a part of its home cell, that which its number in `order` says, and
    also goes to the earlier parts of that cell and to all parts of the cells whose
    border is near.
    """
    cells, first_part, n_parts = partitions.cells, *partitions[-2:]
    short = shorten(rows, partitions.directions)
    home = cells.find_homes(short, map)
    index, number = np.arange(len(rows)), order % n_parts[home]
    own = first_part[home] + number
    probing, probed = (
        side.astype(np.intp)
        for side in cells.probe(short, home, partitions.margin, map).tocoo().coords
    )
    first = first_part[np.concatenate([home, probed])]
    length = np.concatenate([number, n_parts[probed]])
    ends = length.cumsum()
    row = np.concatenate([index, probing]).repeat(length)
    part = (first - ends + length).repeat(length) + np.arange(len(row))
    # Several of the cells that a row probes are of one part, some of its own.
    once = np.unique(row * (1 << 32) + part)
    row, part = np.divmod(once, 1 << 32)
    is_other = part != own[row]
    row = np.concatenate([index, row[is_other]])
    part = np.concatenate([own, part[is_other]]).astype(np.int32)
    return Assigned(row, part, np.arange(len(row)) < len(rows), home[row])


def join_part(
    part: int, living: PartRows, probing: PartRows, partitions: Partitions
) -> Iterator[tuple[bool, Pairs]]:
    """Yield blocks of the pairs of a part that reach the threshold, each pair once.

    First those of two rows that live there, then those of a row that probes (True) and
    one that lives there, by their positions. Of a pair in which each row probes the
    home of the other, the row that is nearer to the border between them finds it.
    """
    cells, directions, threshold, margin, first_part, n_parts = partitions
    bound = threshold - rounding(living.rows.shape[1])
    among = np.flatnonzero((first_part <= part) & (part < first_part + n_parts))

    def sort(side: PartRows) -> SortedRows:
        return cells.sort(shorten(side.rows, directions), side.home)

    def find(side: PartRows, ours: SortedRows) -> Iterator[Pairs]:
        finish = partial(_rerank, threshold, side.rows, living.rows)
        return cells.find_pairs(ours, near, bound, margin, finish, map, among=among)

    if not len(living.rows):
        return
    near = sort(living)
    for pairs in find(living, near):
        yield False, pairs
    if len(probing.rows):
        for pairs in find(probing, sort(probing)):
            yield True, pairs


def _rerank(
    threshold: float, left: Embeddings, right: Embeddings, a: Indices, b: Indices
) -> Pairs:
    return rerank(left, right, a, b, threshold)


def _split(
    centroids: Embeddings, weights: NDArray[np.float64], most: float
) -> Iterator[Indices]:
    """Yield cells that lie together, of a total weight up to `most` or a single one.

    All are halved where they spread most, and each half again.
    """
    waiting = [np.arange(len(centroids))]
    while waiting:
        group = waiting.pop()
        if len(group) == 1 or weights[group].sum() <= most:
            yield group
            continue
        own = centroids[group].astype(np.float64)
        own -= own.mean(axis=0)
        widest = np.linalg.eigh(own.T @ own)[1][:, -1]
        group = group[np.argsort(own @ widest)]
        so_far = weights[group].cumsum()
        half = int(np.searchsorted(so_far, so_far[-1] / 2))
        half = min(max(half, 1), len(group) - 1)
        waiting += [group[:half], group[half:]]
