import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.sparse import csr_array

from skmatch import FaissThresholdMatcher, decide_matches, filter_pairs, group_matches

SCORES = np.float32(
    [
        [0, 0.9, 0.8, 0],
        [0.9, 0, 0.3, 0.6],
        [0.8, 0.3, 0, 0.5],
        [0, 0.6, 0.5, 0],
    ]
)


def pairs_of(graph):
    return {(int(a), int(b)) for a, b in zip(*graph.tocoo().coords, strict=True)}


def test_two_rows_of_a_source_never_match():
    graph = filter_pairs(csr_array(SCORES), source=["a", "a", "b", None])
    assert pairs_of(graph) == {(0, 2), (2, 0), (1, 2), (2, 1), (1, 3), (3, 1)} | {
        (2, 3),
        (3, 2),
    }
    assert graph[1, 3] == np.float32(0.6)
    assert graph.dtype == np.float32


def test_rows_of_two_categories_never_match():
    graph = filter_pairs(SCORES, category=[1, 1, 2, -1])
    assert pairs_of(graph) == {(0, 1), (1, 0), (1, 3), (3, 1), (2, 3), (3, 2)}


def test_pairs_that_a_person_knows():
    graph = filter_pairs(SCORES, same=[[0, 3]], different=[[1, 0]], source=[1, 2, 3, 1])
    assert graph[0, 3] == graph[3, 0] == 1
    assert graph[0, 1] == graph[1, 0] == 0
    assert decide_matches(graph, 0.99).sum() == 4 + 2


def test_nothing_known_changes_nothing():
    below = np.float32([[0, -0.5], [-0.5, 0]])
    for scores in (SCORES, below):
        assert_array_equal(filter_pairs(scores, same=[]).toarray(), scores)


def test_two_shops_without_duplicates():
    rows = np.array([[1, 0], [1, 0.1], [1, 0.05], [0, 1]])
    matcher = FaissThresholdMatcher(0.9).fit(rows)
    graph = matcher.score_graph(rows)
    shops = ["x", "x", "y", "y"]
    assert matcher.decide(graph).sum() == 4 + 6
    assert matcher.decide(filter_pairs(graph, source=shops)).sum() == 4 + 4
    groups = group_matches(filter_pairs(graph, different=[[0, 2], [1, 2]]))
    assert groups[0] == groups[1] != groups[2]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"source": [1, 2]}, "source has 2 values; expected 4"),
        ({"category": [1, 2, 3]}, "category has 3 values; expected 4"),
        ({"same": [[0, 4]]}, r"same holds \[0, 4\]; expected two different rows"),
        ({"different": [[1, 1]]}, r"different holds \[1, 1\]; expected two different"),
        ({"same": [[0.5, 1]]}, r"same has shape \(1, 2\) and dtype float64"),
        ({"same": [[0, 1]], "different": [[1, 0]]}, r"\[0, 1\] is in same and in diff"),
    ],
)
def test_what_is_wrong_is_named(params, message):
    with pytest.raises(ValueError, match=message):
        filter_pairs(SCORES, **params)


def test_a_graph_that_is_not_square():
    with pytest.raises(ValueError, match=r"shape \(2, 4\); expected a square matrix"):
        filter_pairs(SCORES[:2])
