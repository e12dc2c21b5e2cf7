"""Progress bars: where they are asked for, and nowhere else."""

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline

from skmatch import (
    FaissThresholdMatcher,
    LSTMTitleEmbedder,
    PairClassifierMatcher,
    TitlePairClassifier,
    TunedThresholdMatcherCV,
    _progress,
)


@pytest.fixture(autouse=True)
def every_step_has_a_bar(monkeypatch):
    monkeypatch.setattr(_progress, "_SECONDS", 0)


def fit_and_match(estimator, titles, product_ids):
    estimator.fit(titles, product_ids)
    getattr(estimator, "predict", getattr(estimator, "transform", None))(titles)


def tfidf(matcher):
    return make_pipeline(TfidfVectorizer(analyzer="char_wb"), matcher)


CASES = {
    "pairs": (
        lambda verbose: PairClassifierMatcher(cv=2, random_state=0, verbose=verbose),
        ["Folds described", "Folds fitted", "Candidates found", "Pairs described"],
    ),
    "sparse": (
        lambda verbose: tfidf(FaissThresholdMatcher(verbose=verbose)),
        ["Rows compared"],
    ),
    "tuned": (
        lambda verbose: TunedThresholdMatcherCV(
            tfidf(FaissThresholdMatcher()), cv=2, verbose=verbose
        ),
        ["Folds fitted", "Rows compared"],
    ),
    "lstm": (
        lambda verbose: LSTMTitleEmbedder(
            embedding_dim=32,
            hidden_size=8,
            n_epochs=1,
            random_state=0,
            device="cpu",
            verbose=verbose,
        ),
        ["Titles embedded", "loss="],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_bars_are_shown_on_stderr_if_asked_for(listings, capsys, case):
    make, names = CASES[case]
    fit_and_match(make(True), *listings)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert [name for name in names if name not in shown.err] == []
    fit_and_match(make(False), *listings)
    assert capsys.readouterr() == ("", "")


def test_bars_of_pairs(listings, capsys):
    titles, product_ids = listings
    order = np.argsort(product_ids, kind="stable")[:40]
    X = np.column_stack([titles[order[:-1]], titles[order[1:]]])
    y = product_ids[order[:-1]] == product_ids[order[1:]]
    classifier = TitlePairClassifier(cv=2, random_state=0, verbose=True).fit(X, y)
    assert "Folds fitted" in capsys.readouterr().err
    classifier.predict(X)
    assert "Pairs scored, level 1" in capsys.readouterr().err
    classifier.set_params(verbose=False).predict(X)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("method", ["all pairs", "cells"])
def test_bars_of_a_dense_search(capsys, method):
    rows = np.random.default_rng(0).normal(size=(300, 8))
    index = "cells" if method == "cells" else "exact"
    matcher = FaissThresholdMatcher(0.9, index=index, verbose=True).fit(rows)
    found = matcher.predict(rows)
    assert "compared: 100%" in capsys.readouterr().err
    quiet = matcher.set_params(verbose=False).predict(rows)
    assert (found != quiet).nnz == 0
    assert capsys.readouterr().err == ""


def test_bars_of_a_match_for_each_singleton(capsys):
    rows = np.eye(40) + 0.01
    matcher = FaissThresholdMatcher(0.9, match_singletons=True, verbose=True).fit(rows)
    n_bars = []
    for verbose in (True, False):
        for call in (matcher.predict, matcher.transform):
            matcher.set_params(verbose=verbose)
            call(rows)
            n_bars.append(capsys.readouterr().err.count("Rows compared: 100%"))
    assert n_bars[0] > 1  # of the search, and of the singletons
    assert n_bars[2:] == [0, 0]


def test_what_fails_leaves_no_bars_behind(listings, capsys):
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        PairClassifierMatcher(verbose=True).fit(listings[0], [0])
    assert [*_progress.track(range(3), "Steps")] == [0, 1, 2]
    with _progress.showing_progress(False):
        assert [*_progress.track(range(3), "Steps")] == [0, 1, 2]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("case", ["pairs", "tuned", "lstm"])
def test_verbose_is_checked(listings, case):
    with pytest.raises(TypeError, match="verbose must be an instance of"):
        fit_and_match(CASES[case][0]("yes"), *listings)
