"""Fit a pair model by stacked generalization: each level sees the last, out of fold.

1. For each fold, fit the embedders and count the words of the other folds; describe the
   pairs of the fold as a gallery of its own, as in use.
2. Cross-fit a weight of each word; its log-odds are one more feature.
3. For each level, cross-fit a classifier: the probabilities of a fold come from a copy
   that was fitted on the other folds. They are propagated, and described for the next
   level. A copy fitted on all folds is the one in use.
4. Fit the embedders and count the words of all titles.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, vstack
from sklearn.base import clone
from sklearn.dummy import DummyClassifier

from skmatch.pairs._context import GalleryContext, Level
from skmatch.pairs._model import (
    DescribedPairs,
    PairDescriber,
    PairModel,
    log_odds,
    match_probability,
)
from skmatch.pairs._parsed_titles import count_words
from skmatch.pairs._text_features import TextFeatures
from skmatch.pairs._word_weights import make_word_classifier

_N_BACKGROUND = 200  # training pairs that an explanation takes values from


class PairSettings(NamedTuple):
    """What a pair model is made of, before it is fitted."""

    embedders: list[Any]
    classifier: Any
    pair_features: Sequence[Callable[..., Any]]
    n_candidates: int
    n_levels: int
    propagates: bool
    seed: int
    n_threads: int


class TrainingTitles(NamedTuple):
    """Titles, their rows as they were given, and their products."""

    titles: NDArray[np.object_]  # (n_titles,)
    fields: NDArray[np.object_]  # (n_titles,) or (n_titles, n_columns)
    y: NDArray[Any]  # (n_titles,) as given
    labels: NDArray[np.intp]  # (n_titles,) codes of y


class Fold(NamedTuple):
    """Training titles, scored by models that saw none of their products."""

    labels: NDArray[np.intp]  # (n_titles,)
    n_true_candidates: int  # pairs that are candidates and the same product
    level: Level  # what the last level says, out of fold

    @property
    def n_true(self) -> int:
        """Number of pairs of the same product, candidates or not."""
        sizes = np.bincount(self.labels)
        return int((sizes * (sizes - 1) // 2).sum())


def fit_pair_model(
    training: TrainingTitles,
    splits: Iterable[tuple[NDArray[np.intp], NDArray[np.intp]]],
    settings: PairSettings,
) -> tuple[PairModel, list[Fold]]:
    """Fit a pair model; return it, and what it says of the folds of `splits`."""
    galleries: list[DescribedPairs] = []
    labels, is_match = [], []
    for train, test in splits:
        describer = _fit_describer(training, train, settings)
        encoded = describer.encode(training.titles[test], training.fields[test])
        pairs = describer.describe(GalleryContext(encoded), settings.n_threads)
        own = training.labels[test]
        galleries.append(pairs)
        labels.append(own)
        is_match.append(own[pairs.indices.left] == own[pairs.indices.right])
    word_weights, classifiers, levels, features = _fit_levels(
        galleries, is_match, settings
    )
    rng = np.random.default_rng(settings.seed)
    n_drawn = min(_N_BACKGROUND, len(features))
    model = PairModel(
        _fit_describer(training, slice(None), settings),
        word_weights,
        classifiers,
        settings.propagates,
        features[rng.choice(len(features), n_drawn, replace=False)],
    )
    folds = [
        Fold(own, int(same.sum()), level)
        for own, same, level in zip(labels, is_match, levels, strict=True)
    ]
    return model, folds


def _fit_describer(
    training: TrainingTitles, rows: Any, settings: PairSettings
) -> PairDescriber:
    """Fit embedders and count the words of some titles."""
    titles, y = training.titles[rows], training.y[rows]
    embedders = []
    for embedder in settings.embedders:
        try:
            embedders.append(clone(embedder).fit(titles, y))
        except ValueError as error:
            raise ValueError(
                f"{type(embedder).__name__} of embedders cannot be fitted on titles of "
                f"X: {error}"
            ) from error
    return PairDescriber(
        embedders,
        TextFeatures(count_words(titles), settings.pair_features),
        settings.n_candidates,
    )


def _fit_levels(
    galleries: list[DescribedPairs],
    is_match: list[NDArray[np.bool_]],
    settings: PairSettings,
) -> tuple[Any, list[Any], list[Level], NDArray[np.float32]]:
    """Fit the weights of words and the classifiers of all levels.

    Return them, what the last level says of each gallery out of fold, and the features
    of all pairs as it sees them.
    """
    words = [vstack([*pairs.compare_words()], format="csr") for pairs in galleries]
    probabilities, word_weights = _cross_fit(
        make_word_classifier(), words, is_match, vstack
    )
    del words  # as large as the features
    described = [
        np.column_stack([pairs.features, log_odds(p)])
        for pairs, p in zip(galleries, probabilities, strict=True)
    ]
    features = described
    levels: list[Level] = []
    classifiers: list[Any] = []
    for level in range(settings.n_levels):
        if level:
            features = [
                pairs.add_level(own, before)
                for pairs, own, before in zip(galleries, described, levels, strict=True)
            ]
        probabilities, fitted = _cross_fit(
            settings.classifier, features, is_match, np.concatenate
        )
        classifiers.append(fitted)
        levels = [
            pairs.context.propagate(level, p, pairs.indices, settings.propagates)
            for pairs, p in zip(galleries, probabilities, strict=True)
        ]
    return word_weights, classifiers, levels, np.concatenate(features)


def _cross_fit(
    classifier: Any,
    features: list[Any],
    is_match: list[NDArray[np.bool_]],
    stack: Callable[[list[Any]], NDArray[np.float32] | csr_array],
) -> tuple[list[NDArray[np.float32]], Any]:
    """Return the out-of-fold probabilities of each fold, and a classifier of all."""
    probabilities = []
    for fold in range(len(features)):
        others = [i for i in range(len(features)) if i != fold]
        fitted = _fit_classifier(
            classifier,
            stack([features[i] for i in others]),
            np.concatenate([is_match[i] for i in others]),
        )
        probabilities.append(match_probability(fitted, features[fold]))
    everything = stack(features), np.concatenate(is_match)
    return probabilities, _fit_classifier(classifier, *everything)


def _fit_classifier(classifier: Any, features: Any, is_match: NDArray[np.bool_]) -> Any:
    """Fit a copy of a classifier; one that has seen one answer always gives it."""
    if len(is_match) == 0:
        features = np.zeros((1, features.shape[1]), np.float32)
        is_match = np.array([False])
    if is_match.all() or not is_match.any():
        classifier = DummyClassifier(strategy="prior")
    # scikit-learn may fit in threads, which can leave each other's warning filters.
    with warnings.catch_warnings():
        return clone(classifier).fit(features, is_match)
