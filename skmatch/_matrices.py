"""Matrices as users give them, sparse or dense: numbers, and indices that are right."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, issparse

_COMPRESSED = ("data", "indices", "indptr")
_PARTS = {  # of the formats that are made of arrays
    "csr": _COMPRESSED,
    "csc": _COMPRESSED,
    "bsr": _COMPRESSED,
    "coo": ("data", "coords"),
    "dia": ("data", "offsets"),
}


def as_csr(matrix: Any, name: str) -> csr_array:
    """Return a matrix of finite numbers, sparse or dense, as a sorted csr_array.

    What a sparse one stores twice is summed; of bool, two are one. The arrays of the
    caller stay as they are.
    """
    if not issparse(matrix):
        dense = as_dense(matrix, name)
        is_half = dense.dtype == np.float16  # which scipy does not know
        native = np.dtype(np.float32) if is_half else dense.dtype.newbyteorder("=")
        return csr_array(dense.astype(native, copy=False))
    graph = check_sparse(matrix, name)
    if not graph.has_canonical_format:
        graph = graph.copy()
        graph.sum_duplicates()
    _refuse_rows(graph.tocoo(copy=False).coords[0][~np.isfinite(graph.data)], name)
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
