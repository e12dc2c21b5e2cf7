import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta

from skmatch.search._cells import EXACT, Cells, above, calibrate, interval


def unit(rng, n_rows, n_features=6, n_centres=None):
    rows = rng.normal(size=(n_rows, n_features))
    if n_centres:
        centres = rng.normal(size=(n_centres, n_features))
        rows = centres[rng.integers(n_centres, size=n_rows)] + 0.1 * rows
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def meet(cells, left, right, bound, margin, one_sided=False):
    """Return the pairs that meet, as a set; none may come twice."""
    ours = cells.sort(left, map)
    theirs = ours if right is None else cells.sort(right, map)
    found = cells.meet(
        ours, theirs, bound, margin, lambda a, b: (a, b), map, one_sided=one_sided
    )
    pairs = [
        pair for a, b in found for pair in zip(a.tolist(), b.tolist(), strict=True)
    ]
    assert len(pairs) == len(set(pairs))
    return set(pairs)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 2**31),
    st.integers(2, 80),
    st.integers(1, 12),
    st.floats(0.0, 0.99),
    st.booleans(),
)
def test_half_the_distance_as_margin_finds_every_pair(
    seed, n, n_cells, bound, clusters
):
    rng = np.random.default_rng(seed)
    rows = unit(rng, n, n_centres=5 if clusters else None)
    others = unit(rng, n + 3, n_centres=5 if clusters else None)
    others[:2] = rows[:2]
    cells = Cells(others, min(n_cells, n), seed=0)
    margin = np.sqrt(2 - 2 * bound) / 2
    a, b = np.nonzero(np.triu(rows @ rows.T >= bound, 1))
    assert meet(cells, rows, None, bound, margin) == set(
        zip(a.tolist(), b.tolist(), strict=True)
    )
    a, b = np.nonzero(rows @ others.T >= bound)
    expected = set(zip(a.tolist(), b.tolist(), strict=True))
    assert meet(cells, rows, others, bound, margin) == expected
    assert meet(cells, rows, others, bound, 2 * margin, one_sided=True) == expected


def test_smaller_margin_finds_the_pairs_that_need_no_more(rng):
    rows = unit(rng, 400)
    cells, bound = Cells(rows, 20, seed=0), 0.8
    a, b = np.nonzero(np.triu(rows @ rows.T >= bound, 1))
    needed = cells.margins(rows[a], rows[b])
    margin = float(np.median(needed[needed > 0]))
    found = meet(cells, rows, None, bound, margin)
    expected = needed <= margin
    assert 0.2 < expected.mean() < 0.95
    # the rounding of the margin may let in a few more
    assert set(zip(a[expected].tolist(), b[expected].tolist(), strict=True)) <= found
    assert len(found) <= expected.sum() + 5


@pytest.mark.parametrize(("n_features", "noise"), [(3, 3e-4), (8, 1e-4)])
def test_centroids_that_lie_close_together(rng, n_features, noise):
    blob = unit(rng, 1, n_features) + noise * rng.normal(size=(3000, n_features))
    blob = (blob / np.linalg.norm(blob, axis=1, keepdims=True)).astype(np.float32)
    far = unit(rng, 600, n_features, n_centres=300)
    cells, bound = Cells(blob, 40, seed=0), 0.5
    a, b = np.nonzero(np.triu(far @ far.T >= bound, 1))
    found = meet(cells, far, None, bound, np.sqrt(2 - 2 * bound) / 2 + 1e-6)
    assert found == set(zip(a.tolist(), b.tolist(), strict=True))


def test_pair_at_equal_distance_from_the_border_is_met_once():
    cells = Cells(np.eye(2, dtype=np.float32), 2, seed=0)
    rows = np.array([[0.8, 0.6], [0.6, 0.8]], dtype=np.float32)
    assert meet(cells, rows, None, 0.9, 1.0) == {(0, 1)}
    assert meet(cells, rows, rows.copy(), 0.9, 1.0) == {(0, 0), (0, 1), (1, 0), (1, 1)}


def test_rows_without_direction_meet_all(rng):
    rows = unit(rng, 30)
    rows[3] = 0
    found = meet(Cells(rows, 5, seed=0), rows, None, 0.0, np.sqrt(2) / 2)
    assert {(min(3, i), max(3, i)) for i in range(30) if i != 3} <= found


def test_few_rows_a_visit_change_nothing(rng, monkeypatch):
    rows, others = unit(rng, 300), unit(rng, 200)
    cells = Cells(others, 12, seed=0)
    whole = [meet(cells, rows, right, 0.7, 0.2) for right in (None, others)]
    monkeypatch.setattr("skmatch.search._cells._ROWS_PER_VISIT", 17)
    monkeypatch.setattr("skmatch.search._cells._PROBES_PER_VISIT", 90)
    monkeypatch.setattr("skmatch.search._cells._ENTRIES_PER_BLOCK", 40)
    assert [meet(cells, rows, right, 0.7, 0.2) for right in (None, others)] == whole


def test_memory_grows_with_the_pairs_not_with_their_columns(rng):
    rows = unit(rng, 1, 256) + 0.03 * rng.normal(size=(1000, 256))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    cells = Cells(rows, 4, seed=0)
    ours = cells.sort(rows, map)
    tracemalloc.start()
    found = cells.meet(ours, ours, 0.5, 2.0, lambda a, b: len(a), map)
    assert sum(found) == 1000 * 999 / 2
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100 * 1000 * 999 / 2  # a row has 1,024 bytes


@pytest.mark.parametrize("triangle", [False, True])
def test_above_in_blocks(rng, triangle, monkeypatch):
    left = unit(rng, 70)
    expected = left @ left.T >= 0.3
    expected = np.triu(expected, 1) if triangle else expected
    monkeypatch.setattr("skmatch.search._cells._ENTRIES_PER_BLOCK", 200)
    monkeypatch.setattr("skmatch.search._cells._WIDTH", 13)
    found = np.zeros((70, 70), dtype=bool)
    found[above(left, left, 0.3, triangle=triangle)] = True
    np.testing.assert_array_equal(found, expected)


def test_calibration_takes_the_margin_that_is_surely_enough():
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


def test_pairs_of_one_row_count_as_fewer():
    many = interval(4000, 4, np.ones(4000, int))
    few = interval(4000, 4, np.full(40, 100))
    assert few.low < many.low
