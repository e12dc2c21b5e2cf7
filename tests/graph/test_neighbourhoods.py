import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.sparse import csr_array

from skmatch.graph import Neighbourhoods, ratio


@pytest.fixture
def known():
    """Row 0 has the scores 0.9, 0.5, 0.5, 0.4, 0.3 and 0.2, row 1 none."""
    scores = np.array([[0.5, 0.2, 0.9, 0.4, 0.5, 0.3], [0] * 6], np.float32)
    return Neighbourhoods(csr_array(scores))


def compare(known, row, score, holds_pairs):
    pair = np.array([row]), np.array([score], np.float32)
    standing = known.compare(*pair, holds_pairs)
    return {name: value.item() for name, value in standing._asdict().items()}


def test_score_that_is_among_those_of_its_row(known):
    found = compare(known, 0, 0.5, True)
    expected = {
        "rank": 1,
        "of_best": 0.5 / 0.9,
        "of_near": 0.5 / 0.3,
        "margin": 0.5 - 0.9,
        "degree": 2.8,
        "square": 0.81 + 0.25 + 0.25 + 0.16 + 0.09 + 0.04,
    }
    assert found == pytest.approx(expected, rel=1e-6)


def test_best_score_is_compared_with_the_second(known):
    found = compare(known, 0, 0.9, True)
    assert found["rank"] == 0
    assert found["of_best"] == 1
    assert found["margin"] == pytest.approx(0.4)


def test_score_that_is_not_among_them_is_compared_as_if_it_were(known):
    found = compare(known, 0, 0.6, False)
    expected = {
        "rank": 1,
        "of_best": 0.6 / 0.9,
        "of_near": 0.6 / 0.4,  # the fifth of seven
        "margin": 0.6 - 0.9,
        "degree": 2.8 + 0.6,
        "square": 1.6 + 0.36,
    }
    assert found == pytest.approx(expected, rel=1e-6)


def test_row_without_a_score(known):
    found = compare(known, 1, 0.6, False)
    expected = [0, 1, 10, 0.6, 0.6, 0.36]
    assert list(found.values()) == pytest.approx(expected)


def test_ratio_of_nothing():
    a, b = np.array([1.0, 1.0], np.float32), np.array([2.0, 0.0], np.float32)
    assert_allclose(ratio(a, b), [0.5, 0])
    assert_allclose(ratio(a, b, empty=10.0), [0.5, 10])
