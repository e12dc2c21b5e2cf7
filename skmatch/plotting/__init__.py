"""Figures of what a matcher does and how well, as Displays of scikit-learn.

In: a fitted estimator, or labels with scores, groups or an explanation. Out: an object
that holds the numbers of a figure, and draws it.

- ``_threshold_curve.py``: the score at every threshold
- ``_pair_precision_recall.py``: precision and recall of pairs at every threshold
- ``_score_histogram.py``: scores of pairs of the same product and of other pairs
- ``_match_calibration.py``: share of matches by probability
- ``_scored_pairs.py``: what the last three read: pairs, and which are the same product
- ``_display.py``: what all of them have; matplotlib is imported when they draw
"""

from skmatch.plotting._match_calibration import MatchCalibrationDisplay
from skmatch.plotting._pair_precision_recall import PairPrecisionRecallDisplay
from skmatch.plotting._score_histogram import ScoreHistogramDisplay
from skmatch.plotting._threshold_curve import ThresholdCurveDisplay

__all__ = [
    "MatchCalibrationDisplay",
    "PairPrecisionRecallDisplay",
    "ScoreHistogramDisplay",
    "ThresholdCurveDisplay",
]
