"""Inner products of given pairs, of blocks of rows, and in float64."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from skmatch.search._unit_rows import Embeddings, Indices

Pairs = tuple[Indices, Indices, NDArray[np.float32]]  # row, column, similarity

ENTRIES_PER_BLOCK = 2**19  # of a matrix of similarities: it stays in the cache
# Columns of the same. Rows that lie a power of two apart share the sets of a cache:
# with 1024 columns, products of 16 dimensions take twice as long.
_COLUMNS_PER_BLOCK = 1000
PAIRS_PER_BLOCK = 4096  # their rows stay in the cache


def inner_products(
    left_rows: Any,
    right_rows: Any,
    left: Indices,
    right: Indices,
    pairs_per_block: int = 2**16,
    entries_per_block: int = 2**22,
) -> NDArray[np.float32]:
    """Return ``left_rows[left] · right_rows[right]`` of each pair: (n_pairs,)."""
    parts = [np.empty(0, np.float32)]
    blocks = np.arange(len(left)) // pairs_per_block
    if issparse(left_rows):  # a row that is like many others has many entries
        n_entries = np.diff(left_rows.indptr)[left].astype(np.int64)
        n_entries += np.diff(right_rows.indptr)[right]
        blocks += n_entries.cumsum() // entries_per_block
    starts = np.flatnonzero(np.diff(blocks, prepend=-1))
    for start, stop in zip(starts, [*starts[1:], len(left)], strict=False):
        a, b = left_rows[left[start:stop]], right_rows[right[start:stop]]
        product = a.multiply(b).sum(axis=1) if issparse(a) else (a * b).sum(axis=1)
        parts.append(np.asarray(product, np.float32).ravel())
    return np.concatenate(parts)


def pairs_above(
    left: Embeddings,
    right: Embeddings,
    bound: float,
    *,
    triangle: bool = False,
    entries_per_block: int = ENTRIES_PER_BLOCK,
    columns_per_block: int = _COLUMNS_PER_BLOCK,
) -> Pairs:
    """Return the pairs of rows whose float32 inner product is at least `bound`.

    `triangle` keeps those whose second index is larger than the first.
    """
    found = []
    width = max(1, min(len(right), columns_per_block))
    step = max(1, entries_per_block // width)
    for start in range(0, len(left), step):
        block = left[start : start + step]
        for first in range(start if triangle else 0, len(right), width):
            similarities = block @ right[first : first + width].T
            hits = np.flatnonzero(similarities >= bound)
            row, column = np.divmod(hits, similarities.shape[1])
            row, column = row + start, column + first
            similarity = similarities.ravel()[hits]
            if triangle:
                keep = column > row
                row, column, similarity = row[keep], column[keep], similarity[keep]
            found.append((row, column, similarity))
    return join(found)


def similar_pairs(rows: Embeddings, threshold: float) -> Pairs:
    """Return the pairs of dense unit rows above a threshold, as (smaller, larger).

    By float32 block products alone: all pairs are compared, none is ranked again.
    """
    return pairs_above(rows, rows, threshold, triangle=True)


def rerank(
    left: Embeddings,
    right: Embeddings,
    rows: Indices,
    columns: Indices,
    threshold: float,
    pairs_per_block: int = PAIRS_PER_BLOCK,
) -> Pairs:
    """Return those pairs whose cosine, computed in float64, reaches the threshold.

    However a pair was found, its similarity is the same.
    """
    bound = threshold - rounding(left.shape[1])
    parts = []
    for first in range(0, len(rows), pairs_per_block):
        block = slice(first, first + pairs_per_block)
        a, b = left.take(rows[block], axis=0), right.take(columns[block], axis=0)
        near = np.flatnonzero(np.einsum("ij,ij->i", a, b) >= bound)  # float32 is quick
        similarities = cosines(a[near], b[near])
        near = near[similarities >= np.float32(threshold)]
        similarities = similarities[similarities >= np.float32(threshold)]
        parts.append((rows[block][near], columns[block][near], similarities))
    return join(parts)


def cosines(left: Embeddings, right: Embeddings) -> NDArray[np.float32]:
    """Cosine similarity, in float64, of each row of `left` with that of `right`."""
    dot, left_square, right_square = (
        np.einsum("ij,ij->i", a, b, dtype=np.float64)
        for a, b in ((left, right), (left, left), (right, right))
    )
    norms = np.sqrt(left_square) * np.sqrt(right_square)
    cosines = np.divide(dot, norms, out=np.zeros_like(dot), where=norms > 0)
    return np.clip(cosines, -1, 1).astype(np.float32)


def rounding(n_features: int) -> float:
    """Bound the error of a float32 inner product of unit rows."""
    return 2 * (n_features + 2) * float(np.finfo(np.float32).eps)


def join(pairs: Iterable[Pairs]) -> Pairs:
    """Join blocks of pairs; no block gives no pair."""
    empty = np.empty(0, np.intp), np.empty(0, np.intp), np.empty(0, np.float32)
    rows, columns, similarities = zip(empty, *pairs, strict=True)
    return np.concatenate(rows), np.concatenate(columns), np.concatenate(similarities)
