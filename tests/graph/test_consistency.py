import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array

from skmatch.graph import (
    choose_shift,
    measure_agreement,
    replace_entries,
    shift_log_odds,
)


def graph_of(groups, p_same, p_other, rng):
    """Draw probabilities around two values: of the same group, and of others."""
    is_same = groups[:, None] == groups
    p = np.where(is_same, p_same, p_other) + rng.normal(0, 0.05, is_same.shape)
    p = np.triu(np.clip(p, 0.001, 0.999), 1)
    return csr_array((p + p.T).astype(np.float32))


def test_groups_without_overlap_agree():
    matches = np.zeros((5, 5), bool)
    matches[:3, :3] = matches[3:, 3:] = True
    assert measure_agreement(csr_array(matches)) == 1
    assert measure_agreement(csr_array(np.eye(5, dtype=bool))) == 1


def test_a_chain_does_not_agree():
    matches = np.eye(3, dtype=bool)
    matches[0, 1] = matches[1, 0] = matches[1, 2] = matches[2, 1] = True
    # {0, 1} and {0, 1, 2} have two of three in common, from either end.
    assert_allclose(measure_agreement(csr_array(matches)), 2 / 3, rtol=1e-6)


@pytest.mark.parametrize("shift", [-1.0, 0.0, 0.5, 3.0])
def test_log_odds_are_lowered(shift):
    p = np.array([0.01, 0.3, 0.5, 0.9], np.float32)
    shifted = shift_log_odds(csr_array(np.diag(p)), shift).data
    assert shifted.dtype == np.float32
    assert_allclose(np.log(shifted / (1 - shifted)), np.log(p / (1 - p)) - shift, 1e-4)


def test_what_agrees_is_not_shifted(rng):
    groups = np.arange(60) // 3
    assert choose_shift(graph_of(groups, 0.9, 0.02, rng)) == 0


def test_too_sure_probabilities_are_lowered(rng):
    groups = np.arange(60) // 3
    graph = graph_of(groups, 0.9, 0.02, rng).tolil()
    for row in range(60):  # and three false matches each, which do not agree
        for other in (row + 20 + rng.integers(20, size=3)) % 60:
            graph[row, other] = graph[other, row] = 0.6
    assert choose_shift(csr_array(graph)) >= 0.5


@pytest.mark.parametrize("n_rows", [0, 1, 4])
def test_a_graph_without_entries_is_not_shifted(n_rows):
    assert choose_shift(csr_array((n_rows, n_rows), dtype=np.float32)) == 0


def test_entries_are_replaced_added_and_dropped():
    graph = csr_array(np.array([[0, 0.5, 0], [0.5, 0, 0.2], [0, 0.2, 0]], np.float32))
    new = replace_entries(graph, [0, 1, 0, 2], [1, 0, 2, 0], [1, 0, 0.7, 0.7])
    expected = np.array([[0, 1, 0.7], [0, 0, 0.2], [0.7, 0.2, 0]], np.float32)
    assert_array_equal(new.toarray(), expected)
    assert new.nnz == 5
    assert_array_equal(replace_entries(graph, [], [], []).toarray(), graph.toarray())
