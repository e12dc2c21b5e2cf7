"""Pairs that match and should not, pairs that should and do not, and mixed groups."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, eye_array

from skmatch.evaluation._counts import count_in_groups

Indices = NDArray[np.integer[Any]]


class Pairs(NamedTuple):
    """Unordered pairs of rows, each once: ``left < right``."""

    left: Indices  # (n_pairs,)
    right: Indices  # (n_pairs,)
    score: NDArray[np.float64]  # (n_pairs,), NaN where there is none

    def take(self, chosen: Any) -> Pairs:
        """Return some of the pairs, by a mask or their indices."""
        return Pairs(self.left[chosen], self.right[chosen], self.score[chosen])

    def keys(self, n_rows: int) -> NDArray[np.int64]:
        """Return an int for each pair, which rises with `left`, then `right`."""
        return self.left.astype(np.int64) * n_rows + self.right


class FoundPairs(NamedTuple):
    """What was found: the pairs of a match matrix, or all pairs within groups.

    Groups may have more pairs than memory: of these, `keys` are those with the first
    row of the group.
    """

    keys: NDArray[np.int64]  # (n_pairs,), rising
    blocks: csr_array  # bool: the matches of each row and itself, or rows of each group
    sizes: Indices  # (n_rows,), of the block of each row
    groups: NDArray[np.intp] | None  # (n_rows,)

    def hold(self, left: Indices, right: Indices) -> NDArray[np.bool_]:
        """Tell which pairs, of which the left row comes first, were found."""
        if self.groups is not None:
            return self.groups[left] == self.groups[right]
        keys = left.astype(np.int64) * len(self.sizes) + right
        return _find(self.keys, keys)[1]

    def count_rows(self, labels: NDArray[np.intp]) -> tuple[Indices, Indices]:
        """Count the other rows that each row matches, and those of its product."""
        if self.groups is not None:
            n_both, _, n_found = count_in_groups(labels, self.groups)
            return n_found - 1, n_both - 1
        n_rows = len(labels)
        left, right = np.divmod(self.keys, n_rows)
        is_right = labels[left] == labels[right]
        n_found, n_both = (
            np.bincount(np.append(left[kept], right[kept]), minlength=n_rows)
            for kept in (slice(None), is_right)
        )
        return n_found, n_both


def unordered_pairs(graph: csr_array) -> Pairs:
    """Return the pairs that a matrix stores, but the diagonal, in the order of keys.

    Of a pair that differs from its mirror image, the larger score counts.
    """
    entries = graph.tocoo(copy=False)
    row, column = entries.coords
    is_pair = row != column
    row, column, score = row[is_pair], column[is_pair], entries.data[is_pair]
    keys = Pairs(np.minimum(row, column), np.maximum(row, column), score).keys(
        graph.shape[0]
    )
    order = np.argsort(keys, kind="stable")
    keys, first = np.unique(keys[order], return_index=True)
    if len(first):
        score = np.maximum.reduceat(score[order], first)
    return Pairs(*np.divmod(keys, graph.shape[0]), score.astype(np.float64))


def find_in_matrix(matches: csr_array) -> FoundPairs:
    """Read a match matrix; a pair is found if one of its rows matches the other."""
    found = matches.astype(bool)
    found.eliminate_zeros()
    n_rows = found.shape[0]
    blocks = (found + eye_array(n_rows, dtype=bool, format="csr")).tocsr()
    blocks.sort_indices()
    keys = unordered_pairs(found).keys(n_rows)
    return FoundPairs(keys, blocks, np.diff(blocks.indptr), None)


def find_in_groups(groups: NDArray[np.intp]) -> FoundPairs:
    """Read groups, which are 0, 1, ..."""
    n_rows = len(groups)
    _, first, sizes = np.unique(groups, return_index=True, return_counts=True)
    rows = np.argsort(groups, kind="stable")
    ends = np.append(0, sizes.cumsum())
    blocks = csr_array((np.ones(n_rows, bool), rows, ends), shape=(len(sizes), n_rows))
    others = np.setdiff1d(np.arange(n_rows), first)
    keys = np.sort(first[groups[others]] * n_rows + others)
    return FoundPairs(keys, blocks, sizes[groups], groups)


def false_pairs(
    labels: NDArray[np.intp], found: FoundPairs, scored: Pairs, n_examples: int
) -> Pairs:
    """Return found pairs of two products, at most one of the same two.

    1. Take the pairs of `found.keys`, and those that have a score and were found.
    2. Keep those of two products.
    3. Order them: the highest scores first, those without a score last; then by the
       number of such pairs between the two products.
    4. Keep the first one of any two products.
    """
    n_rows = len(labels)
    has_score = found.hold(scored.left, scored.right)
    keys = np.append(found.keys, scored.take(has_score).keys(n_rows))
    left, right = np.divmod(_distinct(keys), n_rows)
    is_false = labels[left] != labels[right]
    pairs = Pairs(left[is_false], right[is_false], np.full(is_false.sum(), np.nan))
    at, has_score = _find(scored.keys(n_rows), pairs.keys(n_rows))
    pairs.score[has_score] = scored.score[at[has_score]]
    products = np.sort([labels[pairs.left], labels[pairs.right]], axis=0)
    return _first_of_each(pairs, products[0] * n_rows + products[1], n_examples)


def missed_pairs(
    labels: NDArray[np.intp],
    found: FoundPairs,
    scored: Pairs,
    n_missed: Indices,
    n_examples: int,
) -> Pairs:
    """Return pairs of the same product that were not found, at most one of a product.

    Those that have a score come first, the highest before the others. Products none of
    whose missed pairs has one follow, those that miss most pairs first. `n_missed` is
    the number of missed pairs of each row.
    """
    is_true = labels[scored.left] == labels[scored.right]
    pairs = scored.take(is_true & ~found.hold(scored.left, scored.right))
    with_score = _first_of_each(pairs, labels[pairs.left], n_examples)
    of_product = np.bincount(labels, n_missed)
    of_product[labels[pairs.left]] = 0
    order = np.argsort(-of_product, kind="stable")[: n_examples - len(with_score.left)]
    products = order[of_product[order] > 0]
    rows = np.argsort(labels, kind="stable")
    ends = np.append(0, np.bincount(labels).cumsum())
    more = [
        _first_missed(rows[ends[product] : ends[product + 1]], found, n_missed)
        for product in products
    ]
    left, right = np.array(more, dtype=np.intp).reshape(-1, 2).T
    return Pairs(
        np.append(with_score.left, left),
        np.append(with_score.right, right),
        np.append(with_score.score, np.full(len(left), np.nan)),
    )


def _first_missed(
    rows: Indices, found: FoundPairs, n_missed: Indices
) -> tuple[int, int]:
    """Return the first pair of rows of a product that was not found."""
    row = rows[n_missed[rows] > 0][0]
    others = rows[rows > row]  # a row before it misses none
    is_missed = ~found.hold(np.full(len(others), row), others)
    return row, others[is_missed][0]


def _first_of_each(pairs: Pairs, kinds: Indices, n_examples: int) -> Pairs:
    """Return the pair of each kind with the highest score, in their order."""
    _, kind, n_pairs = np.unique(kinds, return_inverse=True, return_counts=True)
    falling = np.nan_to_num(-pairs.score, nan=np.inf)
    order = np.lexsort([-n_pairs[kind], falling])
    first = np.unique(kind[order], return_index=True)[1]
    return pairs.take(order[np.sort(first)][:n_examples])


def mixed_groups(
    labels: NDArray[np.intp], found: FoundPairs, n_examples: int
) -> list[Indices]:
    """Return the rows of the blocks of most products, of which no two share a row.

    The rows of a block come product by product, the one of most rows first.
    """
    n_rows, indptr = len(labels), found.blocks.indptr
    block, row = found.blocks.tocoo(copy=False).coords
    of_block = _distinct(block.astype(np.int64) * n_rows + labels[row]) // n_rows
    n_products = np.bincount(of_block, minlength=found.blocks.shape[0])
    mixed: list[Indices] = []
    is_listed = np.zeros(n_rows, dtype=bool)
    for number in np.lexsort([-np.diff(indptr), -n_products]):
        if len(mixed) == n_examples or n_products[number] < 2:
            break
        rows = found.blocks.indices[indptr[number] : indptr[number + 1]]
        if not is_listed[rows].any():
            is_listed[rows] = True
            _, product, n_each = np.unique(
                labels[rows], return_inverse=True, return_counts=True
            )
            mixed.append(rows[np.lexsort([rows, product, -n_each[product]])])
    return mixed


def _distinct(values: Indices) -> Indices:
    """Return distinct values in rising order, by sorting: numpy's hashes are slow."""
    values = np.sort(values)
    return values[np.diff(values, prepend=-1) > 0]


def _find(keys: Indices, wanted: Indices) -> tuple[Indices, NDArray[np.bool_]]:
    """Return where each of some keys is among rising ones, and whether it is there."""
    at = np.searchsorted(keys, wanted)
    is_there = at < len(keys)
    is_there[is_there] = keys[at[is_there]] == wanted[is_there]
    return at, is_there
