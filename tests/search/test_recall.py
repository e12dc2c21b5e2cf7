import numpy as np
import pytest
from scipy.stats import beta

from skmatch.search._recall import (
    EXACT,
    SearchReport,
    calibrate,
    design_effect,
    interval,
)


def test_calibration_takes_the_smallest_margin_that_is_surely_enough():
    needed = np.arange(1, 10_001) / 10_000
    margin, recall = calibrate(needed, np.ones(10_000, int), 0.99)
    n_missed = int((needed > margin).sum())
    assert 60 < n_missed < 100  # fewer than 1 % of them, to be sure of 99 %
    assert beta.ppf(0.025, 10_000 - n_missed, n_missed + 1) >= 0.99
    assert beta.ppf(0.025, 10_000 - n_missed - 1, n_missed + 2) < 0.99
    assert recall.low == pytest.approx(0.99, abs=1e-4)
    assert recall.value == pytest.approx(1 - n_missed / 10_000)
    assert recall.low < recall.value < recall.high


def test_calibration_with_too_few_pairs_asks_for_an_exact_search():
    assert calibrate(np.ones(100), np.ones(100, int), 0.999) == (np.inf, EXACT)
    assert calibrate(np.empty(0), np.empty(0, int), 0.5) == (np.inf, EXACT)


def test_interval_covers_the_truth(rng):
    """Over many samples the interval misses the true recall in 5 % of the cases."""
    truth, target = np.sqrt(rng.random(200_000)), 0.98
    outside = below = 0
    for _ in range(400):
        margin, recall = calibrate(rng.choice(truth, 4000), np.ones(4000, int), target)
        covered = (truth <= margin).mean()
        outside += not recall.low <= covered <= recall.high
        below += covered < target
    assert outside / 400 < 0.08
    assert below / 400 < 0.05


def test_interval_without_pairs_knows_nothing():
    assert interval(0, 0, np.zeros(5, int)) == (1, 0, 1)


def test_interval_of_a_search_that_finds_nothing():
    assert interval(7, 7, np.ones(7, int)) == (0, 0, 0)


def test_pairs_of_one_row_count_as_fewer():
    assert design_effect(np.ones(7, int)) == 1
    assert design_effect(np.array([3, 1])) == 2.5  # (9 + 1) / 4
    many = interval(4000, 4, np.ones(4000, int))
    few = interval(4000, 4, np.full(40, 100))
    assert few.low < many.low


def test_report_is_a_sentence():
    exact = SearchReport("prefix", 0, *EXACT)
    assert str(exact) == "The search by 'prefix' finds all pairs."
    cells = SearchReport("cells", 1234, 0.9995, 0.999, 1.0)
    assert str(cells) == (
        "The search by 'cells' in 1,234 cells finds 99.95% of the pairs (95 % interval "
        "99.90% to 100.00%), by a sample of rows."
    )
