"""How good matches are: scores, the score at every threshold, class-disjoint splits.

In: product labels, and matches, groups or a score graph. Out: scores in [0, 1], and
examples of what is wrong.

- ``_rowwise.py``: row-wise F1 and its scorer; the standard error over products
- ``_clusters.py``: precision, recall and F1 of pairs and B-cubed, and their scorers
- ``_curve.py``: the score at every threshold, and the best one
- ``_splitters.py``: cross-validation in which no product stands on both sides
- ``_labels.py``: what a product label is; ``_counts.py``: what all scores count
- ``_report.py``: matches compared with the products: scores and errors in one report
- ``_match_evaluation.py``: what it holds; ``_report_display.py``: as text and as HTML
- ``_wrong_pairs.py``: false and missed pairs, and groups of several products
- ``_pairs.py``: pairs whose answers are known: their sides, answers and F1
"""

from skmatch.evaluation._clusters import (
    bcubed_f1_scorer,
    bcubed_precision_recall_f1,
    pairwise_f1_scorer,
    pairwise_precision_recall_f1,
)
from skmatch.evaluation._curve import (
    RankedMatches,
    best_threshold,
    check_scoring,
    find_best,
    rank_matches,
    score_curve,
    scores_at,
)
from skmatch.evaluation._labels import (
    as_labels,
    encode_known_labels,
    encode_labels,
)
from skmatch.evaluation._match_evaluation import MatchEvaluation
from skmatch.evaluation._pairs import (
    best_pair_f1,
    check_answers,
    check_validation,
    find_classes,
    find_products,
    halve_columns,
    join_sides,
)
from skmatch.evaluation._report import evaluate_matches
from skmatch.evaluation._rowwise import (
    clustered_standard_error,
    rowwise_f1_score,
    rowwise_f1_scorer,
)
from skmatch.evaluation._splitters import (
    ClassDisjointKFold,
    ClusterDisjointKFold,
    DisjointPairsKFold,
    list_splits,
)
from skmatch.evaluation._wrong_pairs import unordered_pairs

__all__ = [
    "ClassDisjointKFold",
    "ClusterDisjointKFold",
    "DisjointPairsKFold",
    "MatchEvaluation",
    "RankedMatches",
    "as_labels",
    "bcubed_f1_scorer",
    "bcubed_precision_recall_f1",
    "best_pair_f1",
    "best_threshold",
    "check_answers",
    "check_scoring",
    "check_validation",
    "clustered_standard_error",
    "encode_known_labels",
    "encode_labels",
    "evaluate_matches",
    "find_best",
    "find_classes",
    "find_products",
    "halve_columns",
    "join_sides",
    "list_splits",
    "pairwise_f1_scorer",
    "pairwise_precision_recall_f1",
    "rank_matches",
    "rowwise_f1_score",
    "rowwise_f1_scorer",
    "score_curve",
    "scores_at",
    "unordered_pairs",
]
