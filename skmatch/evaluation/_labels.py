"""Product labels: one check for all estimators, splitters and metrics."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

BYTES = (bytes, bytearray, memoryview)  # which numpy and Python read as numbers


def as_labels(labels: Any) -> NDArray[Any]:
    """Return labels as an array: what numpy would make str of fixed width, as objects.

    Each of these would be as wide as the longest one, and what is not str become str.
    """
    if hasattr(labels, "dtype"):
        return _as_array(labels)
    values = np.array(labels, dtype=object)
    has_text = any(isinstance(label, str) for label in values.ravel())
    return values if has_text else np.array(labels)


def encode_labels(labels: ArrayLike, name: str) -> NDArray[np.intp]:
    """Return product labels as 0, 1, ... in sorted order.

    Labels are all int, all str, all bool or all finite float (numbers of both kinds are
    numbers). Anything else, such as one that is missing, raises a ValueError that names
    its row: numpy and scikit-learn would make the str "nan" of it without a word.
    """
    if isinstance(labels, (str, *BYTES)):
        raise ValueError(
            f"{name} should be a 1d array of product labels, got {labels!r:.50} "
            "instead."
        )
    if not hasattr(labels, "dtype"):  # as objects, so that nothing becomes str
        labels = np.array(labels, dtype=object)
    values = _as_array(labels)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        raise ValueError(
            f"{name} should be a 1d array of product labels, got an array of shape "
            f"{values.shape} instead."
        )
    if values.dtype.kind == "c":  # in the words that scikit-learn's checks look for
        raise ValueError(f"Complex data not supported as {name}; expected int or str.")
    if values.dtype.kind not in "iubU":
        values = values.astype(object)
        _check_each(values, name)
    return np.unique(values, return_inverse=True)[1]


def encode_known_labels(labels: ArrayLike, name: str) -> NDArray[np.intp]:
    """Return product labels as 0, 1, ..., and -1 for None, NaN, NA and -1.

    -1 stands for no label as in scikit-learn's semi-supervised estimators.
    """
    is_text = isinstance(labels, (str, *BYTES))
    values: NDArray[Any] = np.empty(0) if is_text else np.asarray(as_labels(labels))
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if is_text or values.ndim != 1 or values.dtype.kind not in "iufOM":
        return encode_labels(labels, name)
    values = values.astype(object)
    is_known = np.array([not _is_missing(label) for label in values], dtype=bool)
    _check_each(values, name, is_known)
    codes = np.full(len(values), -1)
    codes[is_known] = np.unique(values[is_known], return_inverse=True)[1]
    return codes


def _is_missing(label: Any) -> bool:
    """Tell whether a label says that there is none."""
    is_number = isinstance(label, Real) and not isinstance(label, (bool, np.bool_))
    return (
        label is None
        or type(label).__name__ in {"NAType", "NaTType"}
        or (is_number and (label != label or label == -1))
    )


def _as_array(labels: Any) -> NDArray[Any]:
    """Return an array with all of each str: numpy's own lose a NUL at their end."""
    values = np.asarray(labels)
    if values.dtype.kind == "U" and not isinstance(labels, np.ndarray):
        return np.asarray(labels, dtype=object)
    return values


def _check_each(
    values: NDArray[np.object_], name: str, is_known: NDArray[np.bool_] | None = None
) -> None:
    """Raise unless labels are there, but those that are not known, and of one kind."""
    first, first_row = "", 0
    for row, label in enumerate(values):
        if is_known is not None and not is_known[row]:
            continue
        kind = _kind_of(label)
        if not first:
            first, first_row = kind, row
        if not kind:
            raise ValueError(
                f"row {row} of {name} is {label!r:.50}; expected a product label, int "
                "or str."
            )
        if kind != first:
            raise ValueError(
                f"row {row} of {name} is {label!r:.50}, a {kind}, and row {first_row} "
                f"is {values[first_row]!r:.50}, a {first}; expected labels of one kind."
            )


def _kind_of(label: Any) -> str:
    """Return the kind of a label; "" if it is none."""
    if isinstance(label, str):
        return "str"
    if isinstance(label, (bool, np.bool_)):
        return "bool"
    is_number = isinstance(label, Integral) or (
        isinstance(label, Real) and math.isfinite(label)
    )
    return "number" if is_number else ""
