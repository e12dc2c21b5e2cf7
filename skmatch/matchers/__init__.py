"""The estimators that match: score, then decide.

In: embeddings or titles. Out: `score_graph`, the scores of their pairs; `predict`, the
matches among them; `transform`, the scores of matches with the fitted catalogue.

- ``_faiss_threshold.py``: FaissThresholdMatcher, cosine similarities of embeddings
- ``_pair_classifier.py``: PairClassifierMatcher, probabilities of pairs of titles
- ``_tuned_threshold.py``: TunedThresholdMatcherCV, the best threshold of either
- ``_mixin.py``: what all of them have
- ``_growing.py``: what a ProductCatalogue asks of a fitted matcher
- ``_gallery_parts.py``: what a cluster asks of a PairClassifierMatcher
- ``_fold_scores.py``: what the folds of PairClassifierMatcher say of a threshold
- ``_ranked_decisions.py``: score graphs, ranked to choose a threshold for a matcher

The threshold is chosen in ``fit`` of the last two estimators, by the score at every
threshold, which ``evaluation/_curve.py`` computes.
"""

from skmatch.matchers._faiss_threshold import FaissThresholdMatcher
from skmatch.matchers._gallery_parts import GalleryParts
from skmatch.matchers._growing import GrowingScores, ReadTitles, make_growing
from skmatch.matchers._pair_classifier import PairClassifierMatcher
from skmatch.matchers._tuned_threshold import TunedThresholdMatcherCV

__all__ = [
    "FaissThresholdMatcher",
    "GalleryParts",
    "GrowingScores",
    "PairClassifierMatcher",
    "ReadTitles",
    "TunedThresholdMatcherCV",
    "make_growing",
]
