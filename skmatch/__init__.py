"""Titles -> tokens -> embeddings -> neighbours -> matches -> groups -> score."""

from skmatch._bert_embedder import AdapterBertEmbedder
from skmatch._datasets import make_product_titles
from skmatch._embedders import LSTMTitleEmbedder
from skmatch._groups import group_matches, link_catalogues
from skmatch._match_graph import blend_neighbours, limit_matches, match_lonely_rows
from skmatch._matching import FaissThresholdMatcher
from skmatch._metrics import (
    bcubed_f1_scorer,
    bcubed_precision_recall_f1,
    clustered_standard_error,
    pairwise_f1_scorer,
    pairwise_precision_recall_f1,
    rowwise_f1_score,
    rowwise_f1_scorer,
)
from skmatch._model_selection import ClassDisjointKFold
from skmatch._rescoring import PairClassifierMatcher, PairExplanation
from skmatch._threshold import TunedThresholdMatcherCV

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
