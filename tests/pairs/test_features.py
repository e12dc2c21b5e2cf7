"""Features of many pairs, kept and read by blocks."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skmatch import PairClassifierMatcher, make_product_titles
from skmatch.pairs import _features, _model
from skmatch.pairs._features import (
    FileRows,
    join_rows,
    list_blocks,
    read,
    read_all,
    store,
)

TITLES, PRODUCT_IDS = make_product_titles(100, random_state=0)


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(_features, "_PAIRS_PER_BLOCK", 64)
    monkeypatch.setattr(_features, "_LARGEST_IN_MEMORY", 0)
    monkeypatch.setattr(_model, "_TITLES_PER_BLOCK", 7)


def test_a_file_holds_the_rows_of_an_array():
    rows = np.random.default_rng(0).random((10, 3)).astype(np.float32)
    kept = FileRows(3)
    for block in (rows[:4], rows[4:4], rows[4:]):
        kept.append(block)
    parts = (slice(2, 7), slice(0, 0), slice(None), slice(6, None))
    some_rows = (np.array([3, 4, 8]), np.array([9]), np.empty(0, np.intp))
    for some in (*parts, *some_rows):
        assert_array_equal(kept[some], rows[some])


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize(("largest", "kind"), [(4 * 130, np.ndarray), (519, FileRows)])
def test_features_lie_in_a_file_if_they_are_too_many(monkeypatch, largest, kind):
    monkeypatch.setattr(_features, "_LARGEST_IN_MEMORY", largest)
    rows = np.arange(130, dtype=np.float32)[:, None]
    kept = store((rows[block] for block in list_blocks(130)), 130)
    assert isinstance(kept, kind)
    both = np.hstack([rows, -rows])
    assert_array_equal(read([kept, -rows], slice(120, 130)), both[120:])
    some = np.arange(3, 130)
    assert_array_equal(read_all([kept, -rows], some), both[3:])


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("in_file", [False, True])
def test_further_rows_come_below(in_file):
    rows = np.arange(390, dtype=np.float32).reshape(130, 3)
    first = rows[:30]
    if in_file:
        first = FileRows(3)
        first.append(rows[:30])
        assert_array_equal(first[:2], rows[:2])  # where was read is not where to write
    joined = join_rows(first, rows[30:], 100)
    assert_array_equal(joined[np.array([0, 29, 30, 129])], rows[[0, 29, 30, 129]])


@pytest.mark.usefixtures("small_blocks")
def test_no_row_is_a_block_too():
    assert list_blocks(0) == [slice(0, 0)]
    no_row = np.empty(0, np.intp)
    assert read_all([np.empty((0, 3), np.float32)], no_row).shape == (0, 3)
    assert [block.stop for block in list_blocks(65)] == [64, 65]


# The galleries of so few titles say that propagation costs a little.
@pytest.mark.filterwarnings("ignore:propagation=True")
@pytest.mark.parametrize("has_labels", [True, False])
def test_blocks_change_nothing(request, has_labels):
    y = PRODUCT_IDS[:150] if has_labels else None
    matcher = PairClassifierMatcher(random_state=0).fit(TITLES[:150], y)
    new = TITLES[150:]
    whole = matcher.score_graph(new), matcher.transform(new)
    explained = matcher.explain(*new[:2])
    request.getfixturevalue("small_blocks")
    again = PairClassifierMatcher(random_state=0).fit(TITLES[:150], y)
    for graph, expected in zip(
        (again.score_graph(new), again.transform(new)), whole, strict=True
    ):
        assert_array_equal(graph.toarray(), expected.toarray())
    assert again.explain(*new[:2]) == explained
