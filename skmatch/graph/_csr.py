"""Sparse graphs: their entries by row, from both sides, and without some of them."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, issparse
from sklearn.utils import check_scalar

_COMPRESSED = ("data", "indices", "indptr")
_PARTS = {  # of the formats that are made of arrays
    "csr": _COMPRESSED,
    "csc": _COMPRESSED,
    "bsr": _COMPRESSED,
    "coo": ("data", "coords"),
    "dia": ("data", "offsets"),
}


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


def keep_entries(graph: csr_array, mask: NDArray[np.bool_]) -> csr_array:
    """Return a graph of those stored entries that a mask marks, zeros included."""
    if mask.all():
        return graph
    n_before = np.append(0, mask.cumsum())
    kept = graph.data[mask], graph.indices[mask], n_before[graph.indptr]
    return csr_array(kept, shape=graph.shape)


def as_csr(matrix: Any, name: str) -> csr_array:
    """Return a matrix of finite numbers, sparse or dense, as a sorted csr_array.

    What a sparse one stores twice is summed; of bool, two are one. The arrays of the
    caller stay as they are.
    """
    if not issparse(matrix):
        dense = as_dense(matrix, name)
        is_half = dense.dtype == np.float16  # which scipy does not know
        return csr_array(dense.astype(np.float32) if is_half else dense)
    graph = check_sparse(matrix, name)
    if not graph.has_canonical_format:
        graph = graph.copy()
        graph.sum_duplicates()
    _refuse_rows(row_indices(graph)[~np.isfinite(graph.data)], name)
    return graph


def as_dense(matrix: Any, name: str) -> NDArray[Any]:
    """Return a dense matrix of finite numbers."""
    dense = np.asarray(matrix)
    _check_numbers(dense, name)
    _refuse_rows(np.nonzero(~np.isfinite(dense))[0], name)
    return dense


def _refuse_rows(bad_rows: NDArray[Any], name: str) -> None:
    """Raise if there is a row that is not finite."""
    if len(bad_rows):
        raise ValueError(
            f"row {bad_rows[0]} of {name} holds NaN or inf; expected finite numbers."
        )


def check_sparse(matrix: Any, name: str) -> csr_array:
    """Return a sparse matrix of any format as a csr_array, which may share its arrays.

    Compiled code trusts the indices: with ones that point outside of the matrix, or
    that fall where they must rise, it would read and write beyond the end of an array.
    """
    _check_numbers(matrix, name)
    try:
        if matrix.format == "lil":
            if [*map(len, matrix.rows)] != [*map(len, matrix.data)]:
                raise ValueError("rows and data differ in length.")
        elif matrix.format in _PARTS:  # anew, as its flags may tell of other arrays
            parts = tuple(getattr(matrix, part) for part in _PARTS[matrix.format])
            matrix = type(matrix)(parts, shape=matrix.shape)
            _check_indices(matrix)
        graph = csr_array(matrix)
        _check_indices(graph)
    except (ValueError, IndexError, TypeError) as error:
        raise ValueError(
            f"{name} is no valid sparse matrix of format {matrix.format!r}: {error}"
        ) from error
    return graph


def _check_numbers(matrix: Any, name: str) -> None:
    """Raise if it is no matrix, or not one of numbers."""
    if len(matrix.shape) != 2:
        raise ValueError(f"{name} has shape {matrix.shape}; expected two dimensions.")
    if matrix.dtype.kind not in "biuf":
        raise ValueError(f"{name} has dtype {matrix.dtype}; expected real numbers.")


def _check_indices(matrix: Any) -> None:
    """Raise if compressed rows or columns have indices that are wrong."""
    if hasattr(matrix, "check_format"):
        matrix.check_format(full_check=True)
        # Which it leaves out where nothing is stored.
        if (matrix.indptr[1:] < matrix.indptr[:-1]).any():
            raise ValueError("indptr must not fall.")


def above_threshold(scores: Any, threshold: float, name: str) -> csr_array:
    """Return the float64 scores of a matrix at or above a threshold, without zeros."""
    check_scalar(threshold, "threshold", Real, min_val=0, max_val=1)
    graph = as_csr(scores, name)
    # Scores are float32, and so is the threshold that they may equal.
    reaches = graph.data.astype(np.float32) >= np.float32(threshold)
    return keep_entries(graph.astype(np.float64), reaches & (graph.data != 0))
