"""Matches compared with the true products: the scores, and what is wrong."""

from __future__ import annotations

import re
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array
from sklearn.base import BaseEstimator
from sklearn.utils import check_scalar

from skmatch._matrices import as_csr
from skmatch.evaluation._clusters import (
    bcubed_precision_recall_f1,
    pairwise_precision_recall_f1,
)
from skmatch.evaluation._counts import is_matrix
from skmatch.evaluation._labels import as_labels, encode_labels
from skmatch.evaluation._match_evaluation import (
    MatchEvaluation,
    MixedGroup,
    WrongPair,
)
from skmatch.evaluation._rowwise import clustered_standard_error, rowwise_f1_score
from skmatch.evaluation._wrong_pairs import (
    FoundPairs,
    Indices,
    Pairs,
    false_pairs,
    find_in_groups,
    find_in_matrix,
    missed_pairs,
    mixed_groups,
    unordered_pairs,
)
from skmatch.titles import check_titles


def evaluate_matches(
    y: ArrayLike,
    matches: Any,
    titles: Any = None,
    *,
    scores: Any = None,
    n_examples: int = 10,
) -> MatchEvaluation:
    """Compare matches or groups with the true products: scores, and what is wrong.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        Product labels, int or str, of all rows.
    matches : matrix of shape (n_samples, n_samples) or labels of shape (n_samples,)
        What was found: a sparse or dense matrix, of which every non-zero entry is a
        match, as from ``matcher.predict(X)``; or group labels, int or str, as from
        :func:`group_matches`.
    titles : array-like of shape (n_samples,) or (n_samples, n_fields), default=None
        What the examples show. Fields are joined by a space.
    scores : matrix of shape (n_samples, n_samples), default=None
        Score graph, as from ``matcher.score_graph(X)``. The examples are those of the
        highest scores: the surest false matches, and the missed ones that a lower
        threshold would find first. Missed pairs have a score only where the graph
        reaches below the threshold of `matches`.
    n_examples : int, default=10
        Most examples of false matches, of missed matches and of mixed groups.

    Returns
    -------
    evaluation : MatchEvaluation
        Scores, sizes and examples. Its ``print`` is the report.

    Raises
    ------
    ValueError
        If the lengths differ, a label or a title is missing, or a matrix is not square
        or not valid.

    See Also
    --------
    rowwise_f1_score : The score alone.

    Notes
    -----
    Pairs without a score come after those that have one, and are ordered by how many
    pairs go wrong between the same two products, or within the same product. Of group
    labels, false pairs without a score are looked for with the first row of each group
    only. Memory and time are linear in the number of rows, matches and scores, but for
    sorting.

    Examples
    --------
    >>> from skmatch import evaluate_matches
    >>> titles = ["green tea 100 g", "Green Tea 100g", "green tea 50 g", "mug"]
    >>> evaluation = evaluate_matches([0, 0, 1, 2], [0, 1, 1, 2], titles)
    >>> evaluation.rowwise_f1
    0.7083333333333333
    >>> false_match = evaluation.false_matches[0]
    >>> false_match.title_a, false_match.title_b
    ('Green Tea 100g', 'green tea 50 g')
    >>> evaluation.missed_matches[0][:3]
    (0, 1, nan)
    """
    check_scalar(n_examples, "n_examples", Integral, min_val=0)
    labels = encode_labels(y, "y")
    n_rows = len(labels)
    if not n_rows:
        raise ValueError("y is empty; expected at least one row.")
    compared, found = _read_matches(matches, n_rows)
    texts = None if titles is None else _read_titles(titles, n_rows)
    graph = csr_array((n_rows, n_rows)) if scores is None else scores
    scored = unordered_pairs(_as_square(graph, "scores", n_rows))

    of_row = rowwise_f1_score(labels, compared, average=None)
    n_true = np.bincount(labels)[labels]
    n_found, n_both = found.count_rows(labels)
    n_missed = n_true - 1 - n_both
    products = np.asarray(as_labels(y)).ravel()
    wrong = false_pairs(labels, found, scored, n_examples)
    missed = missed_pairs(labels, found, scored, n_missed, n_examples)
    mixed = mixed_groups(labels, found, n_examples)
    return MatchEvaluation(
        n_rows=n_rows,
        n_products=int(labels.max()) + 1,
        rowwise_f1=float(np.mean(of_row)),
        rowwise_f1_standard_error=clustered_standard_error(of_row, labels),
        pairwise_precision_recall_f1=pairwise_precision_recall_f1(labels, compared),
        bcubed_precision_recall_f1=bcubed_precision_recall_f1(labels, compared),
        group_sizes_true=_count_sizes(n_true),
        group_sizes_predicted=_count_sizes(found.sizes),
        rowwise_f1_by_size=_mean_by_size(n_true, of_row),
        n_false_matches=int((n_found - n_both).sum()) // 2,
        n_missed_matches=int(n_missed.sum()) // 2,
        false_matches=_show_pairs(wrong, products, texts),
        missed_matches=_show_pairs(missed, products, texts),
        mixed_groups=[_show_group(rows, products, texts) for rows in mixed],
    )


def _read_matches(matches: Any, n_rows: int) -> tuple[Any, FoundPairs]:
    """Return a match matrix or the codes of group labels, and the pairs of them."""
    if is_matrix(matches):
        matrix = _as_square(matches, "matches", n_rows)
        return matrix, find_in_matrix(matrix)
    groups = encode_labels(matches, "matches")
    _check_length(len(groups), "matches", n_rows)
    return groups, find_in_groups(groups)


def _as_square(matrix: Any, name: str, n_rows: int) -> Any:
    """Return a matrix of all rows and columns as a csr_array."""
    square = as_csr(matrix, name)
    if square.shape != (n_rows, n_rows):
        raise ValueError(
            f"y has {n_rows} labels and {name} has shape {square.shape}; expected "
            f"shape {(n_rows, n_rows)}, the rows matched with one another."
        )
    return square


def _check_length(length: int, name: str, n_rows: int) -> None:
    if length != n_rows:
        raise ValueError(
            f"y has {n_rows} labels and {name} has {length} rows; expected as many."
        )


def _read_titles(titles: Any, n_rows: int) -> NDArray[np.object_]:
    """Return a title a row; errors speak of `titles`."""
    try:
        texts, _ = check_titles(BaseEstimator(), titles, reset=True)
    except ValueError as error:
        message = re.sub(r"\bX\b", "titles", str(error))
        message = message if "titles" in message else f"titles: {message}"
        raise ValueError(message) from error
    _check_length(len(texts), "titles", n_rows)
    return texts


def _count_sizes(sizes: Indices) -> dict[int, int]:
    """Return the number of rows of each size, from the smallest."""
    values, counts = np.unique(sizes, return_counts=True)
    return dict(zip(values.tolist(), counts.tolist(), strict=True))


def _mean_by_size(sizes: Indices, scores: Any) -> dict[int, float]:
    """Return the mean score of the rows of each size."""
    values, size, counts = np.unique(sizes, return_inverse=True, return_counts=True)
    means = np.bincount(size, scores) / counts
    return dict(zip(values.tolist(), means.tolist(), strict=True))


def _show_pairs(
    pairs: Pairs, products: NDArray[Any], titles: NDArray[np.object_] | None
) -> list[WrongPair]:
    """Return pairs with their products and titles."""
    ends = (pairs.left, pairs.right)
    shown = titles if titles is not None else np.full(len(products), None)
    return [
        WrongPair(*pair)
        for pair in zip(
            *(rows.tolist() for rows in ends),
            pairs.score.tolist(),
            *(products[rows].tolist() for rows in ends),
            *(shown[rows].tolist() for rows in ends),
            strict=True,
        )
    ]


def _show_group(
    rows: Indices, products: NDArray[Any], titles: NDArray[np.object_] | None
) -> MixedGroup:
    """Return the rows of a group with their products and titles."""
    shown = None if titles is None else titles[rows].tolist()
    return MixedGroup(rows.tolist(), products[rows].tolist(), shown)
