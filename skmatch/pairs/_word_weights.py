"""What each word tells, where both titles of a pair have it or only one of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, hstack
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import LogisticRegression

_N_HASHES = 2**16


def make_word_classifier() -> LogisticRegression:
    """Return what learns a weight of each word."""
    # Its result needs no seed, but without one it draws from numpy's global state.
    return LogisticRegression(C=0.1, solver="liblinear", max_iter=1000, random_state=0)


def hash_words(titles: NDArray[np.object_]) -> csr_array:
    """Return which words each title has, (n_titles, n_hashes)."""
    hasher = HashingVectorizer(
        token_pattern=r"\w+", n_features=_N_HASHES, binary=True, norm=None,
        alternate_sign=False, dtype=np.float32,
    )  # fmt: skip
    return csr_array(hasher.transform(titles))


def compare_hashed(words: csr_array, others: csr_array) -> csr_array:
    """Return which words both titles of pairs have, and which one of them alone.

    It has the shape (n_pairs, 2 * n_hashes). So a linear classifier learns what each
    word tells: "original" may be missing, "refill" may not.
    """
    both = words.multiply(others)
    alone = csr_array(words + others - 2 * both)
    alone.eliminate_zeros()
    return csr_array(hstack([both, alone], format="csr"))
