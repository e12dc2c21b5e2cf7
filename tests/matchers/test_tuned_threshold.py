import pickle
import tracemalloc

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import make_scorer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from skmatch import (
    ClassDisjointKFold,
    FaissThresholdMatcher,
    PairClassifierMatcher,
    TunedThresholdMatcherCV,
    bcubed_f1_scorer,
    make_product_titles,
    pairwise_f1_scorer,
    pairwise_precision_recall_f1,
    rowwise_f1_score,
    rowwise_f1_scorer,
)


@pytest.fixture(scope="module")
def made():
    return make_product_titles(n_products=200, random_state=0)


@pytest.fixture
def pipe():
    tfidf = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True)
    return make_pipeline(tfidf, FaissThresholdMatcher())


def recall_at_90(y_true, y_pred):
    precision, recall, _ = pairwise_precision_recall_f1(y_true, y_pred)
    return recall if precision >= 0.9 else 0.0


def pair_f2(y_true, y_pred):
    precision, recall, _ = pairwise_precision_recall_f1(y_true, y_pred)
    return 5 * precision * recall / (4 * precision + recall)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scoring", "scorer"),
    [
        ("rowwise_f1", rowwise_f1_scorer),
        ("pair_f1", pairwise_f1_scorer),
        ("bcubed_f1", bcubed_f1_scorer),
        (("pair_fbeta", 2.0), make_scorer(pair_f2)),
        (("recall_at_precision", 0.9), make_scorer(recall_at_90)),
    ],
)
def test_equals_grid_search(pipe, made, scoring, scorer):
    thresholds = np.arange(0.2, 0.95, 0.1).round(2)
    cv = ClassDisjointKFold(3)
    tuned = TunedThresholdMatcherCV(
        pipe, scoring=scoring, cv=cv, thresholds=thresholds
    ).fit(*made)
    grid = GridSearchCV(
        pipe, {"faissthresholdmatcher__threshold": thresholds}, scoring=scorer, cv=cv
    ).fit(*made)
    for name in ("mean_test_score", "std_test_score", "split2_test_score"):
        assert_allclose(
            tuned.cv_results_[name], grid.cv_results_[name], rtol=0, atol=1e-12
        )
    assert (
        tuned.best_threshold_ == grid.best_params_["faissthresholdmatcher__threshold"]
    )
    assert tuned.best_score_ == pytest.approx(grid.best_score_, abs=1e-12)
    assert (tuned.predict(made[0]) != grid.predict(made[0])).nnz == 0


@pytest.mark.filterwarnings("ignore:scoring=.* is 0 at every threshold:UserWarning")
@pytest.mark.parametrize(
    "refinements",
    [
        {"max_matches": 2},
        {"max_matches": 2, "mutual": True},
        {"match_singletons": True},
        {"max_matches": 1, "mutual": True, "match_singletons": True},
    ],
)
@pytest.mark.parametrize(
    ("scoring", "scorer"),
    [
        ("rowwise_f1", rowwise_f1_scorer),
        ("pair_f1", pairwise_f1_scorer),
        ("bcubed_f1", bcubed_f1_scorer),
        (("recall_at_precision", 0.9), make_scorer(recall_at_90)),
    ],
)
def test_equals_grid_search_with_refined_matches(
    pipe, made, refinements, scoring, scorer
):
    pipe[-1].set_params(**refinements)
    thresholds, cv = [0.3, 0.4, 0.5, 0.7], ClassDisjointKFold(2)
    tuned = TunedThresholdMatcherCV(
        pipe, cv=cv, scoring=scoring, thresholds=thresholds
    ).fit(*made)
    grid = GridSearchCV(
        pipe, {"faissthresholdmatcher__threshold": thresholds}, scoring=scorer, cv=cv
    ).fit(*made)
    scores = tuned.cv_results_["mean_test_score"]
    assert_allclose(scores, grid.cv_results_["mean_test_score"], rtol=0, atol=1e-12)


def test_query_expansion_moves_the_scores_with_the_threshold(pipe, made):
    pipe[-1].set_params(query_expansion=True)
    with pytest.raises(ValueError, match="The matcher has query_expansion=True"):
        TunedThresholdMatcherCV(pipe).fit(*made)


@pytest.mark.slow
def test_equals_grid_search_of_a_pair_classifier(made):
    matcher = PairClassifierMatcher(
        classifier=HistGradientBoostingClassifier(max_iter=10, random_state=0),
        n_candidates=6,
        n_levels=1,
        cv=2,
        random_state=0,
    )
    thresholds, cv = [0.4, 0.6], ClassDisjointKFold(2)
    tuned = TunedThresholdMatcherCV(matcher, cv=cv, thresholds=thresholds).fit(*made)
    grid = GridSearchCV(
        matcher, {"threshold": thresholds}, scoring=rowwise_f1_scorer, cv=cv
    ).fit(*made)
    scores = tuned.cv_results_["mean_test_score"]
    assert_allclose(scores, grid.cv_results_["mean_test_score"], rtol=0, atol=1e-12)
    assert (tuned.predict(made[0]) != grid.predict(made[0])).nnz == 0
    every = TunedThresholdMatcherCV(make_pipeline("passthrough", matcher), cv=cv)
    assert every.fit(*made).best_score_ >= tuned.best_score_
    assert every.score_graph(made[0]).shape == (len(made[0]),) * 2
    assert every.transform(made[0][:3]).shape == (3, len(made[0]))


def test_all_thresholds_are_at_least_as_good_as_a_grid(pipe, made):
    every = TunedThresholdMatcherCV(pipe, cv=ClassDisjointKFold(3)).fit(*made)
    grid = TunedThresholdMatcherCV(
        pipe, cv=ClassDisjointKFold(3), thresholds=np.arange(0.2, 0.9, 0.01)
    ).fit(*made)
    assert grid.best_score_ < every.best_score_ < grid.best_score_ + 0.02
    thresholds = every.cv_results_["threshold"]
    assert (np.diff(thresholds) > 0).all()
    assert len(thresholds) > 1000
    assert every.gallery_size_ == pytest.approx(len(made[0]) / 3)


def test_prefit_takes_all_rows_as_gallery(pipe, made):
    titles, labels = made
    few = labels < 120
    pipe.fit(titles[few], labels[few])
    tuned = TunedThresholdMatcherCV(pipe, cv="prefit").fit(titles[~few], labels[~few])
    scores = [
        rowwise_f1_score(
            labels[~few],
            pipe.set_params(faissthresholdmatcher__threshold=t).predict(titles[~few]),
        )
        for t in (tuned.best_threshold_ - 0.02, tuned.best_threshold_, 0.9)
    ]
    assert scores[1] == pytest.approx(tuned.best_score_, abs=1e-12)
    assert scores[1] == max(scores)
    assert tuned.estimator_[0] is pipe[0]
    assert tuned.estimator_[-1].threshold == tuned.best_threshold_
    assert pipe[-1].threshold == 0.9  # the matcher that was given is left alone
    assert (tuned.estimator_.predict(titles) != tuned.predict(titles)).nnz == 0


def test_matcher_alone_and_lists(made, rng):
    rows = rng.normal(size=(60, 5))
    rows = np.repeat(rows, 2, axis=0) + 0.1 * rng.normal(size=(120, 5))
    labels = np.repeat(np.arange(60), 2).tolist()
    tuned = TunedThresholdMatcherCV(FaissThresholdMatcher(), cv=ClassDisjointKFold(2))
    matches = tuned.fit(rows.tolist(), labels).predict(rows.tolist()[:50])
    assert rowwise_f1_score(labels[:50], matches) > 0.8
    assert tuned.transform(rows[:3]).shape == (3, 120)
    assert tuned.transform(rows).data.min() >= tuned.best_threshold_ - 1e-7
    by_hand = FaissThresholdMatcher(tuned.best_threshold_).fit(rows)
    assert (tuned.transform(rows) != by_hand.transform(rows)).nnz == 0
    assert tuned.estimator_.threshold == tuned.best_threshold_


@pytest.mark.parametrize("kind", [pd.DataFrame, csr_array])
@pytest.mark.parametrize(
    "labels_of", [pd.Series, list, lambda y: [f"p{n:02}" for n in y]]
)
def test_frames_sparse_rows_and_kinds_of_labels(rng, kind, labels_of):
    rows = np.repeat(rng.normal(size=(60, 5)), 2, axis=0)
    rows = np.abs(rows + 0.1 * rng.normal(size=(120, 5)))
    labels = np.repeat(np.arange(60), 2)
    plain = TunedThresholdMatcherCV(FaissThresholdMatcher(), cv=2).fit(rows, labels)
    tuned = TunedThresholdMatcherCV(FaissThresholdMatcher(), cv=2)
    tuned.fit(kind(rows), labels_of(labels))
    assert tuned.best_threshold_ == pytest.approx(plain.best_threshold_, abs=1e-6)


def test_sparse_rows_without_a_word_in_common(rng):
    words = rng.integers(20_000, size=(1000, 4)).repeat(2, axis=0)
    words[::2, 0] = 7
    places = np.repeat(np.arange(2000), 4), words.ravel()
    rows = csr_array((np.ones(8000), places), shape=(2000, 20_000))
    tuned = TunedThresholdMatcherCV(FaissThresholdMatcher(max_pairs=10**6), cv=2)
    tuned.fit(rows, np.repeat(np.arange(1000), 2))
    assert tuned.cv_results_["threshold"][0] > 0
    assert tuned.best_score_ > 0.9


@pytest.mark.parametrize(
    ("scoring", "scorer"),
    [("pair_f1", pairwise_f1_scorer), (("recall_at_precision", 0.9), None)],
)
def test_gallery_without_a_pair(scoring, scorer):
    rows, labels, thresholds = np.eye(6), np.array([0, 0, 1, 2, 3, 4]), [-1, 0.5]
    tuned = TunedThresholdMatcherCV(
        FaissThresholdMatcher(), scoring=scoring, cv=2, thresholds=thresholds
    ).fit(rows, labels)
    grid = GridSearchCV(
        FaissThresholdMatcher(),
        {"threshold": thresholds},
        scoring=scorer or make_scorer(recall_at_90),
        cv=ClassDisjointKFold(2),
    ).fit(rows, labels)
    for name in ("mean_test_score", "split0_test_score"):
        assert_allclose(tuned.cv_results_[name], grid.cv_results_[name])


def test_curve_by_a_callable(pipe, made):
    def fewest(row, is_correct, n_true):
        assert row.shape == is_correct.shape
        assert is_correct.dtype == bool
        return -np.arange(len(row) + 1.0)

    tuned = TunedThresholdMatcherCV(pipe, scoring=fewest).fit(*made)
    assert tuned.best_threshold_ == tuned.cv_results_["threshold"].max()
    with pytest.raises(ValueError, match=r"scoring returned shape \(3,\); expected"):
        TunedThresholdMatcherCV(pipe, scoring=lambda *a: np.ones(3)).fit(*made)


def test_without_refit_there_is_no_estimator(pipe, made):
    tuned = TunedThresholdMatcherCV(pipe, refit=False).fit(*made)
    assert not hasattr(tuned, "estimator_")
    assert tuned.threshold_for(10) == tuned.best_threshold_


def test_predict_leaves_the_estimator(pipe, made):
    tuned = TunedThresholdMatcherCV(pipe, thresholds=[0.4, 0.9]).fit(*made)
    before = pickle.dumps(tuned)
    tuned.predict(made[0][:200])
    tuned.transform(made[0][:5])
    assert pickle.dumps(tuned) == before


def test_gallery_far_from_that_of_the_folds_is_told(pipe, made):
    tuned = TunedThresholdMatcherCV(pipe, thresholds=[0.4]).fit(*made)
    tuned.predict(made[0][:100])
    with pytest.warns(UserWarning, match="and X has 9: the best one for X is prob"):
        tuned.predict(made[0][:9])


@pytest.mark.slow
def test_threshold_follows_the_gallery(made):
    titles, labels = make_product_titles(n_products=900, random_state=1)
    tfidf = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True)
    pipe = make_pipeline(tfidf, FaissThresholdMatcher())
    tuned = TunedThresholdMatcherCV(pipe, adapt_to_gallery=True).fit(titles, labels)
    assert tuned.slope_ > 0
    assert tuned.threshold_for(100) < tuned.threshold_for(10_000)
    expected = tuned.intercept_ + tuned.slope_ * np.log(100)
    assert tuned.threshold_for(100) == pytest.approx(expected)
    assert tuned.threshold_for(round(tuned.gallery_size_)) == pytest.approx(
        tuned.best_threshold_, abs=0.06
    )
    again = TunedThresholdMatcherCV(pipe, adapt_to_gallery=True).fit(titles, labels)
    assert again.slope_ == tuned.slope_
    fixed = pipe.fit(titles, labels).set_params(
        faissthresholdmatcher__threshold=tuned.threshold_for(50)
    )
    assert_array_equal(
        tuned.predict(titles[:50]).toarray(), fixed.predict(titles[:50]).toarray()
    )


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"scoring": "f1"}, "scoring='f1'; expected one of"),
        ({"scoring": ("pair_fbeta", 0)}, "pair_fbeta of scoring == 0, must be > 0"),
        ({"scoring": ("recall_at_precision", 2)}, "precision of scoring == 2, must"),
        ({"thresholds": [0.1, 1.5]}, "expected 'all' or an array of scores"),
        ({"thresholds": "some"}, "thresholds='some'; expected 'all'"),
        ({"thresholds": []}, "expected 'all' or an array"),
        ({"estimator": TfidfVectorizer()}, "expected a matcher with score_graph"),
    ],
)
def test_parameter_out_of_range(pipe, made, params, message):
    with pytest.raises(ValueError, match=message):
        TunedThresholdMatcherCV(**{"estimator": pipe} | params).fit(*made)


def test_missing_labels(pipe, made):
    with pytest.raises(ValueError, match="requires y to be passed"):
        TunedThresholdMatcherCV(pipe).fit(made[0], None)
    with pytest.raises(ValueError, match="row 1 of y is None"):
        TunedThresholdMatcherCV(pipe).fit(["a", "b"], ["x", None])


class MustNotFit(FaissThresholdMatcher):
    def fit(self, X, y=None):
        raise AssertionError("it was fitted before the parameters were checked")


@pytest.mark.parametrize(
    ("estimator", "params", "message"),
    [
        (
            MustNotFit(match_singletons=True),
            {"scoring": lambda row, is_correct, n_true: 0.0},
            "is a callable and the matcher has match_singletons=True",
        ),
        (
            PairClassifierMatcher(),
            {"thresholds": [-0.5, 0.5]},
            "threshold == -0.5, must be >= 0",
        ),
    ],
)
def test_parameters_that_do_not_go_together_are_told_of_before_a_fit(
    estimator, params, message
):
    tuned = TunedThresholdMatcherCV(estimator, **params)
    with pytest.raises(ValueError, match=message):
        tuned.fit(np.eye(4), [0, 0, 1, 1])


def test_rows_and_labels_have_the_same_number(pipe, made):
    tuned = TunedThresholdMatcherCV(pipe.fit(*made), cv="prefit")
    with pytest.raises(ValueError, match=r"inconsistent numbers of samples: \[50, \d+"):
        tuned.fit(made[0][:50], made[1])


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        ([], "gives no split"),
        ([(range(9), range(9, 9))], "gives a split with 9 training and 0 test rows"),
        ([(range(0), range(9))], "gives a split with 0 training and 9 test rows"),
    ],
)
def test_splits_without_rows_are_told_of_before_a_fit(splits, message):
    class Splitter:
        def split(self, X, y):
            return iter([(np.array([*a], int), np.array([*b], int)) for a, b in splits])

    tuned = TunedThresholdMatcherCV(MustNotFit(), cv=Splitter())
    with pytest.raises(ValueError, match=f"cv=.*{message}"):
        tuned.fit(np.eye(9), np.arange(9) // 2)


@pytest.mark.filterwarnings("ignore:propagation=True assumes:UserWarning")
def test_prefit_pair_classifier_has_the_chosen_threshold(made):
    classifier = HistGradientBoostingClassifier(max_iter=5, random_state=0)
    matcher = PairClassifierMatcher(classifier=classifier, cv=2).fit(*made)
    before = matcher.threshold_
    tuned = TunedThresholdMatcherCV(matcher, cv="prefit", thresholds=[0.7]).fit(*made)
    assert tuned.estimator_.threshold_ == tuned.best_threshold_ == 0.7
    assert matcher.threshold_ == before


def test_one_long_label_is_not_multiplied_by_all_rows():
    """An array of str would take 4 bytes for each of its letters in each row."""
    labels = [f"p{n // 2}" for n in range(1000)]
    labels[0] = "z" * 50_000
    tracemalloc.start()
    tuned = TunedThresholdMatcherCV(FaissThresholdMatcher(), cv=2, thresholds=[0.5])
    tuned.fit(np.eye(1000, 8), labels)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * 50_000 * 1000 / 2
