"""One-to-one matches of the rows of two catalogues."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import csr_array, eye_array, hstack
from scipy.sparse.csgraph import min_weight_full_bipartite_matching

from skmatch.graph._csr import above_threshold


def link_catalogues(scores: Any, *, threshold: float = 0.0) -> csr_array:
    """Match the rows of two catalogues one to one.

    Of all ways to match each row with at most one of the other side, the one with the
    largest sum of scores, with scipy [1]_.

    Parameters
    ----------
    scores : sparse or dense matrix of shape (n_samples, n_samples_fit)
        Scores, as of ``matcher.transform(X)``. What is not stored does not match.
    threshold : float, default=0.0
        Smallest score of a match, in ``[0, 1]``.

    Returns
    -------
    matches : csr_array of shape (n_samples, n_samples_fit), dtype float32
        Scores of the matches: at most one in each row and each column.

    Raises
    ------
    ValueError
        If a score is not finite, the indices of a sparse matrix are wrong, or
        `threshold` is out of its range.

    References
    ----------
    .. [1] :func:`scipy.sparse.csgraph.min_weight_full_bipartite_matching`

    Examples
    --------
    >>> import numpy as np
    >>> from skmatch import link_catalogues
    >>> link_catalogues(np.array([[0.9, 0.8], [0.85, 0.0]])).toarray()
    array([[0.  , 0.8 ],
           [0.85, 0.  ]], dtype=float32)
    """
    graph = above_threshold(scores, threshold, "scores")
    n_rows = graph.shape[0]
    # Each row may also take a column of its own, which weighs nothing: no match.
    both = hstack([graph, 1e-9 * eye_array(n_rows)], format="csr")
    if n_rows and graph.shape[1]:
        row, column = min_weight_full_bipartite_matching(both, maximize=True)
    else:
        row = column = np.empty(0, np.intp)
    is_match = column < graph.shape[1]
    ends = row[is_match], column[is_match]
    chosen = csr_array((np.ones(len(ends[0])), ends), shape=graph.shape)
    with np.errstate(over="ignore"):  # what float32 cannot hold is infinite
        return graph.multiply(chosen).tocsr().astype(np.float32)
