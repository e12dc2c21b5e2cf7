"""What all matchers have: a score, scores against a catalogue, sparse output."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.decomposition import TruncatedSVD
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from skmatch import (
    ClassDisjointKFold,
    FaissThresholdMatcher,
    PairClassifierMatcher,
    TunedThresholdMatcherCV,
    make_product_titles,
    rowwise_f1_score,
)

FEED = ["Tea 20 g", "mug blue", "bag"]
SHOP = ["mug, blue", "tea 20 gr", "paper bag", "tea mug"]


def tfidf():
    return TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 3))


def quick(**parameters):
    classifier = HistGradientBoostingClassifier(max_iter=10, random_state=0)
    settings = {"classifier": classifier, "n_candidates": 8, "random_state": 0}
    return PairClassifierMatcher(**settings | parameters)


@pytest.fixture(scope="module")
def titles():
    titles, products = make_product_titles(80, random_state=0)
    return np.array(titles, dtype=object), np.array(products)


@pytest.fixture(scope="module")
def fitted(titles):
    return quick().fit(*titles)


# The score


def test_score_is_the_rowwise_f1(titles, fitted):
    X, y = titles
    expected = rowwise_f1_score(y[:50], fitted.predict(X[:50]))
    assert fitted.score(X[:50], y[:50]) == expected
    weights = np.arange(50)
    weighted = rowwise_f1_score(y[:50], fitted.predict(X[:50]), sample_weight=weights)
    assert fitted.score(X[:50], y[:50], sample_weight=weights) == weighted
    assert weighted != expected


def test_grid_search_needs_no_scoring(titles):
    X, y = titles
    grid = {"faissthresholdmatcher__threshold": [0.2, 0.5, 0.99]}
    pipe = make_pipeline(tfidf(), FaissThresholdMatcher())
    search = GridSearchCV(pipe, grid, cv=ClassDisjointKFold(2)).fit(X, y)
    assert search.best_params_ == {"faissthresholdmatcher__threshold": 0.5}
    assert search.score(X, y) == rowwise_f1_score(y, search.predict(X))


def test_a_tuned_threshold_has_a_score(titles):
    X, y = titles
    rows = tfidf().fit_transform(X)
    tuned = TunedThresholdMatcherCV(FaissThresholdMatcher(), cv="prefit")
    tuned.estimator.fit(rows)
    assert tuned.fit(rows, y).score(rows, y) == pytest.approx(tuned.best_score_)


# A catalogue


@pytest.mark.parametrize("is_dense", [False, True])
def test_similarities_with_a_catalogue(is_dense):
    embedder = tfidf().fit([*FEED, *SHOP])
    feed, shop = embedder.transform(FEED), embedder.transform(SHOP)
    if is_dense:
        feed, shop = feed.toarray(), shop.toarray()
    matcher = FaissThresholdMatcher(0.1, max_matches=1).fit(feed[:2])
    graph = matcher.score_graph(feed, shop)
    expected = np.asarray((feed @ shop.T) if is_dense else (feed @ shop.T).toarray())
    expected[expected < 0.1] = 0
    assert_allclose(graph.toarray(), expected, atol=1e-6)
    assert graph.nnz > 3  # max_matches refines a decision, not the scores
    assert_array_equal(
        FaissThresholdMatcher(0.1).fit(shop).transform(feed).toarray(), graph.toarray()
    )
    assert matcher.n_samples_fit_ == 2


def test_an_index_of_another_catalogue_is_not_asked():
    rng = np.random.default_rng(0)
    known, other = rng.normal(size=(2, 60, 8))
    matcher = FaissThresholdMatcher(0.99, index="Flat").fit(known)
    assert_array_equal(matcher.score_graph(other, other).toarray().argmax(1), range(60))


def test_scores_with_a_catalogue_are_those_of_transform(titles, fitted):
    X, _ = titles
    graph = fitted.score_graph(X[:20], X[30:90])
    fitted = quick().fit(*titles).set_catalogue(X[30:90])
    assert fitted.n_samples_fit_ == 60
    found = fitted.transform(X[:20])
    assert found.shape == graph.shape == (20, 60)
    kept = graph.toarray() >= np.float32(fitted.threshold_)
    assert_array_equal(found.toarray(), graph.toarray() * kept)
    assert 0 < found.nnz < graph.nnz


def test_a_catalogue_replaces_that_of_fit(titles):
    X, y = titles
    matcher = quick().fit(X, y)
    assert matcher.set_catalogue(X[:40]) is matcher
    same = quick().fit(X, y).remove(np.arange(40, len(X)))
    assert_array_equal(
        matcher.transform(X[40:60]).toarray(), same.transform(X[40:60]).toarray()
    )
    with pytest.raises(ValueError, match=r"row 1 of X holds None"):
        matcher.set_catalogue(["mug", None])
    assert matcher.n_samples_fit_ == 40


def test_tuned_scores_with_a_catalogue(titles):
    X, y = titles
    pipe = make_pipeline(tfidf(), TruncatedSVD(16), FaissThresholdMatcher())
    tuned = TunedThresholdMatcherCV(pipe, cv=2).fit(X, y)
    graph = tuned.score_graph(X[:5], X[10:30])
    assert graph.shape == (5, 20)
    assert (graph.data >= np.float32(tuned.best_threshold_)).all()
    own = tuned.score_graph(X[:5], X[:5]).toarray()
    assert_allclose(own.diagonal(), 1, atol=1e-6)


# The threshold in use


def test_the_threshold_is_the_one_in_use(titles):
    matcher = quick().fit(*titles)
    tuned = matcher.threshold_
    assert 0 < tuned < 1
    assert matcher.set_params(threshold=0.9).threshold_ == 0.9
    assert np.isnan(matcher.set_params(threshold="expected_f1").threshold_)
    assert matcher.set_params(threshold="tuned").threshold_ == tuned
    given = quick(threshold=0.9).fit(*titles)
    assert given.threshold_ == 0.9
    assert given.set_params(threshold="tuned").threshold_ == tuned


def test_no_threshold_before_fit():
    assert not hasattr(quick(), "threshold_")


# Labels that show nothing


def test_products_of_one_title_are_no_labels(titles):
    X, _ = titles
    with pytest.warns(UserWarning, match=r"None of the 30 products of y has two"):
        matcher = quick().fit(X[:30], np.arange(30))
    assert matcher.supervision_ == "none"
    assert np.isnan(matcher.best_score_)
    expected = quick().fit(X[:30]).score_graph(X[30:60])
    assert_array_equal(matcher.score_graph(X[30:60]).toarray(), expected.toarray())


def test_no_threshold_can_be_chosen_by_products_of_one_row():
    tuned = TunedThresholdMatcherCV(FaissThresholdMatcher())
    with pytest.raises(ValueError, match=r"Each of the 6 labels of y has one row"):
        tuned.fit(np.eye(6), np.arange(6))


# Frames


def test_scores_stay_sparse_where_frames_are_asked_for(titles):
    X, _ = titles
    svd = TruncatedSVD(4, random_state=0)
    pipe = make_pipeline(svd, FaissThresholdMatcher(0.9))
    pipe.set_output(transform="pandas")
    rows = tfidf().fit_transform(X)
    found = pipe.fit(rows).transform(rows)
    assert isinstance(pipe[0].transform(rows), pd.DataFrame)
    assert found.format == "csr"
    assert found.shape == (len(X), len(X))


# Embedders with names


def test_named_embedders_have_parameters_of_their_own(titles):
    matcher = quick(embedders=[("chars", tfidf()), "words"])
    matcher.set_params(chars__max_features=50, n_levels=1)
    assert matcher.embedders[0][1].max_features == 50
    assert matcher.get_params()["chars__max_features"] == 50
    assert "chars__max_features" not in matcher.get_params(deep=False)
    other = tfidf()
    matcher.set_params(chars=other)
    assert matcher.embedders == [("chars", other), "words"]
    assert [type(e) for e in matcher.fit(*titles).embedders_] == [TfidfVectorizer] * 2
    grid = {"chars__max_features": [20, None]}
    matcher.set_params(threshold=0.5)
    search = GridSearchCV(matcher, grid, cv=ClassDisjointKFold(2)).fit(*titles)
    assert not np.isnan(search.cv_results_["mean_test_score"]).any()
    assert search.best_estimator_.embedders[0][1] is not other


@pytest.mark.parametrize("names", [("a", "a"), ("a__b", "c"), ("classifier", "c")])
def test_names_that_cannot_be(titles, names):
    matcher = quick(embedders=[(name, tfidf()) for name in names])
    with pytest.raises(ValueError, match=f"embedders has the name '{names[0]}'"):
        matcher.fit(*titles)


def test_a_sentence_transformer_is_told_how(titles):
    class SentenceTransformer:
        def encode(self, titles):
            return np.zeros((len(titles), 3))

    with pytest.raises(ValueError, match=r"AdapterBertEmbedder\(its folder or name"):
        quick(embedders=SentenceTransformer()).fit(*titles)


# Features of your own


def same_length(a, b):
    return np.array([len(x) == len(y) for x, y in zip(a, b, strict=True)], dtype=float)


def test_functions_that_cannot_be_stored_are_told_at_fit(titles, recwarn):
    quick(pair_features=[same_length], n_levels=1).fit(*titles)
    assert not [w for w in recwarn if "pair_features" in str(w.message)]
    with pytest.warns(UserWarning, match=r"holds '.*<lambda>', which no module has"):
        quick(pair_features=[lambda a, b: same_length(a, b)], n_levels=1).fit(*titles)


# The best few of a catalogue


@pytest.mark.parametrize("is_dense", [False, True])
def test_the_most_similar_rows_of_a_catalogue(is_dense):
    embedder = tfidf().fit([*FEED, *SHOP])
    feed, shop = embedder.transform(FEED), embedder.transform(SHOP)
    expected = (feed @ shop.T).toarray()
    if is_dense:
        feed, shop = feed.toarray(), shop.toarray()
    matcher = FaissThresholdMatcher(0.9).fit(feed)
    graph = matcher.score_graph(feed, shop, n_matches=2).toarray()
    for row in range(3):
        best = np.sort(expected[row])[-2:]
        assert_allclose(np.sort(graph[row])[-2:], best, atol=1e-6)
        assert (graph[row] > 0).sum() <= 2


def test_the_most_probable_titles_of_a_catalogue(titles, fitted):
    X, _ = titles
    graph = fitted.score_graph(X[:20], X[20:])
    best = fitted.score_graph(X[:20], X[20:], n_matches=3)
    assert (np.diff(best.indptr) == np.minimum(np.diff(graph.indptr), 3)).all()
    dense = graph.toarray()
    expected = np.sort(dense, axis=1)[:, -3:].sum(axis=1)
    assert_allclose(np.asarray(best.sum(axis=1)).ravel(), expected, rtol=1e-6)


def test_the_best_few_need_a_catalogue(titles, fitted):
    X, _ = titles
    with pytest.raises(ValueError, match=r"n_matches=3 without a catalogue"):
        fitted.score_graph(X, n_matches=3)
    with pytest.raises(ValueError, match=r"n_matches == 0, must be >= 1"):
        FaissThresholdMatcher().fit(np.eye(3)).score_graph(np.eye(3), np.eye(3), 0)


# What the threshold shall maximise


def test_a_precision_to_reach(titles):
    X, y = titles
    careful = quick(scoring=("recall_at_precision", 0.99)).fit(X, y)
    usual = quick().fit(X, y)
    assert careful.threshold_ > usual.threshold_
    assert careful.best_score_ < usual.best_score_  # both are row-wise F1
    with pytest.raises(ValueError, match=r"scoring='recall'; expected one of"):
        quick(scoring="recall").fit(X, y)


def test_a_precision_that_is_not_to_be_had():
    rows = np.repeat(np.eye(4), 2, axis=0)
    labels = np.array([0, 1, 2, 3, 0, 1, 2, 3])  # no equal rows are of one product
    tuned = TunedThresholdMatcherCV(
        FaissThresholdMatcher().fit(rows),
        scoring=("recall_at_precision", 0.5),
        cv="prefit",
    )
    with pytest.warns(UserWarning, match=r"is 0 at every threshold"):
        tuned.fit(rows, labels)
    assert tuned.best_threshold_ == tuned.cv_results_["threshold"].max()
