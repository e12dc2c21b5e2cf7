"""The nearest rows of each row: the candidates that a second look decides on."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, csr_matrix, issparse
from sklearn.preprocessing import normalize

_ROWS_PER_BLOCK = 2**14
_PAIRS_PER_BLOCK = 2**16
_WORK_PER_ROW = 100_000  # rows that a sparse row is compared with, once a shared word


def unit_rows(embeddings: Any) -> Any:
    """Scale embeddings to unit L2 norm: dense or sparse float32."""
    if issparse(embeddings):
        return normalize(csr_array(embeddings, dtype=np.float32))
    return normalize(np.ascontiguousarray(embeddings, dtype=np.float32))


def find_nearest(
    rows: Any, others: Any, n_nearest: int, n_threads: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the places of the most similar rows of `others` for each unit row.

    Sparse rows without a word in common are not near, however few are nearer. Where
    their words are in too many of `others` to look at all of these, the rarest count.
    """
    n_nearest = min(n_nearest, others.shape[0])
    if issparse(rows):
        from sparse_dot_topn import sp_matmul_topn

        columns = csr_matrix(others.T)
        rows = _keep_rarest(rows, np.diff(columns.indptr))
        found = [
            sp_matmul_topn(
                csr_matrix(rows[start : start + _ROWS_PER_BLOCK]),
                columns,
                top_n=n_nearest,
                n_threads=n_threads,
            ).tocoo()
            for start in range(0, rows.shape[0], _ROWS_PER_BLOCK)
        ]
        places = [part.row + i * _ROWS_PER_BLOCK for i, part in enumerate(found)]
        columns_found = [part.col for part in found]
        return (
            np.concatenate(places).astype(np.intp),
            np.concatenate(columns_found).astype(np.intp),
        )
    import faiss
    from threadpoolctl import threadpool_limits

    index = faiss.IndexFlatIP(others.shape[1])
    index.add(others)
    with threadpool_limits(n_threads):
        place = index.search(rows, n_nearest)[1].ravel()
    row = np.repeat(np.arange(len(rows)), n_nearest)
    return row[place >= 0], place[place >= 0]


def _keep_rarest(rows: csr_array, n_rows_with: NDArray[np.integer]) -> csr_array:
    """Keep the rarest words of each row, as many as its share of the work allows.

    So the time of a search is linear in the rows. One word always stays.
    """
    row = np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))
    work = n_rows_with[rows.indices].astype(np.int64)
    rising = np.lexsort((work, row))
    done = np.cumsum(work[rising]) - work[rising]
    done -= done[rows.indptr[row]]  # by the rarer words of the same row
    is_kept = np.empty(len(row), bool)
    is_kept[rising] = (done == 0) | (done + work[rising] <= _WORK_PER_ROW)
    kept = rows.copy()
    kept.data[~is_kept] = 0
    kept.eliminate_zeros()
    return kept


def inner_products(
    rows: Any, others: Any, left: NDArray[np.intp], right: NDArray[np.intp]
) -> NDArray[np.float32]:
    """Return the inner product of a row and another for each pair."""
    parts = [np.empty(0, np.float32)]
    for start in range(0, len(left), _PAIRS_PER_BLOCK):
        a = rows[left[start : start + _PAIRS_PER_BLOCK]]
        b = others[right[start : start + _PAIRS_PER_BLOCK]]
        product = a.multiply(b).sum(axis=1) if issparse(a) else (a * b).sum(axis=1)
        parts.append(np.asarray(product, np.float32).ravel())
    return np.concatenate(parts)
