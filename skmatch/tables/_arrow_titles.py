"""Columns of Arrow as the titles that a matcher takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np


def has_names(matcher: Any) -> bool:
    """Tell whether a matcher was fitted on columns with names."""
    return getattr(matcher, "feature_names_in_", None) is not None


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
