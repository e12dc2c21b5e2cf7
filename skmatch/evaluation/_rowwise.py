"""Row-wise F1: how well the matches of each row fit the rows of its product."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import make_scorer
from sklearn.utils.validation import check_consistent_length, column_or_1d

from skmatch._matrices import as_csr
from skmatch.evaluation._counts import (
    count_in_groups,
    count_in_matrix,
    count_in_sets,
    is_matrix,
    is_numbers,
)
from skmatch.evaluation._labels import encode_labels


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
    matrices, in time and memory linear in the number of matches; of group labels, in
    the number of rows.

    Parameters
    ----------
    y_true : labels of shape (n_samples,), matrix or sequence of sets
        What is right: product labels, int or str; or a sparse or dense indicator of
        shape (n_samples, n_ids); or, for each row, a set of ids or a str of ids
        separated by spaces. Labels and indicators go with a matrix or group labels as
        `y_pred`, sets and str with the same.
    y_pred : matrix of shape (n_samples, n_ids), group labels or sequence of sets
        What was found: a sparse or dense matrix, of which every non-zero entry is a
        match, as from :meth:`FaissThresholdMatcher.predict`; or group labels that are
        numbers, of shape (n_samples,), as from :func:`group_matches`, where a row
        matches its group; or, for each row, a set or a str of ids. Matrices and sets
        are taken as they are: the row itself is not added.
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
    >>> rowwise_f1_score(["tea", "tea", "mug"], [0, 0, 1])
    1.0
    >>> rowwise_f1_score(["a b", "a b", "c"], ["a b", "b", "c a"], average=None)
    array([1.        , 0.66666667, 0.66666667])
    """
    if not (average is None or (isinstance(average, str) and average == "samples")):
        raise ValueError(f"average={average!r}; expected 'samples' or None.")
    if average is None and sample_weight is not None:
        raise ValueError("With average=None, expected sample_weight=None: no mean.")
    if is_matrix(y_pred):
        n_both, n_true, n_found = count_in_matrix(y_true, as_csr(y_pred, "y_pred"))
    elif is_numbers(y_pred):
        n_both, n_true, n_found = count_in_groups(y_true, y_pred)
    else:
        n_both, n_true, n_found = count_in_sets(y_true, y_pred)
    scores = 2 * n_both / np.maximum(n_true + n_found, 1)
    if average is None:
        return scores
    if not scores.size:
        raise ValueError("y_true and y_pred are empty; expected at least one row.")
    if sample_weight is None:
        return float(scores.mean())
    return float(np.average(scores, weights=_check_weights(sample_weight, len(scores))))


def _check_weights(sample_weight: Any, n_rows: int) -> NDArray[np.float64]:
    """Return a finite weight for each row, not all 0."""
    try:
        weights = np.asarray(sample_weight, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        weights = np.empty(0)
    if weights.shape != (n_rows,) or not np.isfinite(weights).all():
        raise ValueError(
            f"sample_weight={sample_weight!r:.50}; expected a finite weight for each "
            f"of the {n_rows} rows."
        )
    if not weights.sum() > 0:
        raise ValueError(
            f"sample_weight has the sum {weights.sum()}; expected one above 0."
        )
    return weights


rowwise_f1_scorer = make_scorer(rowwise_f1_score)
rowwise_f1_scorer.__doc__ = "Score the matches of ``predict`` by their row-wise F1."


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
    try:
        values = np.asarray(column_or_1d(scores), dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"scores holds what is no number: {error}") from error
    bad = np.flatnonzero(~np.isfinite(values))
    if bad.size:
        raise ValueError(
            f"row {bad[0]} of scores is {values[bad[0]]}; expected finite scores."
        )
    scale = abs(values).max(initial=0) or 1.0  # sums of large scores stay finite
    values = values / scale
    totals = np.bincount(encode_labels(labels, "labels"), values - values.mean())
    return float(scale * (np.sqrt((totals**2).sum()) / len(values)))
