"""Pairs whose answers are known: their two sides, their answers, and their F1."""

from __future__ import annotations

import re
from collections.abc import Callable
from numbers import Real
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.metrics import precision_recall_curve

T = TypeVar("T")


def join_sides(X: Any) -> Any:
    """Return pairs as they are, or if they are a tuple of both sides, one array.

    It is of shape (n_pairs, 2 * n_fields).
    """
    if not (isinstance(X, tuple) and len(X) == 2 and np.ndim(X[0]) > 0):
        return X
    sides = [np.asarray(side, dtype=object) for side in X]
    left, right = (side.reshape(-1, 1) if side.ndim == 1 else side for side in sides)
    if left.shape != right.shape or left.ndim != 2:
        raise ValueError(
            f"X holds sides of shape {left.shape} and {right.shape}; expected the same "
            "rows and columns."
        )
    return np.hstack([left, right])


def halve_columns(values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the left and the right sides of pairs; raise if columns are left over."""
    n_features = values.shape[1] if values.ndim == 2 else 1
    if values.ndim != 2 or n_features % 2:
        raise ValueError(
            f"X has shape {values.shape}, {n_features} feature(s); expected two titles "
            "for each pair, (n_pairs, 2), or the fields of both sides, (n_pairs, 2 * "
            "n_fields)."
        )
    left, right = np.hsplit(values, 2)
    return left, right


def check_answers(is_match: Any, name: str, n_pairs: int) -> NDArray[np.bool_]:
    """Return whether each pair matches; raise unless each answer is a bool, 0 or 1."""
    answers = np.asarray(is_match)
    if answers.shape != (n_pairs,):
        raise ValueError(
            f"{name} has shape {answers.shape}; expected {(n_pairs,)}, an answer for "
            "each pair."
        )
    answers = answers.astype(object)
    for row, answer in enumerate(answers):
        if not (isinstance(answer, (np.bool_, Real)) and answer in (0, 1)):
            raise ValueError(
                f"row {row} of {name} is {answer!r:.50}; expected True or False, or 1 "
                "or 0: whether the pair is the same product."
            )
    return answers.astype(bool)


def find_products(
    left: list[Any], right: list[Any], is_match: NDArray[np.bool_]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the distinct titles of both sides of pairs, and the product of each title.

    The first has shape (2, n_pairs), the second (n_titles,). Titles that are joined by
    matching pairs are one product.
    """
    texts = [*left, *right]
    numbers = {text: number for number, text in enumerate(dict.fromkeys(texts))}
    titles = np.array([numbers[text] for text in texts], np.intp).reshape(2, -1)
    matches = coo_array(
        (np.ones(is_match.sum()), tuple(titles[:, is_match])), shape=[len(numbers)] * 2
    )
    return titles, connected_components(matches, directed=False)[1]


def find_classes(answers: Any, name: str) -> NDArray[Any]:
    """Return the two answers of checked ones; raise if all are the same."""
    classes = np.unique(np.asarray(answers))
    if len(classes) < 2:
        raise ValueError(
            f"{name} holds only {classes.tolist()[0]!r}: the classifier can't be "
            "fitted on pairs of one class; expected pairs that match and pairs that do "
            "not."
        )
    return classes


def check_validation(
    X_val: Any, y_val: Any, read: Callable[[Any], T]
) -> tuple[T, NDArray[np.bool_]] | None:
    """Return what `read` makes of validation pairs, and which match; None if none are.

    Raise if one of both is missing or wrong, or all answers are the same.
    """
    if X_val is None and y_val is None:
        return None
    if X_val is None or y_val is None:
        missing = "X_val" if X_val is None else "y_val"
        raise ValueError(f"{missing}=None; expected X_val and y_val, or neither.")
    try:
        pairs = read(X_val)
    except ValueError as error:
        message = re.sub(r"\bX\b", "X_val", str(error))
        message = message if "X_val" in message else f"X_val: {message}"
        raise ValueError(message) from error
    is_match = check_answers(y_val, "y_val", len(join_sides(X_val)))
    find_classes(y_val, "y_val")
    return pairs, is_match


def best_pair_f1(scores: NDArray[Any], is_match: NDArray[np.bool_]) -> float:
    """Return the highest F1 of the pairs that match, over all thresholds of scores."""
    precision, recall, _ = precision_recall_curve(is_match, scores)
    return float((2 * precision * recall / (precision + recall).clip(1e-12)).max())
