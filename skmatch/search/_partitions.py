"""A search in parts that know nothing of one another: the cells of a sample.

The rows of a cell, and those that probe it, are all that its pairs need. So a cluster
can look for the pairs of each cell by itself:

1. :func:`plan_partitions` trains cells on a sample, and says in how many blocks a cell
   comes that has many rows.
2. :func:`assign_rows` tells of each row, by itself, which blocks it goes to: it lives
   in one of them, and probes others.
3. :func:`join_block` finds the pairs of a block. No pair is found twice.

The pairs, and their similarities, are those of one machine that searches exactly. With
a narrower margin, which :func:`calibrate_partitions` chooses by all pairs of a sample,
few are lost, and each row goes to fewer cells.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skmatch.search._cells import Cells
from skmatch.search._prefixes import measure_prefixes
from skmatch.search._radius import shorten, widest_margin
from skmatch.search._recall import EXACT, Recall, calibrate
from skmatch.search._similarities import Pairs, pairs_above, rerank, rounding
from skmatch.search._unit_rows import Embeddings, Indices

_BUDGET = 2e9  # flop to measure prefixes of the sample
_ROWS_PER_BLOCK = 20_000  # that live in a block
_ROWS_PER_CELL = 64  # that train its centroid


class Partitions(NamedTuple):
    """Cells and their blocks, and how near to its border a row probes a cell."""

    cells: Cells
    directions: Embeddings | None  # the rows are shortened to find their cells
    threshold: float
    margin: float
    n_blocks: NDArray[np.int32]  # (n_cells,)


class Assigned(NamedTuple):
    """Which blocks rows go to: an entry for each row and block."""

    row: Indices  # (n_entries,)
    cell: NDArray[np.int32]
    block: NDArray[np.int32]  # of the cell
    lives: NDArray[np.bool_]  # whether the row lives there, or else probes
    home: NDArray[np.int32]  # the cell that the row lives in


class BlockRows(NamedTuple):
    """Rows of a block: those that live there, or those that probe it."""

    rows: Embeddings
    home: NDArray[np.int32]  # (n_rows,)
    order: NDArray[np.int64]  # (n_rows,) a number of each row, all different


def count_to_train(n_rows: int) -> tuple[int, int]:
    """Return how many cells rows have, and how many rows are to train them.

    A quarter of the cells of one machine: each row is copied to the cells that it
    probes, and that costs more than to compare it with more rows in fewer of them.
    """
    n_cells = max(1, round(0.25 * math.sqrt(1.6 * n_rows)))
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
    rows_per_block: int = _ROWS_PER_BLOCK,
) -> Partitions:
    """Plan the search of `n_rows` unit rows by a sample of them.

    It loses no pair, whatever the sample is; a sample unlike the rows takes more time.

    Parameters
    ----------
    sample : ndarray of shape (n_sampled, n_features), dtype float32
        Unit rows, at best 20 times the square root of `n_rows`.
    n_rows : int
        Number of all rows.
    threshold : float
        Smallest cosine similarity of a pair.
    rows_per_block : int, default=20000
        Number of rows that live in a block, at most.

    Returns
    -------
    partitions : Partitions
        What :func:`assign_rows` and :func:`join_block` need.
    """
    n_cells = min(count_to_train(n_rows)[0], len(sample))
    n_pairs = 0.5 * n_rows**2
    prefixes = measure_prefixes(sample, sample, threshold, n_pairs, _BUDGET)
    directions = min(prefixes, key=lambda x: x.flop(4 / n_cells)).directions
    short = shorten(sample, directions)
    cells = Cells(short, n_cells, seed=0)
    of_home = np.bincount(cells.find_homes(short, map), minlength=n_cells)
    n_blocks = np.ceil(of_home / len(sample) * n_rows / rows_per_block)
    return Partitions(
        cells,
        directions,
        threshold,
        widest_margin(threshold, sample.shape[1]),
        np.maximum(1, n_blocks).astype(np.int32),
    )


def assign_rows(
    rows: Embeddings, order: NDArray[np.int64], partitions: Partitions
) -> Assigned:
    """Return the blocks of unit rows, each by itself.

    A row lives in a block of its home cell, and probes the earlier blocks of that cell,
    and all blocks of the cells whose border is near.
    """
    cells, n_blocks = partitions.cells, partitions.n_blocks
    short = shorten(rows, partitions.directions)
    home = cells.find_homes(short, map)
    own = (order % n_blocks[home]).astype(np.int32)
    probing, probed = (
        side.astype(np.intp)
        for side in cells.probe(short, home, partitions.margin, map).tocoo().coords
    )
    index = np.arange(len(rows))
    row = np.concatenate([index, index.repeat(own), probing.repeat(n_blocks[probed])])
    cell = np.concatenate(
        [home, home.repeat(own), probed.repeat(n_blocks[probed])]
    ).astype(np.int32)
    block = np.concatenate([own, _count_up(own), _count_up(n_blocks[probed])])
    return Assigned(row, cell, block, np.arange(len(row)) < len(rows), home[row])


def join_block(
    living: BlockRows, probing: BlockRows, partitions: Partitions
) -> tuple[Pairs, Pairs]:
    """Return the pairs of a block that reach the threshold, each once.

    First those of two rows that live there, then those of a row that probes and one
    that lives there, by their positions. Of a pair in which each row probes the home of
    the other, the row that is nearer to the border between them finds it.
    """
    threshold, directions = partitions.threshold, partitions.directions
    bound = threshold - rounding(living.rows.shape[1])
    near, far = (
        x._replace(rows=shorten(x.rows, directions)) for x in (living, probing)
    )
    a, b, _ = pairs_above(near.rows, near.rows, bound, triangle=True)
    inside = rerank(living.rows, living.rows, a, b, threshold)
    a, b, _ = pairs_above(far.rows, near.rows, bound)
    wins_ties = far.order[a] < near.order[b]
    is_found = partitions.cells.is_nearer(far, near, a, b, wins_ties)
    is_found |= far.home[a] == near.home[b]  # of another block of the same cell
    a, b = a[is_found], b[is_found]
    return inside, rerank(probing.rows, living.rows, a, b, threshold)


def _count_up(lengths: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return 0, 1, ..., length - 1 of each, end to end."""
    ends = lengths.cumsum()
    total = int(ends[-1]) if len(ends) else 0
    return (np.arange(total) - (ends - lengths).repeat(lengths)).astype(np.int32)
