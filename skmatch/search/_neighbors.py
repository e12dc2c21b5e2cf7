"""The nearest neighbours of each row: the candidates of a pair classifier."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from skmatch._progress import track
from skmatch.search._faiss_index import flat_index
from skmatch.search._similarities import Pairs, cosines, rounding
from skmatch.search._sparse import most_similar_sparse, sparse_neighbors
from skmatch.search._threads import limit_threads
from skmatch.search._unit_rows import Embeddings, Indices, draw

_LARGEST_FLAT = 20_000  # rows that are all compared
_ROWS_PER_CELL = 50  # that train its centroid
_N_SAMPLE = 2048  # rows whose true neighbours are known
# A scan of cells runs at an eighth of the speed of BLAS, which compares all rows.
_SLOWDOWN = 8


def nearest_neighbors(
    rows: Any,
    others: Any,
    n_neighbors: int,
    n_threads: int,
    *,
    largest_flat: int = _LARGEST_FLAT,
    target_recall: float = 0.995,
    max_probes: int = 256,
) -> tuple[Indices, Indices]:
    """Return the pairs (row, column) of each unit row and its most similar `others`.

    Sparse rows that share no column are not near, however few are nearer. Dense rows:

    1. Up to `largest_flat` others are all compared with each row; more, too, if the
       rows are so few that to sort the others into cells would take longer.
    2. More others lie in the cells of an inverted file, sqrt(n) of them; a row is
       compared with those in the cells of the nearest centroids.
    3. The number of these is doubled until rows of a sample have found `target_recall`
       of their true neighbours: while that number stays the same, time grows as
       n ** 1.5.
    4. Where so many cells are needed (an eighth of all) that to compare all rows is
       faster, that is done. A warning tells if `max_probes` cells are too few.
    """
    n_neighbors = min(n_neighbors, others.shape[0])
    if issparse(rows):
        return sparse_neighbors(rows, others, n_neighbors, n_threads)
    with limit_threads(n_threads):
        index: Any = flat_index(others)
        if len(others) > largest_flat and len(rows) ** 2 > len(others):
            index = _inverted_file(
                index, rows, others, n_neighbors, target_recall, max_probes
            )
        # All rows in one call: faiss uses BLAS for large batches only.
        column = index.search(rows, n_neighbors)[1].ravel()
    row = np.repeat(np.arange(len(rows)), n_neighbors)
    return row[column >= 0], column[column >= 0]


def neighbors_in_part(rows: Any, others: Any, n_neighbors: int) -> Pairs:
    """Return the most similar of some `others` of each unit row: all are compared.

    The most similar of all are among those of the parts of them.
    """
    if issparse(rows):
        return most_similar_sparse(rows, others, n_neighbors, 1)
    n_neighbors = min(n_neighbors, len(others))
    with limit_threads(1):
        similarity, column = flat_index(others).search(rows, n_neighbors)
    row = np.repeat(np.arange(len(rows)), n_neighbors)
    return row, column.ravel().astype(np.intp), similarity.ravel()


def _inverted_file(
    flat: Any,
    rows: Embeddings,
    others: Embeddings,
    n_neighbors: int,
    target_recall: float,
    max_probes: int,
) -> Any:
    """Return an inverted file of this recall, or `flat` where that is faster."""
    import faiss  # takes a quarter of a second: only when it is used

    n_cells = round(np.sqrt(len(others)))
    index: Any = faiss.index_factory(
        others.shape[1], f"IVF{n_cells},Flat", faiss.METRIC_INNER_PRODUCT
    )
    index.train(others[draw(len(others), _ROWS_PER_CELL * n_cells)])
    index.add(others)
    sample = rows[draw(len(rows), _N_SAMPLE, seed=1)]
    # Of equally similar neighbours any will do.
    least = flat.search(sample, n_neighbors)[0][:, -1:] - rounding(rows.shape[1])
    index.nprobe = 1
    while True:
        recall = float((index.search(sample, n_neighbors)[0] >= least).mean())
        if recall >= target_recall:
            return index
        if _SLOWDOWN * index.nprobe >= n_cells:
            return flat
        if index.nprobe >= max_probes:
            break
        index.nprobe *= 2
    warnings.warn(
        f"The search of candidates found {recall:.4f} of the {n_neighbors} nearest "
        f"neighbours of a sample of rows in {index.nprobe} of {n_cells} cells; "
        f"expected {target_recall}.",
        UserWarning,
        stacklevel=3,
    )
    return index


def most_similar(
    rows: Any,
    others: Any,
    indices: Indices,
    entries_per_block: int = 2**22,
) -> tuple[Indices, NDArray[np.float32]]:
    """Return the most similar of `others` for some unit rows, and its similarity.

    With `others` None, the most similar other row. Of equal ones, the first. A row
    without another has a similarity of 0.
    """
    is_self = others is None
    others = rows if others is None else others
    nearest = np.zeros(len(indices), dtype=np.intp)
    similarities = np.zeros(len(indices), dtype=np.float32)
    if is_self and rows.shape[0] == 1:
        return nearest, similarities
    step = max(1, entries_per_block // max(1, others.shape[0]))
    for start in track(range(0, len(indices), step), "Rows compared"):
        block = indices[start : start + step]
        products = rows[block] @ others.T
        products = products.toarray() if issparse(products) else products
        if is_self:
            products[np.arange(len(block)), block] = -np.inf
        column = products.argmax(axis=1)
        nearest[start : start + step] = column
        similarities[start : start + step] = (
            np.clip(products[np.arange(len(block)), column], -1, 1)
            if issparse(rows)
            else cosines(rows[block], others[column])
        )
    return nearest, similarities
