import faiss
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skmatch.search._equal_rows import EqualRows
from skmatch.search._faiss_index import (
    check_factory,
    find_indexed,
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
    found = join(search_index(index, EqualRows(rows), rows, rows, threshold))
    expected = join(find_pairs(rows, rows, threshold, Plan(0), map))
    assert keys(found) == keys(expected)
    assert np.bincount(found[0]).max() > (128 if threshold == 0.2 else 4)


@pytest.mark.parametrize("factory", ["IVF30,Flat", "HNSW16", "IVF30,PQ8,RFlat"])
def test_effort_grows_until_the_recall_is_reached(rows, factory):
    index = make_index(rows, factory)
    with threads(1) as run:
        sample, pairs = exact_sample(rows, None, 0.85, 0.99, run)
        expected = join(find_pairs(rows, rows, 0.85, Plan(0), run))
    equal = EqualRows(rows)
    recall = tune_index(index, equal, sample, pairs, rows, 0.85, 0.99)
    assert recall.low >= 0.98
    found = keys(find_indexed(index, equal, rows, rows, 0.85))
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

    equal = EqualRows(rows)
    expected = keys(join(search_index(index, equal, rows, rows, 0.2)))
    monkeypatch.setattr(faiss, "get_num_gpus", lambda: 1)
    monkeypatch.setattr(faiss, "index_cpu_to_all_gpus", copy, raising=False)
    monkeypatch.setattr("skmatch.search._faiss_index._LARGEST_K_OF_GPUS", 128)
    assert keys(join(search_index(index, equal, rows, rows, 0.2))) == expected
    assert set(asked) == (set() if is_for_cpus_only else {128})


ALLOWED = ["Flat", "SQ8", "PQ8x4fs,RFlat", "IVF8_HNSW4,SQfp16", "HNSW2", "IVF1,PQ4x4"]
REFUSED = [
    *("HNSW0", "HNSW1", "HNSW513", "HNSW", "HNSW99999999999", "IVF4_HNSW1,Flat"),
    *("IVF0,Flat", "IVF,Flat", "IVF4", "PQ0", "SQ7", "NSG0", "NSG8", "NSG32"),
    *("IDMap,Flat", "IDMap2,HNSW8", "IVF4,HNSW8", "PCA4,Flat", "L2norm,Flat", "LSH"),
    *("", " ", "Flat ", "flat", "HNSW\u0668", "Flat\n", "Flat\0", "IVF08,Flat", "-1"),
]


@pytest.mark.parametrize("factory", ALLOWED)
def test_factory_strings_that_are_allowed(rows, factory, capfd):
    index = make_index(rows, factory)
    assert index.ntotal == 1500
    found = find_indexed(index, EqualRows(rows), rows, None, 0.9)
    assert len(found[0])
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("factory", REFUSED)
def test_factory_strings_that_end_the_interpreter_or_fail(factory):
    message = "index=.*; expected 'auto', 'exact', 'cells' or a faiss factory string: "
    with pytest.raises(ValueError, match=message):
        check_factory(factory)


@pytest.mark.parametrize(
    ("factory", "reason"),
    [
        ("IVF4000,Flat", "fewer rows than cells"),
        ("IVF999999999,Flat", "fewer rows than cells"),
        ("PQ5", ""),
        ("PQ999999999", ""),
        ("PQ4x8", ""),
    ],
)
def test_factory_strings_that_do_not_fit_the_rows(rows, factory, reason):
    message = rf"(?s)index='{factory}'.* that fits 10 rows of 16 columns: .*{reason}"
    with pytest.raises(ValueError, match=message):
        make_index(rows[:10], factory)


@pytest.mark.parametrize("factory", ["PQ8", "IVF4,PQ8", "IVF4,PQ8,RFlat", "IVF400,SQ4"])
def test_training_on_few_rows_prints_nothing(rows, factory, capfd):
    make_index(rows[:600], factory)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("factory", ["HNSW8", "PQ2x4", "IVF40,Flat"])
@pytest.mark.parametrize("is_self", [True, False])
def test_equal_rows_are_found_whatever_the_index(rng, rows, factory, is_self):
    X = rng.permutation(np.repeat(rows[::30], 20, axis=0))
    queries = X[:300]
    index, equal = make_index(X, factory), EqualRows(X)
    assert index.ntotal == len(equal) == 50
    found = find_indexed(
        index, equal, X if is_self else queries, None if is_self else X, 1
    )
    left, right = (X, X) if is_self else (queries, X)
    expected = (left[:, None] == right).all(axis=2)
    expected = np.triu(expected, 1) if is_self else expected
    order = np.lexsort(found[1::-1])
    assert_array_equal(np.stack(found[:2])[:, order], expected.nonzero())
