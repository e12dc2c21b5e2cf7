"""Which pairs of a score graph may match: by what is known besides their scores."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array

from skmatch._matrices import as_csr
from skmatch.evaluation import encode_known_labels
from skmatch.graph._csr import keep_entries, replace_entries, row_indices


def filter_pairs(
    score_graph: Any,
    *,
    source: ArrayLike | None = None,
    category: ArrayLike | None = None,
    same: ArrayLike | None = None,
    different: ArrayLike | None = None,
) -> csr_array:
    """Leave out of a score graph the pairs that cannot match.

    Parameters
    ----------
    score_graph : sparse or dense matrix of shape (n_samples, n_samples)
        Scores of pairs, as of :meth:`PairClassifierMatcher.score_graph`, symmetric.
    source : array-like of shape (n_samples,) or None, default=None
        Where each row comes from, such as its shop, int or str: two rows of the same
        source never match. A row without one (None, NaN or -1) may match any.
    category : array-like of shape (n_samples,) or None, default=None
        What kind each row is of, int or str: rows of different categories never match.
        A row without one may match any.
    same : array-like of int of shape (n_pairs, 2) or None, default=None
        Pairs of rows that are the same product: their score becomes 1, the highest
        there is, whatever the other parameters say.
    different : array-like of int of shape (n_pairs, 2) or None, default=None
        Pairs of rows that are not.

    Returns
    -------
    score_graph : csr_array of shape (n_samples, n_samples), dtype float32
        The scores of the pairs that are left, for ``matcher.decide``,
        :func:`decide_matches` or :func:`group_matches`. That a pair is left out does
        not keep :func:`group_matches` from putting its rows into one group by way of
        others.

    Raises
    ------
    ValueError
        If the graph is not square, a length is another than its number of rows, a pair
        holds no two rows of it, or a pair is both the same and different.

    Examples
    --------
    >>> import numpy as np
    >>> from skmatch import filter_pairs
    >>> scores = np.array([[0, 0.9, 0.8], [0.9, 0, 0.3], [0.8, 0.3, 0]])
    >>> filter_pairs(scores, source=["shop a", "shop a", "shop b"]).toarray()
    array([[0. , 0. , 0.8],
           [0. , 0. , 0.3],
           [0.8, 0.3, 0. ]], dtype=float32)
    >>> filter_pairs(scores, same=[[1, 2]], different=[[0, 2]]).toarray()
    array([[0. , 0.9, 0. ],
           [0.9, 0. , 1. ],
           [0. , 1. , 0. ]], dtype=float32)
    """
    with np.errstate(over="ignore"):  # what float32 cannot hold is infinite
        graph = as_csr(score_graph, "score_graph").astype(np.float32)
    n_rows = graph.shape[0]
    if graph.shape[1] != n_rows:
        raise ValueError(
            f"score_graph has shape {graph.shape}; expected a square matrix."
        )
    row, column = row_indices(graph), graph.indices
    is_left = np.ones(graph.nnz, bool)
    if source is not None:
        codes = _encode(source, "source", n_rows)
        is_left &= (codes[row] != codes[column]) | (codes[row] < 0)
    if category is not None:
        codes = _encode(category, "category", n_rows)
        is_known = (codes[row] >= 0) & (codes[column] >= 0)
        is_left &= (codes[row] == codes[column]) | ~is_known
    alike, apart = _check(same, "same", n_rows), _check(different, "different", n_rows)
    _refuse_both(alike, apart, n_rows)
    ways = row.astype(np.int64) * n_rows + column
    is_left &= ~np.isin(ways, _keys(apart, n_rows))
    graph = keep_entries(graph, is_left)
    if not len(alike):
        return graph
    left, right = np.concatenate([alike, alike[:, ::-1]]).T
    return replace_entries(graph, left, right, np.ones(len(left)))


def _encode(values: Any, name: str, n_rows: int) -> NDArray[np.intp]:
    """Return the values of the rows as 0, 1, ..., and -1 where one is missing."""
    codes = encode_known_labels(values, name)
    if len(codes) != n_rows:
        raise ValueError(
            f"{name} has {len(codes)} values; expected {n_rows}, one for each row of "
            "score_graph."
        )
    return codes


def _check(pairs: Any, name: str, n_rows: int) -> NDArray[np.int64]:
    """Return pairs of rows, (n_pairs, 2); raise if one is none."""
    if pairs is None or np.shape(pairs) == (0,):
        return np.empty((0, 2), np.int64)
    found = np.asarray(pairs)
    if found.ndim != 2 or found.shape[1] != 2 or found.dtype.kind not in "iu":
        raise ValueError(
            f"{name} has shape {found.shape} and dtype {found.dtype}; expected two "
            "rows for each pair, (n_pairs, 2), int."
        )
    is_wrong = ((found < 0) | (found >= n_rows)).any(axis=1)
    is_wrong |= found[:, 0] == found[:, 1]
    if is_wrong.any():
        raise ValueError(
            f"{name} holds {found[is_wrong][0].tolist()}; expected two different rows "
            f"in [0, {n_rows})."
        )
    return found.astype(np.int64)


def _keys(pairs: NDArray[np.int64], n_rows: int) -> NDArray[np.int64]:
    """Return a number for each pair, from either side."""
    both = np.concatenate([pairs, pairs[:, ::-1]])
    return both[:, 0] * n_rows + both[:, 1]


def _refuse_both(
    alike: NDArray[np.int64], apart: NDArray[np.int64], n_rows: int
) -> None:
    """Raise if a pair is both."""
    common = np.intersect1d(_keys(alike, n_rows), _keys(apart, n_rows))
    if common.size:
        pair = [int(x) for x in np.divmod(common[0], n_rows)]
        raise ValueError(f"{pair} is in same and in different; expected one of them.")
