"""What a cluster asks of a fitted PairClassifierMatcher: a gallery, part by part."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from sklearn.utils.validation import check_is_fitted

from skmatch.graph import propagate_rows, shift_log_odds
from skmatch.matchers._growing import ReadTitles
from skmatch.matchers._pair_classifier import PairClassifierMatcher


class GalleryParts:
    """A fitted PairClassifierMatcher, whose `model` scores a gallery part by part.

    Parameters
    ----------
    matcher : PairClassifierMatcher
        Fitted. It decides by a threshold alone, and asks about no pair but its own
        candidates.

    Raises
    ------
    ValueError
        If it does more than that.
    """

    def __init__(self, matcher: PairClassifierMatcher) -> None:
        check_is_fitted(matcher)
        self._matcher, self.model = matcher, matcher._model_
        threshold = matcher._threshold()
        asked = {
            "max_matches": matcher.max_matches is not None,
            "match_singletons": matcher.match_singletons,
            "cross_encoder": self.model.last_levels.decider is not None,
            "pairs": matcher._answers_ is not None,
        }
        if isinstance(threshold, str):
            raise ValueError(
                f"the matcher decides by {threshold!r}, row by row; expected a number "
                "here: set_params(threshold=0.5)."
            )
        for name in [name for name, is_asked in asked.items() if is_asked]:
            raise ValueError(
                f"the matcher uses {name}; expected one that decides by its threshold "
                "alone, fitted on product ids or without labels."
            )
        self.threshold = np.float32(threshold)

    def read(self, X: Any) -> ReadTitles:
        """Read titles as the matcher does."""
        return ReadTitles(*self._matcher._read(X))

    def propagate(
        self, graph: csr_array, rows: NDArray[np.intp], is_last: bool
    ) -> csr_array:
        """Return what a level says of some rows, propagated; the last one, shifted.

        The graph is symmetric, without what is low, and has all that can reach them.
        """
        spread = propagate_rows(graph, rows, self.model.propagates).graph
        return (
            shift_log_odds(spread, self._matcher.log_odds_shift_) if is_last else spread
        )
