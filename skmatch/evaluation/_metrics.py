"""Row-wise F1: how well the matches of each row fit the rows of its product."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array, issparse
from sklearn.metrics import make_scorer
from sklearn.utils.validation import check_consistent_length, column_or_1d


def rowwise_f1_score(
    y_true: Any,
    y_pred: Any,
    *,
    average: str | None = "samples",
    sample_weight: ArrayLike | None = None,
) -> float | NDArray[np.float64]:
    r"""Mean over the rows of the F1 of their matches.

    With :math:`T_i` the rows that are the same product as row `i` and :math:`P_i` the
    rows that it was matched with, the row itself in both, the score of row `i` is
    :math:`2 |T_i \cap P_i| / (|T_i| + |P_i|)`. It equals
    :func:`sklearn.metrics.f1_score` with ``average="samples"`` on the two indicator
    matrices, in time and memory linear in the number of matches.

    Parameters
    ----------
    y_true : labels of shape (n_samples,), matrix or sequence of sets
        What is right: product labels, int or str; or a sparse or dense indicator of
        shape (n_samples, n_ids); or, for each row, a set of ids or a str of ids
        separated by spaces. Labels and indicators go with a matrix as `y_pred`, sets
        and str with the same.
    y_pred : matrix of shape (n_samples, n_ids) or sequence of sets
        What was found: a sparse or dense matrix, of which every non-zero entry is a
        match, as from :meth:`FaissThresholdMatcher.predict`; or, for each row, a set or
        a str of ids. Both are taken as they are: the row itself is not added.
    average : {"samples"} or None, default="samples"
        "samples" returns the mean over the rows, None the score of each row.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows in the mean.

    Returns
    -------
    score : float or ndarray of shape (n_samples,), dtype float64
        F1 in ``[0, 1]``; larger is better. A row without a true and without a
        predicted match scores 0.

    Raises
    ------
    ValueError
        If the shapes or the kinds of `y_true` and `y_pred` do not fit together.

    See Also
    --------
    rowwise_f1_scorer : The same as a scorer for ``GridSearchCV``.

    Notes
    -----
    The score falls as the gallery, the number of rows matched with one another, grows:
    state its size beside every score.

    Examples
    --------
    >>> import numpy as np
    >>> from skmatch import rowwise_f1_score
    >>> matches = np.array([[1, 1, 0], [1, 1, 0], [0, 0, 1]])
    >>> rowwise_f1_score(["tea", "tea", "mug"], matches)
    1.0
    >>> rowwise_f1_score(["tea", "tea", "tea"], matches, average=None)
    array([0.8, 0.8, 0.5])
    >>> rowwise_f1_score(["a b", "a b", "c"], ["a b", "b", "c a"], average=None)
    array([1.        , 0.66666667, 0.66666667])
    """
    if average not in ("samples", None):
        raise ValueError(f"average={average!r}; expected 'samples' or None.")
    if average is None and sample_weight is not None:
        raise ValueError("With average=None, expected sample_weight=None: no mean.")
    if _is_matrix(y_pred):
        n_both, n_true, n_found = _count_in_matrix(y_true, csr_array(y_pred))
    else:
        n_both, n_true, n_found = _count_in_sets(y_true, y_pred)
    scores = 2 * n_both / np.maximum(n_true + n_found, 1)
    if average is None:
        return scores
    if not scores.size:
        raise ValueError("y_true and y_pred are empty; expected at least one row.")
    if sample_weight is None:
        return float(scores.mean())
    check_consistent_length(scores, sample_weight)
    weights = np.asarray(sample_weight, dtype=np.float64)
    if not weights.sum() > 0:
        raise ValueError(
            f"sample_weight has the sum {weights.sum()}; expected one above 0."
        )
    return float(np.average(scores, weights=weights))


rowwise_f1_scorer = make_scorer(rowwise_f1_score)


def pairwise_precision_recall_f1(
    y_true: Any, y_pred: Any
) -> tuple[float, float, float]:
    """Precision, recall and F1 of the pairs of rows that are said to be the same.

    Parameters
    ----------
    y_true : labels of shape (n_samples,) or matrix of shape (n_samples, n_samples)
        What is right: product labels, int or str, or a sparse or dense indicator.
    y_pred : labels of shape (n_samples,) or matrix of shape (n_samples, n_samples)
        What was found: group labels, as from :func:`group_matches`, or matches. The
        diagonal does not count. Each pair counts once from either side, also in a
        matrix that is not symmetric.

    Returns
    -------
    precision, recall, f1 : float
        In ``[0, 1]``; larger is better. Precision is 1 if no pair was found, recall is
        1 if there is none, and F1 their harmonic mean.

    Raises
    ------
    ValueError
        If the shapes do not fit together or a label is missing.

    See Also
    --------
    bcubed_precision_recall_f1 : The same with equal weight for each row.

    Examples
    --------
    >>> from skmatch import pairwise_precision_recall_f1
    >>> pairwise_precision_recall_f1(["tea", "tea", "mug"], [0, 0, 0])
    (0.3333333333333333, 1.0, 0.5)
    """
    n_both, n_true, n_found = (
        int(counts.sum()) for counts in _count_pairs(y_true, y_pred)
    )
    precision = n_both / n_found if n_found else 1.0
    recall = n_both / n_true if n_true else 1.0
    return precision, recall, _harmonic_mean(precision, recall)


def bcubed_precision_recall_f1(y_true: Any, y_pred: Any) -> tuple[float, float, float]:
    r"""Precision, recall and F1 of B-cubed: means over the rows.

    With :math:`T_i` the rows that are the same product as row `i` and :math:`P_i` those
    that it was matched or grouped with, the row itself in both, precision is the mean
    of :math:`|T_i \cap P_i| / |P_i|` and recall that of
    :math:`|T_i \cap P_i| / |T_i|` [1]_.

    Parameters
    ----------
    y_true : labels of shape (n_samples,) or matrix of shape (n_samples, n_samples)
        What is right: product labels, int or str, or a sparse or dense indicator.
    y_pred : labels of shape (n_samples,) or matrix of shape (n_samples, n_samples)
        What was found: group labels, as from :func:`group_matches`, or matches. The row
        itself counts as found, whatever the diagonal says.

    Returns
    -------
    precision, recall, f1 : float
        In ``(0, 1]``; larger is better. F1 is the harmonic mean of the two.

    Raises
    ------
    ValueError
        If the shapes do not fit together or a label is missing.

    See Also
    --------
    rowwise_f1_score : Mean of the F1 of the rows.

    References
    ----------
    .. [1] A. Bagga and B. Baldwin, "Entity-Based Cross-Document Coreferencing Using the
       Vector Space Model", ACL, 1998. :doi:`10.3115/980845.980859`

    Examples
    --------
    >>> from skmatch import bcubed_precision_recall_f1
    >>> bcubed_precision_recall_f1(["tea", "tea", "mug", "mug"], [0, 0, 1, 2])
    (1.0, 0.75, 0.8571428571428571)
    """
    n_both, n_true, n_found = (counts + 1 for counts in _count_pairs(y_true, y_pred))
    if not n_both.size:
        raise ValueError("y_true and y_pred are empty; expected at least one row.")
    precision, recall = (n_both / n_found).mean(), (n_both / n_true).mean()
    return float(precision), float(recall), _harmonic_mean(precision, recall)


def _pairwise_f1_score(y_true: Any, y_pred: Any) -> float:
    return pairwise_precision_recall_f1(y_true, y_pred)[2]


def _bcubed_f1_score(y_true: Any, y_pred: Any) -> float:
    return bcubed_precision_recall_f1(y_true, y_pred)[2]


pairwise_f1_scorer = make_scorer(_pairwise_f1_score)
bcubed_f1_scorer = make_scorer(_bcubed_f1_score)


def clustered_standard_error(scores: ArrayLike, labels: ArrayLike) -> float:
    """Estimate the standard error of a mean over rows that come product by product.

    The rows of a product are alike, so that their number says less than the number of
    products. This is the cluster-robust error of a mean [1]_.

    Parameters
    ----------
    scores : array-like of shape (n_samples,)
        Score of each row, as of ``rowwise_f1_score(..., average=None)``, or the
        difference of two of them.
    labels : array-like of shape (n_samples,)
        Product labels, int or str.

    Returns
    -------
    standard_error : float
        At least 0, in the unit of the scores.

    Raises
    ------
    ValueError
        If the lengths differ or a label is missing.

    References
    ----------
    .. [1] K.-Y. Liang and S. L. Zeger, "Longitudinal data analysis using generalized
       linear models", Biometrika, 1986. :doi:`10.1093/biomet/73.1.13`

    Examples
    --------
    >>> from skmatch import clustered_standard_error
    >>> clustered_standard_error([1.0, 1.0, 0.0, 0.0], ["tea", "tea", "mug", "mug"])
    0.3535533905932738
    """
    check_consistent_length(scores, labels)
    values = np.asarray(column_or_1d(scores), dtype=np.float64)
    totals = np.bincount(encode_labels(labels, "labels"), values - values.mean())
    return float(np.sqrt((totals**2).sum()) / len(values))


def _harmonic_mean(precision: float, recall: float) -> float:
    total = precision + recall
    return float(2 * precision * recall / total) if total else 0.0


def _count_pairs(
    y_true: Any, y_pred: Any
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Count true, found and common matches of each row with other rows."""
    if _is_matrix(y_pred):
        found = csr_array(y_pred)
        if found.shape[0] != found.shape[1]:
            raise ValueError(
                f"y_pred has shape {found.shape}; expected a square matrix of matches."
            )
        n_both, n_true, n_found = _count_in_matrix(y_true, found)
        is_found = found.diagonal() != 0
        is_true = csr_array(y_true).diagonal() != 0 if _is_matrix(y_true) else True
        return n_both - (is_found & is_true), n_true - is_true, n_found - is_found
    groups = encode_labels(y_pred, "y_pred")
    if _is_matrix(y_true):
        n_both, n_found, n_true = _count_pairs(groups, y_true)
        return n_both, n_true, n_found
    labels = encode_labels(y_true, "y_true")
    check_consistent_length(labels, groups)
    _, both, n_both = np.unique(
        labels * (groups.max(initial=0) + 1) + groups,
        return_inverse=True,
        return_counts=True,
    )
    counts = n_both[both], np.bincount(labels)[labels], np.bincount(groups)[groups]
    return counts[0] - 1, counts[1] - 1, counts[2] - 1


def encode_labels(labels: ArrayLike, name: str) -> NDArray[np.intp]:
    """Return product labels as 0, 1, ...; raise if one is missing, naming its row."""
    values = labels if hasattr(labels, "dtype") else np.array(labels, dtype=object)
    values = np.asarray(values)
    if values.dtype.kind not in "iubU":
        for row, label in enumerate(values.tolist()):
            is_nan = isinstance(label, float) and np.isnan(label)
            if is_nan or label is None or type(label).__name__ in {"NAType", "NaTType"}:
                raise ValueError(
                    f"row {row} of {name} is {label!r}; expected a product label, int "
                    "or str."
                )
    try:
        return np.unique(column_or_1d(values), return_inverse=True)[1]
    except TypeError as error:
        kinds = sorted({type(label).__name__ for label in values.tolist()})
        raise ValueError(
            f"{name} holds labels of the types {kinds}; expected all int or all str."
        ) from error


def _is_matrix(y: Any) -> bool:
    """Tell a matrix from labels and from a sequence of id sets."""
    return issparse(y) or getattr(y, "ndim", 1) == 2


def _as_bool(matches: csr_array) -> csr_array:
    """Return a copy that stores every match once and nothing else."""
    matches = matches.astype(bool)
    matches.sum_duplicates()
    matches.eliminate_zeros()
    return matches


def _count_in_matrix(
    y_true: Any, found: csr_array
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Count true, found and common matches of each row of a match matrix."""
    found = _as_bool(found)
    n_found = np.diff(found.indptr)
    if _is_matrix(y_true):
        true = _as_bool(csr_array(y_true))
        if true.shape != found.shape:
            raise ValueError(
                f"y_true has shape {true.shape} and y_pred {found.shape}; two match "
                "matrices must have the same shape."
            )
        n_both = true.multiply(found).sum(axis=1)
        return n_both.astype(np.int64), np.diff(true.indptr), n_found
    if any(isinstance(label, (set, frozenset)) for label in y_true):
        raise ValueError(
            "y_true holds id sets and y_pred is a matrix; give labels or an indicator "
            "matrix as y_true, or id sets as y_pred."
        )
    codes = encode_labels(y_true, "y_true")
    if found.shape != (codes.size, codes.size):
        raise ValueError(
            f"y_true has {codes.size} labels and y_pred has shape {found.shape}; "
            f"expected shape {(codes.size, codes.size)}, the rows matched with one "
            "another."
        )
    row = np.repeat(np.arange(codes.size), n_found)
    is_right = codes[row] == codes[found.indices]
    n_both = np.bincount(row[is_right], minlength=codes.size)
    return n_both, np.bincount(codes)[codes], n_found


def _count_in_sets(
    y_true: Iterable[Any], y_pred: Iterable[Any]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Count true, found and common ids of each row of two sequences of id sets."""
    true, found = _id_sets(y_true, "y_true"), _id_sets(y_pred, "y_pred")
    check_consistent_length(true, found)
    kinds = [
        {isinstance(i, str) for row in rows for i in row} for rows in (true, found)
    ]
    if kinds[0] and kinds[1] and kinds[0] != kinds[1]:
        raise ValueError(
            "The ids of y_true and y_pred are not both str; expected ids of one kind "
            "(a matrix as y_pred must be a sparse or a numpy array)."
        )
    counts = [(len(t & p), len(t), len(p)) for t, p in zip(true, found, strict=True)]
    n_both, n_true, n_found = np.array(counts, dtype=np.int64).reshape(-1, 3).T
    return n_both, n_true, n_found


def _id_sets(rows: Iterable[Any], name: str) -> list[frozenset[Any]]:
    """Read each row as a set of ids."""
    if issparse(rows):
        raise ValueError(
            f"{name} is a matrix and the other argument is not; give both as matrices, "
            "or labels as y_true and a matrix as y_pred, or both as sequences of ids."
        )
    sets = []
    for number, row in enumerate(rows):
        if not isinstance(row, Iterable):
            raise ValueError(
                f"row {number} of {name} is {row!r}; expected a set of ids or a string "
                "of space-separated ids (labels go with a match matrix as y_pred)."
            )
        sets.append(frozenset(row.split() if isinstance(row, str) else row))
    return sets


def best_rowwise_f1(
    embeddings: NDArray[np.float32], labels: NDArray[np.int64]
) -> tuple[float, float]:
    """Return the highest row-wise F1 of unit rows over thresholds, and which it is."""
    thresholds = np.arange(0.1, 1.0, 0.025, dtype=np.float32)
    n_rows = len(labels)
    n_true = np.bincount(labels)[labels]
    totals = np.zeros(thresholds.size)
    step = max(1, 2**24 // n_rows)
    for start in range(0, n_rows, step):
        block = slice(start, start + step)
        similarities = embeddings[block] @ embeddings.T
        rows, columns = (similarities >= thresholds[0]).nonzero()
        level = (
            np.searchsorted(thresholds, similarities[rows, columns], side="right") - 1
        )
        is_self = columns == rows + start
        level[is_self] = thresholds.size - 1
        shape = (similarities.shape[0], thresholds.size)
        cell = np.ravel_multi_index((rows, level), shape)
        is_right = labels[rows + start] == labels[columns]
        n_found, n_both = (
            np.bincount(cells, minlength=shape[0] * shape[1])
            .reshape(shape)[:, ::-1]
            .cumsum(axis=1)[:, ::-1]
            for cells in (cell, cell[is_right])
        )
        totals += (2 * n_both / (n_found + n_true[block, None])).sum(axis=0)
    best = int(totals.argmax())
    return float(totals[best] / n_rows), float(thresholds[best])
