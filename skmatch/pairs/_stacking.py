"""Fit a pair model by stacked generalization: each level sees the last, out of fold.

1. With product ids, each fold is a gallery of its own, as in use: fit the embedders and
   count the words of the other folds, and describe its pairs. With labelled pairs, all
   titles are the gallery of every fold, of which the fold labels some pairs.
2. Cross-fit a weight of each word; its log-odds are one more feature.
3. For each level, cross-fit a classifier: the probabilities of a fold come from a copy
   that was fitted on the other folds, and on no pair with a product of this one. They
   are propagated, and described for the next level. A copy fitted on all folds is the
   one in use. If the titles are parted more than once, such as at random and by their
   words, each partition is cross-fitted by itself, and the copy in use sees all.
4. If there is a cross-encoder, or given pairs and known products, cross-fit what
   decides by these.
5. Fit the embedders and count the words of all titles.

With judged pairs alone, 1. adds anchors, pairs of which what is transferred is sure,
and says how much the judged pairs are to be trusted beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import vstack
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.utils import get_tags

from skmatch._progress import track
from skmatch.graph import choose_shift
from skmatch.pairs._context import GalleryContext, Level, PairIndices
from skmatch.pairs._cross_fit import LabelledPairs, cross_fit
from skmatch.pairs._decider_fit import fit_cross_encoder, fit_decider
from skmatch.pairs._features import Part, read_all
from skmatch.pairs._labelled_pairs import JudgedPairs
from skmatch.pairs._model import (
    PairDescriber,
    PairModel,
    StackedLevels,
    start_probabilities,
)
from skmatch.pairs._parsed_titles import count_words
from skmatch.pairs._probabilities import log_odds
from skmatch.pairs._text_features import TextFeatures
from skmatch.pairs._transfer import draw_background, fit_transferred
from skmatch.pairs._word_weights import make_word_classifier

_FEW = 10_000  # labelled pairs; more are better than what is transferred alone
# Chosen on 55 sets of 50 to 2,000 judged pairs of five training galleries: F1 rose by
# 0.040 on average, and fell, by 0.010 at most, only where pairs were the most uncertain
# ones of all.
_N_ANCHORS = 1000
_SURE = 0.95  # probability of the answer of an anchor
_EQUAL = 250  # judged pairs that are trusted as much as what is transferred
_RARER = 0.25  # share of the rarer answer, below which judged pairs count for less
_N_BACKGROUND = 100  # training pairs that an explanation takes values from


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
    cross_encoder: Any = None  # unfitted classifier of two titles
    asks_given: bool = False  # whether none but given pairs are decided by more


class TrainingTitles(NamedTuple):
    """Titles, their rows as they were given, and their products."""

    titles: NDArray[np.object_]  # (n_titles,)
    fields: NDArray[np.object_]  # (n_titles,) or (n_titles, n_columns)
    labels: NDArray[np.intp]  # (n_titles,); -1: nothing is known of it

    def at(self, rows: NDArray[np.intp]) -> TrainingTitles:
        """Return some of the titles."""
        return TrainingTitles(self.titles[rows], self.fields[rows], self.labels[rows])


class HeldOutPairs(NamedTuple):
    """Judged pairs that the levels do not learn from, with titles to compare with."""

    titles: NDArray[np.object_]  # (n_titles,)
    fields: NDArray[np.object_]  # (n_titles,) or (n_titles, n_columns)
    judged: JudgedPairs


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


class Trust(NamedTuple):
    """How much few labels are trusted beside what is transferred, which is lowered."""

    weight: float = 1.0  # of the log-odds that labels taught, in [0, 1]
    shift: float = 0.0  # how far the others are lowered

    @property
    def mean_shift(self) -> float:
        """How far the weighted mean of both is lowered."""
        return (1 - self.weight) * self.shift


class FittedLevels(NamedTuple):
    """Levels, and what the last one says of each gallery out of fold."""

    word_weights: Any
    levels: StackedLevels
    last: list[Level]
    rows: list[NDArray[np.intp]]  # the labelled pairs that the last level looks at
    features: list[NDArray[np.float32]]  # of these, as it sees them


def fit_pair_model(
    training: TrainingTitles,
    galleries: list[LabelledPairs],
    settings: PairSettings,
    *,
    trust: float = 1.0,
    may_calibrate: bool = False,
    held_out: HeldOutPairs | None = None,
) -> tuple[PairModel, list[Level]]:
    """Fit a pair model on labelled pairs; return it, and what it says out of fold.

    What is learned from made-up titles is one more feature, but for product ids of few
    titles, where it would take longer than all else. `trust` is the weight of what is
    learned here; what is transferred has the rest. If it `may_calibrate`, the model is
    this feature alone, calibrated, where that is better out of fold: the labelled pairs
    are to be a fair sample of those in use. What decides after the last level learns
    from held-out pairs, if there are any, else out of fold.
    """
    describer = fit_describer(training, slice(None), settings)
    names = describer.feature_names()
    n_labelled = sum(len(own.is_match) for own in galleries if own.partition == 0)
    are_judged = any(own.other_fold is not None for own in galleries)
    transferred = None
    if are_judged or n_labelled >= _FEW:
        transferred = fit_transferred(names)
    fitted = _fit_levels(galleries, settings, transferred)
    if may_calibrate and n_labelled < _FEW:
        calibrated = _calibrate(galleries, settings, transferred, len(names))
        losses = [_log_loss(galleries, each.last) for each in (calibrated, fitted)]
        fitted = calibrated if losses[0] <= losses[1] else fitted
    rng = np.random.default_rng(settings.seed)
    levels, last, rows = fitted.levels, fitted.last, fitted.rows
    features = np.concatenate(fitted.features)
    model = PairModel(
        describer,
        transferred,
        fitted.word_weights,
        levels,
        settings.propagates,
        features[:0],
        trust,
    )
    if settings.asks_given or settings.cross_encoder is not None:
        decided, said, cross_encoder = galleries, last, None
        if held_out is not None:
            decided, said, features = _describe_held_out(model, held_out, settings)
            rows = [own.rows for own in decided]
            if settings.cross_encoder is not None:
                cross_encoder = fit_cross_encoder(
                    galleries, settings, held_out=decided[0]
                )
        n_before = len(levels.classifiers)
        n_before += 0 if transferred is None else len(transferred.classifiers)
        decider, evidence, decided_last = fit_decider(
            training, decided, said, settings, n_before, cross_encoder
        )
        if held_out is None:  # these are out of fold; held-out pairs have one fold
            last = decided_last
        if decider is not None:
            model = model._replace(levels=levels._replace(decider=decider))
            found = [x[own] for x, own in zip(evidence, rows, strict=True)]
            features = np.column_stack([features, np.concatenate(found)])
    n_drawn = min(_N_BACKGROUND, len(features))
    drawn = features[rng.choice(len(features), n_drawn, replace=False)]
    return model._replace(background=drawn), last


def _describe_held_out(
    model: PairModel, held_out: HeldOutPairs, settings: PairSettings
) -> tuple[list[LabelledPairs], list[Level], NDArray[np.float32]]:
    """Return held-out pairs as one gallery, what a model says of it, and features."""
    encoded = model.describer.encode(held_out.titles, held_out.fields)
    given, is_match = held_out.judged
    context = GalleryContext(encoded, given)
    pairs = model.describer.describe(context, settings.n_threads)
    levels, features = model.score(pairs)
    rows = context.find(given, pairs.indices)
    own = LabelledPairs(pairs, rows, is_match, fold=0, other_fold=None)
    return [own], levels[-1:], read_all(features, rows)


def fit_without_labels(training: TrainingTitles, settings: PairSettings) -> PairModel:
    """Return a pair model that has learned from made-up titles."""
    describer = fit_describer(training, slice(None), settings)
    names = describer.feature_names()
    transferred = fit_transferred(names)
    model = PairModel(
        describer,
        transferred,
        None,
        None,
        settings.propagates,
        np.zeros((0, 0), np.float32),
    )
    drawn = draw_background(model.feature_names(), _N_BACKGROUND, settings.seed)
    return model._replace(background=drawn)


def describe_folds(
    training: TrainingTitles,
    splits: Sequence[tuple[NDArray[np.intp], NDArray[np.intp]]],
    settings: PairSettings,
    partition: int = 0,
) -> list[LabelledPairs]:
    """Describe the titles that each split tests as a gallery, as in use."""
    galleries = []
    for fold, (train, test) in enumerate(track(splits, "Folds described")):
        describer = fit_describer(training, train, settings)
        encoded = describer.encode(training.titles[test], training.fields[test])
        pairs = describer.describe(GalleryContext(encoded), settings.n_threads)
        left, right = (training.labels[test][side] for side in pairs.indices)
        galleries.append(
            LabelledPairs(pairs, slice(None), left == right, fold, None, partition)
        )
    return galleries


def describe_labelled(
    training: TrainingTitles,
    given: PairIndices,
    is_match: NDArray[np.bool_],
    fold: NDArray[np.intp],
    settings: PairSettings,
    *,
    has_anchors: bool = False,
) -> tuple[list[LabelledPairs], Trust]:
    """Describe all titles as one gallery, some pairs of which are labelled.

    `fold` is that of the product of each title. A pair tests the fold of its left one.

    Anchors are further pairs, labelled by what is learned from made-up titles where
    this is sure: labelled pairs that were chosen because they are uncertain say nothing
    of all others. With them comes how much the labelled pairs are to be trusted.
    """
    describer = fit_describer(training, slice(None), settings)
    encoded = describer.encode(training.titles, training.fields)
    context = GalleryContext(encoded, given)
    pairs = describer.describe(context, settings.n_threads)
    rows = context.find(given, pairs.indices)
    trust = Trust()
    if has_anchors:
        transferred = fit_transferred(describer.feature_names())
        levels, _ = transferred.score(pairs, pairs.features, settings.propagates)
        shift = choose_shift(levels[-1].of_left.graph)
        trust = Trust(_trust_in(rows, is_match), shift)
        odds = log_odds(levels[-1].propagated) - shift
        anchors = _draw_sure(odds, settings.seed, without=rows)
        rows = np.concatenate([rows, anchors])
        is_match = np.concatenate([is_match, odds[anchors] > 0])
        given = pairs.indices.at(rows)
    left, right = (fold[side] for side in given)
    galleries = []
    for k in np.unique(left):
        own = np.flatnonzero(left == k)
        galleries.append(
            LabelledPairs(pairs, rows[own], is_match[own], int(k), right[own])
        )
    return galleries, trust


def _trust_in(rows: NDArray[np.intp], is_match: NDArray[np.bool_]) -> float:
    """Return the weight of judged pairs beside what is transferred, in [0, 1].

    A pair that is there twice counts once, and answers of one kind alone teach nothing.
    """
    answers = is_match[np.unique(rows, return_index=True)[1]]
    n_rarer = min(answers.sum(), len(answers) - answers.sum())
    n_counted = min(len(answers), n_rarer / _RARER)
    return float(n_counted / (n_counted + _EQUAL))


def _draw_sure(
    odds: NDArray[np.float32], seed: int, without: NDArray[np.intp]
) -> NDArray[np.intp]:
    """Draw some of the pairs whose log-odds leave no doubt."""
    is_sure = np.abs(odds) > np.log(_SURE / (1 - _SURE))
    is_sure[without] = False
    return np.random.default_rng(seed).permutation(np.flatnonzero(is_sure))[:_N_ANCHORS]


def fit_describer(
    training: TrainingTitles, rows: Any, settings: PairSettings
) -> PairDescriber:
    """Fit embedders and count the words of some titles."""
    titles, y = training.titles[rows], training.labels[rows]
    # A title of which nothing is known is a product of its own.
    of_each = np.where(y < 0, len(training.labels) + np.arange(len(y)), y)
    embedders = []
    for embedder in settings.embedders:
        X, labels = titles, of_each
        if _needs_labels(embedder):
            X, labels = titles[y >= 0], y[y >= 0]
            if not len(X):
                raise ValueError(
                    f"embedders has {type(embedder).__name__}, which learns from "
                    "product ids; y has none."
                )
        try:
            embedders.append(clone(embedder).fit(X, labels))
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


def _needs_labels(embedder: Any) -> bool:
    """Tell whether an embedder, or one inside of it, learns from labels."""
    parts = getattr(embedder, "steps", None) or getattr(
        embedder, "transformer_list", None
    )
    if parts is not None:  # scikit-learn does not pass their tags on
        return any(_needs_labels(part) for _, part in parts)
    has_tags = hasattr(embedder, "__sklearn_tags__")
    return has_tags and get_tags(embedder).target_tags.required


def _fit_levels(
    galleries: list[LabelledPairs],
    settings: PairSettings,
    transferred: StackedLevels | None,
    columns: list[NDArray[np.intp]] | None = None,
) -> FittedLevels:
    """Fit the weights of words and the classifiers of all levels.

    `columns` are the features that the classifier of each level sees; None is all.
    """
    said = _score_all(galleries, settings, transferred)
    possible, among = _list_possible(galleries, said)
    words = [
        vstack([*own.pairs.compare_words(rows)], format="csr")
        for own, rows in zip(galleries, possible, strict=True)
    ]
    probabilities, word_weights = cross_fit(
        make_word_classifier(), words, among, vstack
    )
    del words  # as large as the features
    described: list[Sequence[Part]] = []
    for own, levels, rows, p in zip(
        galleries, said, possible, probabilities, strict=True
    ):
        weights = np.zeros(own.pairs.n_pairs, np.float32)
        weights[rows] = log_odds(p)
        odds = [log_odds(level.propagated) for level in levels[-1:]]
        described.append([*own.pairs.features, *(x[:, None] for x in [*odds, weights])])
    classifiers: list[Any] = []
    for number in range(settings.n_levels):
        possible, among = _list_possible(galleries, said)
        parts = described
        if number:
            parts = [
                own.pairs.add_level(X, levels[-1])
                for own, X, levels in zip(galleries, described, said, strict=True)
            ]
        features = [read_all(X, rows) for X, rows in zip(parts, possible, strict=True)]
        seen = features
        if columns is not None:
            seen = [X[:, columns[number]] for X in features]
        probabilities, fitted = cross_fit(
            settings.classifier, seen, among, np.concatenate
        )
        classifiers.append(fitted)
        for own, levels, rows, p in zip(
            galleries, said, possible, probabilities, strict=True
        ):
            every = start_probabilities(own.pairs, levels)
            every[rows] = p
            levels.append(
                own.pairs.context.propagate(
                    len(levels), every, own.pairs.indices, settings.propagates
                )
            )
    return FittedLevels(
        word_weights,
        StackedLevels(classifiers, columns),
        [levels[-1] for levels in said],
        [rows[own.rows] for own, rows in zip(among, possible, strict=True)],
        [X[own.rows] for own, X in zip(among, features, strict=True)],
    )


def _score_all(
    galleries: list[LabelledPairs],
    settings: PairSettings,
    transferred: StackedLevels | None,
) -> list[list[Level]]:
    """Return what is transferred says of each gallery, by level; some have the same."""
    if transferred is None:
        return [[] for _ in galleries]
    pairs_of = {id(own.pairs): own.pairs for own in galleries}
    said = {
        key: transferred.score(pairs, pairs.features, settings.propagates)[0]
        for key, pairs in pairs_of.items()
    }
    return [[*said[id(own.pairs)]] for own in galleries]


def _list_possible(
    galleries: list[LabelledPairs], said: list[list[Level]]
) -> tuple[list[NDArray[np.intp]], list[LabelledPairs]]:
    """Return the pairs of each gallery to look at further, and the labelled of them."""
    possible = [
        own.list_possible(levels) for own, levels in zip(galleries, said, strict=True)
    ]
    among = [own.among(rows) for own, rows in zip(galleries, possible, strict=True)]
    return possible, among


def _calibrate(
    galleries: list[LabelledPairs],
    settings: PairSettings,
    transferred: StackedLevels | None,
    column: int,
) -> FittedLevels:
    """Fit a logistic regression on what is transferred: the feature in this column."""
    return _fit_levels(
        galleries,
        settings._replace(classifier=LogisticRegression(), n_levels=1),
        transferred,
        columns=[np.array([column])],
    )


def _log_loss(galleries: list[LabelledPairs], levels: list[Level]) -> float:
    """Return the mean log loss of labelled pairs out of fold."""
    losses = []
    for own, level in zip(galleries, levels, strict=True):
        odds = log_odds(level.probabilities[own.rows])
        losses.append(np.logaddexp(0, np.where(own.is_match, -odds, odds)))
    return float(np.concatenate(losses).mean())
