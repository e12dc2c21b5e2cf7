import pickle
import tracemalloc
from copy import copy

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin, clone
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmatch import (
    ClassDisjointKFold,
    ClusterDisjointKFold,
    FaissThresholdMatcher,
    LSTMTitleEmbedder,
    PairClassifierMatcher,
    decide_matches,
    group_matches,
    make_product_titles,
    rowwise_f1_score,
    rowwise_f1_scorer,
)
from skmatch.graph import Propagation
from skmatch.pairs import PairIndices
from skmatch.pairs._pair_of_gallery import list_says
from skmatch.pairs._parsed_titles import ParsedTitles, count_words
from skmatch.pairs._text_features import compare_characters


def quick(**parameters):
    classifier = HistGradientBoostingClassifier(max_iter=15, random_state=0)
    settings = {"classifier": classifier, "n_candidates": 8, "random_state": 0}
    return PairClassifierMatcher(**settings | parameters)


@pytest.fixture(scope="module")
def split():
    titles, labels = make_product_titles(320, random_state=0)
    titles, labels = np.array(titles, dtype=object), np.array(labels)
    is_test = np.isin(labels, np.unique(labels)[::4])
    return titles[~is_test], labels[~is_test], titles[is_test], labels[is_test]


@pytest.fixture(scope="module")
def fitted(split):
    return quick().fit(*split[:2])


def test_it_beats_one_threshold(split, fitted):
    titles, _, test_titles, test_labels = split
    tfidf = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True)
    rows = tfidf.fit(titles).transform(test_titles)
    oracle = max(
        rowwise_f1_score(test_labels, FaissThresholdMatcher(t).fit_predict(rows))
        for t in np.arange(0.2, 0.9, 0.05)
    )
    score = rowwise_f1_score(test_labels, fitted.predict(test_titles))
    assert score > oracle + 0.02
    assert score == pytest.approx(fitted.best_score_, abs=0.06)


def test_matches_are_bool_symmetric_and_hold_the_diagonal(split, fitted):
    matches = fitted.predict(split[2])
    assert matches.dtype == bool
    assert matches.shape == (len(split[2]),) * 2
    assert (matches != matches.T).nnz == 0
    assert matches.diagonal().all()
    assert matches.nnz > len(split[2])


@pytest.mark.slow
def test_matches_are_the_probabilities_at_the_threshold(split, fitted):
    graph = fitted.score_graph(split[2])
    assert graph.dtype == np.float32
    assert (graph.diagonal() == 0).all()
    expected = (graph.toarray() >= np.float32(fitted.threshold_)) | np.eye(
        graph.shape[0], dtype=bool
    )
    assert_array_equal(fitted.predict(split[2]).toarray(), expected)
    loose = clone(fitted).set_params(threshold=0.01).fit(*split[:2])
    assert loose.predict(split[2]).nnz > fitted.predict(split[2]).nnz


IGNORED = [
    pytest.mark.filterwarnings("ignore:max_matches="),
    pytest.mark.filterwarnings("ignore:propagation=True assumes"),
    pytest.mark.filterwarnings("ignore:match_singletons=True assumes"),
]


@pytest.fixture(scope="module")
def few():
    """Fewer titles, for tests that fit several times."""
    return make_product_titles(120, random_state=1)


@pytest.mark.slow
@pytest.mark.parametrize(
    "refinements",
    [
        pytest.param({}, marks=IGNORED),
        pytest.param({"match_singletons": True}, marks=IGNORED),
        pytest.param({"max_matches": 2, "mutual": True}, marks=IGNORED),
        pytest.param(
            {"max_matches": 1, "mutual": True, "match_singletons": True}, marks=IGNORED
        ),
    ],
)
def test_the_threshold_has_the_best_score_of_the_folds(few, refinements):
    tuned = quick(n_levels=1, cv=2, **refinements).fit(*few)

    def score(threshold):
        other = clone(tuned).set_params(threshold=float(threshold)).fit(*few)
        assert other.threshold_ == threshold
        return other.best_score_

    assert score(tuned.threshold_) == pytest.approx(tuned.best_score_, abs=1e-12)
    for threshold in (0.2, 0.5, tuned.threshold_ - 0.02, tuned.threshold_ + 0.02):
        assert score(threshold) <= tuned.best_score_ + 1e-12


def test_transform_obeys_the_refinements(split, fitted):
    matcher = copy(fitted).set_params(threshold=0.01)
    whole = matcher.transform(split[2][:40])
    best = matcher.set_params(max_matches=1).transform(split[2][:40])
    assert_array_equal(np.diff(best.indptr), np.minimum(np.diff(whole.indptr), 1))
    assert_array_equal(best.max(axis=1).toarray(), whole.max(axis=1).toarray())
    strict = matcher.set_params(max_matches=None, threshold=1.0)
    assert strict.transform(split[2][:40]).nnz == 0
    singletons = strict.set_params(match_singletons=True).transform(split[2][:40])
    assert_array_equal(singletons.max(axis=1).toarray(), whole.max(axis=1).toarray())


def test_predict_is_the_score_graph_and_a_decision(split, fitted):
    matcher = copy(fitted).set_params(threshold=0.6, match_singletons=True)
    graph = matcher.score_graph(split[2])
    decided = decide_matches(graph, 0.6, match_singletons=True)
    assert_array_equal(matcher.predict(split[2]).toarray(), decided.toarray())
    assert_array_equal(graph.toarray(), graph.T.toarray())
    groups = group_matches(graph)
    assert rowwise_f1_score(split[3], np.equal.outer(groups, groups)) > 0.8


@pytest.mark.slow
def test_equal_seeds_give_equal_results(split, fitted):
    again = quick().fit(*split[:2]).score_graph(split[2])
    assert (again != fitted.score_graph(split[2])).nnz == 0
    copy = pickle.loads(pickle.dumps(fitted))
    assert (copy.predict(split[2]) != fitted.predict(split[2])).nnz == 0


def test_order_of_the_rows_changes_nothing_but_the_order(split, fitted):
    titles = pd.unique(split[2])  # of equal similarities the first is a candidate
    order = np.random.default_rng(0).permutation(len(titles))
    there = fitted.score_graph(titles[order]).toarray()
    here = fitted.score_graph(titles).toarray()[np.ix_(order, order)]
    is_any = (there > 0) | (here > 0)
    assert np.isclose(there, here, atol=0.05)[is_any].mean() > 0.999
    is_match = there > fitted.threshold_
    assert (is_match != (here > fitted.threshold_)).sum() < 0.005 * is_match.sum()


def test_transform_decides_each_title_by_itself(split, fitted):
    whole = fitted.transform(split[2][:12])
    assert whole.shape == (12, len(split[0]))
    assert whole.dtype == np.float32
    assert (whole.data >= np.float32(fitted.threshold_)).all()
    alone = [fitted.transform(split[2][i : i + 1]).toarray()[0] for i in range(12)]
    assert_allclose(whole.toarray(), alone, atol=1e-6)


def test_transform_finds_the_products_of_the_catalogue(split, fitted):
    titles, labels = split[:2]
    changed = np.array([" ".join(t.split()[::-1]) for t in titles[:50]], dtype=object)
    graph = fitted.transform(changed)
    best = np.array([graph[[i]].toarray()[0].argmax() for i in range(50)])
    assert (labels[best] == labels[:50]).mean() >= 0.88


@pytest.mark.slow
def test_one_stacking_level_and_three(split):
    for n_levels in (1, 3):
        matcher = quick(n_levels=n_levels).fit(*split[:2])
        assert len(matcher.classifiers_) == n_levels
        names = matcher.get_pair_feature_names()
        assert matcher.classifiers_[-1].n_features_in_ == len(names)
        assert any(name.startswith("level") for name in names) == (n_levels > 1)
        matcher.transform(split[2][:3])


class Memory(TransformerMixin, BaseEstimator):
    """Knows the products of the titles that it has seen: a leak, if these are asked."""

    def fit(self, X, y):
        self.label_of_ = dict(zip(X, y, strict=True))
        return self

    def transform(self, X):
        rows = np.random.default_rng(0).normal(size=(len(X), 8))
        for row, title in zip(rows, X, strict=True):
            if title in self.label_of_:
                row[:] = np.random.default_rng(self.label_of_[title]).normal(size=8)
        return rows


@pytest.mark.slow
def test_an_embedder_that_remembers_products_is_not_believed(split):
    matcher = quick(embedders=["tfidf", Memory()]).fit(*split[:2])
    honest = quick(embedders=["tfidf"]).fit(*split[:2])
    assert abs(matcher.best_score_ - honest.best_score_) < 0.03
    score = rowwise_f1_score(split[3], matcher.predict(split[2]))
    assert abs(matcher.best_score_ - score) < 0.06


@pytest.mark.slow
def test_the_leak_would_be_seen(split, monkeypatch):
    leaky = Memory().fit(*split[:2])
    monkeypatch.setattr(Memory, "fit", lambda self, X, y: self)
    monkeypatch.setattr(Memory, "label_of_", leaky.label_of_, raising=False)
    believed = quick(embedders=["tfidf", Memory()]).fit(*split[:2])
    score = rowwise_f1_score(split[3], believed.predict(split[2]))
    assert believed.best_score_ - score > 0.06  # more than the test above lets pass


def test_folds_with_a_product_on_both_sides_are_refused(split):
    with pytest.raises(ValueError, match="titles on both sides of a split"):
        quick(cv=KFold(3)).fit(*split[:2])


def test_splitter_of_your_own(split):
    matcher = quick(cv=ClassDisjointKFold(2)).fit(*split[:2])
    assert matcher.gallery_size_ == len(split[0]) / 2
    assert np.isnan(matcher.foreign_score_)


def test_foreign_score_is_that_of_clusters(split):
    few = split[0][:400], split[1][:400]
    both = quick(cv=2, threshold=0.5).fit(*few)
    of_words = quick(cv=ClusterDisjointKFold(2), threshold=0.5).fit(*few)
    assert both.foreign_score_ == of_words.best_score_
    assert both.foreign_score_ != both.best_score_


@pytest.mark.slow
def test_candidates_come_from_each_embedder(split):
    lstm = LSTMTitleEmbedder(
        embedding_dim=8, hidden_size=4, n_epochs=1, batch_size=64, random_state=0
    )
    matcher = quick(embedders=[lstm, "words"], n_candidates=3).fit(*split[:2])
    assert any(n.startswith("lstmtitleembedder0") for n in
               matcher.get_pair_feature_names())  # fmt: skip
    one = quick(embedders="words", n_candidates=3).fit(*split[:2])
    assert matcher.candidate_recall_ > one.candidate_recall_
    pairs = matcher.score_graph(split[2]).nnz
    assert pairs > one.score_graph(split[2]).nnz
    assert matcher.transform(split[2][:2]).shape == (2, len(split[0]))


@pytest.mark.slow
def test_any_classifier_and_grid_search(split):
    linear = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
    search = GridSearchCV(
        quick(classifier=linear, cv=2),
        {"n_candidates": [2, 8]},
        scoring=rowwise_f1_scorer,
        cv=ClassDisjointKFold(2),
        error_score="raise",
    ).fit(*split[:2])
    assert search.best_score_ > 0.8
    assert search.predict(split[2]).shape == (len(split[2]),) * 2


def test_last_step_of_a_pipeline(split):
    pipe = make_pipeline("passthrough", quick()).fit(*split[:2])
    assert pipe.predict(split[2]).shape == (len(split[2]),) * 2


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:pair_features holds:UserWarning")
def test_columns_join_the_title_and_reach_own_features(split):
    rng = np.random.default_rng(0)
    price_of = rng.uniform(1, 9, size=split[1].max() + 1)
    frame = pd.DataFrame({"title": split[0], "price": price_of[split[1]].round(3)})

    def price_gap(a, b):
        return abs(a[:, 1].astype(float) - b[:, 1].astype(float))

    matcher = quick(pair_features=[price_gap]).fit(frame, split[1])
    assert "own_price_gap" in matcher.get_pair_feature_names()
    assert matcher.best_score_ > quick().fit(*split[:2]).best_score_
    assert matcher.predict(frame[:150]).shape == (150, 150)
    assert matcher.transform(frame[:3]).shape == (3, len(frame))
    rows = frame.to_numpy(dtype=object)
    assert matcher.explain(rows[0], rows[1]).probability >= 0


def test_explanation_of_a_missing_title_is_refused(split, fitted):
    with pytest.raises(ValueError, match="row 1 of X holds None"):
        fitted.explain(split[0][0], [None])
    with pytest.raises(ValueError, match="title_b has 2 fields; expected 1"):
        fitted.explain(split[0][0], ["tea", "red"])


def test_explanation_names_what_speaks_for_a_match(split, fitted):
    titles, labels = split[:2]
    label = np.flatnonzero(np.bincount(labels) > 1)[0]
    first, second = np.flatnonzero(labels == label)[:2]
    other = np.flatnonzero(labels != label)[0]
    same = fitted.explain(titles[first], titles[second])
    apart = fitted.explain(titles[first], titles[other])
    assert apart.probability < 0.1 < 0.5 < same.probability
    names = [name for name, _, _ in same.contributions]
    own = [n for n in fitted.get_pair_feature_names() if not n.startswith("level1")]
    assert sorted(names) == sorted([*own, "other_titles"])
    sizes = [abs(added) for _, _, added in same.contributions]
    assert sizes == sorted(sizes, reverse=True)
    assert same.contributions[0][2] > 0 > apart.contributions[0][2]
    assert fitted.explain(titles[first], titles[second]) == same
    swapped = fitted.explain(titles[second], titles[first])
    assert swapped.probability == pytest.approx(same.probability, abs=1e-6)
    assert str(same).splitlines()[0] == (
        f"probability of a match: {same.probability:.3f}"
    )
    assert len(str(same).splitlines()) == 16
    assert same.to_frame()["feature"].tolist() == names


@pytest.mark.parametrize("is_labelled", [True, False])
def test_explanation_in_a_gallery_is_of_its_score(split, is_labelled):
    titles, labels, X, _ = split
    matcher = quick().fit(titles, labels if is_labelled else None)
    graph = matcher.score_graph(X)
    for a, b in zip(*(side[::97] for side in graph.tocoo().coords), strict=True):
        said = matcher.explain(int(a), int(b), gallery=X)
        assert said.probability == graph[a, b]
        assert (said.title_a, said.title_b) == (X[a], X[b])
    assert said.says[0].title in X
    assert 0 < sum(say.weight for say in said.says) < 1 + 1e-6
    other = np.setdiff1d(np.arange(len(X)), graph[[0]].indices)[1]
    apart = matcher.explain(0, int(other), gallery=X)
    assert (apart.probability, apart.before_propagation) == (0, 0)
    assert matcher.explain(0, int(other), gallery=X.copy()) == apart


def test_says_are_averaged_to_the_propagated_probability(split, fitted):
    X = split[2]
    a, b = (int(side[0]) for side in fitted.score_graph(X).tocoo().coords)
    fitted.explain(a, b, gallery=X)
    among = fitted._catalogue_.match(X, X).described.levels[-1]
    pair = PairIndices(np.array([a]), np.array([b]))
    says = list_says(among, pair, 1000)
    mean = sum(say.weight * say.probability for say in says)
    assert mean == pytest.approx(among.at(*pair)[0], abs=1e-6)


def test_explanation_of_copies(split, fitted):
    X = np.array(["Tea Rosa 20 g"] * 20 + ["tea rosa 20 gr", "mug"], dtype=object)
    graph = fitted.score_graph(X)
    for a, b in ((0, 1), (3, 19), (18, 19), (19, 20)):
        assert fitted.explain(a, b, gallery=X).probability == graph[a, b]


def test_explanation_of_judged_pairs(split):
    X = split[2][:80]
    asked = np.array([[0, 1], [2, 3], [4, 5]] + [[k, k + 1] for k in range(6, 60, 2)])
    answers = np.arange(len(asked)) % 2 == 0
    matcher = quick().fit(X, pairs=asked, is_match=answers)
    for (a, b), answer in zip(asked[:4].tolist(), answers[:4], strict=True):
        assert matcher.explain(a, b, gallery=X).probability == answer


@pytest.mark.parametrize("rows", [(0, 0), (-1, 2), (0, 99), ("tea", 1), (True, 2)])
def test_rows_that_are_none_of_the_gallery(fitted, rows):
    with pytest.raises(ValueError, match=r"expected one of two different rows of the"):
        fitted.explain(*rows, gallery=["tea", "mug", "bag"])


def test_a_pickle_is_without_the_gallery_explained(split, fitted):
    fitted.explain(0, 1, gallery=split[2])
    assert "_other" in vars(fitted._catalogue_)
    assert "_other" not in vars(pickle.loads(pickle.dumps(fitted))._catalogue_)


class Sum(ClassifierMixin, BaseEstimator):
    """Its log-odds are a weighted sum of the features: each adds what it weighs."""

    def fit(self, X, y):
        self.classes_ = np.array([False, True])
        self.mean_, self.spread_ = X.mean(axis=0), X.std(axis=0) + 1
        return self

    def predict_proba(self, X):
        total = 0.3 * ((X - self.mean_) / self.spread_).sum(axis=1)
        positive = 1 / (1 + np.exp(-np.clip(total, -12, 12)))
        return np.column_stack([1 - positive, positive])


def test_contributions_to_a_sum_are_its_terms(split):
    matcher = quick(classifier=Sum(), n_levels=1).fit(*split[:2])
    pair = matcher.explain(split[0][0], split[0][1])
    (classifier,) = matcher.classifiers_
    mean = dict(
        zip(
            matcher.get_pair_feature_names(),
            matcher._model_.background.mean(axis=0),
            strict=True,
        )
    )
    scale = dict(zip(matcher.get_pair_feature_names(), classifier.spread_, strict=True))
    for name, value, added in pair.contributions:
        expected = 0.3 * (value - mean[name]) / scale[name]
        assert added == pytest.approx(expected, abs=1e-3), name


@pytest.mark.slow
def test_assumptions_are_checked_on_the_training_titles(split):
    titles, labels = split[0].copy(), split[1].copy()
    labels[:40] = np.arange(10_000, 10_040)
    with pytest.warns(UserWarning, match=r"are their product's only one"):
        quick(match_singletons=True).fit(titles, labels)
    with pytest.warns(UserWarning, match=r"max_matches=1 .* costs 0\.\d+ of the row"):
        quick(max_matches=1, mutual=True, cv=2, propagation=False).fit(*split[:2])


class Sure(Sum):
    """Calls every pair a probable match; no more than the order is right."""

    def predict_proba(self, X):
        positive = 0.7 + 0.25 * super().predict_proba(X)[:, 1]
        return np.column_stack([1 - positive, positive])


def test_assumptions_of_propagation_and_of_the_expected_f1_are_checked(split):
    settings = {"classifier": Sure(), "cv": 2, "n_candidates": 20, "n_levels": 1}
    with pytest.warns(UserWarning, match=r"propagation=True assumes .* costs 0\.\d+"):
        quick(**settings).fit(*split[:2])
    with pytest.warns(UserWarning, match=r"'expected_f1' assumes .* costs 0\.\d+ of"):
        quick(**settings, propagation=False, threshold="expected_f1").fit(*split[:2])


@pytest.mark.slow
def test_propagation_is_between_the_levels_and_after_them(split, fitted):
    one = quick(n_levels=1).fit(*split[:2])
    without = clone(one).set_params(propagation=False).fit(*split[:2])
    raw = without.score_graph(split[2])
    propagated = one.score_graph(split[2])
    assert_array_equal(propagated.toarray(), Propagation(raw).graph.toarray())
    two = clone(fitted).set_params(propagation=False).fit(*split[:2])
    assert fitted.best_score_ > two.best_score_ > without.best_score_
    whole = without.set_params(threshold=0.01).transform(split[2][:9])
    propagated = one.set_params(threshold=0.01).transform(split[2][:9])
    among = one._catalogue_.described.levels[0]
    kept = Propagation(whole, among).graph.toarray()
    assert_allclose(np.where(kept < 0.01, 0, kept), propagated.toarray(), atol=1e-6)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:threshold='expected_f1' assumes")
def test_expected_f1_needs_no_threshold(split, fitted):
    matcher = clone(fitted).set_params(threshold="expected_f1").fit(*split[:2])
    assert np.isnan(matcher.threshold_)
    assert abs(matcher.best_score_ - fitted.best_score_) < 0.02
    score = rowwise_f1_score(split[3], matcher.predict(split[2][: len(split[3])]))
    assert score == pytest.approx(matcher.best_score_, abs=0.06)
    assert matcher.transform(split[2][:50]).nnz > 0


def test_gallery_of_another_size_warns(split, fitted):
    with pytest.warns(UserWarning, match="galleries of about"):
        fitted.predict(split[2][:5])


@pytest.mark.filterwarnings("ignore:The threshold was chosen on galleries")
def test_titles_that_have_nothing_in_common(fitted):
    assert fitted.predict(["", "xyzzy", "§"]).nnz == 3
    assert fitted.transform(["", "§"]).nnz == 0
    assert fitted.score_graph(["solo"]).shape == (1, 1)


def test_one_pair_of_a_product_is_a_label(split):
    labels = np.append(np.arange(len(split[0]) - 1), 0)
    matcher = quick().fit(split[0], labels)
    assert matcher.supervision_ == "product_ids"
    assert matcher.predict(split[2]).nnz < 2 * len(split[2])


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_candidates": 0}, "n_candidates == 0, must be >= 1"),
        ({"n_levels": 0}, "n_levels == 0, must be >= 1"),
        ({"threshold": "best"}, "threshold='best'; expected a probability"),
        ({"threshold": 1.5}, "threshold == 1.5, must be <= 1"),
        ({"cv": 1}, "cv == 1, must be >= 2"),
        ({"embedders": ["tfidf", "nothing"]}, "embedders holds 'nothing'"),
        ({"embedders": []}, "embedders is empty"),
        ({"pair_features": ["price"]}, "pair_features holds 'price'"),
        ({"pair_features": None}, "pair_features=None; expected a sequence"),
        ({"mutual": True}, "mutual=True needs max_matches"),
        ({"max_matches": 0}, "max_matches == 0, must be >= 1"),
    ],
)
def test_parameters_out_of_range(split, parameters, message):
    with pytest.raises(ValueError, match=message):
        quick(**parameters).fit(*split[:2])


def test_one_product_is_not_enough(split):
    with pytest.raises(ValueError, match="y has 1 class, a single product"):
        quick().fit(split[0], np.zeros(len(split[0])))


def test_missing_titles_are_named():
    with pytest.raises(ValueError, match="row 1 of X holds None"):
        quick().fit(["a", None, "c"], [0, 0, 1])


@pytest.mark.parametrize(
    ("titles", "message"),
    [
        ((None, "a"), "title_a=None; expected a title of type str, or its fields"),
        (("a", None), "title_b=None; expected a title of type str, or its fields"),
        (("a", 3), "title_b=3; expected a title"),
        ((b"a", "b"), "title_a=b'a'; expected a title"),
        (("a", {"b"}), "title_b={'b'}; expected a title"),
        (("a", ["b", "c"]), "title_b has 2 fields; expected 1, as X in fit"),
        (([None], "b"), "row 0 of X holds None"),
    ],
)
def test_explain_names_what_is_no_title(fitted, titles, message):
    with pytest.raises(ValueError, match=message):
        fitted.explain(*titles)


@pytest.mark.parametrize("params", [{}, {"propagation": False, "max_matches": 1}])
def test_warnings_point_at_the_caller(recwarn, params):
    titles, labels = make_product_titles(60, random_state=0)
    singles = [f"other title {n}" for n in range(9)]
    quick(match_singletons=True, **params).fit(
        [*titles, *singles], [*labels, *range(1000, 1009)]
    )
    assert {w.filename for w in recwarn} == {__file__}
    assert any("match_singletons=True assumes" in str(w.message) for w in recwarn)


class OneSplit:
    def split(self, X, y):
        yield next(ClassDisjointKFold(2).split(X, y))


def test_one_split_is_too_few(split):
    with pytest.raises(ValueError, match=r"cv=.* gives 1 split; expected at least 2"):
        quick(cv=OneSplit()).fit(*split[:2])


def test_titles_without_words_name_the_embedder():
    with pytest.raises(ValueError, match="TfidfVectorizer of embedders cannot be fi"):
        quick().fit(["!!", "??", "..", ",,"], [0, 0, 1, 1])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The threshold was chosen on galleries:UserWarning")
def test_one_long_word_is_not_multiplied_by_all_rows(fitted):
    """An array of str would take 4 bytes for each of its letters in each row."""
    titles = [f"paper bag {n}" for n in range(2000)] + ["a" * 100_000, "1-" * 50_000]
    tracemalloc.start()
    fitted.score_graph(titles)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * 100_000 * 2000 / 2


def test_one_long_label_is_not_multiplied_by_all_rows(few):
    labels = [f"p{label}" for label in few[1]]
    labels[0] = "z" * 200_000
    tracemalloc.start()
    quick(cv=2, propagation=False).fit(few[0], labels)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * 200_000 * len(labels) / 2


def test_a_split_without_rows_is_refused(few):
    class Splitter:
        def split(self, X, y):
            rows = np.arange(len(X))
            return iter([(rows, rows[:0]), (rows[:0], rows)])

    with pytest.raises(ValueError, match=r"gives a split with \d+ training and 0 test"):
        quick(cv=Splitter()).fit(*few)


def test_parts_are_sought_in_the_first_three_hundred_characters():
    a = "ab" * 150
    texts = np.array([a + "c" * 9, a + "d" * 9], dtype=object)
    titles = ParsedTitles(texts, texts, count_words(texts))
    compared = compare_characters(titles, np.array([0]), np.array([1]))
    assert compared.characters_partial[0] == 100 > compared.characters_ratio[0]


def test_edits_read_the_first_thousand_characters():
    a = "a" * 1000
    texts = np.array([a + "b" * 500, a + "c" * 500, "x" + a], dtype=object)
    titles = ParsedTitles(texts, texts, count_words(texts))
    left, right = np.array([0, 0]), np.array([1, 2])
    ratio = compare_characters(titles, left, right).characters_ratio
    assert ratio[0] == 100
    assert ratio[1] < 100


class Lists:
    """A splitter whose indices are lists, as scikit-learn takes them."""

    def split(self, X, y):
        for train, test in ClassDisjointKFold(2).split(X, y):
            yield train.tolist(), test.tolist()


def test_splits_may_be_lists(split):
    titles, labels = split[0][:200], split[1][:200]
    ours, theirs = (
        quick(cv=cv).fit(titles, labels) for cv in (ClassDisjointKFold(2), Lists())
    )
    assert ours.threshold_ == theirs.threshold_
