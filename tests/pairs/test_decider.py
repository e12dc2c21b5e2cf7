"""The cascade: which pairs a cross-encoder learns from and is asked about."""

import re

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import HistGradientBoostingClassifier

from skmatch import (
    AdapterBertPairClassifier,
    PairClassifierMatcher,
    TitlePairClassifier,
    load,
    rowwise_f1_score,
    save,
)
from skmatch.matchers import _pair_classifier
from skmatch.pairs import _decider_fit, _defaults, _stacking, make_cross_encoder
from skmatch.pairs._context import GalleryContext
from skmatch.pairs._cross_fit import LabelledPairs
from skmatch.pairs._decider import _as_text
from skmatch.pairs._decider_fit import _narrow
from skmatch.pairs._probabilities import log_odds

QUICK = HistGradientBoostingClassifier(max_iter=20, random_state=0)


def make_titles(n_products=150):
    """Titles of a brand, a word that half of a product's have, and one of their own."""
    rng = np.random.default_rng(0)
    product_ids = np.repeat(np.arange(n_products), 4)
    brands = rng.permutation(n_products) % 25
    titles = [
        f"brand{brands[p]} word{p if own < 0.6 else rng.integers(10**6)} {i}x"
        for i, (p, own) in enumerate(zip(product_ids, rng.random(600), strict=False))
    ]
    return np.array(titles, dtype=object), product_ids


TITLES, PRODUCT_IDS = make_titles()
PRODUCT_OF = dict(zip(TITLES, PRODUCT_IDS, strict=True))


class Oracle(ClassifierMixin, BaseEstimator):
    """Knows the products of titles, and notes what it was told and asked."""

    told, asked = [], []

    def fit(self, X, y):
        self.classes_ = np.array([False, True])
        self.seen_ = {title for pair in X for title in pair}
        self.told.append((X, y))
        return self

    def predict_proba(self, X):
        self.asked.append((self, X))
        p = np.array([PRODUCT_OF[a] == PRODUCT_OF[b] for a, b in X]) * 0.98 + 0.01
        return np.column_stack([1 - p, p])


class Wrong(Oracle):
    """Says the opposite."""

    def predict_proba(self, X):
        return super().predict_proba(X)[:, ::-1]


@pytest.fixture
def oracle():
    Oracle.told, Oracle.asked = [], []
    return Oracle()


def make_matcher(**params):
    return PairClassifierMatcher(classifier=QUICK, cv=4, random_state=0, **params)


TRAIN = PRODUCT_IDS < 100
pytestmark = pytest.mark.filterwarnings("ignore:propagation=True assumes:UserWarning")


def score(matcher):
    matches = matcher.predict(TITLES[~TRAIN])
    return rowwise_f1_score(PRODUCT_IDS[~TRAIN], matches)


def test_what_it_knows_is_used_and_what_is_wrong_is_not(oracle):
    alone = make_matcher().fit(TITLES[TRAIN], PRODUCT_IDS[TRAIN])
    told = make_matcher(cross_encoder=oracle).fit(TITLES[TRAIN], PRODUCT_IDS[TRAIN])
    wrong = make_matcher(cross_encoder=Wrong()).fit(TITLES[TRAIN], PRODUCT_IDS[TRAIN])
    assert score(told) > score(alone) + 0.01
    assert score(wrong) > score(alone) - 0.005  # it is seen to be wrong
    assert told.best_score_ > alone.best_score_ + 0.02
    names = alone.get_pair_feature_names()
    assert told.get_pair_feature_names() == [*names, "cross_encoder"]


def test_it_is_asked_about_a_tenth_at_most_by_copies_that_did_not_see_the_products(
    oracle, monkeypatch
):
    monkeypatch.setattr(_decider_fit, "_LOSS", -1.0)  # all that are uncertain
    matcher = make_matcher(cross_encoder=oracle)
    matcher.fit(TITLES[TRAIN], PRODUCT_IDS[TRAIN])
    assert len(oracle.told) == 3  # two halves, and all
    n_taught = [len(X) for X, _ in oracle.told]
    assert n_taught[2] == n_taught[0] + n_taught[1]
    for X, y in oracle.told:
        assert_array_equal(y, [PRODUCT_OF[a] == PRODUCT_OF[b] for a, b in X])
    of_folds = oracle.asked[:4]
    for copy, X in of_folds:
        products = {PRODUCT_OF[title] for pair in X for title in pair}
        assert not products & {PRODUCT_OF[title] for title in copy.seen_}
    n_asked = sum(len(X) for _, X in of_folds)
    assert n_asked == n_taught[2]
    encoded = matcher._model_.describer.encode(TITLES[TRAIN], TITLES[TRAIN])
    n_candidates = len(
        matcher._model_.describer.describe(GalleryContext(encoded), 1)[1][0]
    )
    assert 0.02 * n_candidates < n_asked < 0.12 * n_candidates
    oracle.asked.clear()
    matcher.predict(TITLES[~TRAIN])
    assert len(oracle.asked[0][1]) > 0


def test_a_pair_is_told_the_same_in_all_contexts(oracle):
    matcher = make_matcher(cross_encoder=oracle, propagation=False)
    matcher.fit(TITLES[TRAIN], PRODUCT_IDS[TRAIN])
    alone = matcher.transform(TITLES[~TRAIN][:1]).toarray()
    assert_allclose(matcher.transform(TITLES[~TRAIN][:9]).toarray()[:1], alone)
    explained = matcher.explain(*TITLES[~TRAIN][:2])
    assert "cross_encoder" in {name for name, *_ in explained.contributions}


def test_judged_pairs(oracle):
    rng = np.random.default_rng(0)
    ids = PRODUCT_IDS[TRAIN]
    pairs = rng.integers(TRAIN.sum(), size=(600, 2))
    same = [rng.choice(np.flatnonzero(ids == p), 2, replace=False) for p in range(100)]
    pairs = np.concatenate([pairs[pairs[:, 0] != pairs[:, 1]], same])
    is_match = ids[pairs[:, 0]] == ids[pairs[:, 1]]
    matcher = make_matcher(cross_encoder=oracle)
    matcher.fit(TITLES[TRAIN], pairs=pairs, is_match=is_match)
    assert matcher._model_.levels.decider.of_given is False
    assert score(matcher) > 0.7  # without the oracle 0.6
    judged = {frozenset(TITLES[TRAIN][pair]) for pair in pairs}
    for X, y in oracle.told:
        taught = {frozenset(pair) for pair in X}
        assert taught & judged  # the others are anchors
        assert len({*y}) == 2


def draw_pairs(seed):
    rng = np.random.default_rng(seed)
    same = [
        rng.choice(np.flatnonzero(p == PRODUCT_IDS), 2, replace=False)
        for p in range(150)
    ]
    pairs = np.concatenate([same, rng.integers(len(TITLES), size=(300, 2))])
    return TITLES[pairs], PRODUCT_IDS[pairs[:, 0]] == PRODUCT_IDS[pairs[:, 1]]


class Validated(Oracle):
    """Takes pairs to validate with."""

    def fit(self, X, y, X_val=None, y_val=None):
        self.validated_ = X_val, y_val
        return super().fit(X, y)


@pytest.mark.filterwarnings("ignore:X_val has .* pairs that X has:UserWarning")
@pytest.mark.parametrize("kind", [Oracle, Validated, Wrong])
def test_weights_are_learned_from_pairs_that_are_held_out(monkeypatch, kind):
    monkeypatch.setattr(_stacking, "_FEW", 0)
    monkeypatch.setattr(_decider_fit, "_LOSS", -1.0)
    kind.told, kind.asked = [], []
    (X, y), (X_val, y_val) = draw_pairs(0), draw_pairs(1)
    classifier = TitlePairClassifier(
        classifier=QUICK, cv=2, cross_encoder=kind(), random_state=0
    )
    classifier.fit(X, y, X_val=X_val, y_val=y_val)
    ((X_told, y_told),) = kind.told  # it is fitted once, on the others
    assert_array_equal(
        np.sort(["|".join(sorted(pair)) for pair in X_told]),
        np.sort(["|".join(sorted(pair)) for pair in X]),
    )
    assert y_told.sum() == y.sum()
    ((copy, X_asked),) = kind.asked
    assert {frozenset(pair) for pair in X_asked} == {frozenset(p) for p in X_val}
    if kind is Validated:
        assert_array_equal(copy.validated_[0], X_asked)
        assert_array_equal(copy.validated_[1], y_val)
    weight = classifier._model_.levels.decider.classifier[-1].coef_[0, 1]
    assert weight < -1 if kind is Wrong else weight > 1
    X_test, y_test = draw_pairs(2)
    assert np.mean(classifier.predict(X_test) == y_test) > 0.97


def test_it_is_asked_about_all_pairs_that_are_given(oracle, monkeypatch):
    """Sure ones, too: known products may make them uncertain."""
    monkeypatch.setattr(_stacking, "_FEW", 0)
    classifier = TitlePairClassifier(
        classifier=QUICK, cv=2, cross_encoder=oracle, random_state=0
    ).fit(*draw_pairs(0))
    X, y = draw_pairs(1)
    oracle.asked.clear()
    assert np.mean(classifier.predict(X) == y) > 0.95
    ((_, asked),) = oracle.asked
    wanted = {frozenset(pair) for pair in X}
    assert {frozenset(pair) for pair in asked} == wanted
    assert len(asked) == len({tuple(sorted(pair)) for pair in X})


def test_columns_are_read_too():
    rows = np.column_stack([TITLES[TRAIN], np.arange(TRAIN.sum()) % 7]).astype(object)
    rows[::5, 1] = None
    seen = []

    class Reader(Oracle):
        def fit(self, X, y):
            seen.append(X)
            return super().fit(X, y)

        def predict_proba(self, X):
            return np.full((len(X), 2), 0.5)

    matcher = make_matcher(cross_encoder=Reader(), columns={1: "numeric"})
    matcher.fit(rows, PRODUCT_IDS[TRAIN])
    texts = {text for X in seen for pair in X for text in pair}
    known = {f"{title} {price}" for title, price in rows if price is not None}
    assert texts <= known | set(rows[::5, 0])
    assert texts & known
    assert texts & set(rows[::5, 0])


@pytest.mark.parametrize(
    ("row", "text"),
    [("tea", "tea"), (["tea", 3.5, None], "tea 3.5"), (["tea", np.nan, "x"], "tea x")],
)
def test_text_of_a_row(row, text):
    assert _as_text(row) == text


def test_fewer_pairs_are_asked_about_if_that_costs_nothing():
    y = np.array([True, False] * 50)
    own = LabelledPairs(None, slice(None), y, 0, None)
    before = np.where(y, 1, -1) * np.arange(1.0, 101.0)  # right everywhere
    before[:20] *= -1  # but where it is least sure
    told = np.where(y, 9.0, -9.0)
    width = _narrow([own], [before], [told], 100.0)
    assert 20 <= width < 25
    assert _narrow([own], [np.where(y, -1, 1) * np.ones(100)], [told], 1.0) == 1.0


def test_without_anything_to_learn_from(oracle):
    titles = [f"{word} {i}" for i, word in enumerate(["tea", "mug", "bag", "pen"] * 3)]
    products = np.append(np.arange(11), 10)  # two titles with no word in common
    PRODUCT_OF.update(dict(zip(titles, products.tolist(), strict=True)))
    with pytest.warns(UserWarning, match="cross_encoder is not used: the training"):
        matcher = make_matcher(cross_encoder=oracle).fit(titles, products)
    assert matcher.get_pair_feature_names()[-1] != "cross_encoder"
    with pytest.warns(UserWarning, match="cross_encoder has no effect without labels"):
        make_matcher(cross_encoder=oracle).fit(titles)


def test_bert_is_the_default_cross_encoder(monkeypatch):
    checked = []
    monkeypatch.setattr(_defaults, "check_language_model", checked.append)
    made = make_cross_encoder("bert", seed=7)
    assert isinstance(made, AdapterBertPairClassifier)
    assert made.random_state == 7
    assert checked == [made]


@pytest.mark.parametrize("wrong", [3, "gpt", Oracle, object()])
def test_what_is_no_cross_encoder(wrong):
    message = re.escape(f"cross_encoder={wrong!r}; expected None, 'bert' or")
    with pytest.raises(ValueError, match=message):
        make_matcher(cross_encoder=wrong).fit(TITLES[TRAIN], PRODUCT_IDS[TRAIN])
    with pytest.raises(ValueError, match=message):
        TitlePairClassifier(cross_encoder=wrong).fit([["a", "b"]] * 2, [True, False])


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"n_epochs": 0}, "cross_encoder: n_epochs == 0, must be >= 1"),
        ({"model_name": "no/such/folder"}, "cross_encoder: .*no/such/folder"),
    ],
)
def test_a_cross_encoder_that_cannot_be_fitted_is_told_of_before_the_levels(
    monkeypatch, params, message
):
    monkeypatch.setattr(_pair_classifier, "describe_folds", None)  # is not reached
    encoder = AdapterBertPairClassifier(local_files_only=True).set_params(**params)
    with pytest.raises(ValueError, match=message):
        make_matcher(cross_encoder=encoder).fit(TITLES[TRAIN], PRODUCT_IDS[TRAIN])
    with pytest.raises(ValueError, match=message):
        TitlePairClassifier(cross_encoder=encoder).fit([["a", "b"]] * 2, [True, False])


def test_log_odds_stay_finite():
    assert np.isfinite(log_odds(np.array([0, 1], np.float32))).all()


@pytest.mark.slow
def test_saved_with_a_language_model(bert_folder, tmp_path):
    encoder = AdapterBertPairClassifier(
        str(bert_folder), reduction_factor=4, n_epochs=1, random_state=0
    )
    matcher = make_matcher(cross_encoder=encoder)
    matcher.fit(TITLES[TRAIN], PRODUCT_IDS[TRAIN])
    expected = matcher.score_graph(TITLES[~TRAIN])
    save(matcher, tmp_path)
    found = load(tmp_path).score_graph(TITLES[~TRAIN])
    assert_array_equal(found.toarray(), expected.toarray())
    again = make_matcher(cross_encoder=encoder)
    again.fit(TITLES[TRAIN], PRODUCT_IDS[TRAIN])
    assert_array_equal(again.score_graph(TITLES[~TRAIN]).toarray(), expected.toarray())


@pytest.mark.slow
def test_pairs_with_a_language_model_are_saved(bert_folder, tmp_path):
    encoder = AdapterBertPairClassifier(
        str(bert_folder), reduction_factor=4, n_epochs=1, random_state=0
    )
    X, y = draw_pairs(0)
    classifier = TitlePairClassifier(cross_encoder=encoder, random_state=0)
    apart = np.arange(len(X)) % 3 == 0
    classifier.fit(X[~apart], y[~apart], X_val=X[apart], y_val=y[apart])
    expected = classifier.predict_proba(X[:50])
    assert classifier._model_.last_levels.decider.cross_encoder.n_epochs == 1
    save(classifier, tmp_path)
    assert_array_equal(load(tmp_path).predict_proba(X[:50]), expected)
