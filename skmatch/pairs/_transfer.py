"""What is learned of pairs without a label: from the pairs of made-up titles.

`synthetic_pairs.npz` holds the features of labelled pairs of made-up markets, in which
words have no meaning; ``benchmarks/synthetic_pairs.py`` writes it, and has to do so
again when a feature is added or changed.
"""

from __future__ import annotations

from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier

from skmatch.pairs._defaults import fit_in_threads
from skmatch.pairs._graph_features import graph_feature_names
from skmatch.pairs._model import StackedLevels

_TABLE = Path(__file__).with_name("synthetic_pairs.npz")
_N_LEVELS = 2
# Slower and better than that of few pairs: trees see some of the features only.
_CLASSIFIER = HistGradientBoostingClassifier(
    learning_rate=0.07,
    max_iter=200,
    max_features=0.3,
    l2_regularization=1.0,
    min_samples_leaf=40,
    early_stopping=False,
    random_state=0,
)


class SyntheticPairs(NamedTuple):
    """The features of labelled pairs of made-up titles."""

    names: list[str]
    features: NDArray[np.float32]  # (n_pairs, n_features)
    is_match: NDArray[np.bool_]


@cache
def read_synthetic_pairs() -> SyntheticPairs:
    """Read the table; of each feature it has up to 64 values."""
    with np.load(_TABLE, allow_pickle=False) as table:
        ends = np.cumsum(table["n_values"])
        values = np.split(table["values"], ends[:-1])
        columns = [own[bins] for own, bins in zip(values, table["bins"], strict=True)]
        return SyntheticPairs(
            table["names"].tolist(),
            np.column_stack(columns).astype(np.float32),
            table["is_match"],
        )


def fit_transferred(names: list[str]) -> StackedLevels:
    """Fit classifiers of the made-up pairs, on those features that have these names.

    `names` are those of the features before the first level.
    """
    of_levels = graph_feature_names(f"level{_N_LEVELS - 1}")
    in_table = read_synthetic_pairs().names
    classifiers, columns = [], []
    for level in range(_N_LEVELS):
        known = [*names, *of_levels] if level else names
        common = [name for name in known if name in in_table]
        classifiers.append(_fit_on(tuple(common)))
        columns.append(np.array([known.index(name) for name in common], np.intp))
    return StackedLevels(classifiers, columns)


@lru_cache(maxsize=8)
def _fit_on(names: tuple[str, ...]) -> HistGradientBoostingClassifier:
    """Fit a classifier on some features; nothing changes it later."""
    table = read_synthetic_pairs()
    own = table.features[:, [table.names.index(name) for name in names]]
    return fit_in_threads(clone(_CLASSIFIER), own, table.is_match)


def draw_background(names: list[str], n_pairs: int, seed: int) -> NDArray[np.float32]:
    """Draw pairs to compare with in an explanation; unknown features are 0."""
    table = read_synthetic_pairs()
    rng = np.random.default_rng(seed)
    rows = rng.choice(len(table.is_match), n_pairs)
    background = np.zeros((n_pairs, len(names)), np.float32)
    for column, name in enumerate(names):
        if name in table.names:
            background[:, column] = table.features[rows, table.names.index(name)]
    return background
