"""In which directions rows are shortened, and what it costs to compare them so.

Costs are counted in floating-point operations (flop).
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from sklearn.utils.extmath import randomized_svd

from skmatch.search._radius import norm_of_rest
from skmatch.search._unit_rows import Embeddings, draw

_LENGTHS = (7, 15, 23, 31, 47, 63, 95, 127, 191, 255)
_ROWS_OF_PCA, _ROWS_OF_RANDOMIZED_PCA = 20_000, 2000
_FEW, _MANY = 256, 4096  # rows that are compared with one another, to count the pairs
# What else than flop the steps cost, in flop that take as long: to compare a similarity
# with the threshold; to rank a pair again, for each column. Measured on a core of 85
# Gflop/s, as are the costs of PCA.
COMPARE, _RERANK = 10, 170


class Prefix(NamedTuple):
    """What it costs to compare pairs by the first columns of their rotated rows."""

    directions: Embeddings | None
    n_columns: int
    pairs: float  # flop to compare all pairs
    reranks: float  # flop to rank those again that the bound lets through

    def flop(self, share: float) -> float:
        """Return the cost of comparing a share of the pairs."""
        return share * self.pairs + self.reranks


def measure_prefixes(
    left: Embeddings,
    right: Embeddings,
    threshold: float,
    n_pairs: float,
    budget: float,
) -> list[Prefix]:
    """Measure on a sample what prefixes of several lengths let through.

    The first prefix is the whole row. The longest ones are left out as far as to
    measure them would cost more than a budget.
    """
    n_features = left.shape[1]
    prefixes = [Prefix(None, n_features, n_pairs * (2 * n_features + COMPARE), 0.0)]
    lengths = [n for n in _LENGTHS if n < n_features / 1.5 and n <= len(right)]
    while lengths and _flop_to_measure(left, right, lengths[-1]) > budget:
        lengths.pop()
    if not lengths:
        return prefixes
    is_full = _flop_of_pca(right) + _flop_to_compare(left, right, lengths[-1]) <= budget
    rotation = (_pca if is_full else _randomized_pca)(right, lengths[-1])
    few, many = left[draw(len(left), _FEW)], right[draw(len(right), _MANY)]
    rotated_few, rotated_many = few @ rotation, many @ rotation
    inner = np.zeros((len(few), len(many)), np.float32)  # of the prefixes
    for start, end in pairwise([0, *lengths]):
        inner += rotated_few[:, start:end] @ rotated_many[:, start:end].T
        rest = [
            norm_of_rest(rows, rotated[:, :end])
            for rows, rotated in ((few, rotated_few), (many, rotated_many))
        ]
        share = float((inner + np.multiply.outer(*rest) >= threshold).mean())
        directions = np.ascontiguousarray(rotation[:, :end])
        pairs = n_pairs * (2 * end + 2 + COMPARE)
        reranks = n_pairs * share * _RERANK * n_features
        prefixes.append(Prefix(directions, end + 1, pairs, reranks))
    return prefixes


def _pca(rows: Embeddings, n_directions: int) -> Embeddings:
    """Return the directions in which rows are longest: (n_features, n_directions)."""
    sample = rows[draw(len(rows), _ROWS_OF_PCA)].astype(np.float64)
    rising = np.linalg.eigh(sample.T @ sample)[1]
    return rising[:, ::-1][:, :n_directions].astype(np.float32)


def _randomized_pca(rows: Embeddings, n_directions: int) -> Embeddings:
    """Return nearly the same directions, at a cost that is linear in the columns."""
    sample = rows[draw(len(rows), _ROWS_OF_RANDOMIZED_PCA)]
    directions = randomized_svd(sample, n_directions, n_iter=2, random_state=0)[2]
    return np.ascontiguousarray(directions.T)


def _flop_of_pca(rows: Embeddings) -> float:
    n_rows, n_features = min(len(rows), _ROWS_OF_PCA), rows.shape[1]
    return 2.0 * n_rows * n_features**2 + 17.0 * n_features**3


def _flop_of_randomized_pca(rows: Embeddings, n_directions: int) -> float:
    n_rows, n_features = min(len(rows), _ROWS_OF_RANDOMIZED_PCA), rows.shape[1]
    return 20.0 * n_rows * n_features * (n_directions + 10)


def _flop_to_compare(left: Embeddings, right: Embeddings, n_directions: int) -> float:
    n_few, n_many = min(len(left), _FEW), min(len(right), _MANY)
    return 2.0 * n_directions * ((n_few + n_many) * left.shape[1] + n_few * n_many)


def _flop_to_measure(left: Embeddings, right: Embeddings, n_directions: int) -> float:
    return _flop_to_compare(left, right, n_directions) + min(
        _flop_of_pca(right), _flop_of_randomized_pca(right, n_directions)
    )
