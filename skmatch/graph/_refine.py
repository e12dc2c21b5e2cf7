"""What may be done to similarities after the search, each under its own assumption."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, issparse
from sklearn.preprocessing import normalize
from sklearn.utils import check_scalar

_ENTRIES_PER_BLOCK = 2**22


def limit_matches(
    similarities: Any, max_matches: int, *, reciprocal: bool = False
) -> csr_array:
    """Keep the most similar matches of each row.

    It assumes that a product has no more than `max_matches` rows besides; with
    `reciprocal`, that a right match is one from either side.

    Parameters
    ----------
    similarities : sparse or dense matrix of shape (n_samples, n_samples_fit)
        Similarities; what is not stored does not match. A row itself, if it is stored,
        counts as a match.
    max_matches : int
        Number of matches of a row that are kept, at least 1. Of equal ones, the first.
    reciprocal : bool, default=False
        Whether to keep a match only if it is also among the first `max_matches` of its
        column.

    Returns
    -------
    similarities : csr_array of shape (n_samples, n_samples_fit), dtype float32
        Those that are kept. Without `reciprocal` the result is not symmetric, even if
        `similarities` are.

    Raises
    ------
    ValueError
        If `max_matches` is smaller than 1.

    Examples
    --------
    >>> import numpy as np
    >>> from skmatch import limit_matches
    >>> similarities = np.array([[0, 0.9, 0.8], [0.9, 0, 0], [0.8, 0, 0]])
    >>> limit_matches(similarities, 1).toarray()
    array([[0. , 0.9, 0. ],
           [0.9, 0. , 0. ],
           [0.8, 0. , 0. ]], dtype=float32)
    >>> limit_matches(similarities, 1, reciprocal=True).nnz
    2
    """
    check_scalar(max_matches, "max_matches", Integral, min_val=1)
    graph = csr_array(similarities, dtype=np.float32, copy=True)
    graph.sum_duplicates()
    kept = _is_among_first(graph, max_matches)
    if reciprocal:
        number = csr_array(
            (np.arange(graph.nnz, dtype=np.float64), graph.indices, graph.indptr),
            shape=graph.shape,
        ).T.tocsr()
        other_side = graph.T.tocsr()
        kept_by_column = np.empty(graph.nnz, dtype=bool)
        kept_by_column[number.data.astype(np.intp)] = _is_among_first(
            other_side, max_matches
        )
        kept &= kept_by_column
    entries = graph.tocoo()
    places = entries.row[kept], entries.col[kept]
    return csr_array((entries.data[kept], places), shape=graph.shape)


def blend_neighbours(embeddings: Any, similarities: Any) -> Any:
    """Replace each row by the mean of it and its matches, weighted by similarity.

    It assumes that most matches are right: the matches of a product then have nearly
    the same embedding, and a second search finds those that the first one missed.

    Parameters
    ----------
    embeddings : array-like or sparse array of shape (n_samples, n_features)
        Rows of unit L2 norm.
    similarities : sparse matrix of shape (n_samples, n_samples)
        Similarities of the matches. The diagonal counts as 1.

    Returns
    -------
    embeddings : ndarray or csr_array of shape (n_samples, n_features)
        Blended rows of unit L2 norm; float32 if they are dense.

    Raises
    ------
    ValueError
        If the shapes do not fit together.

    Examples
    --------
    >>> import numpy as np
    >>> from skmatch import blend_neighbours
    >>> blend_neighbours(np.eye(2), np.array([[1.0, 1.0], [0.0, 1.0]])).round(3)
    array([[0.707, 0.707],
           [0.   , 1.   ]], dtype=float32)
    """
    graph = csr_array(similarities, dtype=np.float32, copy=True)
    rows = embeddings if issparse(embeddings) else np.asarray(embeddings, np.float32)
    if graph.shape != (rows.shape[0], rows.shape[0]):
        raise ValueError(
            f"similarities has shape {graph.shape} and embeddings {rows.shape}; "
            f"expected {(rows.shape[0], rows.shape[0])}."
        )
    others = graph - csr_array(
        (graph.diagonal(), (np.arange(graph.shape[0]),) * 2), shape=graph.shape
    )
    return normalize(rows + others @ rows)


def match_lonely_rows(
    similarities: Any, embeddings: Any, catalogue: Any = None
) -> csr_array:
    """Give every row without a match its nearest row.

    It assumes that every product has at least two rows.

    Parameters
    ----------
    similarities : sparse matrix of shape (n_samples, n_catalogue)
        Similarities of the matches, without the rows themselves.
    embeddings : array-like or sparse array of shape (n_samples, n_features)
        Rows of unit L2 norm.
    catalogue : array-like or sparse array of shape (n_catalogue, n_features), \
default=None
        The rows to match with; None is `embeddings`, where no row matches itself.

    Returns
    -------
    similarities : csr_array of shape (n_samples, n_catalogue), dtype float32
        With one more entry in each row that had none. A row whose nearest one has a
        similarity of 0 or less remains alone.

    Raises
    ------
    ValueError
        If the shapes do not fit together.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.sparse import csr_array
    >>> from skmatch import match_lonely_rows
    >>> embeddings = np.array([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]])
    >>> match_lonely_rows(csr_array((3, 3)), embeddings).toarray()
    array([[0. , 0.6, 0. ],
           [0. , 0. , 0.8],
           [0. , 0.8, 0. ]], dtype=float32)
    """
    graph = csr_array(similarities, dtype=np.float32)
    others = embeddings if catalogue is None else catalogue
    rows = embeddings if issparse(embeddings) else np.asarray(embeddings)
    others = others if issparse(others) else np.asarray(others)
    if graph.shape != (rows.shape[0], others.shape[0]):
        raise ValueError(
            f"similarities has shape {graph.shape}; expected "
            f"{(rows.shape[0], others.shape[0])}, as the embeddings."
        )
    lonely = np.flatnonzero(np.diff(graph.indptr) == 0)
    nearest = np.empty(len(lonely), dtype=np.intp)
    values = np.empty(len(lonely), dtype=np.float32)
    step = max(1, _ENTRIES_PER_BLOCK // max(1, others.shape[0]))
    for start in range(0, len(lonely), step):
        some = lonely[start : start + step]
        block = rows[some] @ others.T
        block = block.toarray() if issparse(block) else block
        if catalogue is None:
            block[np.arange(len(some)), some] = -np.inf
        nearest[start : start + step] = block.argmax(axis=1)
        values[start : start + step] = block.max(axis=1)
    near, entries = values > 0, graph.tocoo()
    row = np.concatenate([entries.row, lonely[near]])
    column = np.concatenate([entries.col, nearest[near]])
    data = np.concatenate([entries.data, values[near]])
    return csr_array((data, (row, column)), shape=graph.shape)


def _is_among_first(graph: csr_array, n_first: int) -> NDArray[np.bool_]:
    """Mark the entries of a csr array that are the largest of their row."""
    row = np.repeat(np.arange(graph.shape[0]), np.diff(graph.indptr))
    order = np.lexsort((graph.indices, -graph.data, row))
    is_first = np.empty(graph.nnz, dtype=bool)
    is_first[order] = np.arange(graph.nnz) - graph.indptr[row[order]] < n_first
    return is_first
