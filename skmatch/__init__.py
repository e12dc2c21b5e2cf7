"""Titles -> tokens -> embeddings -> neighbours -> matches -> groups -> score."""

from skmatch.datasets import make_product_titles
from skmatch.embedders._adapter_bert import AdapterBertEmbedder
from skmatch.embedders._base import LSTMTitleEmbedder
from skmatch.evaluation._metrics import (
    bcubed_f1_scorer,
    bcubed_precision_recall_f1,
    clustered_standard_error,
    pairwise_f1_scorer,
    pairwise_precision_recall_f1,
    rowwise_f1_score,
    rowwise_f1_scorer,
)
from skmatch.evaluation._splitters import ClassDisjointKFold
from skmatch.graph._groups import group_matches, link_catalogues
from skmatch.graph._refine import blend_neighbours, limit_matches, match_lonely_rows
from skmatch.matchers._pair_classifier import PairClassifierMatcher, PairExplanation
from skmatch.matchers._threshold import FaissThresholdMatcher
from skmatch.matchers._tuned_threshold import TunedThresholdMatcherCV

__version__ = "0.1.0"

__all__ = [
    "AdapterBertEmbedder",
    "ClassDisjointKFold",
    "FaissThresholdMatcher",
    "LSTMTitleEmbedder",
    "PairClassifierMatcher",
    "PairExplanation",
    "TunedThresholdMatcherCV",
    "bcubed_f1_scorer",
    "bcubed_precision_recall_f1",
    "blend_neighbours",
    "clustered_standard_error",
    "group_matches",
    "limit_matches",
    "link_catalogues",
    "make_product_titles",
    "match_lonely_rows",
    "pairwise_f1_scorer",
    "pairwise_precision_recall_f1",
    "rowwise_f1_score",
    "rowwise_f1_scorer",
]
