import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.metrics import f1_score
from sklearn.model_selection import GridSearchCV, cross_val_score

from skmatch import (
    DisjointPairsKFold,
    TitlePairClassifier,
    load,
    make_product_titles,
    save,
)

QUICK = HistGradientBoostingClassifier(max_iter=20, random_state=0)


def make_pairs(n_products=80, seed=0):
    """Pairs of near titles, of which about a third match."""
    titles, products = make_product_titles(n_products, random_state=seed)
    rng = np.random.default_rng(seed)
    same = [rng.choice(np.flatnonzero(products == p), 2) for p in range(n_products)]
    other = rng.integers(len(titles), size=(2 * n_products, 2))
    pairs = np.concatenate([same, other])
    return titles[pairs], products[pairs[:, 0]] == products[pairs[:, 1]]


@pytest.fixture(scope="module")
def data():
    return make_pairs()


@pytest.fixture(scope="module")
def fitted(data):
    return TitlePairClassifier(classifier=QUICK, cv=2, random_state=0).fit(*data)


def test_pairs_of_other_products_are_told_apart(fitted):
    X, y = make_pairs(seed=5)
    probabilities = fitted.predict_proba(X)
    assert probabilities.shape == (len(X), 2)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert f1_score(y, fitted.predict(X)) > 0.8
    swapped = fitted.predict_proba(X[:, ::-1])
    np.testing.assert_allclose(swapped, probabilities, atol=1e-5)


def test_answers_keep_their_type(data, fitted):
    X, y = data
    assert fitted.predict(X[:5]).dtype == bool
    numbers = clone(fitted).fit(X, y.astype(int))
    assert numbers.classes_.tolist() == [0, 1]
    assert numbers.predict(X[:5]).tolist() == fitted.predict(X[:5]).astype(int).tolist()


def test_both_sides_may_be_frames(data, fitted):
    X, y = data
    left, right = (pd.DataFrame({"title": X[:, i]}) for i in (0, 1))
    other = clone(fitted).fit((left, right), y)
    np.testing.assert_array_equal(
        other.predict_proba((left, right)), fitted.predict_proba(X)
    )


def test_fields_of_both_sides(data):
    X, y = data
    shop = np.full((len(X), 1), "shop", dtype=object)
    wide = np.column_stack([X[:, :1], shop, X[:, 1:], shop])
    classifier = TitlePairClassifier(classifier=QUICK, cv=2, random_state=0)
    classifier.fit(wide, y)
    assert classifier.n_features_in_ == 4
    assert classifier.predict(wide[:3]).shape == (3,)
    assert classifier.explain(["tea", "shop"], ["Tea", "shop"]).probability >= 0
    with pytest.raises(ValueError, match="X has 2 features, but TitlePairClassifier"):
        classifier.predict(X)


def test_gallery_is_part_of_what_surrounds_pairs(data, fitted):
    X, y = data
    gallery = make_product_titles(40, random_state=9)[0]
    other = clone(fitted).fit(X, y, gallery=gallery)
    assert len(other._rows_) == len(fitted._rows_) + len(set(gallery))
    assert not np.array_equal(other.predict_proba(X), fitted.predict_proba(X))


def test_a_title_beside_itself_matches(fitted):
    titles = make_product_titles(5, random_state=11)[0]
    assert fitted.predict(np.column_stack([titles, titles])).all()


def test_explanation_says_what_predicts(fitted, data):
    X, _ = data
    explanation = fitted.explain(*X[0])
    assert explanation.probability > 0.5
    names = {name for name, _, _ in explanation.contributions}
    assert "words_learned" in names
    assert "transferred" not in names  # it follows from the other features


def test_order_of_pairs_changes_nothing(fitted, data):
    X = data[0][:40]
    np.testing.assert_array_equal(
        fitted.predict_proba(X[::-1])[::-1], fitted.predict_proba(X)
    )


def test_many_pairs_of_a_title_with_itself(fitted):
    """Each title is put beside itself once, however many such pairs there are."""
    X = np.array([[f"mug {i % 500}"] * 2 for i in range(1000)], dtype=object)
    probabilities = fitted.predict_proba(X)[:, 1]
    np.testing.assert_array_equal(probabilities[:500], probabilities[500:])


@pytest.mark.slow
def test_scikit_learn_takes_it_for_a_classifier(data, fitted):
    X, y = data
    folds = DisjointPairsKFold(2, shuffle=True, random_state=0)
    scores = cross_val_score(clone(fitted), X, y, cv=folds, scoring="f1")
    assert (scores > 0.5).all()
    search = GridSearchCV(clone(fitted), {"n_levels": [1]}, cv=folds, scoring="f1")
    assert search.fit(X, y).best_score_ > 0.5
    calibrated = CalibratedClassifierCV(clone(fitted), cv=2).fit(X, y)
    assert f1_score(y, calibrated.predict(X)) > 0.8


def test_save_and_load(fitted, data, tmp_path):
    save(fitted, tmp_path)
    X = data[0][:20]
    np.testing.assert_array_equal(
        load(tmp_path).predict_proba(X), fitted.predict_proba(X)
    )


def test_equal_seeds_equal_probabilities(fitted, data):
    X, y = data
    again = clone(fitted).fit(X, y)
    np.testing.assert_array_equal(again.predict_proba(X), fitted.predict_proba(X))


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        (
            ["a", "b"],
            [0, 1],
            r"X has shape \(2,\), 1 feature\(s\); expected two titles",
        ),
        ([["a", "b", "c"]], [1], r"X has shape \(1, 3\)"),
        ([["a", "b"], ["a", None]], [0, 1], "row 1 of X holds None"),
        ([["a", "b"], ["a", "c"]], [0, 2], "row 1 of y is 2; expected True or False"),
        ([["a", "b"], ["a", "c"]], None, "requires y to be passed"),
        ([["a", "b"], ["a", "c"]], [1], r"y has shape \(1,\); expected \(2,\)"),
        ([["a", "b"], ["a", "c"]], [1, 1], "pairs of one class"),
        ((["a", "b"], ["a"]), [1, 0], r"sides of shape \(2, 1\) and \(1, 1\)"),
        ([["a", "b"], ["a", "c"]], [1j, 0], r"row 0 of y is 1j; expected True or"),
        (np.array([["a", "b"]], dtype="S"), [1], "row 0 of X holds the bytes b'a'"),
    ],
)
def test_what_is_no_pair_is_named(X, y, message):
    with pytest.raises(ValueError, match=message):
        TitlePairClassifier().fit(X, y)


VALID = [["a", "b"], ["a", "c"]]


@pytest.mark.parametrize(
    ("X_val", "y_val", "message"),
    [
        (VALID, None, "y_val=None; expected X_val and y_val, or neither"),
        (None, [0, 1], "X_val=None; expected X_val and y_val, or neither"),
        (VALID, [0, 1, 1], r"y_val has shape \(3,\); expected \(2,\)"),
        (VALID, [0, 2], "row 1 of y_val is 2; expected True or False"),
        (VALID, [1, 1], "y_val holds only 1: .* pairs of one class"),
        ([["a", "b"], [None, "c"]], [0, 1], "row 1 of X_val holds None"),
        ([["a"], ["b"]], [0, 1], "X_val has 1 features"),
        ([], [], "X_val: Found array with 0 sample"),
        ((["a", "b"], ["a"]), [1, 0], r"X_val holds sides of shape \(2, 1\) and"),
    ],
)
def test_what_is_no_validation_pair_is_named(data, X_val, y_val, message):
    with pytest.raises(ValueError, match=message):
        TitlePairClassifier().fit(*data, X_val=X_val, y_val=y_val)


def test_validation_pairs_that_teach_little_are_told_of(data):
    X, y = data
    classifier = TitlePairClassifier(classifier=QUICK, cv=2, random_state=0)
    held = np.r_[:9, len(y) - 40 : len(y)]
    with pytest.warns(UserWarning, match="y_val has|X_val has") as warned:
        classifier.fit(X, y, X_val=X[held], y_val=y[held])
    few, both = (str(each.message) for each in warned)
    n_few = min(y[held].sum(), (~y[held]).sum())
    assert few.startswith(f"y_val has {n_few} pairs of the answer True; expected 20")
    assert both.startswith(f"X_val has {len({frozenset(pair) for pair in X[held]})} ")
    assert all(each.filename == __file__ for each in warned)


def test_parameters_and_galleries_out_of_range(data):
    X, y = data
    for params, message in (
        ({"cv": 1}, "cv == 1"),
        ({"n_levels": 0}, "n_levels == 0"),
        ({"pair_features": [3]}, "pair_features holds 3"),
        ({"pair_features": None}, "pair_features=None; expected a sequence"),
        ({"n_jobs": "x"}, "n_jobs"),
        ({"embedders": "none"}, "embedders holds 'none'"),
    ):
        with pytest.raises((ValueError, TypeError), match=message):
            TitlePairClassifier(**params).fit(X, y)
    with pytest.raises(ValueError, match="row 1 of gallery holds None"):
        TitlePairClassifier().fit(X, y, gallery=["a", None])
    with pytest.raises(NotFittedError):
        TitlePairClassifier().predict(X)


def test_no_product_is_on_both_sides():
    X, y = make_pairs(60, seed=3)
    numbers = {title: n for n, title in enumerate(np.unique(X))}
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    a, b = (np.array([numbers[t] for t in X[:, i]]) for i in (0, 1))
    shape = (len(numbers), len(numbers))
    graph = coo_array((np.ones(y.sum()), (a[y], b[y])), shape=shape)
    product = connected_components(graph, directed=False)[1]
    tested = np.zeros(len(X), int)
    for train, test in DisjointPairsKFold(4, shuffle=True, random_state=0).split(X, y):
        sides = [set(product[[*a[rows], *b[rows]]]) for rows in (train, test)]
        assert len(train)
        assert len(test)
        assert not sides[0] & sides[1]
        tested[test] += 1
    assert tested.max() == 1
    assert tested[y].all()  # a match is within a product


def test_pairs_that_cannot_be_split():
    folds = DisjointPairsKFold(2)
    assert folds.get_n_splits() == 2
    with pytest.raises(ValueError, match=r"X has shape \(2,\)"):
        next(folds.split(["a", "b"], [0, 1]))
    with pytest.raises(ValueError, match="y=None"):
        next(folds.split([["a", "b"]]))
    with pytest.raises(ValueError, match="row 1 of y is nan"):
        next(folds.split([["a", "b"], ["c", "d"]], [1, np.nan]))
    with pytest.raises(ValueError, match=r"y has shape \(1,\); expected \(2,\)"):
        next(folds.split([["a", "b"], ["c", "d"]], [1]))
    with pytest.raises(ValueError, match="n_splits=2 gives a fold with 0 training"):
        next(folds.split([["a", "b"], ["a", "c"]], [1, 0]))


def test_both_sides_may_be_split():
    X = (["tea", "mug"], ["Tea", "red mug"])
    splits = [*DisjointPairsKFold(2).split(X, [1, 1])]
    assert [test.tolist() for _, test in splits] == [[1], [0]]


@pytest.mark.parametrize("title", [3, None, b"tea", {"tea"}])
def test_what_is_no_title_cannot_be_explained(fitted, title):
    with pytest.raises(ValueError, match="title_b="):
        fitted.explain("tea", title)


def test_more_folds_than_products(data):
    X, y = (each[:6] for each in data)
    y = np.arange(6) % 2 == 0
    classifier = TitlePairClassifier(classifier=QUICK, cv=10**30, random_state=0)
    assert classifier.fit(X, y).predict_proba(X).shape == (6, 2)
