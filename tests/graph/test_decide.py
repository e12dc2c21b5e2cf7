import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.sparse import csr_array

from skmatch.graph._decide import Refinements, find_matches, keep_matches


@pytest.fixture
def graph():
    scores = np.array([[0, 0.9, 0.6, 0], [0.9, 0, 0.7, 0], [0.6, 0.7, 0, 0.2],
                       [0, 0, 0.2, 0]])  # fmt: skip
    return csr_array(scores.astype(np.float32))


@pytest.mark.parametrize(
    ("refinements", "expected"),
    [
        (
            (None, False, False),
            [[1, 1, 1, 0], [1, 1, 1, 0], [1, 1, 1, 0], [0, 0, 0, 1]],
        ),
        ((1, False, False), [[1, 1, 0, 0], [1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 0, 1]]),
        ((1, True, False), [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]),
        ((None, False, True), [[1, 1, 1, 0], [1, 1, 1, 0], [1, 1, 1, 0], [0, 0, 1, 1]]),
    ],
)
def test_refinements(graph, refinements, expected):
    matches = find_matches(graph, 0.6, Refinements(*refinements))
    assert_array_equal(matches.toarray().astype(int), expected)


def test_a_match_at_the_threshold_matches(graph):
    none = Refinements(None, False, False)
    assert find_matches(graph, float(np.float32(0.6)), none).nnz == 10
    assert find_matches(graph, float(np.nextafter(np.float32(0.6), 1)), none).nnz == 8


def test_expected_f1_is_the_best_of_all_sets_of_matches():
    rng = np.random.default_rng(0)
    scores = (rng.random((40, 12)) * (rng.random((40, 12)) < 0.6)).astype(np.float32)
    scores[0] = 0
    kept = keep_matches(csr_array(scores), "expected_f1").toarray()
    for row, found in zip(scores.astype(float), kept, strict=True):
        falling = np.sort(row)[::-1]
        f1 = [2 * (1 + falling[:k].sum()) / (2 + k + row.sum()) for k in range(13)]
        n_best = int(np.argmax(np.round(f1, 12)))
        assert_array_equal(np.sort(found)[::-1][:n_best], np.float32(falling[:n_best]))
        assert (found > 0).sum() == n_best


def test_expected_f1_takes_sure_matches_and_leaves_faint_ones():
    scores = np.array([[1.0, 1.0, 0.05], [0.3, 0, 0], [0.9, 0.6, 0.6]], np.float32)
    kept = keep_matches(csr_array(scores), "expected_f1").toarray() > 0
    assert_array_equal(kept, [[1, 1, 0], [0, 0, 0], [1, 1, 1]])
