"""Product labels: one check for all estimators, splitters and metrics."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import column_or_1d


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
