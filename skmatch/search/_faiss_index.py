"""Rows in a faiss index: the catalogue as it is, or any index that faiss can make."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from skmatch.search._recall import Recall, interval
from skmatch.search._similarities import Pairs, join, rerank, rounding
from skmatch.search._unit_rows import Embeddings

# faiss leaves BLAS for batches with rows * dimensions < 128,000, and is 6 times slower.
_ROWS_PER_SEARCH = 4096
_FIRST_K = 32
_LARGEST_K_OF_GPUS = 2048


def flat_index(rows: Embeddings) -> faiss.IndexFlatIP:
    """Put rows into an index that keeps them as they are."""
    index = faiss.IndexFlatIP(rows.shape[1])
    index.add(np.ascontiguousarray(rows))
    return index


def rows_of(index: faiss.IndexFlatIP) -> Embeddings:
    """Return the rows of a flat index, without a copy."""
    values = faiss.rev_swig_ptr(index.get_xb(), index.ntotal * index.d)
    return values.reshape(index.ntotal, index.d)


def make_index(rows: Embeddings, factory: str) -> Any:
    """Train the index of a factory string on rows and add them."""
    try:
        index = faiss.index_factory(rows.shape[1], factory, faiss.METRIC_INNER_PRODUCT)
        index.train(rows)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(
            f"index={factory!r}; expected 'auto', 'exact', 'cells' or a faiss factory "
            f"string that fits {rows.shape[0]} rows of {rows.shape[1]} columns: {error}"
        ) from error
    index.add(rows)
    return index


def clone_index(index: Any) -> Any:
    """Return a copy of an index, whose parameters may be changed."""
    return faiss.clone_index(index)


def tune_index(
    index: Any,
    sample: Embeddings,
    pairs: Pairs,
    catalogue: Embeddings,
    threshold: float,
    target: float,
) -> Recall:
    """Double nprobe or efSearch until a sample's pairs are found; return the recall."""
    effort, n_rows = 1, index.ntotal
    wanted = pairs[0] * n_rows + pairs[1]
    while True:
        is_tuned = _set_effort(index, effort)
        row, column, _ = join(search_index(index, sample, catalogue, threshold))
        n_missed = int((~np.isin(wanted, row * n_rows + column)).sum())
        recall = interval(len(wanted), n_missed, np.bincount(pairs[0]))
        if recall.low >= target or not n_missed or not is_tuned or effort >= n_rows:
            return recall
        effort *= 2


def search_index(
    index: Any, queries: Embeddings, catalogue: Embeddings, threshold: float
) -> Iterator[Pairs]:
    """Yield the pairs of queries and indexed rows at or above the threshold.

    The number of neighbours grows until the last one of a row is below the threshold.
    GPUs search, if a build of faiss for them is installed, up to the number of
    neighbours that they can give.
    """
    bound = threshold - rounding(queries.shape[1])
    on_gpus = _copy_to_gpus(index)
    for start in range(0, max(1, len(queries)), _ROWS_PER_SEARCH):
        rows: NDArray[np.intp] = np.arange(
            start, min(start + _ROWS_PER_SEARCH, len(queries))
        )
        k = _FIRST_K
        while len(rows):
            k = min(4 * k, index.ntotal)
            found_by = index if k > _LARGEST_K_OF_GPUS else on_gpus
            similarities, neighbours = found_by.search(queries[rows], k)
            is_open = (similarities[:, -1] >= bound) & (k < index.ntotal)
            hit = (similarities >= bound) & (neighbours >= 0) & ~is_open[:, None]
            row, rank = hit.nonzero()
            yield rerank(
                queries, catalogue, rows[row], neighbours[row, rank], threshold
            )
            rows = rows[is_open]


def _copy_to_gpus(index: Any) -> Any:
    """Return a copy of an index on the GPUs that there are, or else the index."""
    if not faiss.get_num_gpus():
        return index
    try:
        return faiss.index_cpu_to_all_gpus(index)
    except RuntimeError:  # such as HNSW, which is for CPUs only
        return index


def _set_effort(index: Any, effort: int) -> bool:
    """Set how much of an index is searched; tell whether it has such a parameter."""
    for name in ("nprobe", "efSearch"):
        try:
            faiss.ParameterSpace().set_index_parameter(index, name, effort)
        except RuntimeError:
            continue
        return True
    return False
