from typing import ClassVar

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline

from skmatch import (
    PairClassifierMatcher,
    make_product_titles,
)
from skmatch.pairs import _probabilities
from skmatch.pairs._context import GalleryContext
from skmatch.pairs._cross_fit import LabelledPairs, cross_fit
from skmatch.pairs._probabilities import match_probability


def make_galleries(n_partitions):
    """Part the same random pairs, whose answers cannot be learned, several times."""
    rng = np.random.default_rng(0)
    X, y = rng.random((400, 5)).astype(np.float32), rng.random(400) < 0.5
    galleries, features = [], []
    for partition in range(n_partitions):
        folds = np.array_split(rng.permutation(400), 4)
        for fold, rows in enumerate(folds):
            galleries.append(
                LabelledPairs(None, slice(None), y[rows], fold, None, partition)
            )
            features.append(X[rows])
    return galleries, features


@pytest.mark.parametrize("n_partitions", [1, 2])
def test_no_fold_has_seen_its_pairs_in_another_partition(n_partitions):
    galleries, features = make_galleries(n_partitions)
    nearest = KNeighborsClassifier(1)
    p, of_all = cross_fit(nearest, features, galleries, np.concatenate)
    is_right = [
        (said > 0.5) == own.is_match for said, own in zip(p, galleries, strict=True)
    ]
    assert 0.4 < np.concatenate(is_right).mean() < 0.6  # with a leak 1
    seen = np.concatenate(features)
    answers = np.concatenate([own.is_match for own in galleries])
    assert (of_all.predict(seen) == answers).all()


class CountsRows(LogisticRegression):
    """Keeps how many rows each call is about."""

    n_rows: ClassVar = []  # by all together

    def predict_proba(self, X):
        CountsRows.n_rows.append(len(X))
        return super().predict_proba(X)


@pytest.fixture
def n_rows():
    CountsRows.n_rows.clear()
    return CountsRows.n_rows


@pytest.mark.filterwarnings("ignore:propagation=True")
def test_no_level_looks_again_at_what_is_next_to_impossible(n_rows):
    titles, product_ids = make_product_titles(80, random_state=0)
    matcher = PairClassifierMatcher(classifier=CountsRows(max_iter=10_000), cv=2)
    matcher.fit(titles, product_ids)
    n_rows.clear()
    model = matcher._model_
    pairs = model.describer.describe(
        GalleryContext(model.describer.encode(titles, titles)), 1
    )
    (first, second), _ = model.score(pairs)
    n_pairs, n_possible = n_rows
    assert n_pairs == pairs.n_pairs
    assert n_possible == first.is_possible.sum() < 0.8 * n_pairs
    is_left = ~first.is_possible
    assert_array_equal(second.probabilities[is_left], first.probabilities[is_left])
    again, _ = model.first.score(pairs)
    assert len(again) == 1
    assert_array_equal(again[0].propagated, first.propagated)


def test_probabilities_do_not_depend_on_how_many_rows_are_read(monkeypatch):
    X = np.random.default_rng(0).normal(size=(50, 3))
    classifier = LogisticRegression().fit(X, X[:, 0] > 0)
    whole = match_probability(classifier, X)
    monkeypatch.setattr(_probabilities, "_ROWS_AT_ONCE", 7)
    assert_array_equal(match_probability(classifier, X), whole)
    assert match_probability(classifier, X[:0]).shape == (0,)


class RecordsRows(BaseEstimator):
    """An embedder that keeps what it was fitted on, and needs labels."""

    def fit(self, X, y):
        self.seen_ = list(X), list(y)
        return self

    def transform(self, X):
        return np.ones((len(X), 1))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags


class NeedsNoLabels(RecordsRows):
    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = False
        return tags


def fit_on_some_ids(embedder):
    """Fit on 16 titles with ids, a judged match and 6 of which nothing is known."""
    titles = [f"title {i // 2}" for i in range(24)]
    labels = [i // 2 if i < 16 else -1 for i in range(24)]
    matcher = PairClassifierMatcher(["words", embedder], cv=2, random_state=0)
    matcher.fit(titles, labels, pairs=[[20, 21]], is_match=[True])
    return titles, matcher.embedders_[1]


@pytest.mark.filterwarnings("ignore:propagation=True assumes:UserWarning")
@pytest.mark.parametrize("is_inside", [False, True])
def test_learned_embedders_do_not_see_titles_of_which_nothing_is_known(is_inside):
    embedder = make_pipeline(RecordsRows()) if is_inside else RecordsRows()
    titles, fitted = fit_on_some_ids(embedder)
    seen, y = (fitted[-1] if is_inside else fitted).seen_
    assert seen == [*titles[:16], *titles[20:22]]
    assert len({*y}) == 9


@pytest.mark.filterwarnings("ignore:propagation=True assumes:UserWarning")
def test_a_title_of_which_nothing_is_known_is_a_product_of_its_own():
    titles, fitted = fit_on_some_ids(NeedsNoLabels())
    seen, y = fitted.seen_
    assert seen == titles
    assert len({*y}) == 9 + 6
