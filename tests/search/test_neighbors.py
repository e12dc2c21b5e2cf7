import warnings

import faiss
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array

from skmatch.search import most_similar, nearest_neighbors, unit_rows


@pytest.fixture
def rows(rng):
    return unit_rows(abs(rng.normal(size=(40, 6))))


@pytest.fixture
def clusters(rng):
    centres = rng.normal(size=(300, 16))
    rows = np.repeat(centres, 10, axis=0) + 0.3 * rng.normal(size=(3000, 16))
    return unit_rows(rows)


@pytest.mark.parametrize("kind", [np.asarray, csr_array])
@pytest.mark.parametrize("n_threads", [1, 2])
def test_neighbors_are_those_of_all_pairs(rows, kind, n_threads):
    row, column = nearest_neighbors(kind(rows), kind(rows), 5, n_threads)
    expected = np.argsort(-(rows @ rows.T), axis=1)[:, :5]
    for index in range(len(rows)):
        assert set(column[row == index]) == set(expected[index])


def test_more_neighbors_than_rows_are_all_rows(rows):
    row, column = nearest_neighbors(rows[:3], rows[:4], 9, 1)
    assert sorted(zip(row, column, strict=True)) == [
        (i, j) for i in range(3) for j in range(4)
    ]


def search_clusters(clusters, n_threads=1, **options):
    """Return the neighbours, and the recall of ten of them."""
    row, column = nearest_neighbors(
        clusters, clusters, 10, n_threads, largest_flat=2000, **options
    )
    expected = np.argsort(-(clusters @ clusters.T), axis=1)[:, :10].ravel()
    wanted = np.repeat(np.arange(3000), 10) * 3000 + expected
    return row, column, np.isin(wanted, row * 3000 + column).mean()


@pytest.fixture
def probes(monkeypatch):
    """Note the number of lists that each search of an inverted file probes."""
    noted = []
    factory = faiss.index_factory

    def make(*args):
        index = factory(*args)
        search = index.search

        def note(queries, k):
            noted.append((len(queries), index.nprobe))
            return search(queries, k)

        index.search = note
        return index

    monkeypatch.setattr(faiss, "index_factory", make)
    return noted


def test_many_rows_are_searched_in_an_inverted_file(clusters, probes):
    row, column, recall = search_clusters(clusters)
    assert recall >= 0.99
    assert_array_equal(np.bincount(row), np.full(3000, 10))
    n_probes = [n for _, n in probes]
    assert n_probes[:-1] == [2**i for i in range(len(probes) - 1)]
    assert probes[-1] == (3000, n_probes[-2])
    assert n_probes[-1] < 16 < np.sqrt(3000)
    again = search_clusters(clusters)
    assert_array_equal(column, again[1])


def test_few_rows_need_no_inverted_file(clusters, probes):
    nearest_neighbors(clusters, clusters, 10, 1)
    assert probes == []


def test_lower_target_probes_fewer_lists(clusters, probes):
    search_clusters(clusters)
    strict = probes[-1][1]
    recall = search_clusters(clusters, target_recall=0.5)[2]
    assert probes[-1][1] < strict
    assert 0.5 <= recall < 0.99


def test_rows_without_structure_are_all_compared(rng, probes):
    rows = unit_rows(rng.normal(size=(3000, 16)))
    assert search_clusters(rows)[2] == 1
    assert probes[-1][0] == 2048  # of the sample; all rows went elsewhere


def test_too_few_cells_give_a_warning(clusters):
    message = r"found 0\.\d{4} of the 10 nearest neighbours .* in 1 of 55 cells; "
    with pytest.warns(UserWarning, match=message + r"expected 0\.995"):
        search_clusters(clusters, max_probes=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        search_clusters(clusters, max_probes=1, target_recall=0.1)


@pytest.mark.parametrize("kind", [np.asarray, csr_array])
def test_most_similar_other_row(rows, kind):
    indices = np.array([3, 0, 17])
    nearest, similarity = most_similar(kind(rows), None, indices, entries_per_block=50)
    cosines = rows @ rows.T
    np.fill_diagonal(cosines, -1)
    assert_array_equal(nearest, cosines.argmax(axis=1)[indices])
    assert_allclose(similarity, cosines.max(axis=1)[indices], rtol=1e-6)


@pytest.mark.parametrize("kind", [np.asarray, csr_array])
def test_most_similar_row_of_others(kind):
    rows = kind(np.array([[1.0, 0.0], [0.0, 1.0]], np.float32))
    others = kind(np.array([[0.6, 0.8], [0.8, 0.6], [0.6, 0.8]], np.float32))
    nearest, similarity = most_similar(rows, others, np.arange(2))
    assert nearest.tolist() == [1, 0]  # of equal ones, the first
    assert_allclose(similarity, [0.8, 0.8], rtol=1e-6)


def test_only_row_has_no_similar_one():
    row = np.ones((1, 1), np.float32)
    assert most_similar(row, None, np.array([0]))[1].tolist() == [0]
