"""What the folds of a fit say of thresholds, candidates and assumptions."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import block_diag, csr_array

from skmatch.evaluation import best_threshold, rowwise_f1_score
from skmatch.graph import decide_matches
from skmatch.matchers._ranked_decisions import Refinements, rank_decisions
from skmatch.pairs import Fold


class FoldScores:
    """The folds of a fit, as one graph in which no title meets those of others."""

    def __init__(self, folds: list[Fold]) -> None:
        self._levels = [fold.level.of_left for fold in folds]
        # A splitter may test a product in several folds: each time it is another one.
        n_labels = 1 + max(int(fold.labels.max()) for fold in folds)
        labels = [fold.labels + i * n_labels for i, fold in enumerate(folds)]
        self.labels = np.unique(np.concatenate(labels), return_inverse=True)[1]
        n_true = sum(fold.n_true for fold in folds)
        n_reached = sum(fold.n_true_candidates for fold in folds)
        self.candidate_recall = n_reached / n_true if n_true else 1.0
        self.mean_size = float(np.mean([len(fold.labels) for fold in folds]))

    def best(
        self,
        refinements: Refinements,
        propagated: bool = True,
        scoring: Any = "rowwise_f1",
    ) -> tuple[float, float]:
        """Return the best threshold and its score."""
        graph = self._graph(propagated)
        ranked = rank_decisions(graph, self.labels, refinements)
        return best_threshold(ranked, scoring)

    def score(self, threshold: float | str, refinements: Refinements) -> float:
        """Return the mean row-wise F1 at a threshold."""
        graph = self._graph()
        matches = decide_matches(graph, threshold, **refinements._asdict())
        return float(rowwise_f1_score(self.labels, matches))

    def _graph(self, propagated: bool = True) -> csr_array:
        """Return the probabilities of all folds, out of fold."""
        return csr_array(
            block_diag(
                [x.graph if propagated else x.probabilities for x in self._levels],
                format="csr",
            )
        )
