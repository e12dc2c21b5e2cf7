"""Listing ids and the rows of X, as they are given and as they are kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Set
from typing import Any

import numpy as np

from skmatch.matchers import ReadTitles


def is_empty(X: Any) -> bool:
    """Tell whether there is no row in X."""
    shape = getattr(X, "shape", None)
    if shape is not None:
        return len(shape) > 0 and shape[0] == 0
    return hasattr(X, "__len__") and len(X) == 0


def check_there(ids: list[Any], found: list[int | None]) -> None:
    """Raise if nothing was found of a listing."""
    for listing_id, number in zip(ids, found, strict=True):
        if number is None:
            raise ValueError(
                f"listing_ids holds {listing_id!r}, which is not in the catalogue."
            )


def as_ids(values: Any, name: str) -> list[Any]:
    """Return ids as str and int; raise if one is neither."""
    unordered = (str, bytes, Mapping, Set)
    is_flat = getattr(values, "ndim", 1) == 1
    if isinstance(values, unordered) or not isinstance(values, Iterable) or not is_flat:
        raise ValueError(f"{name}={values!r:.50}; expected a sequence of ids.")
    ids = []
    for place, value in enumerate(values):
        plain = _as_plain(value)
        is_int = isinstance(plain, int) and not isinstance(plain, bool)
        is_small = is_int and -(2**63) <= plain < 2**63
        if not is_small and not (isinstance(plain, str) and _is_unicode(plain)):
            raise ValueError(
                f"{name} holds {value!r:.50} at {place}; expected a str of Unicode "
                "characters, or an int of 64 bits."
            )
        ids.append(plain)
    return ids


def _is_unicode(text: str) -> bool:
    """Tell whether a str has no half of a pair of surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def check_once(ids: list[Any], name: str) -> None:
    """Raise if an id comes twice."""
    if len(set(ids)) < len(ids):
        twice = next(value for value, n in Counter(ids).items() if n > 1)
        raise ValueError(f"{name} holds {twice!r} twice.")


def _as_plain(value: Any) -> Any:
    """Return a number or str of numpy as one of Python; times stay what they are."""
    is_time = isinstance(value, (np.datetime64, np.timedelta64))
    return value.item() if isinstance(value, np.generic) and not is_time else value


def as_kept(read: ReadTitles) -> ReadTitles:
    """Return titles with fields as they are kept."""
    rows = np.empty(read.fields.shape, dtype=object)
    rows[:] = [
        [_as_json(field, row) for field in fields]
        if isinstance(fields, list)
        else _as_json(fields, row)
        for row, fields in enumerate(read.fields.tolist())
    ]
    return ReadTitles(read.titles, rows)


def _as_json(field: Any, row: int) -> Any:
    """Return a field as it is kept: str, number, bool or None."""
    plain = _as_plain(field)
    if type(plain).__name__ in ("NAType", "NaTType"):
        return None
    if plain is None or isinstance(plain, (str, int, float, bool)):
        return plain
    raise ValueError(
        f"row {row} of X holds {field!r:.50} of type {type(field).__name__}; expected "
        "str, numbers, bool or None in the columns of a catalogue."
    )
