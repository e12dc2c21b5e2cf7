import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array

from skmatch.graph import Propagation, propagate_rows


def draw(shape, seed=0):
    rng = np.random.default_rng(seed)
    scores = rng.random(shape) * (rng.random(shape) < 0.6)
    return np.where(scores < 0.01, 0, scores).astype(np.float32)


def drop_low(scores):
    """Leave out what is small, but for the largest of each row and column."""
    largest = np.minimum.outer(scores.max(axis=1), scores.max(axis=0))
    return np.where((scores >= 0.01) | (scores >= largest), scores, 0)


@pytest.fixture
def square():
    scores = np.triu(draw((9, 9)), k=1)
    return scores + scores.T


def like(row, self_at=None, also=None, also_p=0.0):
    """Return who is like a row, and how much."""
    weights = {i: p**4 for i, p in enumerate(row) if p >= np.float32(0.25)}
    weights[self_at] = 1.0
    if also_p >= 0.25:
        weights[also] = also_p**4
    total = sum(weights.values())
    return {i: weight / total for i, weight in weights.items()}


def oracle(p, a, b):
    """Average over all pairs of a row like the one and a row like the other."""
    return sum(u * v * p(i, j) for i, u in a.items() for j, v in b.items())


def test_propagated_are_means_over_the_rows_like_both(square):
    known = Propagation(csr_array(square))
    assert_array_equal(known.graph.toarray(), known.graph.toarray().T)
    for a in range(9):
        for b in range(9):
            one = oracle(
                lambda i, j: 1.0 if i == j else square[i, j],
                like(square[a], a),
                like(square[b], b),
            )
            expected = one if a != b and one >= 0.01 else 0
            assert known.graph.toarray()[a, b] == pytest.approx(expected, abs=1e-6)


def test_rows_are_propagated_one_by_one_with_a_catalogue(square):
    scores, catalogue = draw((3, 9), 1), Propagation(csr_array(square))
    graph = Propagation(csr_array(scores), catalogue).graph.toarray()
    for a in range(3):
        for b in range(9):

            def probability(i, j, a=a):
                if "a" in (i, j):
                    return 1.0 if i == j else scores[a, i if j == "a" else j]
                return 1.0 if i == j else square[i, j]

            expected = oracle(
                probability,
                like(scores[a], "a"),
                like(square[b], b, also="a", also_p=scores[a, b]),
            )
            assert graph[a, b] == pytest.approx(expected, abs=1e-6)
        alone = Propagation(csr_array(scores[[a]]), catalogue).graph.toarray()
        assert_allclose(alone[0], graph[a], atol=1e-7)


def test_two_rows_are_propagated_by_what_each_is_in_a_catalogue(square):
    scores, catalogue = draw((4, 9), 2), Propagation(csr_array(square))
    known = Propagation(csr_array(scores), catalogue)
    left, right = np.array([0, 1, 3]), np.array([2, 3, 0])
    found = known.between(np.array([0.3, 0.8, 0.0]), left, right)
    for a, b, own, value in zip(left, right, (0.3, 0.8, 0.0), found, strict=True):

        def probability(i, j, a=a, b=b, own=own):
            if i == j:
                return 1.0
            if {i, j} == {"a", "b"}:
                return own
            for name, row in (("a", a), ("b", b)):
                if name in (i, j):
                    return scores[row, i if j == name else j]
            return square[i, j]

        expected = oracle(
            probability,
            like(scores[a], "a", also="b", also_p=own),
            like(scores[b], "b", also="a", also_p=own),
        )
        assert value == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("p", [0.004, 0.2, 0.5, 0.7, 1.0])
def test_a_pair_alone_is_the_same_wherever_it_is_propagated(p):
    pair = np.array([[0, p], [p, 0]], np.float32)
    among = Propagation(csr_array(pair)).graph.toarray()[0, 1]
    lone = Propagation(csr_array((1, 1), dtype=np.float32))
    against = Propagation(csr_array(pair[:1, 1:]), lone).graph.toarray()[0, 0]
    nothing = Propagation(csr_array((2, 1), dtype=np.float32), lone)
    ends = np.array([0]), np.array([1])
    between = nothing.between(np.array([p], np.float32), *ends)[0]
    assert against == pytest.approx(among, abs=1e-6)
    assert between == pytest.approx(among if p > 0.01 else 0, abs=1e-6)
    assert among <= 1


def test_low_probabilities_go_but_for_the_largest_of_a_row():
    graph = np.zeros((5, 5), np.float32)
    for a, b, p in ((0, 1, 0.9), (1, 2, 0.008), (2, 3, 0.005), (3, 4, 0.001)):
        graph[a, b] = graph[b, a] = p
    kept = Propagation(csr_array(graph), propagates=False).graph.toarray()
    assert_array_equal(kept, np.where(graph == 0.9, graph, drop_low(graph)))
    assert kept[1, 2] == np.float32(0.008)  # the best that 2 has
    assert kept[4, 3] == np.float32(0.001)
    assert kept[0, 2] == 0


def test_only_the_most_probable_matches_have_a_say():
    graph = np.zeros((3, 3), np.float32)
    graph[0, 1] = graph[1, 0] = 0.9
    graph[0, 2] = graph[2, 0] = 0.8
    weights = Propagation(csr_array(graph), n_weighed=1).match_weights.toarray()
    assert (weights[0] > 0).tolist() == [False, True, False]


def test_blocks_of_rows_change_nothing(square):
    whole = Propagation(csr_array(square)).graph.toarray()
    blocks = Propagation(csr_array(square), rows_per_block=2).graph.toarray()
    assert_allclose(blocks, whole, atol=1e-7)


def test_the_graph_that_is_given_is_left_alone(square):
    graph = csr_array(square)
    before = graph.copy()
    Propagation(csr_array(draw((2, 9))), Propagation(graph, propagates=False))
    Propagation(graph)
    assert_array_equal(graph.toarray(), before.toarray())


def test_a_chain_of_sure_matches_becomes_a_match_of_its_ends():
    graph = np.zeros((4, 4), np.float32)
    graph[0, 1] = graph[1, 0] = graph[1, 2] = graph[2, 1] = 0.95
    graph[2, 3] = graph[3, 2] = 0.3
    propagated = Propagation(csr_array(graph)).graph.toarray()
    assert propagated[0, 2] > 0.5 > propagated[2, 3]


def test_without_propagation_the_probabilities_stay(square):
    known = Propagation(csr_array(square), propagates=False)
    assert_array_equal(known.graph.toarray(), square)
    scores = draw((3, 9), 1)
    assert_array_equal(
        Propagation(csr_array(scores), known, False).graph.toarray(), scores
    )


def test_look_up(square):
    known = Propagation(csr_array(square))
    left, right = np.divmod(np.arange(81), 9)
    assert_array_equal(known.at(left, right), known.graph.toarray().ravel())
    empty = Propagation(csr_array((2, 2), dtype=np.float32))
    assert_array_equal(empty.at(np.array([0, 1]), np.array([1, 1])), [0, 0])
    assert empty.graph.nnz == 0


@pytest.mark.parametrize("propagates", [True, False])
def test_some_rows_are_propagated_as_all_would_be(propagates):
    rng = np.random.default_rng(3)
    scores = np.triu(rng.random((300, 300)) ** 3, k=1).astype(np.float32)
    scores *= np.triu(rng.random((300, 300)) < 0.02, k=1)
    graph = csr_array(scores + scores.T)
    rows = np.array([3, 4, 150, 299])
    known = Propagation(graph, propagates=propagates)
    some = propagate_rows(graph, rows, propagates)
    assert some.graph.shape == (300, 300)
    assert np.flatnonzero(np.diff(some.graph.indptr)).tolist() == rows.tolist()
    assert_allclose(some.graph[rows].toarray(), known.graph[rows].toarray(), atol=1e-6)
    assert_allclose(some.at(rows[:2], rows[2:]), known.at(rows[:2], rows[2:]))
