"""From matches to groups: a product label for each row."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import squareform

from skmatch.graph._csr import above_threshold, keep_entries, row_indices

_METHODS = ("components", "average", "complete", "louvain")
_NEVER = 1e12  # a distance that its mean over the pairs of two groups is large, too


def least_score(method: str, threshold: float | None) -> float:
    """Return the score below which a method leaves matches out: its own, if None."""
    if threshold is not None:
        return threshold
    return 0.5 if method in ("average", "complete") else 0.0


def group_matches(
    matches: Any, *, method: str = "average", threshold: float | None = None
) -> NDArray[np.int64]:
    """Put rows into groups by their matches, so that each row is in one group.

    Parameters
    ----------
    matches : sparse or dense matrix of shape (n_samples, n_samples)
        Scores of pairs, as of ``matcher.score_graph(X)``, or matches, as of
        ``matcher.predict(X)``, which are scores of 1. What is not stored is a score of
        0. A pair that differs from its mirror image counts with the larger of the two.
    method : {"components", "average", "complete", "louvain"}, default="average"
        - "components": rows that are joined by a chain of matches. One wrong match
          joins two groups; use a high threshold.
        - "average": groups are merged as long as the mean score of their rows is at
          least `threshold`.
        - "complete": as long as the smallest one is.
        - "louvain": groups of high modularity [1]_ (with networkx), which breaks
          chains up and needs no threshold of its own.
    threshold : float or None, default=None
        Score in ``[0, 1]`` below which matches are left out and, in the methods
        "average" and "complete", groups are not merged. None is 0.5 for these two (of
        matches without a score: at least half of the pairs of two groups match) and 0
        for the others.

    Returns
    -------
    labels : ndarray of shape (n_samples,), dtype int64
        Group of each row, numbered 0, 1, ... in the order of their first row. Equal
        input gives equal labels.

    Raises
    ------
    ValueError
        If `matches` is not square, a score is not finite, the indices of a sparse
        matrix are wrong, or a parameter is out of its range.

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
    >>> scores = np.array([[0, 0.9, 0], [0.9, 0, 0.6], [0, 0.6, 0]])
    >>> group_matches(scores, method="components")
    array([0, 0, 0])
    >>> group_matches(scores, method="average", threshold=0.5)
    array([0, 0, 1])
    """
    if not isinstance(method, str) or method not in _METHODS:
        raise ValueError(f"method={method!r}; expected one of {_METHODS}.")
    threshold = least_score(method, threshold)
    graph = above_threshold(matches, threshold, "matches")
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
                parts = _cut_tree(graph[rows][:, rows].toarray(), method, threshold)
                labels[rows] = last + parts
                last += parts.max()
    _, first, labels = np.unique(labels, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[labels].astype(np.int64)


def group_with_answers(
    scores: csr_array,
    threshold: float,
    same: tuple[NDArray[np.intp], NDArray[np.intp]],
    different: tuple[NDArray[np.intp], NDArray[np.intp]],
) -> NDArray[np.int64]:
    """Group rows as `group_matches` does by "average", but as answers have it.

    1. Rows that are the same, by a chain of answers, are merged first.
    2. Groups that hold two rows that are different are never merged.

    No two rows may be the same by a chain, and different.
    """
    n_rows = scores.shape[0]
    ones = csr_array((np.ones(len(same[0])), same), shape=(n_rows, n_rows))
    bound = connected_components(ones, directed=False)[1]
    graph = above_threshold(scores, threshold, "scores")
    graph = csr_array(graph.maximum(graph.T))
    n_components, component = connected_components(graph + ones, directed=False)
    labels = component.astype(np.int64)
    n_groups = n_components
    order = np.argsort(component, kind="stable")
    sizes = np.bincount(component)
    place = np.empty(n_rows, np.intp)  # of a row in its component
    place[order] = np.arange(n_rows) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    apart: dict[int, list[tuple[int, int]]] = {}
    for a, b in zip(*different, strict=True):
        if component[a] == component[b]:
            apart.setdefault(int(component[a]), []).append((place[a], place[b]))
    for number, rows in enumerate(np.split(order, np.cumsum(sizes)[:-1])):
        if len(rows) == 1:
            continue
        part = graph[rows].tocoo()
        own = np.zeros((len(rows), len(rows)))
        # A score of 1 is a little less than that of an answer, which comes first.
        own[part.coords[0], place[part.coords[1]]] = np.minimum(part.data, 1 - 1e-9)
        for a, b in apart.get(number, []):
            own[a, b] = own[b, a] = -_NEVER
        own[bound[rows][:, None] == bound[rows]] = 1
        parts = _cut_tree(own, "average", threshold)
        labels[rows] = np.where(parts == 1, number, n_groups + parts - 2)
        n_groups += int(parts.max()) - 1
    return labels


def _cut_tree(
    scores: NDArray[np.float64], method: str, threshold: float
) -> NDArray[np.int64]:
    """Cut the tree of an agglomerative clustering; groups are numbered from 1."""
    distances = np.maximum(1 - scores, 0)
    np.fill_diagonal(distances, 0)
    tree = linkage(squareform(distances, checks=False), method)
    rounded = max(float(np.float32(threshold)), 1e-9)
    return fcluster(tree, 1 - rounded + 1e-7, "distance").astype(np.int64)


def _louvain(graph: csr_array) -> NDArray[np.int64]:
    """Return groups of high modularity."""
    import networkx

    # A row that matches itself is no reason to leave it alone.
    graph = keep_entries(graph, row_indices(graph) != graph.indices)
    # Modularity has the square of their sum. A power of two rounds nothing.
    exponent = np.frexp(graph.data.max(initial=0))[1]
    scaled = np.ldexp(graph.data, -exponent), graph.indices, graph.indptr
    network = networkx.from_scipy_sparse_array(csr_array(scaled, shape=graph.shape))
    groups = networkx.community.louvain_communities(network, seed=0)
    labels = np.empty(graph.shape[0], dtype=np.int64)
    for number, rows in enumerate(groups):
        labels[list(rows)] = number
    return labels
