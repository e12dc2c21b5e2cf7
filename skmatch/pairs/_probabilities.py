"""Probabilities of a match, by a classifier, and their log-odds."""

from __future__ import annotations

import os
from contextlib import nullcontext
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skmatch.search import limit_threads

_PROCESS = os.getpid()


def match_probability(classifier: Any, features: Any) -> NDArray[np.float32]:
    """Return the probability of a match of each pair: (n_pairs,)."""
    classes = classifier.classes_.tolist()
    if True not in classes or not features.shape[0]:
        return np.zeros(features.shape[0], np.float32)
    column = classes.index(True)
    # In a process that was forked, several threads of GNU OpenMP wait for ever.
    is_forked = os.getpid() != _PROCESS
    with limit_threads(1) if is_forked else nullcontext():
        return classifier.predict_proba(features)[:, column].astype(np.float32)


def log_odds(probability: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return ``log(p / (1 - p))``, with p kept from 0 and 1."""
    p = np.clip(probability.astype(np.float64), 1e-6, 1 - 1e-6)
    return np.log(p / (1 - p)).astype(np.float32)
