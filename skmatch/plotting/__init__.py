"""Figures of what a matcher does and how well, as Displays of scikit-learn.

In: a fitted estimator, or labels with scores, groups or an explanation. Out: an object
that holds the numbers of a figure, and draws it.

- ``_threshold_curve.py``: the score at every threshold
- ``_pair_precision_recall.py``: precision and recall of pairs at every threshold
- ``_score_histogram.py``: scores of pairs of the same product and of other pairs
- ``_match_calibration.py``: share of matches by probability
- ``_explanation.py``: what speaks for a match of two titles, and what against it
- ``_neighbourhood.py``: a title with its matches and near misses
- ``_group_sizes.py``: how many products and groups have so many rows
- ``_training_history.py``: loss and validation score by epoch
- ``_label_curve.py``: the score by the number of judged pairs
- ``_scored_pairs.py``: pairs of a score graph, and which are the same product
- ``_display.py``: what all of them have; matplotlib is imported when they draw
"""

from skmatch.plotting._explanation import ExplanationDisplay
from skmatch.plotting._group_sizes import GroupSizesDisplay
from skmatch.plotting._label_curve import LabelCurveDisplay
from skmatch.plotting._match_calibration import MatchCalibrationDisplay
from skmatch.plotting._neighbourhood import NeighbourhoodDisplay
from skmatch.plotting._pair_precision_recall import PairPrecisionRecallDisplay
from skmatch.plotting._score_histogram import ScoreHistogramDisplay
from skmatch.plotting._threshold_curve import ThresholdCurveDisplay
from skmatch.plotting._training_history import TrainingHistoryDisplay

__all__ = [
    "ExplanationDisplay",
    "GroupSizesDisplay",
    "LabelCurveDisplay",
    "MatchCalibrationDisplay",
    "NeighbourhoodDisplay",
    "PairPrecisionRecallDisplay",
    "ScoreHistogramDisplay",
    "ThresholdCurveDisplay",
    "TrainingHistoryDisplay",
]
