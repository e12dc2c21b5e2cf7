"""Probabilities of a match, by a classifier, and their log-odds."""

from __future__ import annotations

import os
from contextlib import nullcontext
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skmatch.search import limit_threads

_PROCESS = os.getpid()
_ROWS_AT_ONCE = 2**12  # which stay in the cache while all trees read them


def match_probability(classifier: Any, features: Any) -> NDArray[np.float32]:
    """Return the probability of a match of each pair: (n_pairs,)."""
    classes = classifier.classes_.tolist()
    probabilities = np.zeros(features.shape[0], np.float32)
    if True not in classes:
        return probabilities
    column = classes.index(True)
    # In a process that was forked, several threads of GNU OpenMP wait for ever.
    is_forked = os.getpid() != _PROCESS
    with limit_threads(1) if is_forked else nullcontext():
        for start in range(0, len(probabilities), _ROWS_AT_ONCE):
            rows = slice(start, start + _ROWS_AT_ONCE)
            probabilities[rows] = classifier.predict_proba(features[rows])[:, column]
    return probabilities


def log_odds(probability: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return ``log(p / (1 - p))``, with p kept from 0 and 1."""
    p = np.clip(probability.astype(np.float64), 1e-6, 1 - 1e-6)
    return np.log(p / (1 - p)).astype(np.float32)
