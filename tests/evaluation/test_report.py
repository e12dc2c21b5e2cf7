import builtins
import math
import pickle
import re
from html.parser import HTMLParser
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose
from scipy.sparse import csr_array

from skmatch import (
    MatchEvaluation,
    bcubed_precision_recall_f1,
    clustered_standard_error,
    evaluate_matches,
    pairwise_precision_recall_f1,
    rowwise_f1_score,
)

PRODUCTS = ["tea", "tea", "tea", "mug", "mug", "cap"]
TITLES = ["tea 1", "tea 2", "tea 3", "mug 1", "mug 2", "cap"]


def graph_of(pairs, n_rows=6):
    graph = np.zeros((n_rows, n_rows))
    for (a, b), score in pairs.items():
        graph[a, b] = graph[b, a] = score
    return csr_array(graph)


def matches_of(*pairs, n_rows=6):
    return graph_of(dict.fromkeys(pairs, 1), n_rows) + csr_array(np.eye(n_rows))


def rows_of(pairs):
    return [(pair.row_a, pair.row_b) for pair in pairs]


def test_numbers_are_those_of_the_metrics():
    matches = matches_of((0, 1), (2, 3))
    evaluation = evaluate_matches(PRODUCTS, matches)
    assert (evaluation.n_rows, evaluation.n_products) == (6, 3)
    scores = rowwise_f1_score(PRODUCTS, matches, average=None)
    assert evaluation.rowwise_f1 == pytest.approx(scores.mean())
    error = clustered_standard_error(scores, PRODUCTS)
    assert evaluation.rowwise_f1_standard_error == error
    for measure in (pairwise_precision_recall_f1, bcubed_precision_recall_f1):
        expected = measure(PRODUCTS, matches)
        assert getattr(evaluation, measure.__name__) == expected
    assert evaluation.group_sizes_true == {1: 1, 2: 2, 3: 3}
    assert evaluation.group_sizes_predicted == {1: 2, 2: 4}
    assert evaluation.rowwise_f1_by_size == pytest.approx(
        {1: 1.0, 2: (1 / 2 + 2 / 3) / 2, 3: (0.8 + 0.8 + 0.4) / 3}
    )
    assert (evaluation.n_false_matches, evaluation.n_missed_matches) == (1, 3)


def test_errors_with_their_titles_and_scores():
    matches = matches_of((0, 1), (2, 3))
    scores = graph_of({(0, 1): 0.9, (2, 3): 0.8, (1, 2): 0.4, (0, 2): 0.3, (0, 5): 0.2})
    evaluation = evaluate_matches(PRODUCTS, matches, TITLES, scores=scores)
    assert evaluation.false_matches == [
        (2, 3, pytest.approx(0.8), "tea", "mug", "tea 3", "mug 1")
    ]
    near, unscored = evaluation.missed_matches
    assert near == (1, 2, pytest.approx(0.4), "tea", "tea", "tea 2", "tea 3")
    assert unscored[:2] == (3, 4)
    assert math.isnan(unscored.score)
    assert evaluation.mixed_groups == [([3, 2], ["mug", "tea"], ["mug 1", "tea 3"])]


def test_highest_scores_come_first_and_pairs_without_one_last():
    products = [0, 1, 2, 3, 4, 5]
    matches = matches_of((0, 1), (2, 3), (4, 5), (0, 5))
    scores = graph_of({(2, 3): 0.7, (4, 5): 0.9, (0, 5): -0.1})
    false = evaluate_matches(products, matches, scores=scores).false_matches
    assert rows_of(false) == [(4, 5), (2, 3), (0, 5), (0, 1)]
    assert_allclose([pair.score for pair in false], [0.9, 0.7, -0.1, np.nan])


def test_of_a_pair_the_larger_score_counts_and_either_row_may_match():
    matches = csr_array(([True], ([1], [0])), shape=(2, 2))
    scores = csr_array(np.array([[0, 0.2], [0.6, 0]]))
    evaluation = evaluate_matches([0, 1], matches, scores=scores)
    assert evaluation.false_matches[0][:3] == (0, 1, 0.6)
    assert evaluation.n_false_matches == 1
    evaluation = evaluate_matches([0, 0], matches)
    assert (evaluation.n_missed_matches, evaluation.missed_matches) == (0, [])


def test_without_scores_what_goes_wrong_most_comes_first():
    products = [2, 3, 0, 0, 1, 1]
    matches = matches_of((0, 1), (2, 4), (3, 5))
    evaluation = evaluate_matches(products, matches)
    assert rows_of(evaluation.false_matches) == [(2, 4), (0, 1)]
    products = [0, 0, 1, 1, 1, 2]
    evaluation = evaluate_matches(products, matches_of((2, 3), (2, 4)))
    assert rows_of(evaluation.missed_matches) == [(0, 1), (3, 4)]
    evaluation = evaluate_matches(products, matches_of((2, 3)))
    assert rows_of(evaluation.missed_matches) == [(2, 4), (0, 1)]


def test_no_more_examples_than_asked_for():
    products, scores = [0, 0, 1, 1, 2, 2], graph_of({(2, 3): 0.5})
    for n_examples, expected in [(0, 0), (1, 1), (2, 2), (3, 3), (4, 3)]:
        evaluation = evaluate_matches(
            products, np.eye(6), scores=scores, n_examples=n_examples
        )
        missed = rows_of(evaluation.missed_matches)
        assert missed == [(2, 3), (0, 1), (4, 5)][:expected]


def test_an_example_of_each_two_products_and_of_each_product():
    products = [0, 0, 1, 1]
    together = evaluate_matches(products, np.ones((4, 4)))
    assert len(together.false_matches) == 1
    assert together.n_false_matches == 4
    apart = evaluate_matches(np.zeros(4), np.eye(4))
    assert rows_of(apart.missed_matches) == [(0, 1)]
    assert apart.n_missed_matches == 6


def test_examples_of_groups():
    groups = [7, 7, 7, 7, 9, 9]
    products = ["a", "b", "b", "c", "d", "e"]
    evaluation = evaluate_matches(products, groups, n_examples=2)
    assert [group.rows for group in evaluation.mixed_groups] == [[1, 2, 0, 3], [4, 5]]
    assert evaluation.mixed_groups[0].products == ["b", "b", "a", "c"]
    assert evaluation.group_sizes_predicted == {2: 2, 4: 4}
    assert rows_of(evaluation.false_matches) == [(0, 1), (0, 3)]
    scores = graph_of({(2, 3): 0.3})
    false = evaluate_matches(products, groups, scores=scores).false_matches
    assert rows_of(false) == [(2, 3), (0, 1), (0, 3), (4, 5)]


def test_mixed_groups_of_matches_share_no_row():
    products = [0, 1, 2, 0, 1, 5]
    matches = matches_of((0, 1), (1, 2), (2, 3), (4, 5))
    mixed = evaluate_matches(products, matches).mixed_groups
    assert [sorted(group.rows) for group in mixed] == [[0, 1, 2], [4, 5]]


@st.composite
def cases(draw):
    n = draw(st.integers(1, 8))
    labels = draw(st.lists(st.integers(0, 2), min_size=n, max_size=n))
    groups = draw(st.lists(st.integers(0, 3), min_size=n, max_size=n))
    is_matrix = draw(st.booleans())
    together = np.equal.outer(groups, groups)
    matches = draw(arrays(bool, (n, n))) if is_matrix else together
    scores = draw(arrays(np.float32, (n, n), elements=st.sampled_from([0, 0.5, -1, 1])))
    return labels, matches, scores, None if is_matrix else groups


@given(cases())
def test_examples_equal_slow_loops(case):
    labels, matches, scores, groups = case
    pairs = [*combinations(range(len(labels)), 2)]
    score_of = {
        (a, b): max(found)
        for a, b in pairs
        if (found := [x for x in (scores[a, b], scores[b, a]) if x])
    }
    false, missed = (
        [
            (a, b)
            for a, b in pairs
            if (labels[a] == labels[b]) is is_same
            and (matches[a, b] or matches[b, a]) != is_same
        ]
        for is_same in (False, True)
    )
    evaluation = evaluate_matches(
        labels, matches if groups is None else groups, scores=csr_array(scores)
    )
    assert evaluation.n_false_matches == len(false)
    assert evaluation.n_missed_matches == len(missed)
    for expected, examples in (
        (false, evaluation.false_matches),
        (missed, evaluation.missed_matches),
    ):
        kinds = [frozenset(labels[row] for row in pair[:2]) for pair in examples]
        assert len(set(kinds)) == len(kinds)
        found_kinds = {frozenset(labels[row] for row in pair) for pair in expected}
        if groups is None or expected is missed:
            assert set(kinds) == found_kinds
        assert set(kinds) <= found_kinds
        best = {}
        for pair in expected:
            kind = frozenset(labels[row] for row in pair)
            best[kind] = max(best.get(kind, -9), score_of.get(pair, -9))
        ranks = [-9 if math.isnan(pair.score) else pair.score for pair in examples]
        assert ranks == [best[kind] for kind in kinds]
        assert ranks == sorted(ranks, reverse=True)
        for pair, rank in zip(examples, ranks, strict=True):
            assert pair[:2] in expected
            assert score_of.get(pair[:2], -9) == rank


def test_nothing_wrong():
    evaluation = evaluate_matches([0, 0, 1], [5, 5, 6], ["a", "b", "c"])
    assert evaluation.rowwise_f1 == 1
    assert not evaluation.false_matches + evaluation.missed_matches
    assert evaluation.mixed_groups == []
    text = str(evaluation)
    assert "0 false matches" in text
    assert "Groups of several products" not in text
    assert "0 missed matches" in evaluation._repr_html_()
    for part in ("false_matches", "missed_matches", "mixed_groups"):
        assert evaluation.to_frame(part).empty


def test_many_rows_of_one_group_or_one_product():
    rows = np.arange(20_000)
    evaluation = evaluate_matches(rows, np.zeros(20_000, dtype=int))
    assert evaluation.n_false_matches == 20_000 * 19_999 // 2
    assert len(evaluation.false_matches) == 10
    assert len(evaluation.mixed_groups[0].rows) == 20_000
    assert len(str(evaluation)) < 5_000
    evaluation = evaluate_matches(np.zeros(20_000, dtype=int), rows)
    assert evaluation.n_missed_matches == 20_000 * 19_999 // 2
    assert rows_of(evaluation.missed_matches) == [(0, 1)]


def test_arguments_stay_as_they_are():
    matches = csr_array(([1, 1, 0], ([0, 1, 1], [1, 0, 1])), shape=(2, 2))
    before = matches.copy()
    evaluate_matches([0, 1], matches, scores=matches)
    assert matches.nnz == before.nnz == 3
    assert_allclose(matches.toarray(), before.toarray())


def test_fields_are_joined():
    titles = pd.DataFrame({"a": ["x", "y"], "b": [1, 2]})
    pair = evaluate_matches([0, 0], [0, 1], titles).missed_matches[0]
    assert (pair.title_a, pair.title_b) == ("x 1", "y 2")


WIDE = "\N{FULLWIDTH LATIN CAPITAL LETTER A}"


def evaluation_of(*titles):
    return evaluate_matches(range(len(titles)), [0] * len(titles), [*titles])


@pytest.mark.parametrize(
    ("letter", "n_columns"), [("a", 1), (WIDE, 2), ("e\u0301", 1), ("👩\u200d👩", 4)]
)
def test_text_is_cut_to_88_columns(letter, n_columns):
    lines = str(evaluation_of(letter * 300, "b")).splitlines()
    before, after = len(" " * 9 + "[0] "), 1
    cut = next(line for line in lines if line.endswith("…"))
    assert cut.count(letter) == (88 - before - after) // n_columns
    assert all(len(line) <= 88 for line in lines if letter not in line)


@pytest.mark.parametrize(
    ("score", "shown"), [(0.5, "0.500"), (-0.25, "-0.250"), (-1e300, "-1e+300")]
)
def test_scores_fit(score, shown):
    evaluation = evaluate_matches([0, 1], [0, 0], ["a", "b"], scores=[[0, score]] * 2)
    assert f"\n{shown:>7}  [0] a\n         [1] b\n" in str(evaluation)
    assert f">{shown}<" in evaluation._repr_html_()


def test_text_of_a_title_that_just_fits():
    fits, is_cut = evaluation_of("a" * 75, "a" * 76).false_matches[0][5:]
    text = str(evaluation_of(fits, is_cut))
    assert f"[0] {fits}\n" in text
    assert f"[1] {is_cut[:-2]}…" in text


def test_text_steers_no_terminal():
    text = str(evaluation_of("a\x1b[31m\u202e\nb  c", "d"))
    assert "[0] a\N{REPLACEMENT CHARACTER}[31m\N{REPLACEMENT CHARACTER} b c" in text


def test_text_holds_the_sizes():
    text = str(evaluate_matches([0] * 5 + [1] * 2, [0] * 7))
    sizes = r"\n1 +0 +0\n2 +2 +0 +0\.444\n3-4 +0 +0\n5-8 +5 +7 +0\.833\n"
    assert re.search(sizes, text)


class Tags(HTMLParser):
    """The tags and attributes of HTML; fails if one is not closed."""

    def __init__(self, html):
        super().__init__()
        self.open, self.tags, self.attributes = [], set(), []
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.tags.add(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_html_is_escaped_and_alone():
    evil = "<script>alert(1)</script> & \"quoted\" <img src=x onerror='y'>"
    evaluation = evaluate_matches(
        [evil, "b", "c", "c"], [0, 0, 1, 2], [evil, "b", evil, "d"]
    )
    html = evaluation._repr_html_()
    tags = Tags(html)
    assert not tags.tags & {"script", "img", "link", "iframe"}
    assert {name for name, _ in tags.attributes} <= {"class", "dir", "open"}
    assert "http" not in html
    assert "url(" not in html
    assert html.count("&lt;script&gt;") >= 3
    assert "Row-wise F1" in html


def test_html_without_titles_and_of_long_ones():
    html = evaluate_matches([0, 1], [0, 0])._repr_html_()
    Tags(html)
    assert "None" not in html
    assert "a" * 300 + "…" in evaluation_of("a" * 1000, "b")._repr_html_()


def test_frames():
    matches = matches_of((0, 1), (2, 3))
    evaluation = evaluate_matches(PRODUCTS, matches, TITLES)
    summary = evaluation.to_frame()
    assert len(summary) == 1
    assert summary["n_rows"][0] == 6
    for at, name in enumerate(("precision", "recall", "f1")):
        for measure in ("pairwise", "bcubed"):
            expected = getattr(evaluation, f"{measure}_precision_recall_f1")[at]
            assert summary[f"{measure}_{name}"][0] == expected
    sizes = evaluation.to_frame("sizes")
    assert sizes.index.tolist() == [1, 2, 3]
    assert sizes["rows_true"].tolist() == [1, 2, 3]
    assert sizes["rows_predicted"].tolist() == [2, 4, 0]
    false = evaluation.to_frame("false_matches")
    assert false.loc[0, ["row_a", "row_b", "title_a"]].tolist() == [2, 3, "tea 3"]
    assert evaluation.to_frame("missed_matches")["product_a"].tolist() == ["tea", "mug"]
    groups = evaluation.to_frame("mixed_groups")
    assert sorted(groups["title"]) == ["mug 1", "tea 3"]
    untitled = evaluate_matches(PRODUCTS, matches).to_frame("mixed_groups")
    assert untitled["title"].isna().all()
    with pytest.raises(ValueError, match="part='all'; expected one of"):
        evaluation.to_frame("all")


def test_a_missing_pandas_is_named(monkeypatch):
    real = builtins.__import__

    def without_pandas(name, *args, **kwargs):
        if name == "pandas":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    evaluation = evaluate_matches([0, 1], [0, 0])
    monkeypatch.setattr(builtins, "__import__", without_pandas)
    with pytest.raises(ImportError, match="pip install pandas"):
        evaluation.to_frame()


def test_is_short_frozen_and_picklable():
    evaluation = evaluate_matches([0, 1], [0, 0], ["a", "b"], scores=np.ones((2, 2)))
    assert repr(evaluation) == (
        "MatchEvaluation(rowwise_f1=0.667, n_rows=2, n_products=2, n_false_matches=1, "
        "n_missed_matches=0)"
    )
    with pytest.raises(AttributeError):
        evaluation.n_rows = 3
    assert isinstance(evaluation, MatchEvaluation)
    assert pickle.loads(pickle.dumps(evaluation)) == evaluation


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([], []), "y is empty; expected at least one row"),
        (([0, None], [0, 1]), "row 1 of y is None"),
        (([0, 1], [0, None]), "row 1 of matches is None"),
        (([0, 1], [0]), "y has 2 labels and matches has 1 rows"),
        (([0, 1], np.eye(3)), r"y has 2 labels and matches has shape \(3, 3\)"),
        (([0, 1], np.ones((2, 3))), r"matches has shape \(2, 3\); expected shape \(2,"),
        (([0, 1], [[np.nan, 0], [0, 1]]), "matches should be a 1d array"),
        (([0, 1], np.diag([np.nan, 1])), "row 0 of matches holds NaN"),
        (([0, 1], [0, 1], ["a"]), "y has 2 labels and titles has 1 rows"),
        (([0, 1], [0, 1], ["a", None]), "row 1 of titles holds None"),
        (([0, 1], [0, 1], "ab"), "titles is the single str 'ab'"),
    ],
)
def test_bad_input_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        evaluate_matches(*arguments)


def test_bad_parameters_are_named():
    with pytest.raises(ValueError, match=r"scores has shape \(3, 3\); expected shape"):
        evaluate_matches([0, 1], [0, 1], scores=np.eye(3))
    with pytest.raises(ValueError, match="row 1 of scores holds NaN"):
        evaluate_matches([0, 1], [0, 1], scores=np.diag([0, np.nan]))
    with pytest.raises(ValueError, match="n_examples == -1, must be >= 0"):
        evaluate_matches([0, 1], [0, 1], n_examples=-1)
    with pytest.raises(TypeError, match="n_examples must be an instance of"):
        evaluate_matches([0, 1], [0, 1], n_examples=1.5)
    for part in ("false_matches", "mixed_groups"):
        none = evaluate_matches([0, 1], [0, 0], n_examples=0)
        assert getattr(none, part) == []
