"""Nearest neighbours of sparse rows, and all pairs of them above a threshold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, csr_matrix

from skmatch._progress import track
from skmatch.search._similarities import Pairs, join
from skmatch.search._unit_rows import Indices

# Products of entries, that is rows that share a column. Without a limit two TF-IDF
# embedders find 0.1 % more of the matches of 20,560 titles, in four times as long.
_WORK_PER_ROW = 10_000
_ROWS_WITH_EQUALS = 2**10  # whose products are all in memory


def sparse_neighbors(
    rows: csr_array,
    others: csr_array,
    n_neighbors: int,
    n_threads: int,
    *,
    rows_per_block: int = 2**14,
    work_per_row: int = _WORK_PER_ROW,
) -> tuple[Indices, Indices]:
    """Return the most similar `others` of each row, among those that share a column.

    Where the columns of a row are in too many of `others` to compare it with all of
    these, only its rarest columns count. Of equally similar ones come the first.
    """
    rows = keep_rarest(rows, count_rows_with(others), work_per_row)
    row, column, _ = most_similar_sparse(
        rows, others, n_neighbors, n_threads, rows_per_block
    )
    return row, column


def count_rows_with(rows: csr_array) -> NDArray[np.int64]:
    """Return the number of rows that have each column: (n_columns,)."""
    return np.bincount(rows.indices, minlength=rows.shape[1]).astype(np.int64)


def keep_rarest(
    rows: csr_array,
    n_rows_with: NDArray[np.integer],
    work_per_row: int = _WORK_PER_ROW,
) -> csr_array:
    """Keep the rarest columns of each row, as many as its share of the work allows.

    `n_rows_with` is the number of others that have each column. So the time of a search
    is linear in the rows. One column always stays.
    """
    row = _row_indices(rows)
    work = n_rows_with[rows.indices].astype(np.int64)
    rising = np.lexsort((work, row))
    done = np.cumsum(work[rising]) - work[rising]
    done -= done[rows.indptr[row]]  # by the rarer columns of the same row
    is_kept = np.empty(len(row), bool)
    is_kept[rising] = (done == 0) | (done + work[rising] <= work_per_row)
    kept = rows.copy()
    kept.data[~is_kept] = 0
    kept.eliminate_zeros()
    return kept


def most_similar_sparse(
    rows: csr_array,
    others: csr_array,
    n_neighbors: int,
    n_threads: int,
    rows_per_block: int = 2**14,
) -> Pairs:
    """Return the most similar `others` of each row; of equally similar ones, the first.

    So the neighbours among parts of the others hold those among all.
    """
    columns = csr_matrix(others.T)
    found = [join([])]
    starts = range(0, rows.shape[0], rows_per_block)
    for start in track(starts, "Candidates found"):
        block = csr_matrix(rows[start : start + rows_per_block])
        row, column, similarity = _multiply(block, columns, n_neighbors, n_threads)
        found.append((row + start, column, similarity))
    return join(found)


def _multiply(
    rows: csr_matrix, columns: csr_matrix, n_best: int, n_threads: int
) -> Pairs:
    """Return the largest products of each row; of equal ones, the first."""
    from sparse_dot_topn import sp_matmul, sp_matmul_topn

    # One more shows whether the last of the best has equals; any of them are found.
    found = sp_matmul_topn(rows, columns, top_n=n_best + 1, n_threads=n_threads)
    has_more = np.flatnonzero(np.diff(found.indptr) > n_best)
    last, after = _sort_falling(found, has_more, n_best + 1)[:, -2:].T
    has_equals, last = has_more[last == after], last[last == after]
    is_clear = np.ones(rows.shape[0], bool)
    is_clear[has_equals] = False
    parts = [_entries(found, is_clear[_row_indices(found)])]
    for start in range(0, len(has_equals), _ROWS_WITH_EQUALS):
        some = slice(start, start + _ROWS_WITH_EQUALS)
        every = sp_matmul(rows[has_equals[some]], columns, n_threads=n_threads)
        row, column, product = _entries(
            every, every.data >= last[some][_row_indices(every)]
        )
        parts.append((has_equals[some][row], column, product))
    row, column, product = join(parts)
    order = np.lexsort((column, -product, row))
    n_before = np.append(0, np.bincount(row, minlength=rows.shape[0]).cumsum())
    kept = order[np.arange(len(row)) - n_before[row[order]] < n_best]
    return row[kept], column[kept], product[kept]


def _entries(matrix: csr_matrix, mask: NDArray[np.bool_]) -> Pairs:
    """Return those entries that a mask marks: row, column, value."""
    column = matrix.indices[mask].astype(np.intp)
    return _row_indices(matrix)[mask], column, matrix.data[mask]


def _row_indices(matrix: Any) -> Indices:
    """Return the row of each stored entry."""
    return np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))


def _sort_falling(
    matrix: csr_matrix, rows: Indices, n_each: int
) -> NDArray[np.float32]:
    """Return the entries of rows that have so many each, the largest first."""
    entries = matrix[rows].data.reshape(len(rows), n_each)
    return -np.sort(-entries, axis=1)


def sparse_pairs(
    rows: csr_array,
    others: csr_array | None,
    threshold: float,
    entries_per_block: int = 2**24,
) -> Iterator[Pairs]:
    """Yield the pairs at or above the threshold, with their similarity.

    All pairs are compared, in float64. With `others` None, those of `rows` with
    themselves, as (smaller, larger).
    """
    is_self = others is None
    others = rows if others is None else others
    n_rows, n_others = rows.shape[0], others.shape[0]
    # Full columns (embeddings beside TF-IDF) go through BLAS, the others are sparse.
    is_full = np.bincount(others.indices, minlength=others.shape[1]) > n_others / 4
    full_rows, full_others = (x[:, is_full].toarray() for x in (rows, others))
    rows, others = rows[:, ~is_full], others[:, ~is_full].T.tocsr()
    step = max(1, entries_per_block // max(1, n_others))
    for start in track(range(0, n_rows, step), "Rows compared"):
        block = slice(start, start + step)
        similarities = (rows[block] @ others).toarray()
        similarities += full_rows[block] @ full_others.T
        # Rounding must not part equal rows, nor a pair from its mirror image.
        similarities = np.clip(similarities, -1, 1).astype(np.float32)
        found = similarities >= np.float32(threshold)
        if is_self:
            found = np.triu(found, k=start + 1)
        row, column = found.nonzero()
        yield row + start, column, similarities[row, column]
