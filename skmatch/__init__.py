"""Titles -> tokens -> embeddings -> neighbours -> matches -> score."""

from skmatch._datasets import make_product_titles
from skmatch._embedders import LSTMTitleEmbedder
from skmatch._matching import FaissThresholdMatcher
from skmatch._metrics import rowwise_f1_score, rowwise_f1_scorer
from skmatch._model_selection import ClassDisjointKFold

__version__ = "0.1.0"

__all__ = [
    "ClassDisjointKFold",
    "FaissThresholdMatcher",
    "LSTMTitleEmbedder",
    "make_product_titles",
    "rowwise_f1_score",
    "rowwise_f1_scorer",
]
