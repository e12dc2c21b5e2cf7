import numpy as np
import pytest

from skmatch.search import _planner as neighbours
from skmatch.search._cells import Cells
from skmatch.search._planner import (
    Plan,
    _measure_prefixes,
    _widest_margin,
    exact_sample,
    find_pairs,
    join,
    look_again,
    plan_search,
    shorten,
    threads,
)


def clustered(rng, n_rows, n_features=40, spread=0.05):
    centres = rng.normal(size=(n_rows // 3 + 1, 8)) @ rng.normal(size=(8, n_features))
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    rows = centres[rng.integers(len(centres), size=n_rows)]
    rows = rows + spread * rng.normal(size=rows.shape)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def find(left, right, threshold, plan, n_threads=1):
    with threads(n_threads) as run:
        rows, columns, similarities = join(
            find_pairs(left, right, threshold, plan, run)
        )
    order = np.lexsort((columns, rows))
    return rows[order], columns[order], similarities[order]


def assert_same(found, expected):
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("threshold", [-0.2, 0.3, 0.875, 1.0])
@pytest.mark.parametrize("n_threads", [1, 2])
def test_every_way_finds_the_same(rng, threshold, n_threads):
    rows, others = clustered(rng, 600), clustered(rng, 500)
    others[:50] = rows[:50]
    margin = _widest_margin(threshold, 40)
    for right in (None, others):
        other = rows if right is None else right
        everything = find(rows, right, threshold, Plan(0))
        by_hand = rows.astype(float) @ other.T.astype(float) >= threshold
        by_hand = np.triu(by_hand, 1) if right is None else by_hand
        if threshold < 1:  # there is no rounding at these thresholds
            assert_same(everything[:2], by_hand.nonzero())
        for prefix in _measure_prefixes(rows, other, threshold, 1.0):
            cells = Cells(shorten(other, prefix.directions), 20, seed=0)
            for plan in (
                Plan(0, prefix.directions),
                Plan(0, prefix.directions, cells, margin),
            ):
                assert_same(find(rows, right, threshold, plan, n_threads), everything)


@pytest.mark.parametrize("n_prefix", [1, 7, 23])
def test_short_rows_are_nowhere_farther_apart(rng, n_prefix):
    rows = clustered(rng, 300)
    directions = np.linalg.qr(rng.normal(size=(40, n_prefix)))[0].astype(np.float32)
    short = shorten(rows, directions)
    assert short.shape == (300, n_prefix + 1)
    np.testing.assert_allclose(np.linalg.norm(short, axis=1), 1, atol=1e-5)
    assert (short @ short.T >= rows @ rows.T).all()


def plan(rows, threshold, **options):
    defaults = {"index": "auto", "target_recall": 0.99} | options
    with threads(1) as run:
        return plan_search(rows, None, threshold, run=run, **defaults)


def test_plans_follow_the_data(rng, monkeypatch):
    monkeypatch.setattr(neighbours, "_SMALL", 1e6)
    clusters = clustered(rng, 6000)
    assert plan(clusters[:100], 0.9).directions is None
    exact = plan(clusters, 0.95, index="exact")
    assert exact.recall.value == 1
    assert exact.flop < plan(clusters, -0.5, index="exact").flop
    assert plan(clusters, -0.5).directions is None  # all of them match: nothing to win


def many_alike(rng):
    """Rows of which many have their matches in other cells."""
    rows = rng.normal(size=(6000, 8))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_auto_is_calibrated_only_where_exact_is_dear(rng, monkeypatch):
    monkeypatch.setattr(neighbours, "_SMALL", 1e6)
    rows = many_alike(rng)
    assert plan(rows, 0.9, target_recall=0.95).recall.value == 1
    monkeypatch.setattr(neighbours, "_AFFORDABLE", 1.0)
    made = plan(rows, 0.9, target_recall=0.95)
    assert made.cells is not None
    assert made.margin < 0.8 * _widest_margin(0.9, 8)
    assert 0.95 <= made.recall.low < made.recall.value < 1


@pytest.mark.parametrize("target", [0.9, 0.95])
def test_calibrated_cells_reach_their_recall(rng, target):
    rows = many_alike(rng)
    made = plan(rows, 0.9, index="cells", target_recall=target)
    exact = find(rows, None, 0.9, Plan(0))
    found = find(rows, None, 0.9, made)
    assert set(zip(*found[:2], strict=True)) < set(zip(*exact[:2], strict=True))
    recall = len(found[0]) / len(exact[0])
    assert target <= recall < target + 0.04
    assert made.recall.low <= recall <= made.recall.high


@pytest.mark.parametrize("n_rows", [1, 2, 3, 7])
@pytest.mark.parametrize("threshold", [-1.0, 0.5, 0.999])
def test_few_rows_in_cells(rng, n_rows, threshold):
    rows = many_alike(rng)[:n_rows]
    made = plan(rows, threshold, index="cells")
    assert_same(find(rows, None, threshold, made), find(rows, None, threshold, Plan(0)))


@pytest.mark.parametrize("with_cells", [False, True])
def test_sample_holds_all_pairs_of_its_rows(rng, monkeypatch, with_cells):
    monkeypatch.setattr(neighbours, "_ROWS_TO_CALIBRATE", 50)
    rows = clustered(rng, 700)
    given = None
    if with_cells:
        margin = 2 * _widest_margin(0.8, 40)
        given = Plan(0, None, Cells(rows, 10, seed=0), margin, one_sided=True)
    with threads(1) as run:
        sample, (mine, theirs, _) = exact_sample(rows, None, 0.8, 0.85, run, given)
    assert 50 < len(sample) < 700  # more than at first, for the pairs were too few
    for number, row in enumerate(sample):
        cosines = rows @ row
        itself = int(cosines.argmax())
        expected = set(np.flatnonzero(cosines >= 0.8).tolist())
        found = set(theirs[mine == number].tolist())
        assert len(expected - found) == 1  # the row itself
        assert cosines[itself] > 0.999


def test_look_again_is_in_float64():
    left = np.array([[0.6, 0.8]], dtype=np.float32)
    rows = np.array([0])
    for threshold, n_found in ((1.0, 1), (-1.0, 1)):
        assert len(look_again(left, left, rows, rows, threshold)[0]) == n_found
    assert look_again(left, -left, rows, rows, -1.0)[2].tolist() == [-1.0]


def test_threads_are_restored():
    from threadpoolctl import threadpool_info

    before = [pool["num_threads"] for pool in threadpool_info()]
    with threads(2) as run:
        assert list(run(abs, [-1, 2])) == [1, 2]
    assert [pool["num_threads"] for pool in threadpool_info()] == before
