import re
from collections import Counter

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.feature_extraction.text import TfidfVectorizer

from skmatch import FaissThresholdMatcher, make_product_titles, rowwise_f1_score
from skmatch.datasets import _change_one_number, _draw_product


@pytest.fixture(scope="module")
def made():
    return make_product_titles(n_products=2000, random_state=0)


def test_shapes_and_types(made):
    titles, product_ids = made
    assert titles.shape == product_ids.shape
    assert titles.dtype == object
    assert product_ids.dtype == np.int64
    assert all(type(title) is str and title for title in titles)
    assert_array_equal(np.unique(product_ids), np.arange(2000))


def test_groups_are_of_the_sizes_of_real_ones(made):
    sizes = np.bincount(made[1])
    assert sizes.min() == 2
    assert 20 < sizes.max() <= 51
    assert 2.7 < sizes.mean() < 3.7


def test_seed_decides():
    once, again, other = (make_product_titles(50, random_state=s) for s in (0, 0, 1))
    assert_array_equal(once[0], again[0])
    assert_array_equal(once[1], again[1])
    assert once[0].tolist() != other[0].tolist()
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    make_product_titles(5, random_state=0)
    assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_titles_of_a_product_differ(made):
    titles, product_ids = made
    assert len(set(titles)) > 0.97 * len(titles)
    lowered = [" ".join(sorted(title.lower().split())) for title in titles]
    assert len(set(zip(lowered, product_ids, strict=True))) > 0.9 * len(titles)


def test_titles_have_numbers_in_two_languages_and_cases(made):
    titles, _ = made
    text = " ".join(titles).lower()
    assert {"kopi", "coffee", "popok", "diapers"} <= set(text.split())
    assert sum(bool(re.search(r"\d", title)) for title in titles) > 0.95 * len(titles)
    assert 0.1 < np.mean([title.isupper() for title in titles]) < 0.3


def test_products_that_differ_in_one_number(made):
    titles, product_ids = made

    def without_digits(title):
        return " ".join(sorted(re.sub(r"\d+", "0", title.lower()).split()))

    masked = {(without_digits(t), p) for t, p in zip(titles, product_ids, strict=True)}
    products = Counter(mask for mask, _ in masked)
    assert sum(n > 1 for n in products.values()) > 20


def test_products_differ():
    rng = np.random.RandomState(0)
    drawn = [_draw_product(rng, ["acme"]) for _ in range(300)]
    siblings = [_change_one_number(rng, product) for product in drawn]
    for product, sibling in zip(drawn, siblings, strict=True):
        differs = [a != b for a, b in zip(product, sibling, strict=True)]
        assert sum(differs) == 1
    assert all(list(product.words) == sorted(product.words) for product in drawn)


@pytest.mark.slow
def test_tfidf_does_well_and_does_not_solve_it(made):
    titles, product_ids = made
    is_test = product_ids >= 1400
    tfidf = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True)
    rows = tfidf.fit(titles[~is_test]).transform(titles[is_test])
    scores = [
        rowwise_f1_score(
            product_ids[is_test], FaissThresholdMatcher(t).fit_predict(rows)
        )
        for t in np.arange(0.4, 0.9, 0.05)
    ]
    assert 0.7 < max(scores) < 0.9
    alone = np.eye(is_test.sum(), dtype=bool)
    assert rowwise_f1_score(product_ids[is_test], alone) < 0.45


def test_bad_number_of_products():
    with pytest.raises(ValueError, match="n_products == 0, must be >= 1"):
        make_product_titles(0)
    with pytest.raises(TypeError, match="n_products must be an instance of"):
        make_product_titles(2.5)


def test_any_integer_is_a_number_of_products():
    for n_products in (True, np.uint8(1)):
        _, product_ids = make_product_titles(n_products, random_state=0)
        assert set(product_ids.tolist()) == {0}
