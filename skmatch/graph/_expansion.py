"""Query expansion: the mean of an embedding and those of its matches."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import issparse

from skmatch._matrices import as_csr, as_dense
from skmatch.graph._csr import keep_entries, row_indices
from skmatch.search import unit_rows

_LARGE = 1e30


def expand_queries(embeddings: Any, score_graph: Any) -> Any:
    """Replace each embedding by the mean of it and its matches, weighted by score.

    ``unit((S + I) X)``, the average query expansion of image retrieval [1]_. It assumes
    that most matches are right: the matches of a product then have nearly the same
    embedding, and a second search finds those that the first one missed.

    Parameters
    ----------
    embeddings : array-like or sparse array of shape (n_samples, n_features)
        Rows of unit L2 norm.
    score_graph : sparse matrix of shape (n_samples, n_samples)
        Similarities of the matches. The diagonal counts as 1, whatever is stored.

    Returns
    -------
    embeddings : ndarray or csr_array of shape (n_samples, n_features)
        Expanded rows of unit L2 norm; float32 if they are dense.

    Raises
    ------
    ValueError
        If the shapes do not fit together, an embedding or a score is not finite, or the
        indices of a sparse matrix are wrong.

    References
    ----------
    .. [1] O. Chum et al., "Total Recall: Automatic Query Expansion with a Generative
       Feature Model for Object Retrieval", ICCV 2007.
       :doi:`10.1109/ICCV.2007.4408891`

    Examples
    --------
    >>> import numpy as np
    >>> from skmatch import expand_queries
    >>> expand_queries(np.eye(2), np.array([[0.0, 1.0], [0.0, 0.0]])).round(3)
    array([[0.707, 0.707],
           [0.   , 1.   ]], dtype=float32)
    """
    graph = as_csr(score_graph, "score_graph").astype(np.float32)
    if issparse(embeddings):
        X = as_csr(embeddings, "embeddings")
    else:
        X = as_dense(embeddings, "embeddings")
    if not X.shape[1]:
        raise ValueError(
            f"embeddings has shape {X.shape}; expected at least one column."
        )
    largest = float(abs(X).max()) if X.shape[0] else 0.0
    if largest > _LARGE:  # sums of it would be infinite; only directions count
        X = X / largest
    if not issparse(X):
        X = X.astype(np.float32, copy=False)
    if graph.shape != (X.shape[0], X.shape[0]):
        raise ValueError(
            f"score_graph has shape {graph.shape} and embeddings {X.shape}; expected "
            f"{(X.shape[0], X.shape[0])}."
        )
    others = keep_entries(graph, row_indices(graph) != graph.indices)
    dtype = X.dtype if X.dtype == np.float32 else np.float64
    return unit_rows(X + others @ X, sparse_dtype=dtype)
