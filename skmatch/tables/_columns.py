"""Columns as callers give them, of pandas, polars, pyarrow or plain, and frames."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
from numpy.typing import NDArray


def as_columns(
    given: Mapping[str, Any], n_rows: Mapping[str, int]
) -> dict[str, nw.Series[Any]]:
    """Return columns as Series of the one kind that is among them; else of pandas.

    Raises if two kinds are among them, or one has not as many values as it should.
    """
    read = {name: _read(name, values) for name, values in given.items()}
    kinds = {
        values.implementation: name
        for name, values in read.items()
        if isinstance(values, nw.Series)
    }
    if len(kinds) > 1:
        (one, name), (other, other_name), *_ = kinds.items()
        raise ValueError(
            f"{other_name} is of {other.value} and {name} of {one.value}; expected "
            "columns of one kind."
        )
    kind = next(iter(kinds), nw.Implementation.PANDAS)
    for name, values in read.items():
        if not isinstance(values, nw.Series):
            read[name] = _make(name, values, kind)
        if len(values) != n_rows[name]:
            raise ValueError(
                f"{name} has {len(values)} values; expected {n_rows[name]}, one for "
                "each row."
            )
    return read


def check_ids(name: str, ids: nw.Series[Any]) -> None:
    """Raise if an id is missing or there twice."""
    is_missing = ids.is_null()
    if ids.dtype.is_float():
        is_missing = is_missing | ids.is_nan()
    missing = np.flatnonzero(is_missing.fill_null(True).to_numpy())
    if len(missing):
        raise ValueError(f"row {missing[0]} of {name} is missing; expected an id.")
    seen: dict[Any, int] = {}
    for row, value in enumerate(ids.to_list()):
        try:
            first = seen.setdefault(value, row)
        except TypeError as error:
            raise ValueError(
                f"row {row} of {name} is {value!r:.50}; expected an id, int or str."
            ) from error
        if first != row:
            raise ValueError(
                f"row {row} of {name} is {value!r:.50}, as row {first} is; expected "
                "an id for each row."
            )


def take(column: nw.Series[Any], rows: NDArray[np.intp]) -> nw.Series[Any]:
    """Return some values of a column, which forgets what pandas called them."""
    return nw.maybe_reset_index(column[rows])


def as_frame(columns: Mapping[str, Any]) -> Any:
    """Return a native frame of Series of one kind, and arrays."""
    kind = next(
        values.implementation
        for values in columns.values()
        if isinstance(values, nw.Series)
    )
    every = [
        values.alias(name)
        if isinstance(values, nw.Series)
        else _make(name, values, kind)
        for name, values in columns.items()
    ]
    return every[0].to_frame().with_columns(*every[1:]).to_native()


def _read(name: str, values: Any) -> Any:
    """Return a Series, or what is plain as a sequence; raise if it is neither."""
    if type(values).__module__.partition(".")[0] == "pyarrow" and hasattr(
        values, "to_pylist"
    ):
        import pyarrow as pa

        values = pa.chunked_array([values]) if isinstance(values, pa.Array) else values
    series = nw.from_native(values, series_only=True, pass_through=True)
    if isinstance(series, nw.Series):
        return series
    if not isinstance(values, (list, tuple)):
        values = np.asarray(values)
        if values.ndim != 1:
            raise ValueError(
                f"{name} has shape {values.shape}; expected one dimension, a value "
                "for each row."
            )
    return values


def _make(name: str, values: Any, kind: Any) -> nw.Series[Any]:
    """Return plain values as a Series of a kind."""
    try:
        return nw.new_series(name, values, backend=kind)
    except ImportError as error:
        raise ImportError(
            f"A table of plain lists needs {kind.value}: pip install {kind.value}"
        ) from error
    except Exception as error:  # each kind has its own
        raise ValueError(
            f"{name} is no column of {kind.value}: {error}; expected values of one kind"
        ) from error
