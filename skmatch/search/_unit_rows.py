"""Unit rows, and samples of them: what every search starts with."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, issparse
from sklearn.preprocessing import normalize

Embeddings = NDArray[np.float32]  # unit rows, (n_rows, n_features)
Indices = NDArray[np.intp]


def unit_rows(
    X: Any, sparse_dtype: Any = np.float32, rows_per_block: int = 2**16
) -> Any:
    """Scale finite rows to unit L2 norm; rows of zeros stay as they are.

    First each row is scaled by the power of two that brings its largest entry near 1,
    which is exact and keeps the squares of 1e-300 and of 1e308 from vanishing or
    overflowing. Dense rows become float32 (C-contiguous, block by block: X may be
    larger than memory), sparse ones a csr_array of `sparse_dtype` without zeros.
    """
    if issparse(X):
        wide = X.dtype if X.dtype in (np.float32, np.float64) else np.float64
        rows = csr_array(X, dtype=wide, copy=True)
        rows.sum_duplicates()
        rows.eliminate_zeros()
        largest = abs(rows).max(axis=1).toarray().ravel()
        for factor in _powers_of_two(largest):
            rows.data *= np.repeat(factor, np.diff(rows.indptr))
        return normalize(rows.astype(sparse_dtype, copy=False), copy=False)
    X = np.asarray(X)
    wide = np.float32 if X.dtype == np.float32 else np.float64
    unit = np.empty(X.shape, dtype=np.float32)
    for start in range(0, len(X), rows_per_block):
        block = X[start : start + rows_per_block].astype(wide, copy=False)
        largest = abs(block).max(axis=1, initial=0)
        scaled = unit[start : start + rows_per_block]
        first, second = _powers_of_two(largest)
        scaled[:] = block * first[:, None] * second[:, None]
        normalize(scaled, copy=False)
    return unit


def _powers_of_two(largest: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return two factors, powers of two, that bring numbers to [0.5, 1).

    One alone may be too large for a float.
    """
    exponent = -np.frexp(largest)[1]
    half = exponent // 2
    ones = np.ones_like(largest)
    return np.ldexp(ones, half), np.ldexp(ones, exponent - half)


def draw(n_rows: int, n_drawn: int, seed: int = 0) -> Indices:
    """Draw some of n rows, or all of them, in random order; the same ones each time."""
    rng = np.random.default_rng(seed)
    if n_rows <= n_drawn:
        return rng.permutation(n_rows)
    return rng.choice(n_rows, n_drawn, replace=False)
