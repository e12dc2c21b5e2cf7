"""From a score graph to matches: threshold, expected F1, and refinements."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, eye_array
from sklearn.utils import check_scalar

from skmatch._matrices import as_csr
from skmatch._numbers import check_number
from skmatch.graph._csr import keep_entries, row_indices

# What rounding may make of the inner product of two float32 unit rows that is 0.
ROUNDED_ZERO = 2.0**-22


def decide_matches(
    score_graph: Any,
    threshold: float | str,
    *,
    max_matches: int | None = None,
    mutual: bool = False,
    match_singletons: bool = False,
) -> csr_array:
    """Decide which rows match by the scores of their pairs.

    1. A pair matches if its score reaches the threshold.
    2. With `max_matches`, each row keeps that many matches of the highest score; with
       `mutual`, only those that the other row keeps, too.
    3. With `match_singletons`, a row that is left without a match gets its best pair.

    Parameters
    ----------
    score_graph : sparse or dense matrix of shape (n_samples, n_samples)
        Scores of pairs, as of :meth:`FaissThresholdMatcher.score_graph` and
        :meth:`PairClassifierMatcher.score_graph`, among the rows of one file: of a feed
        and a catalogue, ``transform`` has the matches. What is not stored does not
        match.
    threshold : float or "expected_f1"
        Smallest score of a match, rounded to float32; larger is stricter, and a pair
        exactly at it matches. With "expected_f1" the scores are probabilities, and
        each row has as many matches as maximise its expected F1 [1]_.
    max_matches : int or None, default=None
        Largest number of matches of a row with other ones, at least 1; of equal scores,
        the first. Assumes that no product has more rows. The matches are then not
        symmetric, unless they are mutual.
    mutual : bool, default=False
        Whether a match has to be among the `max_matches` best of both of its rows.
        Needs `max_matches`.
    match_singletons : bool, default=False
        Whether a row without a match shall match the row of its highest score, below
        the threshold too, if it is above what rounding makes of 0 (2.4e-7). Assumes
        that every product has at least two rows.

    Returns
    -------
    matches : csr_array of shape (n_samples, n_samples), dtype bool
        True where two rows match, and on the diagonal.

    Raises
    ------
    ValueError
        If the graph is not square, a score is not finite, the indices of a sparse
        matrix are wrong, or a parameter is out of its range.

    See Also
    --------
    group_matches : From matches or scores to one group for each row.

    References
    ----------
    .. [1] N. Ye et al., "Optimizing F-measure: a tale of two approaches", ICML 2012.
       :arxiv:`1206.4625`

    Examples
    --------
    >>> import numpy as np
    >>> from skmatch import decide_matches
    >>> scores = np.array([[0, 0.9, 0.8], [0.9, 0, 0.3], [0.8, 0.3, 0]])
    >>> decide_matches(scores, 0.5).toarray().astype(int)
    array([[1, 1, 1],
           [1, 1, 0],
           [1, 0, 1]])
    >>> decide_matches(scores, 0.5, max_matches=1, mutual=True).toarray().astype(int)
    array([[1, 1, 0],
           [1, 1, 0],
           [0, 0, 1]])
    """
    graph = as_csr(score_graph, "score_graph")
    if graph.shape[0] != graph.shape[1]:
        raise ValueError(
            f"score_graph has shape {graph.shape}; expected a square matrix."
        )
    check_decision(threshold, max_matches, mutual)
    check_scalar(match_singletons, "match_singletons", (bool, np.bool_))
    # Float32, as the threshold that scores may equal; the diagonal is no candidate.
    with np.errstate(over="ignore"):  # what float32 cannot hold is infinite
        graph = graph.astype(np.float32, copy=False)
    graph = keep_entries(graph, row_indices(graph) != graph.indices)
    kept = keep_matches(
        graph,
        threshold,
        max_matches=max_matches,
        mutual=mutual,
        match_singletons=match_singletons,
    )
    matches = csr_array(
        (np.ones(kept.nnz, bool), kept.indices, kept.indptr), shape=kept.shape
    )
    matches = csr_array(matches + eye_array(kept.shape[0], dtype=bool, format="csr"))
    matches.sort_indices()
    return matches


def keep_matches(
    graph: csr_array,
    threshold: float | str,
    *,
    max_matches: int | None = None,
    mutual: bool = False,
    match_singletons: bool = False,
) -> csr_array:
    """Return the scores of the matches alone, as :func:`decide_matches` decides them.

    The graph may also be one of rows against a catalogue, (n_samples, n_catalogue).
    """
    if isinstance(threshold, str):
        is_match = graph.data >= _thresholds_of_expected_f1(graph)
    else:
        with np.errstate(over="ignore"):
            is_match = graph.data >= np.float32(threshold)
    if max_matches is not None:
        kept = keep_entries(graph, is_match)
        is_best = _is_best_of_row(kept, max_matches)
        if mutual:
            is_best &= _is_best_of_column(kept, max_matches)
        is_match[is_match] = is_best
    if match_singletons:
        row = row_indices(graph)
        n_matches = np.bincount(row[is_match], minlength=graph.shape[0])
        of_singleton = (n_matches[row] == 0) & (graph.data > ROUNDED_ZERO)
        is_match[of_singleton] = _is_best_of_row(keep_entries(graph, of_singleton), 1)
    return keep_entries(graph, is_match)


def check_decision(threshold: Any, max_matches: Any, mutual: bool) -> None:
    """Raise if a parameter of a decision is out of its range."""
    if not (isinstance(threshold, str) and threshold == "expected_f1"):
        check_number(threshold, "threshold")
    check_scalar(mutual, "mutual", (bool, np.bool_))
    if max_matches is not None:
        check_scalar(max_matches, "max_matches", Integral, min_val=1)
    elif mutual:
        raise ValueError("mutual=True needs max_matches, which is None.")


def _is_best_of_row(graph: csr_array, n_best: int) -> NDArray[np.bool_]:
    """Mark the best entries of each row; of equal ones, the first."""
    is_best = np.ones(graph.nnz, dtype=bool)
    rows = np.flatnonzero(np.diff(graph.indptr) > n_best)  # few, as a rule
    many = graph[rows]
    row = row_indices(many)
    falling = np.lexsort((many.indices, -many.data, row))
    is_last = np.arange(many.nnz) - many.indptr[row] >= n_best
    entry = np.arange(many.nnz) + (graph.indptr[rows] - many.indptr[:-1])[row]
    is_best[entry[falling[is_last]]] = False
    return is_best


def _is_best_of_column(graph: csr_array, n_best: int) -> NDArray[np.bool_]:
    """Mark the entries that are among the best of their column."""
    positions = csr_array(
        (np.arange(graph.nnz), graph.indices, graph.indptr), shape=graph.shape
    )
    is_best = np.empty(graph.nnz, dtype=bool)
    is_best[csr_array(positions.T).data] = _is_best_of_row(csr_array(graph.T), n_best)
    return is_best


def _thresholds_of_expected_f1(graph: csr_array) -> NDArray[np.float32]:
    """Return for each entry the threshold of its row that maximises its expected F1.

    The expected F1 of a row with its k most probable matches is about
    ``2 (1 + their sum) / (1 + k + 1 + the sum of all)``; it always matches itself.
    """
    row = row_indices(graph)
    data = np.clip(graph.data, 0, 1)  # the nearest probability
    graph = csr_array((data, graph.indices, graph.indptr), shape=graph.shape)
    falling = np.lexsort((-graph.data, row))
    probability = graph.data[falling].astype(np.float64)
    total = np.asarray(graph.sum(axis=1), np.float64).ravel()
    n_correct = np.cumsum(probability)  # expected
    n_correct -= np.append(0, n_correct)[graph.indptr[row]]
    n_matches = np.arange(graph.nnz) - graph.indptr[row] + 1
    score = 2 * (1 + n_correct) / (2 + n_matches + total[row])
    best = 2 / (2 + total)  # without a match
    least = np.full(graph.shape[0], np.inf)
    np.maximum.at(best, row, score)
    is_best = score >= best[row]
    np.minimum.at(least, row[is_best], probability[is_best])
    return least[row].astype(np.float32)
