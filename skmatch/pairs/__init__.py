"""From pairs of titles to match probabilities: candidates, features, stacking.

In: titles and fitted embedders. Out: the probability of each candidate pair, as a score
graph, and why. Pairs are scored in a context: a gallery, one that grows, a catalogue,
or a pair beside a catalogue.

- ``_model.py``: the fitted pair model; read `PairModel.score` first
- ``_stacking.py``: how it is fitted, out of fold, level by level
- ``_features.py``: how features of many pairs are kept, and read by blocks
- ``_context.py``: candidates and what is around them, for each of the contexts
- ``_defaults.py``: parameters: their checks, the embedders and classifier they name
- ``_named_embedders.py``: embedders with names, and their parameters
- ``_lazy_catalogue.py``: a catalogue, matched among itself when it is needed
- ``_growing_gallery.py``: titles that join and leave, scored as they come
- ``_part_of_gallery.py``: some of its pairs, where the rest is on other machines
- ``_copies.py``: which rows of a title that is there very often are scored
- ``_text_features.py``: words, quantities, codes, characters, lengths; add yours here
- ``_near_words.py``: words that one title has alone, beside those of the other
- ``_column_features.py``: what a price, a brand or a model number beside it say
- ``_graph_features.py``: what a score means among those of the other candidates
- ``_parsed_titles.py``: words, quantities and codes of titles, read once
- ``_title_pair_classifier.py``: TitlePairClassifier, the estimator
- ``_transfer.py``: what is learned without a label, from pairs of made-up titles
- ``_labelled_pairs.py``: pairs that someone judged: checks, contradictions, folds
- ``_decider.py``: the last word of some pairs: by a cross-encoder and known products;
  ``_decider_fit.py``: how it is fitted; ``_known_products.py``: what those say
- ``_cross_fit.py``: what a classifier says out of fold
- ``_probabilities.py``: of a match, by a classifier
- ``_word_weights.py``: a learned weight of each word
- ``_explanation.py``: what each feature adds; ``_pair_of_gallery.py``: to what was said
  of a pair in a gallery
"""

from skmatch.pairs._column_features import check_columns, list_column_features
from skmatch.pairs._context import (
    Catalogue,
    CatalogueContext,
    EncodedTitles,
    GalleryContext,
    Level,
    PairIndices,
    add_pairs,
    stack_rows,
)
from skmatch.pairs._copies import MOST_SCORED, MOST_STORED, Copies, find_copies
from skmatch.pairs._cross_fit import LabelledPairs
from skmatch.pairs._defaults import (
    check_pair_params,
    find_local_functions,
    make_classifier,
    make_cross_encoder,
    make_embedders,
)
from skmatch.pairs._explanation import (
    PairExplanation,
    explain_in_gallery,
    explain_pair,
)
from skmatch.pairs._features import read_all
from skmatch.pairs._graph_features import graph_feature_names
from skmatch.pairs._growing_gallery import (
    GrowingGallery,
    ScoredPairs,
    start_gallery,
)
from skmatch.pairs._labelled_pairs import (
    JudgedPairs,
    KnownAnswers,
    check_pairs,
    deal_products,
    draw_uncertain,
    drop_contradictions,
    join_products,
)
from skmatch.pairs._lazy_catalogue import LazyCatalogue
from skmatch.pairs._model import DescribedPairs, PairModel, encode_words
from skmatch.pairs._named_embedders import NamedEmbedders
from skmatch.pairs._parsed_titles import (
    WordCounts,
    count_words,
    find_words,
    share_unseen,
    sort_words,
)
from skmatch.pairs._part_of_gallery import describe_part, score_part
from skmatch.pairs._probabilities import match_probability
from skmatch.pairs._stacking import (
    Fold,
    PairSettings,
    TrainingTitles,
    Trust,
    describe_folds,
    describe_labelled,
    fit_describer,
    fit_pair_model,
    fit_without_labels,
)
from skmatch.pairs._title_pair_classifier import TitlePairClassifier
from skmatch.pairs._transfer import fit_transferred

__all__ = [
    "MOST_SCORED",
    "MOST_STORED",
    "Catalogue",
    "CatalogueContext",
    "Copies",
    "DescribedPairs",
    "EncodedTitles",
    "Fold",
    "GalleryContext",
    "GrowingGallery",
    "JudgedPairs",
    "KnownAnswers",
    "LabelledPairs",
    "LazyCatalogue",
    "Level",
    "NamedEmbedders",
    "PairExplanation",
    "PairIndices",
    "PairModel",
    "PairSettings",
    "ScoredPairs",
    "TitlePairClassifier",
    "TrainingTitles",
    "Trust",
    "WordCounts",
    "add_pairs",
    "check_columns",
    "check_pair_params",
    "check_pairs",
    "count_words",
    "deal_products",
    "describe_folds",
    "describe_labelled",
    "describe_part",
    "draw_uncertain",
    "drop_contradictions",
    "encode_words",
    "explain_in_gallery",
    "explain_pair",
    "find_copies",
    "find_local_functions",
    "find_words",
    "fit_describer",
    "fit_pair_model",
    "fit_transferred",
    "fit_without_labels",
    "graph_feature_names",
    "join_products",
    "list_column_features",
    "make_classifier",
    "make_cross_encoder",
    "make_embedders",
    "match_probability",
    "read_all",
    "score_part",
    "share_unseen",
    "sort_words",
    "stack_rows",
    "start_gallery",
]
