"""Drawn unit vectors, and an embedder that reads them from a file."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.preprocessing import normalize


def make_vectors(kind: str, n_rows: int) -> np.ndarray:
    """Draw clustered unit vectors of 100 dimensions."""
    rng = np.random.default_rng(0)
    n_directions = {"struct": 20, "iso": 100}[kind]
    spread = rng.normal(size=(n_directions, 100)).astype(np.float32)
    centres = rng.normal(size=(n_rows // 3, n_directions)).astype(np.float32) @ spread
    normalize(centres, copy=False)
    rows = centres[rng.integers(len(centres), size=n_rows)]
    rows += np.float32(0.02) * rng.standard_normal(rows.shape, dtype=np.float32)
    return normalize(rows, copy=False)


class VectorsOfFile(TransformerMixin, BaseEstimator):
    """Embeds a title that is the number of a row as that row of a .npy file."""

    def __init__(self, path: str) -> None:
        self.path = path

    def fit(self, X: Any, y: Any = None) -> Self:
        """Take the file as it is."""
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Return the rows of the file: (n_titles, n_features)."""
        return np.load(self.path, mmap_mode="r")[np.asarray(X).astype(np.int64)]

    def __sklearn_is_fitted__(self) -> bool:
        return True
