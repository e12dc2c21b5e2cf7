import numpy as np
import pytest
from scipy.sparse import csr_array

from skmatch.search import _planner as planner
from skmatch.search import plan_search, search_pairs
from skmatch.search._cells import Cells
from skmatch.search._planner import exact_sample
from skmatch.search._radius import Plan, threads, widest_margin


def clustered(rng, n_rows, n_features=40, spread=0.05):
    centres = rng.normal(size=(n_rows // 3 + 1, 8)) @ rng.normal(size=(8, n_features))
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    rows = centres[rng.integers(len(centres), size=n_rows)]
    rows = rows + spread * rng.normal(size=rows.shape)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def find(rows, threshold, plan):
    found = search_pairs(rows, None, threshold, plan, 1)
    order = np.lexsort((found[1], found[0]))
    return [part[order] for part in found]


def assert_same(found, expected):
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def plan(rows, threshold, **options):
    defaults = {"index": "auto", "target_recall": 0.99, "n_threads": 1} | options
    return plan_search(rows, None, threshold, **defaults)


def test_plans_follow_the_data(rng, monkeypatch):
    monkeypatch.setattr(planner, "_SMALL", 1e6)
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
    monkeypatch.setattr(planner, "_SMALL", 1e6)
    rows = many_alike(rng)
    assert plan(rows, 0.9, target_recall=0.95).recall.value == 1
    monkeypatch.setattr(planner, "_AFFORDABLE", 1.0)
    made = plan(rows, 0.9, target_recall=0.95)
    assert made.cells is not None
    assert made.margin < 0.8 * widest_margin(0.9, 8)
    assert 0.95 <= made.recall.low < made.recall.value < 1


@pytest.mark.parametrize("target", [0.9, 0.95])
def test_calibrated_cells_reach_their_recall(rng, target):
    rows = many_alike(rng)
    made = plan(rows, 0.9, index="cells", target_recall=target)
    exact = find(rows, 0.9, Plan())
    found = find(rows, 0.9, made)
    assert set(zip(*found[:2], strict=True)) < set(zip(*exact[:2], strict=True))
    recall = len(found[0]) / len(exact[0])
    assert target <= recall < target + 0.04
    assert made.recall.low <= recall <= made.recall.high


@pytest.mark.parametrize("n_rows", [1, 2, 3, 7])
@pytest.mark.parametrize("threshold", [-1.0, 0.5, 0.999])
def test_few_rows_in_cells(rng, n_rows, threshold):
    rows = many_alike(rng)[:n_rows]
    made = plan(rows, threshold, index="cells")
    assert_same(find(rows, threshold, made), find(rows, threshold, Plan()))


@pytest.mark.parametrize("with_cells", [False, True])
def test_sample_holds_all_pairs_of_its_rows(rng, monkeypatch, with_cells):
    monkeypatch.setattr(planner, "ROWS_TO_CALIBRATE", 50)
    rows = clustered(rng, 700)
    given = None
    if with_cells:
        margin = 2 * widest_margin(0.8, 40)
        given = Plan(0.0, None, Cells(rows, 10, seed=0), margin, one_sided=True)
    with threads(1) as run:
        sample, (mine, theirs, _) = exact_sample(rows, None, 0.8, 0.85, run, given)
    assert 50 < len(sample) < 700  # more than at first, for the pairs were too few
    for index, row in enumerate(sample):
        cosines = rows @ row
        itself = int(cosines.argmax())
        expected = set(np.flatnonzero(cosines >= 0.8).tolist())
        found = set(theirs[mine == index].tolist())
        assert len(expected - found) == 1  # the row itself
        assert cosines[itself] > 0.999


def test_plan_of_a_factory_makes_an_index_that_reaches_its_recall(rng):
    rows = clustered(rng, 3000, 16)
    made = plan(rows, 0.8, index="IVF32,Flat", target_recall=0.9)
    assert made.report.method == "IVF32,Flat"
    assert made.recall.low >= 0.9
    found, exact = (find(rows, 0.8, each) for each in (made, Plan()))
    assert 0.9 <= len(found[0]) / len(exact[0]) <= 1


@pytest.mark.slow
def test_plan_tunes_a_copy_of_a_given_index(rng):
    rows = clustered(rng, 3000, 16)
    given = plan(rows, 0.99, index="IVF32,Flat").index
    n_probes = given.nprobe
    options = {"target_recall": 0.99, "n_threads": 1, "search_index": given}
    made = plan_search(rows[:50], rows, -0.9, index="IVF32,Flat", **options)
    assert made.index.ntotal == 3000
    assert made.index.nprobe > n_probes == given.nprobe
    assert made.recall.low >= 0.98


def test_sparse_rows_are_all_compared(rng):
    sparse = csr_array(clustered(rng, 50))
    assert plan(sparse, 0.9, index="cells").report == ("all pairs", 0, 1, 1, 1)
