import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier

from skmatch import PairClassifierMatcher, make_product_titles, rowwise_f1_score
from skmatch.evaluation import check_answers
from skmatch.pairs import (
    check_pairs,
    deal_products,
    draw_uncertain,
    drop_contradictions,
    join_products,
)

NONE = np.full(6, -1)


def judged(pairs, answers, n_rows=6):
    return check_pairs(pairs, answers, n_rows)


@pytest.mark.parametrize(
    ("pairs", "answers", "message"),
    [
        ([[0, 1]], None, "expected both or none"),
        (None, [True], "expected both or none"),
        ([[0, 1, 2]], [1], r"pairs has shape \(1, 3\)"),
        ([[0.5, 1]], [1], "dtype float64; expected two row indices"),
        ([[0, 1], [2, 6]], [1, 0], r"row 1 of pairs is \[2, 6\]; .* from 0 to 5"),
        ([[0, -1]], [1], r"row 0 of pairs is \[0, -1\]"),
        ([[3, 3]], [1], r"row 0 of pairs is \[3, 3\]; expected two different"),
        ([[0, 1]], [1, 0], r"is_match has shape \(2,\); expected \(1,\)"),
        ([[0, 1]], [2], "row 0 of is_match is 2; expected True or False"),
        ([[0, 1], [1, 2]], [1, np.nan], "row 1 of is_match is nan"),
        ([[0, 1]], ["yes"], "row 0 of is_match is 'yes'"),
    ],
)
def test_what_is_no_judged_pair_is_named(pairs, answers, message):
    with pytest.raises(ValueError, match=message):
        PairClassifierMatcher().fit(list("abcdef"), pairs=pairs, is_match=answers)


@pytest.mark.parametrize("answers", [[True, False], [1, 0], [1.0, 0.0], ["", 0]])
def test_answers(answers):
    if "" in answers:
        with pytest.raises(ValueError, match="row 0 of y is ''"):
            check_answers(answers, "y", 2)
    else:
        assert check_answers(answers, "y", 2).tolist() == [True, False]


def test_matches_and_labels_join_products():
    pairs = judged([[0, 1], [1, 2], [3, 4]], [1, 1, 0])
    assert join_products(NONE, pairs).tolist() == [0, 0, 0, 1, 2, 3]
    labels = np.array([-1, -1, 7, -1, -1, 7])
    assert join_products(labels, pairs).tolist() == [0, 0, 0, 1, 2, 0]
    assert join_products(NONE).tolist() == [0, 1, 2, 3, 4, 5]


def test_contradictions_are_left_out_and_named():
    # 0 = 1 and 1 = 2, but 0 is not 2.
    kept, warning = drop_contradictions(
        judged([[0, 1], [1, 2], [0, 2]], [1, 1, 0]), NONE
    )
    assert kept.is_match.tolist() == [True, True]
    assert warning.startswith("1 of 3 judged pairs contradict other labels")
    assert "rows 0 and 2 (different)" in warning
    labels = np.array([3, 4, 3, -1, -1, -1])
    kept, warning = drop_contradictions(judged([[0, 1], [0, 2]], [1, 0]), labels)
    assert len(kept.is_match) == 0
    assert "rows 0 and 1 (the same), 0 and 2 (different)" in warning
    assert drop_contradictions(judged([[0, 1]], [1]), NONE)[1] is None


def test_a_row_without_a_label_does_not_join_two_labels():
    labels = np.array([0, 0, 1, 1, -1, -1])
    pairs = judged([[0, 4], [2, 4], [5, 0]], [1, 1, 1])
    kept, warning = drop_contradictions(pairs, labels)
    assert kept.indices.left.tolist() == [5]
    assert "rows 0 and 4 (the same), 2 and 4 (the same)" in warning


def test_products_are_dealt_with_the_rows_that_a_fold_tests():
    pairs = judged([[0, 1], [2, 3], [4, 5]], [1, 0, 0])
    products = join_products(NONE, pairs)
    fold = deal_products(products, pairs, [np.array([4]), np.array([1])], 2, seed=0)
    assert fold[4] == 0
    assert fold[0] == fold[1] == 1
    assert set(fold.tolist()) == {0, 1}


def test_uncertain_pairs_are_drawn_more_often():
    """By sqrt(p (1 - p)): 0.5 five times as often as 0.01 or 0.99."""
    n = 2000
    titles = np.array([f"title {i}" for i in range(2 * n)], dtype=object)
    p = np.tile([0.01, 0.5, 0.99, 0.5], n // 4).astype(np.float32)
    left = np.arange(n)
    graph = csr_array((p, (left, left + n)), shape=(2 * n, 2 * n))
    pairs = draw_uncertain(graph, titles, 200, seed=0)
    is_uncertain = p[pairs[:, 0]] == 0.5
    assert 0.75 < is_uncertain.mean() < 0.9  # 5 of 6 by their weights


def test_no_title_and_no_pair_is_drawn_twice():
    rng = np.random.default_rng(0)
    n = 200
    titles = np.array([f"title {i}" for i in range(n)], dtype=object)
    titles[1] = "TITLE  0"  # says what row 0 says
    p = np.where(rng.random((n, n)) < 0.1, rng.random((n, n)), 0)
    p = np.triu(p, 1)
    p[0, 1] = 0.5
    graph = csr_array((p + p.T).astype(np.float32))
    pairs = draw_uncertain(graph, titles, 40, seed=0)
    assert pairs.shape == (40, 2)
    assert len(np.unique(pairs)) == 80
    assert [0, 1] not in pairs.tolist()
    every = draw_uncertain(graph, titles, n * n, seed=0)
    stored = np.argwhere(p).tolist()
    assert len(every) == len({frozenset((i or 1, j)) for i, j in stored}) - 1
    assert len({frozenset(pair) for pair in every.tolist()}) == len(every)


@pytest.fixture(scope="module")
def judged_market():
    titles, products = make_product_titles(120, random_state=2)
    quick = HistGradientBoostingClassifier(max_iter=20, random_state=0)
    matcher = PairClassifierMatcher(classifier=quick, cv=2, random_state=0).fit(titles)
    pairs = matcher.suggest_pairs(titles, 250)
    answers = products[pairs[:, 0]] == products[pairs[:, 1]]
    return titles, products, matcher, pairs, answers


def test_judged_pairs_teach(judged_market):
    titles, products, matcher, pairs, answers = judged_market
    before = rowwise_f1_score(products, matcher.predict(titles))
    matcher = clone(matcher)
    matcher.fit(titles, pairs=pairs, is_match=answers)
    assert matcher.supervision_ == "pairs"
    assert np.isnan(matcher.best_score_)
    assert rowwise_f1_score(products, matcher.predict(titles)) > before


def test_the_most_uncertain_pairs_do_not_mislead(judged_market):
    """A classifier of these alone knows nothing of the others; anchors tell it."""
    titles, products, matcher, *_ = judged_market
    graph = matcher.score_graph(titles).tocoo()
    pairs = np.column_stack([graph.row, graph.col])[graph.row < graph.col]
    doubt = np.abs(graph.data[graph.row < graph.col] - 0.5)
    pairs = pairs[np.argsort(doubt, kind="stable")[:200]]
    answers = products[pairs[:, 0]] == products[pairs[:, 1]]
    before = rowwise_f1_score(products, matcher.predict(titles))
    matcher = clone(matcher).fit(titles, pairs=pairs, is_match=answers)
    assert rowwise_f1_score(products, matcher.predict(titles)) > before


def test_answers_of_one_kind_change_little(judged_market):
    titles, products, matcher, pairs, answers = judged_market
    before = rowwise_f1_score(products, matcher.predict(titles))
    different = pairs[~answers]
    assert len(different) > 50
    other = clone(matcher).fit(
        titles, pairs=different, is_match=[False] * len(different)
    )
    assert rowwise_f1_score(products, other.predict(titles)) > before - 0.01


def test_a_pair_that_is_judged_twice_counts_once(judged_market):
    titles, _, matcher, pairs, answers = judged_market
    once = clone(matcher).fit(titles, pairs=pairs, is_match=answers)
    again = np.concatenate([pairs, pairs[:, ::-1]])
    twice = clone(matcher).fit(titles, pairs=again, is_match=np.tile(answers, 2))
    assert twice._model_.trust == once._model_.trust


def test_judged_pairs_leave_some_of_the_shift(judged_market):
    titles, _, matcher, pairs, answers = judged_market
    other = clone(matcher).fit(titles, pairs=pairs, is_match=answers)
    # Judged pairs are further candidates: the shift, in steps, may be one step off.
    left = 1 - other._model_.trust
    expected = pytest.approx(left * matcher.log_odds_shift_, abs=left * 0.25)
    assert 0 < other.log_odds_shift_ == expected


def test_no_judged_pair_is_no_label(judged_market):
    titles, _, matcher, pairs, answers = judged_market
    other = clone(matcher).fit(titles, pairs=pairs[:0], is_match=answers[:0])
    assert other.supervision_ == matcher.supervision_ == "none"
    assert clone(matcher).fit(titles, pairs=[], is_match=[]).supervision_ == "none"
    assert (other.score_graph(titles) != matcher.score_graph(titles)).nnz == 0


def test_judged_pairs_are_trusted_by_their_number(judged_market):
    titles, _, matcher, pairs, answers = judged_market
    model = clone(matcher).fit(titles, pairs=pairs, is_match=answers)._model_
    assert min(answers.mean(), 1 - answers.mean()) > 0.25
    assert model.trust == len(pairs) / (len(pairs) + 250)
    graphs = [
        each.score_graph(titles, titles, 1).toarray()
        for each in (
            model._replace(trust=0.0),
            model._replace(trust=1.0),
            model,
            model._replace(levels=None),
        )
    ]
    np.testing.assert_allclose(graphs[0], graphs[3], atol=1e-5)
    low, high = np.minimum(*graphs[:2]), np.maximum(*graphs[:2])
    is_between = (low < graphs[2] + 0.05) & (graphs[2] < high + 0.05)
    assert is_between[graphs[2] > 0].mean() > 0.95
    assert np.abs(graphs[0] - graphs[1]).max() > 0.1


def test_few_judged_pairs_change_little_and_are_remembered(judged_market):
    titles, products, matcher, pairs, answers = judged_market
    before = rowwise_f1_score(products, matcher.predict(titles))
    matcher = clone(matcher).fit(titles, pairs=pairs[:8], is_match=answers[:8])
    assert matcher.supervision_ == "pairs"
    assert rowwise_f1_score(products, matcher.predict(titles)) > before - 0.01
    graph = matcher.score_graph(titles)
    assert graph[pairs[:8, 0], pairs[:8, 1]].tolist() == answers[:8].tolist()


@pytest.mark.filterwarnings("ignore:propagation=True assumes:UserWarning")
def test_ids_and_pairs(judged_market):
    titles, products, matcher, pairs, answers = judged_market
    matcher = clone(matcher)
    half = np.where(products < 60, products, -1)
    matcher.fit(titles, half)
    assert matcher.supervision_ == "product_ids"
    assert matcher.n_samples_fit_ == len(titles)
    matcher.fit(titles, half, pairs=pairs, is_match=answers)
    assert matcher.supervision_ == "product_ids_and_pairs"
    assert 0.5 < matcher.best_score_ <= 1


def test_a_warning_names_contradictions(judged_market):
    titles, products, matcher, *_ = judged_market
    a, b = np.flatnonzero(products == products[0])[:2]
    matcher = clone(matcher)
    with pytest.warns(UserWarning, match=f"rows {a} and {b} .different.") as caught:
        matcher.fit(titles, products, pairs=[[a, b]], is_match=[False])
    assert {w.filename for w in caught} == {__file__}


def test_folds_of_judged_pairs_are_a_number(judged_market):
    from skmatch import ClassDisjointKFold

    titles, _, _, pairs, answers = judged_market
    with pytest.raises(ValueError, match="expected an int, the number of folds"):
        PairClassifierMatcher(cv=ClassDisjointKFold(2)).fit(
            titles, pairs=pairs, is_match=answers
        )


def test_what_was_judged_holds_in_any_gallery():
    titles, products = make_product_titles(40, random_state=0)
    quick = HistGradientBoostingClassifier(max_iter=5, random_state=0)
    pairs = PairClassifierMatcher(random_state=0).fit(titles).suggest_pairs(titles, 60)
    is_match = products[pairs[:, 0]] == products[pairs[:, 1]]
    matcher = PairClassifierMatcher(classifier=quick, random_state=0)
    matcher.fit(titles, pairs=pairs, is_match=~is_match)  # wrong on purpose
    order = np.random.default_rng(0).permutation(len(titles))
    scores = matcher.score_graph(titles[order]).toarray()
    place = np.argsort(order)
    left, right = place[pairs].T
    assert scores[left, right].tolist() == (~is_match).astype(float).tolist()
    assert scores[right, left].tolist() == (~is_match).astype(float).tolist()
    asked_again = matcher.suggest_pairs(titles, 100).tolist()
    assert not {frozenset(pair) for pair in pairs.tolist()} & set(
        map(frozenset, asked_again)
    )
