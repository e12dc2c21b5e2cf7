import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from skmatch import PairClassifierMatcher, TitlePairClassifier, make_product_titles
from skmatch.pairs._column_features import (
    COMPARISONS,
    compare_codes,
    compare_numbers,
    compare_texts,
    contain_codes,
)


def column(*values):
    return np.array([*values, None], dtype=object)[:-1]


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        (10, 10, 1),
        (5, 10, 0.5),
        (0, 0, 1),
        (-5, 5, 0),
        ("$ 1,299.00", 1299, 1),
        ("EUR 12.50", "25", 0.5),
        (None, 3, -1),
        (np.nan, 3, -1),
        (np.inf, 3, -1),
        ("", "3", -1),
        ("ask", "3", -1),
        (pd.NA, 3, -1),
    ],
)
def test_numbers_are_compared_by_their_ratio(left, right, expected):
    for a, b in ((left, right), (right, left)):
        assert_allclose(compare_numbers(column(a), column(b)), [expected])


def test_texts_are_compared_in_any_order_of_words():
    left = column("Elite Screens", "sony", "sony", None)
    right = column("screens  ELITE", "lg", "", "lg")
    similar = compare_texts(left, right)
    assert similar[0] == 1
    assert 0 <= similar[1] < 0.5
    assert similar[2:].tolist() == [-1, -1]


def test_codes_are_compared_by_letters_and_digits():
    left = column("0CP-464", "CP464", "AB12", np.nan, 464.0)
    right = column("cp464", "CP465", "AB12-X", "AB12", "464.0")
    similar = compare_codes(left, right)
    assert similar[0] == similar[4] == 1
    assert similar[1] == pytest.approx(0.8)
    assert similar[3] == -1
    assert contain_codes(left, right).tolist() == [1, 0, 1, -1, 1]


def test_any_value_can_be_compared():
    values = column(None, "", "\ud800", "٣", "1" * 5000, [1], b"x", pd.NaT, 1e308, -0.0)
    for comparisons in COMPARISONS.values():
        for compare in comparisons.values():
            found = compare(values, values[::-1])
            assert found.dtype == np.float32
            assert ((found == -1) | ((found >= 0) & (found <= 1))).all()
            np.testing.assert_array_equal(
                found, compare(values[::-1], values)[::-1][::-1]
            )


@pytest.fixture(scope="module")
def frame():
    """Listings of two colours of a product, which only the price parts."""
    titles, products = make_product_titles(80, random_state=0)
    prices = [77777.0 + 11 * (product % 7) for product in products]
    prices[::9] = [None] * len(prices[::9])
    return pd.DataFrame({"price": prices, "title": titles}), products


def test_columns_are_features_and_no_part_of_the_title(frame):
    X, products = frame
    matcher = PairClassifierMatcher(
        columns={"price": "numeric"}, cv=2, random_state=0
    ).fit(X, products)
    assert "price_ratio" in matcher.get_pair_feature_names()
    by_place = PairClassifierMatcher(
        columns={0: "numeric"}, cv=2, random_state=0
    ).fit(X, products)  # fmt: skip
    assert (matcher.score_graph(X) != by_place.score_graph(X)).nnz == 0
    other = X.assign(price=1.0)
    assert matcher.score_graph(other).shape == (len(X), len(X))
    assert (matcher.score_graph(other) != matcher.score_graph(X)).nnz > 0
    words = matcher.embedders_[1].get_feature_names_out()
    assert not [word for word in words if word.startswith("777") or word == "nan"]
    row = X.iloc[0].tolist()
    assert matcher.explain(row, row).probability > 0.3


@pytest.mark.slow
def test_pairs_of_frames_have_columns(frame):
    X, products = frame
    rng = np.random.default_rng(0)
    left, right = rng.integers(len(X), size=(2, 300))
    right[:150] = [
        rng.choice(np.flatnonzero(products == products[i])) for i in left[:150]
    ]
    is_match = products[left] == products[right]
    pairs = X.iloc[left], X.iloc[right]
    classifier = TitlePairClassifier(columns={"price": "numeric"}, random_state=0)
    classifier.fit(pairs, is_match, gallery=X)
    assert classifier.n_features_in_ == 4
    assert (classifier.predict(pairs) == is_match).mean() > 0.9
    assert classifier._places_ == {"price": 0}


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"prize": "numeric"}, r"columns holds 'prize'; expected a place from 0 to 1"),
        ({2: "numeric"}, "columns holds 2; expected a place from 0 to 1"),
        ({True: "numeric"}, "columns holds True"),
        ({"price": "number"}, r"columns\['price'\]='number'; expected one of"),
        ({"price": ["code"]}, r"columns\['price'\]=\['code'\]"),
        ({"price": "code", 0: "code"}, "holds a column of X twice"),
        ({"price": "code", "title": "code"}, "columns names all 2 columns of X"),
        (["price"], r"columns=\['price'\]; expected None or a dict"),
    ],
)
def test_what_is_no_column_is_named(frame, columns, message):
    X, products = frame
    for estimator, args in (
        (PairClassifierMatcher(columns=columns), (X, products)),
        (TitlePairClassifier(columns=columns), ((X, X), products % 2)),
    ):
        with pytest.raises(ValueError, match=message):
            estimator.fit(*args)
