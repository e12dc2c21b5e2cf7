"""Parameters that are numbers: in their range, or an error that names them."""

from __future__ import annotations

import math
from numbers import Integral, Real
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


def check_n_jobs(n_jobs: Any) -> None:
    """Raise unless it is a number of jobs as joblib knows it."""
    if n_jobs is not None:
        most = 2**15
        check_scalar(n_jobs, "n_jobs", Integral, min_val=-most, max_val=most)
        if n_jobs == 0:
            raise ValueError("n_jobs == 0, must be None, at least 1, or negative.")
