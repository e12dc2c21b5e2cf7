"""A fit that is whole or not at all: what every estimator of skmatch promises."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from sklearn.base import BaseEstimator

Estimator = TypeVar("Estimator", bound=BaseEstimator)


@contextmanager
def fitting(estimator: Estimator) -> Iterator[Estimator]:
    """Give an unfitted twin of an estimator to fit; at the end the estimator is it.

    An exception, KeyboardInterrupt included, leaves the estimator as it was: fitted
    before or not at all. One assignment makes the change. What was learned has a name
    that ends with an underscore; parameters and what scikit-learn keeps besides stay.
    """
    twin = object.__new__(type(estimator))
    twin.__dict__ = _without_learned(estimator)
    yield twin
    estimator.__dict__ = _without_learned(estimator) | vars(twin)


def _without_learned(estimator: BaseEstimator) -> dict[str, object]:
    return {k: v for k, v in vars(estimator).items() if not k.endswith("_")}
