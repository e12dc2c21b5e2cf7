"""A fit that is whole or not at all: what every estimator of skmatch promises."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from sklearn.base import BaseEstimator

Estimator = TypeVar("Estimator", bound=BaseEstimator)
# What scikit-learn keeps on an estimator besides its parameters.
_OF_SKLEARN = {"_sklearn_output_config", "_metadata_request"}


@contextmanager
def fitting(estimator: Estimator) -> Iterator[Estimator]:
    """Give an unfitted twin of an estimator to fit; at the end the estimator is it.

    An exception, KeyboardInterrupt included, leaves the estimator as it was: fitted
    before or not at all. One assignment makes the change.
    """
    kept = {*estimator.get_params(deep=False), *_OF_SKLEARN}
    twin = object.__new__(type(estimator))
    twin.__dict__ = {k: v for k, v in vars(estimator).items() if k in kept}
    yield twin
    estimator.__dict__ = twin.__dict__
