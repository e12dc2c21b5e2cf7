"""Sparse graphs: their entries by row, from both sides, and without some of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from skmatch._matrices import as_csr
from skmatch._numbers import check_number


def symmetrize(
    scores: NDArray[Any], left: NDArray[Any], right: NDArray[Any], n_rows: int
) -> csr_array:
    """Return the graph of unordered pairs, each stored from both sides, sorted."""
    fits = max(2 * len(scores), n_rows) <= np.iinfo(np.int32).max
    dtype = np.int32 if fits else np.int64
    row = np.concatenate([left, right], dtype=dtype, casting="same_kind")
    column = np.concatenate([right, left], dtype=dtype, casting="same_kind")
    values = np.concatenate([scores, scores])
    graph = csr_array((values, (row, column)), shape=(n_rows, n_rows))
    graph.sort_indices()
    return graph


def row_indices(graph: csr_array) -> NDArray[np.integer[Any]]:
    """Return the row of each stored entry, in the order of the entries."""
    return graph.tocoo(copy=False).coords[0]


def find_entries(
    graph: csr_array, rows: NDArray[np.integer[Any]], columns: NDArray[np.integer[Any]]
) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Return where entries of a sorted graph are stored, and whether they are.

    It is a binary search in all their rows at once.
    """
    low, end = (graph.indptr[rows + shift].astype(np.intp) for shift in (0, 1))
    high, last = end, graph.nnz - 1
    while (low < high).any():
        middle = (low + high) // 2
        is_open = low < high
        is_before = graph.indices[np.minimum(middle, last)] < columns
        low = np.where(is_open & is_before, middle + 1, low)
        high = np.where(is_open & ~is_before, middle, high)
    is_stored = low < end
    is_stored[is_stored] = graph.indices[low[is_stored]] == columns[is_stored]
    return low, is_stored


def replace_entries(
    graph: csr_array, rows: Any, columns: Any, values: Any
) -> csr_array:
    """Return a graph with other values at some places; of a place twice, the last."""
    shape = graph.shape
    keys = row_indices(graph).astype(np.int64) * shape[1] + graph.indices
    new = np.asarray(rows, np.int64) * shape[1] + np.asarray(columns, np.int64)
    data = np.concatenate([graph.data, np.asarray(values, graph.data.dtype)])
    keys, last = np.unique(np.concatenate([keys, new])[::-1], return_index=True)
    data = data[::-1][last]
    keys, data = keys[data > 0], data[data > 0]
    return csr_array((data, np.divmod(keys, shape[1])), shape=shape)


def keep_entries(graph: csr_array, mask: NDArray[np.bool_]) -> csr_array:
    """Return a graph of those stored entries that a mask marks, zeros included."""
    if mask.all():
        return graph
    n_before = np.append(0, mask.cumsum())
    kept = graph.data[mask], graph.indices[mask], n_before[graph.indptr]
    return csr_array(kept, shape=graph.shape)


def keep_rows(graph: csr_array, rows: NDArray[np.intp]) -> csr_array:
    """Return a graph of the same shape in which all rows but some are empty."""
    rows = np.unique(rows)
    return place_rows(graph[rows], rows, graph.shape[0])


def place_rows(graph: csr_array, rows: NDArray[np.intp], n_rows: int) -> csr_array:
    """Return a graph of more rows, of which those that are not given are empty.

    `rows`, which rise, tell where each row of `graph` comes.
    """
    lengths = np.zeros(n_rows + 1, graph.indptr.dtype)
    lengths[rows + 1] = np.diff(graph.indptr)
    placed = graph.data, graph.indices, np.cumsum(lengths, dtype=lengths.dtype)
    return csr_array(placed, shape=(n_rows, graph.shape[1]))


def widen(graph: csr_array, n_rows: int) -> csr_array:
    """Return a square graph with further rows and columns, which are empty."""
    ends = np.full(n_rows - graph.shape[0], graph.indptr[-1], graph.indptr.dtype)
    arrays = graph.data, graph.indices, np.concatenate([graph.indptr, ends])
    return csr_array(arrays, shape=(n_rows, n_rows))


def above_threshold(scores: Any, threshold: float, name: str) -> csr_array:
    """Return the float64 scores above 0 of a matrix that reach a threshold."""
    check_number(threshold, "threshold", min_val=0, max_val=1)
    graph = as_csr(scores, name)
    # Scores are float32, and so is the threshold that they may equal.
    with np.errstate(over="ignore"):  # inf reaches it, too
        reaches = graph.data.astype(np.float32) >= np.float32(threshold)
    return keep_entries(graph.astype(np.float64), reaches & (graph.data > 0))
