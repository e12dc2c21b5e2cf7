import faiss
import numpy as np
import pytest

from skmatch.search._faiss_index import (
    flat_index,
    make_index,
    rows_of,
    search_index,
    tune_index,
)
from skmatch.search._planner import exact_sample
from skmatch.search._radius import Plan, find_pairs, threads
from skmatch.search._similarities import join


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
    found = join(search_index(index, rows, rows, threshold))
    expected = join(find_pairs(rows, rows, threshold, Plan(0), map))
    assert keys(found) == keys(expected)
    assert np.bincount(found[0]).max() > (128 if threshold == 0.2 else 4)


@pytest.mark.parametrize("factory", ["IVF30,Flat", "HNSW16", "IVF30,PQ8,RFlat"])
def test_effort_grows_until_the_recall_is_reached(rows, factory):
    index = make_index(rows, factory)
    with threads(1) as run:
        sample, pairs = exact_sample(rows, None, 0.85, 0.99, run)
        expected = join(find_pairs(rows, rows, 0.85, Plan(0), run))
    recall = tune_index(index, sample, pairs, rows, 0.85, 0.99)
    assert recall.low >= 0.98
    found = keys(join(search_index(index, rows, rows, 0.85)))
    assert found <= keys(expected)
    assert len(found) / len(expected[0]) > 0.98


@pytest.mark.parametrize("is_for_cpus_only", [False, True])
def test_gpus_search_as_far_as_they_can(rows, monkeypatch, is_for_cpus_only):
    index, asked = make_index(rows, "Flat"), []

    class OnGpus:
        def search(self, queries, k):
            asked.append(k)
            return index.search(queries, k)

    def copy(index):
        if is_for_cpus_only:
            raise RuntimeError("not implemented on a GPU")
        return OnGpus()

    expected = keys(join(search_index(index, rows, rows, 0.2)))
    monkeypatch.setattr(faiss, "get_num_gpus", lambda: 1)
    monkeypatch.setattr(faiss, "index_cpu_to_all_gpus", copy, raising=False)
    monkeypatch.setattr("skmatch.search._faiss_index._LARGEST_K_OF_GPUS", 128)
    assert keys(join(search_index(index, rows, rows, 0.2))) == expected
    assert set(asked) == (set() if is_for_cpus_only else {128})


def test_factory_that_faiss_does_not_know(rows):
    with pytest.raises(ValueError, match="index='IVF'; expected 'auto', 'exact'"):
        make_index(rows, "IVF")
    with pytest.raises(ValueError, match=r"(?s)that fits 10 rows of 16 columns: .*"):
        make_index(rows[:10], "IVF4000,Flat")
