import numpy as np
import pytest
from scipy.sparse import csr_array, random_array

from skmatch.search import lowest_threshold, refuse_too_many, unit_rows


def test_lowest_threshold_gives_a_hundred_matches_a_row(rng):
    rows = unit_rows(rng.normal(size=(2000, 10)))
    threshold = lowest_threshold(rows, 10**9)
    assert 80 < (rows @ rows.T >= threshold).sum(axis=1).mean() < 120
    assert lowest_threshold(3 * rows, 10**9) == pytest.approx(threshold, abs=1e-6)


def test_lowest_threshold_gives_no_more_than_max_pairs(rng):
    rows = unit_rows(rng.normal(size=(2000, 10)))
    threshold = lowest_threshold(rows, 40_000)  # 20 a row
    assert 15 < (rows @ rows.T >= threshold).sum(axis=1).mean() < 25


def test_lowest_threshold_of_few_rows_is_that_of_all_pairs():
    assert lowest_threshold(np.array([[1.0, 0.0], [-1.0, 0.0]]), 10**9) == -1


def test_lowest_threshold_of_sparse_rows_is_above_zero():
    rows = random_array((3000, 2000), density=0.002, rng=1, format="csr")
    assert lowest_threshold(csr_array(rows), 10**9) > 0
    assert lowest_threshold(csr_array(np.eye(300)), 10**9) == 1


@pytest.mark.parametrize("kind", [np.asarray, csr_array])
def test_too_many_pairs_are_refused_with_a_threshold_that_fits(rng, kind):
    rows = unit_rows(rng.normal(size=(2000, 10)))
    refuse_too_many(kind(rows), kind(rows), 0.9, 100_000)
    with pytest.raises(ValueError, match=r"threshold=-0\.5 would find about") as caught:
        refuse_too_many(kind(rows), kind(rows), -0.5, 100_000)
    fits = float(str(caught.value).rstrip(".").split()[-1])
    assert 50_000 < (rows @ rows.T >= fits).sum() <= 100_000
