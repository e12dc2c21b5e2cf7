import numpy as np
import pytest
from scipy.sparse import csr_array

from skmatch.search import search_pairs
from skmatch.search._cells import Cells
from skmatch.search._equal_rows import EqualRows
from skmatch.search._faiss_index import make_index
from skmatch.search._prefixes import measure_prefixes
from skmatch.search._radius import Plan, find_pairs, shorten, threads, widest_margin
from skmatch.search._similarities import join


def clustered(rng, n_rows, n_features=40, spread=0.05):
    centres = rng.normal(size=(n_rows // 3 + 1, 8)) @ rng.normal(size=(8, n_features))
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    rows = centres[rng.integers(len(centres), size=n_rows)]
    rows = rows + spread * rng.normal(size=rows.shape)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def find(left, right, threshold, plan, n_threads=1):
    return in_order(search_pairs(left, right, threshold, plan, n_threads))


def in_order(pairs):
    order = np.lexsort(pairs[1::-1])
    return [part[order] for part in pairs]


def assert_same(found, expected):
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("threshold", [-0.2, 0.3, 0.875, 1.0])
@pytest.mark.parametrize("n_threads", [1, 2])
def test_every_way_finds_the_same(rng, threshold, n_threads):
    rows, others = clustered(rng, 600), clustered(rng, 500)
    others[:50] = rows[:50]
    margin = widest_margin(threshold, 40)
    for right in (None, others):
        other = rows if right is None else right
        everything = find(rows, right, threshold, Plan(0))
        by_hand = rows.astype(float) @ other.T.astype(float) >= threshold
        by_hand = np.triu(by_hand, 1) if right is None else by_hand
        if threshold < 1:  # there is no rounding at these thresholds
            assert_same(everything[:2], by_hand.nonzero())
        for prefix in measure_prefixes(rows, other, threshold, 1.0, 1e10):
            cells = Cells(shorten(other, prefix.directions), 20, seed=0)
            for plan in (
                Plan(0, prefix.directions),
                Plan(0, prefix.directions, cells, margin),
            ):
                assert_same(find(rows, right, threshold, plan, n_threads), everything)


@pytest.mark.parametrize("is_self", [True, False])
def test_tasks_change_nothing(rng, is_self):
    rows = clustered(rng, 301)
    right = None if is_self else rows[:200]
    whole, small = (
        join(find_pairs(rows, right, 0.5, Plan(), map, rows_per_task=n))
        for n in (2048, 7)
    )
    assert_same(in_order(small), in_order(whole))


@pytest.mark.parametrize("is_self", [True, False])
def test_faiss_index_finds_the_same(rng, is_self):
    rows, others = clustered(rng, 600), clustered(rng, 500)
    others[:50] = rows[:50]
    right = None if is_self else others
    other = rows if is_self else others
    index = make_index(other, "Flat")
    found = find(rows, right, 0.875, Plan(index=index, equal=EqualRows(other)))
    assert_same(found, find(rows, right, 0.875, Plan()))


def test_sparse_rows_are_found_as_dense_ones(rng):
    rows = clustered(rng, 200)
    found = find(csr_array(rows, dtype=np.float64), None, 0.7, Plan())
    expected = find(rows, None, 0.7, Plan())
    assert_same(found[:2], expected[:2])
    np.testing.assert_allclose(found[2], expected[2], atol=1e-6)


@pytest.mark.parametrize("n_prefix", [1, 7, 23])
def test_short_rows_are_nowhere_farther_apart(rng, n_prefix):
    rows = clustered(rng, 300)
    directions = np.linalg.qr(rng.normal(size=(40, n_prefix)))[0].astype(np.float32)
    short = shorten(rows, directions)
    assert short.shape == (300, n_prefix + 1)
    np.testing.assert_allclose(np.linalg.norm(short, axis=1), 1, atol=1e-5)
    assert (short @ short.T >= rows @ rows.T).all()


def test_report_names_the_method(rng):
    rows = clustered(rng, 100)
    cells = Cells(rows, 5, seed=0)
    plans = {
        "all pairs": Plan(),
        "prefix": Plan(directions=np.eye(40, 3, dtype=np.float32)),
        "cells": Plan(cells=cells, recall=(0.9, 0.8, 1.0)),
        "Flat": Plan(index=make_index(rows, "Flat"), factory="Flat"),
    }
    for method, plan in plans.items():
        assert plan.report.method == method
        assert plan.report.n_cells == (5 if method == "cells" else 0)
        assert plan.report[2:] == plan.recall


def test_threads_are_restored():
    from threadpoolctl import threadpool_info

    before = [pool["num_threads"] for pool in threadpool_info()]
    with threads(2) as run:
        assert list(run(abs, [-1, 2])) == [1, 2]
    assert [pool["num_threads"] for pool in threadpool_info()] == before
