"""Parameters that are numbers: in their range, or an error that names them."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

from sklearn.utils import check_scalar


def check_number(value: Any, name: str, **bounds: Any) -> None:
    """Raise unless a parameter is a number in its range, as `check_scalar` has it.

    NaN, which is neither below nor above a bound, is in no range.
    """
    check_scalar(value, name, Real, **bounds)
    try:
        is_number = not math.isnan(value)
    except OverflowError:  # of an int that no float can hold
        is_number = False
    if not is_number:
        raise ValueError(f"{name} == {value!r:.50}, must be a number of float64.")
