"""From pairs of titles to match probabilities: candidates, features, stacking.

In: titles and fitted embedders. Out: the probability of each candidate pair, as a score
graph, and why. Pairs are scored in a context: a gallery, a catalogue, or a
pair beside a catalogue.

- ``_model.py``: the fitted pair model; read `PairModel.score` first
- ``_stacking.py``: how it is fitted, out of fold, level by level
- ``_context.py``: candidates and what is around them, for each of the three contexts
- ``_copies.py``: which rows of a title that is there very often are scored
- ``_text_features.py``: words, quantities, codes, characters, lengths; add yours here
- ``_graph_features.py``: what a score means among those of the other candidates
- ``_parsed_titles.py``: words, quantities and codes of titles, read once
- ``_word_weights.py``: a learned weight of each word
- ``_explanation.py``: what each feature adds
"""

from skmatch.pairs._context import Catalogue, CatalogueContext
from skmatch.pairs._copies import MOST_STORED, Copies, find_copies
from skmatch.pairs._explanation import PairExplanation, explain_pair
from skmatch.pairs._model import PairModel
from skmatch.pairs._stacking import (
    Fold,
    PairSettings,
    TrainingTitles,
    fit_pair_model,
)

__all__ = [
    "MOST_STORED",
    "Catalogue",
    "CatalogueContext",
    "Copies",
    "Fold",
    "PairExplanation",
    "PairModel",
    "PairSettings",
    "TrainingTitles",
    "explain_pair",
    "find_copies",
    "fit_pair_model",
]
