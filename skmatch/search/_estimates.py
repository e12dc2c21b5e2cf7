"""How many pairs a threshold gives, estimated from a sample of rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from skmatch.search._unit_rows import draw, unit_rows

_MATCHES_PER_ROW = 100


def lowest_threshold(rows: Any, max_pairs: int) -> float:
    """Return a threshold at which rows have about a hundred matches each.

    It is a quantile of the similarities of 256 rows with all the others; fewer matches
    where there would be more than `max_pairs` in all.
    """
    n_rows = rows.shape[0]
    rows = unit_rows(rows, sparse_dtype=np.float64)
    similarities = _dense(rows[draw(n_rows, 256)] @ rows.T)
    n_matches = min(_MATCHES_PER_ROW, max_pairs // n_rows)
    share = min(1.0, n_matches / n_rows)
    lowest = float(np.quantile(similarities, 1 - share))
    if issparse(rows) and lowest <= 0:  # rows without a word in common: all the others
        lowest = float(similarities[similarities > 0].min(initial=1.0))
    return max(-1.0, min(1.0, lowest))


def refuse_too_many(rows: Any, others: Any, threshold: float, max_pairs: int) -> None:
    """Raise if the threshold is so low that there are too many pairs."""
    n_all = rows.shape[0] * others.shape[0]
    if n_all <= max_pairs:
        return
    sample = others[draw(others.shape[0], 20_000)]
    similarities = _dense(rows[draw(rows.shape[0], 256)] @ sample.T)
    n_pairs = (similarities >= threshold).mean() * n_all
    if n_pairs > max_pairs:
        fits = np.quantile(similarities, 1 - max_pairs / n_all)
        raise ValueError(
            f"threshold={threshold} would find about {n_pairs:.2g} pairs; expected at "
            f"most max_pairs={max_pairs:.2g}, as with a threshold of about "
            f"{min(1.0, fits + 0.005):.2f}."
        )


def _dense(similarities: Any) -> NDArray[Any]:
    return similarities.toarray() if issparse(similarities) else similarities
