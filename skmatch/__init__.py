"""Find identical products by their titles, the scikit-learn way.

titles -> embeddings (``embedders``) -> score graph (``search``, ``pairs``)
       -> matches -> groups (``graph``) -> score (``evaluation``)
       -> products of listings as they come (``catalogue``)

``tables`` makes frames of matches and of groups, and has the same for files: titles in,
pairs that match out. ``distributed`` has it for Spark, and ``plotting`` draws figures.

``matchers`` holds the estimators that match; each of the packages says what comes in,
what goes out and which of its files does what. ``_fitting.py`` makes every fit atomic,
``_matrices.py`` checks matrices of users, and ``persistence`` saves every estimator.
"""

from skmatch.catalogue import Change, ProductCatalogue
from skmatch.datasets import make_product_titles
from skmatch.embedders import (
    AdapterBertEmbedder,
    AdapterBertPairClassifier,
    LSTMTitleEmbedder,
)
from skmatch.evaluation import (
    ClassDisjointKFold,
    ClusterDisjointKFold,
    DisjointPairsKFold,
    MatchEvaluation,
    bcubed_f1_scorer,
    bcubed_precision_recall_f1,
    clustered_standard_error,
    evaluate_matches,
    pairwise_f1_scorer,
    pairwise_precision_recall_f1,
    rowwise_f1_score,
    rowwise_f1_scorer,
)
from skmatch.graph import (
    decide_matches,
    expand_queries,
    filter_pairs,
    group_matches,
    link_catalogues,
)
from skmatch.matchers import (
    FaissThresholdMatcher,
    PairClassifierMatcher,
    TunedThresholdMatcherCV,
)
from skmatch.pairs import PairExplanation, TitlePairClassifier
from skmatch.persistence import load, save
from skmatch.search import SearchReport
from skmatch.tables import groups_table, link_parquet, match_parquet, match_table
from skmatch.titles import decode_escapes

__version__ = "0.1.0"

__all__ = [
    "AdapterBertEmbedder",
    "AdapterBertPairClassifier",
    "Change",
    "ClassDisjointKFold",
    "ClusterDisjointKFold",
    "DisjointPairsKFold",
    "FaissThresholdMatcher",
    "LSTMTitleEmbedder",
    "MatchEvaluation",
    "PairClassifierMatcher",
    "PairExplanation",
    "ProductCatalogue",
    "SearchReport",
    "TitlePairClassifier",
    "TunedThresholdMatcherCV",
    "bcubed_f1_scorer",
    "bcubed_precision_recall_f1",
    "clustered_standard_error",
    "decide_matches",
    "decode_escapes",
    "evaluate_matches",
    "expand_queries",
    "filter_pairs",
    "group_matches",
    "groups_table",
    "link_catalogues",
    "link_parquet",
    "load",
    "make_product_titles",
    "match_parquet",
    "match_table",
    "pairwise_f1_scorer",
    "pairwise_precision_recall_f1",
    "rowwise_f1_score",
    "rowwise_f1_scorer",
    "save",
]
