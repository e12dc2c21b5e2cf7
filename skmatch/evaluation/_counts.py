"""True, found and common matches of each row, in matrices, sets and groups."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, issparse
from sklearn.utils.validation import check_consistent_length

from skmatch._matrices import as_csr
from skmatch.evaluation._labels import BYTES, encode_labels


def is_matrix(y: Any) -> bool:
    """Tell a matrix from labels and from a sequence of id sets."""
    return issparse(y) or getattr(y, "ndim", 1) == 2


def is_numbers(y: Any) -> bool:
    """Tell group labels, which are numbers, from a sequence of id sets or of str."""
    values = np.asarray(y) if hasattr(y, "dtype") else np.array(y, dtype=object)
    is_filled = values.ndim == 1 and len(values) > 0
    return is_filled and isinstance(values[0], (Real, np.bool_))


def _as_bool(matches: csr_array) -> csr_array:
    """Return a copy that stores every match once and nothing else."""
    matches = matches.astype(bool)
    matches.sum_duplicates()
    matches.eliminate_zeros()
    return matches


def count_in_matrix(
    y_true: Any, found: csr_array
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Count true, found and common matches of each row of a match matrix."""
    found = _as_bool(found)
    n_found = np.diff(found.indptr)
    if is_matrix(y_true):
        true = _as_bool(as_csr(y_true, "y_true"))
        if true.shape != found.shape:
            raise ValueError(
                f"y_true has shape {true.shape} and y_pred {found.shape}; two match "
                "matrices must have the same shape."
            )
        n_both = true.multiply(found).sum(axis=1)
        return n_both.astype(np.int64), np.diff(true.indptr), n_found
    rows = y_true if isinstance(y_true, Iterable) else ()
    if any(isinstance(row, (set, frozenset)) for row in rows):
        raise ValueError(
            "y_true holds id sets and y_pred is a matrix; give labels or an indicator "
            "matrix as y_true, or id sets as y_pred."
        )
    codes = encode_labels(y_true, "y_true")
    if found.shape != (codes.size, codes.size):
        raise ValueError(
            f"y_true has {codes.size} labels and y_pred has shape {found.shape}; "
            f"expected shape {(codes.size, codes.size)}, the rows matched with one "
            "another."
        )
    row = found.tocoo(copy=False).coords[0]
    is_right = codes[row] == codes[found.indices]
    n_both = np.bincount(row[is_right], minlength=codes.size)
    return n_both, np.bincount(codes)[codes], n_found


def count_in_sets(
    y_true: Iterable[Any], y_pred: Iterable[Any]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Count true, found and common ids of each row of two sequences of id sets."""
    true, found = _id_sets(y_true, "y_true"), _id_sets(y_pred, "y_pred")
    check_consistent_length(true, found)
    kinds = [
        {isinstance(i, str) for row in rows for i in row} for rows in (true, found)
    ]
    if kinds[0] and kinds[1] and kinds[0] != kinds[1]:
        raise ValueError(
            "The ids of y_true and y_pred are not both str; expected ids of one kind "
            "(a matrix as y_pred must be a sparse or a numpy array)."
        )
    counts = [(len(t & p), len(t), len(p)) for t, p in zip(true, found, strict=True)]
    n_both, n_true, n_found = np.array(counts, dtype=np.int64).reshape(-1, 3).T
    return n_both, n_true, n_found


def _id_sets(rows: Iterable[Any], name: str) -> list[frozenset[Any]]:
    """Read each row as a set of ids."""
    if issparse(rows):
        raise ValueError(
            f"{name} is a matrix and the other argument is not; give both as matrices, "
            "or labels as y_true and a matrix as y_pred, or both as sequences of ids."
        )
    if isinstance(rows, (str, *BYTES)) or not isinstance(rows, Iterable):
        raise ValueError(
            f"{name}={rows!r:.50}; expected a sequence of id sets, or a matrix."
        )
    sets = []
    for index, row in enumerate(rows):
        if isinstance(row, BYTES) or not isinstance(row, Iterable):
            raise ValueError(
                f"row {index} of {name} is {row!r}; expected a set of ids or a string "
                "of space-separated ids (labels go with a match matrix or group labels "
                "that are numbers as y_pred)."
            )
        try:
            sets.append(frozenset(row.split() if isinstance(row, str) else row))
        except TypeError as error:
            raise ValueError(
                f"row {index} of {name} is {row!r:.50}; expected a set of ids, each "
                "int or str."
            ) from error
    return sets


def count_in_groups(
    y_true: Any, y_pred: Any
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Count true, found and common rows of the group of each row, itself included."""
    groups = encode_labels(y_pred, "y_pred")
    if is_matrix(y_true):
        true = as_csr(y_true, "y_true")
        if true.shape != (groups.size, groups.size):
            raise ValueError(
                f"y_true has shape {true.shape} and y_pred {groups.size} labels; "
                f"expected shape {(groups.size, groups.size)}, the rows of the groups."
            )
        n_both, n_found, n_true = count_in_matrix(groups, true)
        return n_both, n_true, n_found
    labels = encode_labels(y_true, "y_true")
    check_consistent_length(labels, groups)
    _, both, n_both = np.unique(
        labels * (groups.max(initial=0) + 1) + groups,
        return_inverse=True,
        return_counts=True,
    )
    return n_both[both], np.bincount(labels)[labels], np.bincount(groups)[groups]


def count_pairs(
    y_true: Any, y_pred: Any
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Count true, found and common matches of each row with other rows."""
    is_true = is_found = np.bool_(True)  # that a row matches itself
    if is_matrix(y_pred):
        found = as_csr(y_pred, "y_pred")
        if found.shape[0] != found.shape[1]:
            raise ValueError(
                f"y_pred has shape {found.shape}; expected a square matrix of matches."
            )
        n_both, n_true, n_found = count_in_matrix(y_true, found)
        is_found = found.diagonal() != 0
    else:
        n_both, n_true, n_found = count_in_groups(y_true, y_pred)
    if is_matrix(y_true):
        is_true = as_csr(y_true, "y_true").diagonal() != 0
    return n_both - (is_found & is_true), n_true - is_true, n_found - is_found
