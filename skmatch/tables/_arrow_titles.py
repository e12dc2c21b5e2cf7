"""Columns of Arrow as the titles that a matcher takes, and what it may be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np


def has_names(matcher: Any) -> bool:
    """Tell whether a matcher was fitted on columns with names."""
    return getattr(matcher, "feature_names_in_", None) is not None


def refuse_mutual(matcher: Any) -> None:
    """Raise if a matcher compares the matches of all rows, as batches cannot."""
    parameters = matcher.get_params().items()
    if any(name.split("__")[-1] == "mutual" and value for name, value in parameters):
        raise ValueError(
            "the matcher has mutual=True; expected False to link by batches."
        )


def as_ids(catalogue_ids: Any) -> Any:
    """Return the ids of a catalogue as an array of Arrow; raise if they cannot be."""
    import pyarrow as pa

    try:
        column = pa.array(np.asarray(catalogue_ids).tolist())
    except (ValueError, TypeError, OverflowError, pa.ArrowException) as error:
        raise ValueError(f"catalogue_ids cannot be read as ids: {error}") from error
    is_id = pa.types.is_integer(column.type) or pa.types.is_string(column.type)
    if not is_id or column.null_count:
        raise ValueError(
            f"catalogue_ids holds {column.type} with {column.null_count} missing; "
            "expected str or int."
        )
    return column


def as_titles(columns: Mapping[str, Any], *, is_1d: bool, keeps_names: bool) -> Any:
    """Return columns as ``X``: titles alone, or fields, with their names or without."""
    import pyarrow as pa

    plain = {name: plain_values(column) for name, column in columns.items()}
    if keeps_names:
        return pa.table(plain)
    fields = [
        np.asarray(column.to_numpy(zero_copy_only=False), dtype=object)
        for column in plain.values()
    ]
    return fields[0] if is_1d else np.column_stack(fields)


def plain_values(column: Any) -> Any:
    """Return a column of plain values: of a dictionary, what it stands for."""
    import pyarrow as pa

    is_coded = pa.types.is_dictionary(column.type)
    return column.cast(column.type.value_type) if is_coded else column
