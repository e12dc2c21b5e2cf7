import numpy as np
import pytest

from skmatch import PairClassifierMatcher, make_product_titles, rowwise_f1_score
from skmatch.pairs import fit_transferred
from skmatch.pairs._transfer import read_synthetic_pairs


@pytest.fixture(scope="module")
def titles_and_products():
    return make_product_titles(150, random_state=1)


@pytest.fixture(scope="module")
def without_labels(titles_and_products):
    return PairClassifierMatcher(random_state=0).fit(titles_and_products[0])


def test_the_table_knows_every_feature_of_the_default(without_labels):
    """Otherwise run benchmarks/synthetic_pairs.py again."""
    table = read_synthetic_pairs()
    assert without_labels.get_pair_feature_names() == table.names
    assert table.features.shape == (len(table.is_match), len(table.names))
    assert np.isfinite(table.features).all()
    assert 0.01 < table.is_match.mean() < 0.2


def test_features_are_found_by_name():
    names = ["unknown", "words_jaccard", "codes_shared"]
    levels = fit_transferred(names)
    assert levels.columns[0].tolist() == [1, 2]
    assert levels.classifiers[0].n_features_in_ == 2
    n_of_level = levels.classifiers[1].n_features_in_ - 2
    assert levels.columns[1].tolist() == [1, 2, *range(3, 3 + n_of_level)]


def test_titles_without_labels_are_matched(without_labels, titles_and_products):
    titles, products = titles_and_products
    assert without_labels.supervision_ == "none"
    assert np.isnan(without_labels.best_score_)
    assert np.isnan(without_labels.threshold_)
    score = rowwise_f1_score(products, without_labels.predict(titles))
    alone = rowwise_f1_score(products, np.eye(len(titles), dtype=bool))
    assert score > alone + 0.2


def test_missing_labels_are_no_labels(without_labels, titles_and_products):
    titles, _ = titles_and_products
    for labels in (np.full(len(titles), -1), [None] * len(titles)):
        other = PairClassifierMatcher(random_state=0).fit(titles, labels)
        assert other.supervision_ == "none"
        pd_first = other.score_graph(titles[:40]).toarray()
        np.testing.assert_array_equal(
            pd_first, without_labels.score_graph(titles[:40]).toarray()
        )


def test_a_pair_is_explained_without_labels(without_labels, titles_and_products):
    titles, _ = titles_and_products
    explanation = without_labels.explain(titles[0], titles[0])
    assert explanation.probability > 0.5
    names = {name for name, _, _ in explanation.contributions}
    known = without_labels.get_pair_feature_names()
    own = {name for name in known if not name.startswith("level1")}
    assert names == own | {"other_titles"}


def test_a_wanted_precision_needs_product_ids():
    titles, _ = make_product_titles(20, random_state=0)
    wanted = PairClassifierMatcher(
        embedders="words", scoring=("recall_at_precision", 0.9), random_state=0
    )
    with pytest.warns(UserWarning, match="scoring=.* no effect without product ids"):
        wanted.fit(titles)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:pair_features holds:UserWarning")
@pytest.mark.parametrize("as_array", [False, True])
def test_own_features_are_left_out_without_labels(titles_and_products, as_array):
    titles, _ = titles_and_products

    def same_length(a, b):
        return [len(x) == len(y) for x, y in zip(a, b, strict=True)]

    features = np.array([same_length]) if as_array else [same_length]
    own = PairClassifierMatcher(
        embedders="words", pair_features=features, random_state=0
    )
    with pytest.warns(UserWarning, match="pair_features has no effect without labels"):
        matches = own.fit(titles).predict(titles)
    assert matches.shape == (len(titles), len(titles))


def test_embedders_that_need_labels_are_named(titles_and_products):
    matcher = PairClassifierMatcher(["tfidf", "lstm"])
    with pytest.raises(
        ValueError, match="LSTMTitleEmbedder, which learns from product"
    ):
        matcher.fit(titles_and_products[0])
