"""From matches to groups: a product label for each row."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.sparse import csr_array, eye_array, hstack, issparse
from scipy.sparse.csgraph import (
    connected_components,
    min_weight_full_bipartite_matching,
)
from scipy.spatial.distance import squareform
from sklearn.utils import check_scalar

_METHODS = ("components", "average", "complete", "louvain")


def group_matches(
    matches: Any, *, method: str = "average", threshold: float | None = None
) -> NDArray[np.int64]:
    """Put rows into groups by their matches, so that each row is in one group.

    Parameters
    ----------
    matches : sparse or dense matrix of shape (n_samples, n_samples)
        Similarities of the matches, as from ``matcher.fit(X).transform(X)``, or matches
        as from :meth:`FaissThresholdMatcher.predict`, which are similarities of 1. What
        is not stored is a similarity of 0. A pair that differs from its mirror image
        counts with the larger of the two.
    method : {"components", "average", "complete", "louvain"}, default="average"
        - "components": rows that are joined by a chain of matches. One wrong match
          joins two groups; use a high threshold.
        - "average": groups are merged as long as the mean similarity of their rows is
          at least `threshold`.
        - "complete": as long as the smallest one is.
        - "louvain": groups of high modularity [1]_ (with networkx), which breaks
          chains up and needs no threshold of its own.
    threshold : float or None, default=None
        Similarity in ``[0, 1]`` below which matches are left out and, in the methods
        "average" and "complete", groups are not merged. None is 0.5 for these two (of
        matches without a similarity: at least half of the pairs of two groups match)
        and 0 for the others.

    Returns
    -------
    labels : ndarray of shape (n_samples,), dtype int64
        Group of each row, numbered 0, 1, ... in the order of their first row. Equal
        input gives equal labels.

    Raises
    ------
    ValueError
        If `matches` is not square, or a parameter is out of its range.

    Notes
    -----
    "average" and "complete" look at one connected component at a time, and need a dense
    matrix of the largest one.

    References
    ----------
    .. [1] V. D. Blondel et al., "Fast unfolding of communities in large networks",
       Journal of Statistical Mechanics, 2008. :doi:`10.1088/1742-5468/2008/10/P10008`

    Examples
    --------
    >>> import numpy as np
    >>> from skmatch import group_matches
    >>> similarities = np.array([[1, 0.9, 0], [0.9, 1, 0.6], [0, 0.6, 1]])
    >>> group_matches(similarities, method="components")
    array([0, 0, 0])
    >>> group_matches(similarities, method="average", threshold=0.5)
    array([0, 0, 1])
    """
    if method not in _METHODS:
        raise ValueError(f"method={method!r}; expected one of {_METHODS}.")
    if threshold is None:
        threshold = 0.5 if method in ("average", "complete") else 0.0
    graph = _as_graph(matches, threshold)
    if graph.shape[0] != graph.shape[1]:
        raise ValueError(f"matches has shape {graph.shape}; expected a square matrix.")
    graph = graph.maximum(graph.T).tocsr()
    _, labels = connected_components(graph, directed=False)
    labels = labels.astype(np.int64)
    if method == "louvain":
        labels = _louvain(graph)
    elif method != "components":
        order = np.argsort(labels, kind="stable")
        ends = np.cumsum(np.bincount(labels))
        last = labels.max(initial=0)
        for rows in np.split(order, ends[:-1]):
            if len(rows) > 2:  # two rows are a group, or there is no match
                parts = _link(graph[rows][:, rows].toarray(), method, threshold)
                labels[rows] = last + parts
                last += parts.max()
    _, first, labels = np.unique(labels, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[labels].astype(np.int64)


def link_catalogues(similarities: Any, *, threshold: float = 0.0) -> csr_array:
    """Match the rows of two catalogues one to one.

    Of all ways to match each row with at most one of the other side, the one with the
    largest sum of similarities, with scipy [1]_.

    Parameters
    ----------
    similarities : sparse or dense matrix of shape (n_samples, n_samples_fit)
        Similarities, as from :meth:`FaissThresholdMatcher.transform`. What is not
        stored does not match.
    threshold : float, default=0.0
        Smallest similarity of a match, in ``[0, 1]``.

    Returns
    -------
    matches : csr_array of shape (n_samples, n_samples_fit), dtype float32
        Similarities of the matches: at most one in each row and each column.

    Raises
    ------
    ValueError
        If `threshold` is out of its range.

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
    graph = _as_graph(similarities, threshold)
    n_rows = graph.shape[0]
    # Each row may also take a place of its own, which weighs nothing: no match.
    both = hstack([graph, 1e-9 * eye_array(n_rows)], format="csr")
    if n_rows and graph.shape[1]:
        row, column = min_weight_full_bipartite_matching(both, maximize=True)
    else:
        row = column = np.empty(0, np.intp)
    is_match = column < graph.shape[1]
    places = row[is_match], column[is_match]
    chosen = csr_array((np.ones(len(places[0])), places), shape=graph.shape)
    return graph.multiply(chosen).tocsr().astype(np.float32)


def _as_graph(matches: Any, threshold: float) -> csr_array:
    """Return the similarities at or above a threshold, above 0."""
    check_scalar(threshold, "threshold", Real, min_val=0, max_val=1)
    graph = csr_array(matches if issparse(matches) else np.asarray(matches))
    graph.sum_duplicates()  # of bool, two are one
    graph = graph.astype(np.float64)
    # Similarities are float32, and so is the threshold that they may equal.
    graph.data[graph.data.astype(np.float32) < np.float32(threshold)] = 0
    graph.eliminate_zeros()
    return graph


def _link(
    similarities: NDArray[np.float64], method: str, threshold: float
) -> NDArray[np.int64]:
    """Cut the tree of an agglomerative clustering; groups are numbered from 1."""
    distances = np.maximum(1 - similarities, 0)
    np.fill_diagonal(distances, 0)
    tree = linkage(squareform(distances, checks=False), method)
    rounded = max(float(np.float32(threshold)), 1e-9)
    return fcluster(tree, 1 - rounded + 1e-7, "distance").astype(np.int64)


def _louvain(graph: csr_array) -> NDArray[np.int64]:
    """Return groups of high modularity."""
    import networkx

    graph = graph.copy()
    graph.setdiag(0)  # a row that matches itself is no reason to leave it alone
    graph.eliminate_zeros()
    network = networkx.from_scipy_sparse_array(graph)
    groups = networkx.community.louvain_communities(network, seed=0)
    labels = np.empty(graph.shape[0], dtype=np.int64)
    for number, rows in enumerate(groups):
        labels[list(rows)] = number
    return labels
