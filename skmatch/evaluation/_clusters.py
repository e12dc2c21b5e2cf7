"""Precision, recall and F1 of pairs and of groups."""

from __future__ import annotations

from typing import Any

from sklearn.metrics import make_scorer

from skmatch.evaluation._counts import count_pairs


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
        int(counts.sum()) for counts in count_pairs(y_true, y_pred)
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
    n_both, n_true, n_found = (counts + 1 for counts in count_pairs(y_true, y_pred))
    if not n_both.size:
        raise ValueError("y_true and y_pred are empty; expected at least one row.")
    precision, recall = (n_both / n_found).mean(), (n_both / n_true).mean()
    return float(precision), float(recall), _harmonic_mean(precision, recall)


def _pairwise_f1_score(y_true: Any, y_pred: Any) -> float:
    return pairwise_precision_recall_f1(y_true, y_pred)[2]


def _bcubed_f1_score(y_true: Any, y_pred: Any) -> float:
    return bcubed_precision_recall_f1(y_true, y_pred)[2]


pairwise_f1_scorer = make_scorer(_pairwise_f1_score)
pairwise_f1_scorer.__doc__ = "Score the matches of ``predict`` by the F1 of pairs."
bcubed_f1_scorer = make_scorer(_bcubed_f1_score)
bcubed_f1_scorer.__doc__ = "Score the matches of ``predict`` by their B-cubed F1."


def _harmonic_mean(precision: float, recall: float) -> float:
    total = precision + recall
    return float(2 * precision * recall / total) if total else 0.0
