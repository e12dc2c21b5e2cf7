"""The main job, in the places where scikit-learn's users put it."""

import pickle
import subprocess
import sys

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline

from skmatch import (
    ClassDisjointKFold,
    FaissThresholdMatcher,
    LSTMTitleEmbedder,
    rowwise_f1_score,
    rowwise_f1_scorer,
)

GRID = {"match__threshold": [0.5, 0.7]}


@pytest.fixture
def pipe(quick):
    return Pipeline([("embed", quick()), ("match", FaissThresholdMatcher(0.6))])


@pytest.fixture
def tfidf():
    return TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True)


@pytest.mark.slow
def test_the_main_job(pipe, listings):
    titles, product_ids = listings
    is_new = product_ids >= 40
    search = GridSearchCV(
        pipe, GRID, scoring=rowwise_f1_scorer, cv=ClassDisjointKFold(3)
    )
    search.fit(titles[~is_new], product_ids[~is_new])
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert 0 < search.best_score_ < 1
    matches = search.predict(titles[is_new])
    assert matches.shape == (is_new.sum(), is_new.sum())
    alone = rowwise_f1_score(product_ids[is_new], np.eye(is_new.sum()))
    assert rowwise_f1_score(product_ids[is_new], matches) > alone


def test_transform_gives_similarities_to_the_fitted_catalogue(pipe, listings):
    titles, product_ids = listings
    similarities = pipe.fit(titles, product_ids).transform(titles[:7])
    assert similarities.shape == (7, len(titles))
    assert_allclose(similarities.diagonal(), 1, atol=1e-6)


@pytest.mark.slow
def test_grid_search_on_two_processes_gives_the_same(pipe, listings):
    searches = [
        GridSearchCV(
            pipe,
            GRID,
            scoring=rowwise_f1_scorer,
            cv=ClassDisjointKFold(2),
            n_jobs=n_jobs,
        ).fit(*listings)
        for n_jobs in (1, 2)
    ]
    serial, parallel = (search.cv_results_["mean_test_score"] for search in searches)
    assert_allclose(serial, parallel, atol=1e-3)
    assert np.isfinite(serial).all()


@pytest.mark.slow
def test_grid_over_parameters_of_the_embedder(pipe, listings):
    grid = {"embed__loss": ["supcon", "multi_similarity"], "embed__n_epochs": [1]}
    search = GridSearchCV(
        pipe, grid, scoring=rowwise_f1_scorer, cv=ClassDisjointKFold(2)
    ).fit(*listings)
    scores = search.cv_results_["mean_test_score"]
    assert np.isfinite(scores).all()
    assert scores[0] != scores[1]


@pytest.mark.slow
def test_cross_val_score_equals_a_loop(pipe, listings):
    titles, product_ids = listings
    folds = ClassDisjointKFold(2)
    scores = cross_val_score(
        pipe, titles, product_ids, scoring=rowwise_f1_scorer, cv=folds
    )
    by_hand = [
        rowwise_f1_score(
            product_ids[test],
            clone(pipe).fit(titles[train], product_ids[train]).predict(titles[test]),
        )
        for train, test in folds.split(titles, product_ids)
    ]
    assert_allclose(scores, by_hand)


def test_nested_cross_validation(tfidf, listings):
    inner = GridSearchCV(
        make_pipeline(tfidf, FaissThresholdMatcher()),
        {"faissthresholdmatcher__threshold": [0.3, 0.5, 0.9]},
        scoring=rowwise_f1_scorer,
        cv=ClassDisjointKFold(3),
    )
    scores = cross_val_score(
        inner, *listings, scoring=rowwise_f1_scorer, cv=ClassDisjointKFold(3)
    )
    assert ((scores > 0.5) & (scores < 1)).all()


def test_memory_fits_the_embedder_once(pipe, listings, tmp_path, monkeypatch):
    fits = []
    fit = LSTMTitleEmbedder.fit
    monkeypatch.setattr(
        LSTMTitleEmbedder, "fit", lambda self, X, y: fits.append(1) or fit(self, X, y)
    )
    pipe.set_params(memory=str(tmp_path), embed__n_epochs=1)
    once = pipe.fit(*listings).predict(listings[0])
    again = clone(pipe).set_params(match__threshold=0.9).fit(*listings)
    assert len(fits) == 1
    assert again.predict(listings[0]).nnz < once.nnz


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_set_output(fitted, library):
    embedder = pickle.loads(pickle.dumps(fitted)).set_output(transform=library)
    frame = embedder.transform(["mug", "tea"])
    assert isinstance(frame, {"pandas": pd, "polars": pl}[library].DataFrame)
    assert list(frame.columns)[:2] == ["lstmtitleembedder0", "lstmtitleembedder1"]
    assert_allclose(frame.to_numpy(), fitted.transform(["mug", "tea"]), atol=1e-7)


def test_set_output_in_a_pipeline(pipe, listings):
    plain = pipe.fit(*listings).predict(listings[0])
    embed = clone(pipe)
    embed.named_steps["embed"].set_output(transform="pandas")
    assert (plain != embed.fit(*listings).predict(listings[0])).nnz == 0


def test_union_with_tfidf(quick, tfidf, fitted, listings):
    union = FeatureUnion([("lstm", quick()), ("tfidf", tfidf)])
    matcher = FaissThresholdMatcher(0.6)
    pipe = make_pipeline(union, matcher).fit(*listings)
    matches = pipe.predict(listings[0]).toarray()
    lstm, words = fitted.transform(listings[0]), tfidf.fit_transform(listings[0])
    mean = (lstm @ lstm.T + (words @ words.T).toarray()) / 2
    clear = abs(mean - 0.6) > 1e-5
    assert_array_equal(matches[clear], (mean >= 0.6)[clear])


@pytest.mark.parametrize("make", [list, pd.Series, pl.Series, np.array])
def test_containers_of_titles(fitted, listings, make):
    titles = listings[0][:20].tolist()
    assert_array_equal(fitted.transform(make(titles)), fitted.transform(titles))


@pytest.mark.slow
@pytest.mark.parametrize("library", [pd, pl])
def test_frame_of_several_columns(pipe, listings, library):
    titles, product_ids = listings
    columns = {"title": titles.tolist(), "shop": ["a", "b"] * (len(titles) // 2)}
    columns["shop"] += ["a"] * (len(titles) - len(columns["shop"]))
    frame = library.DataFrame(columns)
    pipe.fit(frame, library.Series(product_ids.tolist()))
    assert pipe.n_features_in_ == 2
    assert pipe["embed"].feature_names_in_.tolist() == ["title", "shop"]
    joined = [f"{t} {s}" for t, s in zip(*columns.values(), strict=True)]
    expected = pipe["embed"].transform(frame)
    alone = clone(pipe).fit(joined, product_ids)["embed"].transform(joined)
    assert_allclose(expected, alone, atol=1e-6)


@pytest.mark.data
def test_published_baselines_on_real_titles(tfidf, real_split):
    train, _, titles, labels = real_split
    assert len(titles) == 4113
    trivial = np.eye(4113, dtype=bool)
    trivial[:, 0] = True
    assert rowwise_f1_score(labels, trivial) == pytest.approx(0.353, abs=0.001)
    matcher = FaissThresholdMatcher(0.44)
    matches = make_pipeline(tfidf, matcher).fit(train).predict(titles)
    assert rowwise_f1_score(labels, matches) == pytest.approx(0.805, abs=0.005)


@pytest.mark.data
@pytest.mark.slow
def test_real_titles_teach_and_do_not_depend_on_their_batch(quick, real_split):
    train, train_labels, titles, labels = real_split
    embedder = quick(embedding_dim=256, batch_size=512, n_epochs=3)
    few = train_labels < 2000
    embedder.fit(train[few], train_labels[few])
    embeddings = embedder.transform(titles)
    alone = np.vstack([embedder.transform([title]) for title in titles[:200]])
    assert_allclose(alone, embeddings[:200], atol=1e-6)
    matches = FaissThresholdMatcher(0.5).fit_predict(embeddings)
    assert rowwise_f1_score(labels, matches) > 0.7


LOAD = """
import sys
import numpy as np
if sys.argv[1] == "pickle":
    import pickle
    pipe = pickle.load(open(sys.argv[2], "rb"))
else:
    import joblib
    pipe = joblib.load(sys.argv[2])
titles = np.load(sys.argv[3], allow_pickle=True)
np.save(sys.argv[4], pipe.transform(titles).toarray())
"""


@pytest.mark.slow
@pytest.mark.parametrize("library", [pickle, joblib])
def test_round_trip_to_a_new_process(pipe, listings, tmp_path, library):
    titles, _ = listings
    pipe.fit(*listings)
    paths = [str(tmp_path / name) for name in ("pipe", "titles.npy", "result.npy")]
    with open(paths[0], "wb") as file:
        library.dump(pipe, file)
    np.save(paths[1], titles)
    command = [sys.executable, "-c", LOAD, library.__name__, *paths]
    subprocess.run(command, check=True)
    assert_allclose(np.load(paths[2]), pipe.transform(titles).toarray(), atol=1e-6)
