"""Titles as users give them: checked, and one str a row."""

from __future__ import annotations

from collections.abc import Collection
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import validate_data


def check_titles(
    estimator: Any,
    X: Any,
    y: Any = "no_validation",
    *,
    reset: bool,
    besides: Collection[Any] = (),
) -> tuple[NDArray[np.object_], Any]:
    """Return a title for each row of `X`, and `y` as scikit-learn checked it.

    `X` is 1-D, or 2-D with a field in each column: the fields of a row become str and
    are joined by a space. An empty title is legal; a missing one raises a ValueError
    that names the row. Half a pair of surrogates becomes U+FFFD. With `reset`,
    `estimator` notes the number of fields and their names; without, they must be the
    same as before. Columns `besides` the title, by their names or places, are no part
    of it, and may lack values.
    """
    checked = validate_data(
        estimator, _as_columns(X), y, reset=reset, dtype=None, ensure_all_finite=False
    )
    fields, labels = (checked, None) if isinstance(y, str) else checked
    if besides:
        names = getattr(estimator, "feature_names_in_", None)
        places = find_columns(besides, fields.shape[1], names)
        fields = np.delete(fields, [*places.values()], axis=1)
    rows = fields.tolist()
    for index, row in enumerate(rows):
        for field in row:
            if not isinstance(field, str):
                _check_field(field, index)
    titles = np.empty(len(rows), dtype=object)
    titles[:] = _as_characters([" ".join(map(str, row)) for row in rows])
    return titles, labels


def find_columns(
    columns: Collection[Any], n_columns: int, names: Any = None
) -> dict[Any, int]:
    """Return the place of each column, which is given by its name or its place."""
    known = [] if names is None else list(names)
    places: dict[Any, int] = {}
    for column in columns:
        is_place = isinstance(column, (int, np.integer))
        if is_place and not isinstance(column, bool) and 0 <= column < n_columns:
            places[column] = int(column)
        elif isinstance(column, str) and column in known:
            places[column] = known.index(column)
        else:
            raise ValueError(
                f"columns holds {column!r}; expected a place from 0 to "
                f"{n_columns - 1}"
                + (f" or one of the names {known}." if known else ": X has no names.")
            )
    if len(set(places.values())) < len(places):
        raise ValueError(f"columns={[*columns]} holds a column of X twice.")
    if places and len(places) == n_columns:
        raise ValueError(
            f"columns names all {n_columns} columns of X; expected at least one "
            "besides, the title."
        )
    return places


def _as_characters(titles: list[str]) -> list[str]:
    """Put U+FFFD in place of half a pair of surrogates, which is no character."""
    try:
        "".join(titles).encode()
    except UnicodeEncodeError:
        return [
            title.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
            for title in titles
        ]
    return titles


def _as_columns(X: Any) -> Any:
    """Turn 1-D titles into a column; keep the fields of lists as they are."""
    if isinstance(X, str):
        raise ValueError(f"X is the single str {X!r}; expected a sequence of titles.")
    if isinstance(X, (list, tuple)):
        rows = (row if isinstance(row, (list, tuple)) else [row] for row in X)
        has_text = any(isinstance(field, str) for field in chain.from_iterable(rows))
        # As objects: numpy would make the str "nan" of the NaN in ["tea", nan].
        X = np.array(X, dtype=object if has_text else None)
    if len(getattr(X, "shape", ())) != 1:
        return X
    values = np.asarray(X)
    if values.dtype.kind == "U":  # of polars: numpy's str lose a NUL at their end
        values = np.asarray(X, dtype=object)
    has_gap = values.dtype.kind == "f" and np.isnan(values).any()
    if values.size and values.dtype.kind in "biufc" and not has_gap:
        raise ValueError(
            f"Expected 2D array, got 1D array of {values.dtype} instead; a 1-D X holds "
            "titles of type str. Reshape your data with X.reshape(-1, 1) if it is one "
            "column of numbers."
        )
    return values.astype(object).reshape(-1, 1)


def _check_field(field: Any, row: int) -> None:
    """Raise if a field of a row is missing or cannot be read as text."""
    is_number = isinstance(field, (float, np.floating))
    if field is None or type(field).__name__ in {"NAType", "NaTType"}:
        found = repr(field)
    elif is_number and not np.isfinite(field):
        found = "NaN" if np.isnan(field) else repr(float(field))
    elif isinstance(field, (bytes, list, tuple, set, frozenset, dict, np.ndarray)):
        found = f"the {type(field).__name__} {field!r}"
    else:
        return
    raise ValueError(
        f"row {row} of X holds {found}; expected a title, as str (an empty "
        "title is '')."
    )
