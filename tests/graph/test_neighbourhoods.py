import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array

from skmatch.graph._neighbourhoods import ScoreGraph, compare_neighbourhoods, mirror


@pytest.fixture
def graph():
    rng = np.random.default_rng(0)
    scores = np.triu(rng.random((9, 9)) * (rng.random((9, 9)) < 0.6), k=1)
    return (scores + scores.T).astype(np.float32)


def oracle(graph, a, b):
    """Compare two rows of a dense graph the slow way."""
    score = graph[a, b]
    sides = []
    for row in (graph[a], graph[b]):
        ranked = sorted(row[row > 0], reverse=True)
        others = list(ranked)
        others.remove(score)
        near = ranked[4] if len(ranked) > 4 else None
        sides.append(
            {
                "rank": sum(x > score for x in row),
                "of_best": score / ranked[0],
                "of_near": score / near if near else 10.0,
                "margin": score - max(others, default=0),
                "degree": row.sum(),
            }
        )
    result = {"score": score, "score_support": graph[a] @ graph[b]}
    for what in sides[0]:
        less, more = sorted(side[what] for side in sides)
        result |= {f"score_{what}_less": less, f"score_{what}_more": more}
    one, two = graph[a].copy(), graph[b].copy()
    one[a] = two[b] = 1
    norms = np.linalg.norm(one) * np.linalg.norm(two)
    result["score_agreement"] = one @ two / norms
    return result


def test_neighbourhoods_against_a_slow_oracle(graph):
    left, right = np.nonzero(np.triu(graph))
    sparse = ScoreGraph(csr_array(graph))
    found = compare_neighbourhoods(
        "score", graph[left, right], left, right, sparse, sparse
    )
    for place, (a, b) in enumerate(zip(left, right, strict=True)):
        expected = oracle(graph, a, b)
        assert set(found) == set(expected)
        for name, value in expected.items():
            assert found[name][place] == pytest.approx(value, rel=1e-5), name


@pytest.mark.parametrize("sides", [(False, True), (True, False), (False, False)])
def test_a_pair_that_is_not_in_the_graph_is_seen_as_if_it_were(graph, sides):
    sparse = ScoreGraph(csr_array(graph))
    for a, b in zip(*np.nonzero(np.triu(graph)), strict=True):
        score, pair = graph[[a], [b]], (np.array([a]), np.array([b]))
        expected = compare_neighbourhoods("s", score, *pair, sparse, sparse)
        graphs = []
        for is_in, row, column in ((sides[0], a, b), (sides[1], b, a)):
            without = graph.copy()
            if not is_in:
                without[row, column] = 0
            lean = csr_array(without)
            lean.eliminate_zeros()
            graphs.append(ScoreGraph(lean))
        found = compare_neighbourhoods(
            "s", score, *pair, *graphs, in_left=sides[0], in_right=sides[1]
        )
        for name in expected:
            assert_allclose(found[name], expected[name], rtol=1e-5, err_msg=name)


def test_symmetric_graph_has_each_pair_from_both_sides():
    made = mirror(np.array([0.5]), np.array([0]), np.array([2]), 3)
    assert_array_equal(made.toarray(), [[0, 0, 0.5], [0, 0, 0], [0.5, 0, 0]])
