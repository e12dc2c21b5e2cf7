"""Equal rows: found once, so that an index holds and searches each row once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from skmatch.search._similarities import Pairs
from skmatch.search._unit_rows import Embeddings, Indices

_ROWS_PER_BLOCK = 2**12


class EqualRows:
    """Groups of equal rows, numbered in the order of their first row.

    Rows that are appended change no number. Rows are looked up by a hash and then
    compared; one that has the hash of another row without being equal is a group of its
    own.
    """

    def __init__(self, rows: Embeddings) -> None:
        hashes = _hash(rows)
        self._hashes, first, of_row = np.unique(
            hashes, return_index=True, return_inverse=True
        )
        leader = first[of_row]
        indices = np.arange(len(rows))
        leader = np.where(_are_equal(rows, rows, indices, leader), leader, indices)
        self.first = np.flatnonzero(leader == indices)  # (n_groups,)
        self._group_of_hash = np.searchsorted(self.first, first)
        group = np.searchsorted(self.first, leader)  # (n_rows,)
        self._order = np.argsort(group, kind="stable")  # rows, group by group
        self._starts = np.append(0, np.bincount(group).cumsum())

    def __len__(self) -> int:
        """Return the number of groups."""
        return len(self.first)

    def without_copies(self, rows: Embeddings) -> Embeddings:
        """Return the first row of each group."""
        return rows if len(self) == len(rows) else rows[self.first]

    def find(self, rows: Embeddings, queries: Embeddings) -> tuple[Indices, Indices]:
        """Return the queries that are equal to one of these `rows`, and its group."""
        hashes = _hash(queries)
        position = np.searchsorted(self._hashes, hashes)
        position = np.minimum(position, len(self._hashes) - 1)
        query = np.flatnonzero(self._hashes[position] == hashes)
        group = self._group_of_hash[position[query]]
        is_equal = _are_equal(queries, rows, query, self.first[group])
        return query[is_equal], group[is_equal]


def expand_pairs(ours: EqualRows, theirs: EqualRows, pairs: Pairs) -> Pairs:
    """Return the pairs of all rows of pairs of groups.

    If both sides are the same, a pair of a group with itself becomes the pairs
    (smaller, larger) of its rows.
    """
    group, other, similarity = pairs
    n_rows = ours._starts[group + 1] - ours._starts[group]
    pair = np.repeat(np.arange(len(group)), n_rows)
    position = _ranges(ours._starts[group], n_rows)
    start, end = theirs._starts[other[pair]], theirs._starts[other[pair] + 1]
    if ours is theirs:
        start = np.where(group[pair] == other[pair], position + 1, start)
    left = np.repeat(ours._order[position], end - start)
    right = theirs._order[_ranges(start, end - start)]
    return left, right, np.repeat(similarity[pair], end - start)


def _ranges(starts: Indices, lengths: Indices) -> Indices:
    """Join the ranges that begin at `starts`."""
    before = lengths.cumsum() - lengths
    return np.repeat(starts - before, lengths) + np.arange(lengths.sum())


def _hash(rows: Embeddings) -> NDArray[np.uint64]:
    """Return a number for each row that is the same for equal rows."""
    factors = np.random.default_rng(0).integers(2**63, size=rows.shape[1], dtype="u8")
    hashes = np.empty(len(rows), np.uint64)
    for start in range(0, len(rows), _ROWS_PER_BLOCK):
        block = rows[start : start + _ROWS_PER_BLOCK] + np.float32(0)  # -0 becomes 0
        hashes[start : start + len(block)] = block.view(np.uint32) @ factors
    return hashes


def _are_equal(
    left: Embeddings, right: Embeddings, rows: Indices, columns: Indices
) -> NDArray[np.bool_]:
    """Tell for each pair of rows whether they are equal."""
    are_equal = np.empty(len(rows), bool)
    for start in range(0, len(rows), _ROWS_PER_BLOCK):
        block = slice(start, start + _ROWS_PER_BLOCK)
        are_equal[block] = (left[rows[block]] == right[columns[block]]).all(axis=1)
    return are_equal
