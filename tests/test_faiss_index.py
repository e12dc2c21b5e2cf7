import numpy as np
import pytest

from skmatch._faiss_index import flat_index, make_index, rows_of, search, tune_index
from skmatch._neighbours import Plan, exact_sample, find_pairs, join, threads


@pytest.fixture
def rows(rng):
    centres = rng.normal(size=(300, 16))
    rows = np.repeat(centres, 5, axis=0) + 0.1 * rng.normal(size=(1500, 16))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def keys(pairs, n_rows=1500):
    return set((pairs[0] * n_rows + pairs[1]).tolist())


def test_rows_come_back_without_a_copy(rows):
    index = flat_index(rows)
    view = rows_of(index)
    np.testing.assert_array_equal(view, rows)
    assert not view.flags.owndata


@pytest.mark.parametrize("threshold", [0.2, 0.9])
def test_number_of_neighbours_grows_until_none_is_left(rows, threshold):
    index = make_index(rows, "Flat")
    found = join(search(index, rows, rows, threshold))
    expected = join(find_pairs(rows, rows, threshold, Plan(0, 16), map))
    assert keys(found) == keys(expected)
    assert np.bincount(found[0]).max() > (128 if threshold == 0.2 else 4)


@pytest.mark.parametrize("factory", ["IVF30,Flat", "HNSW16", "IVF30,PQ8,RFlat"])
def test_effort_grows_until_the_recall_is_reached(rows, factory):
    index = make_index(rows, factory)
    with threads(1) as run:
        sample, pairs = exact_sample(rows, None, 0.85, run)
        expected = join(find_pairs(rows, rows, 0.85, Plan(0, 16), run))
    recall = tune_index(index, sample, pairs, rows, 0.85, 0.99)
    assert recall.low >= 0.98
    found = keys(join(search(index, rows, rows, 0.85)))
    assert found <= keys(expected)
    assert len(found) / len(expected[0]) > 0.98


def test_factory_that_faiss_does_not_know(rows):
    with pytest.raises(ValueError, match="index='IVF'; expected 'auto', 'exact'"):
        make_index(rows, "IVF")
    with pytest.raises(ValueError, match=r"(?s)that fits 10 rows of 16 columns: .*"):
        make_index(rows[:10], "IVF4000,Flat")
