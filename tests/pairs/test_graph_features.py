import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.sparse import csr_array

from skmatch.graph import Neighbourhoods
from skmatch.pairs._graph_features import (
    Around,
    compare_neighbourhoods,
    graph_feature_names,
)


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
    result = {"score": score, "support": graph[a] @ graph[b]}
    for what in sides[0]:
        less, more = sorted(side[what] for side in sides)
        result |= {f"{what}_min": less, f"{what}_max": more}
    one, two = graph[a].copy(), graph[b].copy()
    one[a] = two[b] = 1
    norms = np.linalg.norm(one) * np.linalg.norm(two)
    result["agreement"] = one @ two / norms
    return result


def compare(scores, left, right, known, holds=(True, True)):
    around = Around(*known, *holds)
    return compare_neighbourhoods(scores, left, right, around)._asdict()


def test_features_against_a_slow_oracle(graph):
    left, right = np.nonzero(np.triu(graph))
    known = Neighbourhoods(csr_array(graph))
    found = compare(graph[left, right], left, right, (known, known))
    for position, (a, b) in enumerate(zip(left, right, strict=True)):
        expected = oracle(graph, a, b)
        assert set(found) == set(expected)
        for name, value in expected.items():
            assert found[name][position] == pytest.approx(value, rel=1e-5), name


@pytest.mark.parametrize("holds", [(False, True), (True, False), (False, False)])
def test_a_pair_that_is_not_in_the_graph_is_seen_as_if_it_were(graph, holds):
    whole = Neighbourhoods(csr_array(graph))
    for a, b in zip(*np.nonzero(np.triu(graph)), strict=True):
        score, pair = graph[[a], [b]], (np.array([a]), np.array([b]))
        expected = compare(score, *pair, (whole, whole))
        known = []
        for is_in, row, column in ((holds[0], a, b), (holds[1], b, a)):
            without = graph.copy()
            if not is_in:
                without[row, column] = 0
            known.append(Neighbourhoods(csr_array(without)))
        found = compare(score, *pair, known, holds)
        for name in expected:
            assert_allclose(found[name], expected[name], rtol=1e-5, err_msg=name)


def test_names_begin_with_the_score():
    names = graph_feature_names("tfidf0")
    assert names[:3] == ["tfidf0", "tfidf0_rank_min", "tfidf0_rank_max"]
    assert names[-2:] == ["tfidf0_support", "tfidf0_agreement"]
    assert len(set(names)) == len(names) == 13
