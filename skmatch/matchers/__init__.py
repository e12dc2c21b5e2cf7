"""The estimators that match: score, then decide.

In: embeddings or titles. Out: `score_graph`, the scores of their pairs; `predict`, the
matches among them; `transform`, the scores of matches with the fitted catalogue.

- ``_threshold.py``: FaissThresholdMatcher, cosine similarities of embeddings
- ``_pair_classifier.py``: PairClassifierMatcher, probabilities of pairs of titles
- ``_tuned_threshold.py``: TunedThresholdMatcherCV, the best threshold of either
- ``_thresholding.py``: what choosing a threshold needs: ranked decisions, gallery size
"""

from skmatch.matchers._pair_classifier import PairClassifierMatcher
from skmatch.matchers._threshold import FaissThresholdMatcher
from skmatch.matchers._tuned_threshold import TunedThresholdMatcherCV

__all__ = [
    "FaissThresholdMatcher",
    "PairClassifierMatcher",
    "TunedThresholdMatcherCV",
]
