import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skmatch.search._cells import Cells


def unit(rng, n_rows, n_features=6, n_centres=None):
    rows = rng.normal(size=(n_rows, n_features))
    if n_centres:
        centres = rng.normal(size=(n_centres, n_features))
        rows = centres[rng.integers(n_centres, size=n_rows)] + 0.1 * rows
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def join(cells, left, right, bound, margin, **options):
    """Return the pairs that are found, as a set; none may come twice."""
    ours = cells.sort(left, cells.find_homes(left, map))
    theirs = ours if right is None else cells.sort(right, cells.find_homes(right, map))
    found = cells.find_pairs(
        ours, theirs, bound, margin, lambda a, b: (a, b), map, **options
    )
    pairs = [
        pair for a, b in found for pair in zip(a.tolist(), b.tolist(), strict=True)
    ]
    assert len(pairs) == len(set(pairs))
    return set(pairs)


@settings(max_examples=40)
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
    assert join(cells, rows, None, bound, margin) == set(
        zip(a.tolist(), b.tolist(), strict=True)
    )
    a, b = np.nonzero(rows @ others.T >= bound)
    expected = set(zip(a.tolist(), b.tolist(), strict=True))
    assert join(cells, rows, others, bound, margin) == expected
    assert join(cells, rows, others, bound, 2 * margin, one_sided=True) == expected


def test_smaller_margin_finds_the_pairs_that_need_no_more(rng):
    rows = unit(rng, 400)
    cells, bound = Cells(rows, 20, seed=0), 0.8
    a, b = np.nonzero(np.triu(rows @ rows.T >= bound, 1))
    needed = cells.margins(rows[a], rows[b])
    margin = float(np.median(needed[needed > 0]))
    found = join(cells, rows, None, bound, margin)
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
    found = join(cells, far, None, bound, np.sqrt(2 - 2 * bound) / 2 + 1e-6)
    assert found == set(zip(a.tolist(), b.tolist(), strict=True))


def test_pair_at_equal_distance_from_the_border_is_found_once():
    cells = Cells(np.eye(2, dtype=np.float32), 2, seed=0)
    rows = np.array([[0.8, 0.6], [0.6, 0.8]], dtype=np.float32)
    assert join(cells, rows, None, 0.9, 1.0) == {(0, 1)}
    assert join(cells, rows, rows.copy(), 0.9, 1.0) == {(0, 0), (0, 1), (1, 0), (1, 1)}


def test_zero_rows_find_all(rng):
    rows = unit(rng, 30)
    rows[3] = 0
    found = join(Cells(rows, 5, seed=0), rows, None, 0.0, np.sqrt(2) / 2)
    assert {(min(3, i), max(3, i)) for i in range(30) if i != 3} <= found


def test_batches_and_blocks_change_nothing(rng):
    rows, others = unit(rng, 300), unit(rng, 200)
    whole = Cells(others, 12, seed=0)
    small = Cells(others, 12, seed=0, entries_per_block=40)
    for right in (None, others):
        assert join(
            small, rows, right, 0.7, 0.2, rows_per_batch=17, probes_per_batch=90
        ) == join(whole, rows, right, 0.7, 0.2)


def test_memory_grows_with_the_pairs_not_with_their_columns(rng):
    rows = unit(rng, 1, 256) + 0.03 * rng.normal(size=(1000, 256))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    cells = Cells(rows, 4, seed=0)
    ours = cells.sort(rows, cells.find_homes(rows, map))
    tracemalloc.start()
    found = cells.find_pairs(ours, ours, 0.5, 2.0, lambda a, b: len(a), map)
    assert sum(found) == 1000 * 999 / 2
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100 * 1000 * 999 / 2  # a row has 1,024 bytes
