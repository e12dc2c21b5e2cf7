"""How well a network matches products that do not train."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array

from skmatch.embedders._batches import TitleBatches
from skmatch.embedders._training import embed
from skmatch.evaluation import rank_matches, scores_at
from skmatch.search import lowest_threshold, similar_pairs

_THRESHOLDS = np.arange(0.1, 1.0, 0.025, dtype=np.float32)
_MAX_PAIRS = 2**19  # that are sorted in a second or less, after each epoch
_MAX_PAIRS_PER_ROW = 100


def draw_validation(
    labels: NDArray[np.intp], fraction: float, generator: torch.Generator
) -> NDArray[np.bool_]:
    """Mark the rows of a share of the classes; none if too few classes would remain."""
    n_classes = int(labels.max()) + 1
    n_drawn = round(fraction * n_classes)
    order = torch.randperm(n_classes, generator=generator).numpy()
    is_drawn = np.zeros(n_classes, dtype=bool)
    is_drawn[order[:n_drawn]] = True
    can_train = np.bincount(labels)[~is_drawn] > 1
    if n_drawn < 2 or can_train.size < 2 or not can_train.any():
        is_drawn[:] = False
    return is_drawn[labels]


class Validation:
    """The score of a module on what does not train: by default the best row-wise F1."""

    def __init__(
        self,
        module: Any,
        titles: TitleBatches,
        labels: NDArray[Any],
        device: torch.device,
        dtype: torch.dtype,
        score: Callable[[Any, Any], float] | None = None,
    ) -> None:
        self._module, self._titles, self._labels = module, titles, labels
        self._device, self._dtype = device, dtype
        self._score = best_rowwise_f1 if score is None else score

    def __call__(self) -> float:
        """Return the score in [0, 1]."""
        outputs = embed(self._module, self._titles, self._device, self._dtype)
        return self._score(outputs, self._labels)


def best_rowwise_f1(
    embeddings: NDArray[np.float32],
    labels: NDArray[np.intp],
    max_pairs: int = _MAX_PAIRS,
) -> float:
    """Return the highest row-wise F1 of unit rows over thresholds 0.1, 0.125, ... < 1.

    Where rows have more than `max_pairs` pairs, and more than a hundred a row, only
    thresholds count at which a row has about a hundred matches or fewer. Equal scores
    are equal to the last digit, whatever the order of the sums: epochs are compared.
    """
    n_rows = len(labels)
    thresholds, lowest = _THRESHOLDS, float(_THRESHOLDS[0])
    max_pairs = max(max_pairs, _MAX_PAIRS_PER_ROW * n_rows)
    if n_rows * (n_rows - 1) // 2 > max_pairs:
        lowest = max(lowest, lowest_threshold(embeddings, max_pairs))
        affordable = thresholds[thresholds >= lowest]
        thresholds = affordable if affordable.size else np.array([lowest])
    left, right, similarity = similar_pairs(embeddings, lowest)
    ends = np.concatenate([left, right]), np.concatenate([right, left])
    scores = csr_array((np.tile(similarity, 2), ends), shape=(n_rows, n_rows))
    ranked = rank_matches(scores, labels)
    return round(float(scores_at(ranked, thresholds).max()), 9)
