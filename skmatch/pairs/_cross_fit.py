"""Cross-fitting: what a classifier says of pairs whose products it has not seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.dummy import DummyClassifier

from skmatch._progress import track
from skmatch.pairs._context import Level
from skmatch.pairs._defaults import fit_in_threads
from skmatch.pairs._model import DescribedPairs
from skmatch.pairs._probabilities import match_probability


class LabelledPairs(NamedTuple):
    """Pairs of a gallery whose answers are known, and the fold that they test."""

    pairs: DescribedPairs
    rows: Any  # which of the pairs: (n_labelled,), or slice(None)
    is_match: NDArray[np.bool_]  # (n_labelled,)
    fold: int
    other_fold: NDArray[np.intp] | None  # (n_labelled,) of the other product of a pair
    partition: int = 0  # folds of one have none of their titles in common

    def list_possible(self, said: Sequence[Level]) -> NDArray[np.intp]:
        """Return the pairs to look at further, with all that are labelled by rows."""
        possible = self.pairs.list_possible(said)
        if isinstance(self.rows, slice):
            return possible
        return np.union1d(possible, self.rows).astype(np.intp)

    def among(self, some: NDArray[np.intp]) -> LabelledPairs:
        """Return the labelled pairs among some of the pairs, with rows in these."""
        if isinstance(self.rows, slice):
            return self._replace(is_match=self.is_match[some])
        return self._replace(rows=np.searchsorted(some, self.rows))


def cross_fit(
    classifier: Any,
    features: list[Any],
    galleries: list[LabelledPairs],
    stack: Callable[[list[Any]], NDArray[np.float32] | csr_array],
) -> tuple[list[NDArray[np.float32]], Any]:
    """Return the out-of-fold probabilities of each fold, and a classifier of all."""

    def fit(without: tuple[int, int] | None) -> Any:
        seen, answers = [], []
        for own, X in zip(galleries, features, strict=True):
            X, answer = X[own.rows], own.is_match
            if without is not None:
                partition, fold = without
                if own.partition != partition or own.fold == fold:
                    continue
                if own.other_fold is not None:
                    is_apart = own.other_fold != fold
                    X, answer = X[is_apart], answer[is_apart]
            seen.append(X)
            answers.append(answer)
        if not seen:  # all labels are in one fold
            seen = [features[0][:0]]
            answers = [galleries[0].is_match[:0]]
        return _fit_classifier(classifier, stack(seen), np.concatenate(answers))

    folds = [(own.partition, own.fold) for own in galleries]
    distinct = track(dict.fromkeys(folds), "Folds fitted")
    fitted = {fold: fit(fold) for fold in distinct}
    probabilities = [
        match_probability(fitted[fold], X)
        for fold, X in zip(folds, features, strict=True)
    ]
    return probabilities, fit(None)


def _fit_classifier(classifier: Any, features: Any, is_match: NDArray[np.bool_]) -> Any:
    """Fit a copy of a classifier; one that has seen one answer always gives it."""
    if len(is_match) == 0:
        features = np.zeros((1, features.shape[1]), np.float32)
        is_match = np.array([False])
    if is_match.all() or not is_match.any():
        classifier = DummyClassifier(strategy="prior")
    return fit_in_threads(clone(classifier), features, is_match)
