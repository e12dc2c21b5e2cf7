"""Tables of matches and of groups: what is known by hand, in each kind of frame."""

import subprocess
import sys

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy.sparse import csr_array

from skmatch import groups_table, match_table

# a and b 0.5, a and c 0.75, c and d 0.5.
GRAPH = csr_array(
    np.array(
        [[0, 0.5, 0.75, 0], [0.5, 0, 0, 0], [0.75, 0, 0, 0.5], [0, 0, 0.5, 0]],
        np.float32,
    )
)
IDS = [*"abcd"]
TITLES = ["tea", "Tea", "TEA", "tea 5 g"]
KINDS = {
    "list": (list, pd.DataFrame),
    "tuple": (tuple, pd.DataFrame),
    "array": (np.array, pd.DataFrame),
    "Index": (pd.Index, pd.DataFrame),
    "pandas": (lambda v: pd.Series(v, index=[7, 7, 5, 3]), pd.DataFrame),
    "categories": (lambda v: pd.Series(v, dtype="category"), pd.DataFrame),
    "polars": (pl.Series, pl.DataFrame),
    "pyarrow": (pa.array, pa.Table),
    "pyarrow chunked": (lambda v: pa.chunked_array([v[:1], v[1:]]), pa.Table),
}
kinds = pytest.mark.parametrize(("make", "kind"), KINDS.values(), ids=KINDS)


def rows_of(table):
    """Return the names of the columns, and the rows, of any kind of frame."""
    if isinstance(table, pa.Table):
        return table.column_names, [tuple(row.values()) for row in table.to_pylist()]
    if isinstance(table, pl.DataFrame):
        return table.columns, table.rows()
    assert table.index.equals(pd.RangeIndex(len(table)))
    return [*table.columns], [*table.itertuples(index=False, name=None)]


@kinds
def test_pairs_of_rows_among_themselves(make, kind):
    table = match_table(GRAPH, make(IDS))
    assert isinstance(table, kind)
    # c is the best of d, and so their pair is the first of d, and the second of c.
    assert rows_of(table) == (
        ["left", "right", "score", "rank"],
        [("a", "c", 0.75, 1), ("a", "b", 0.5, 1), ("c", "d", 0.5, 1)],
    )


@kinds
def test_matches_with_a_catalogue(make, kind):
    scores = np.array([[0.5, 0.25, 0.5, 0.75], [0, 0, 0, 0.5]], np.float32)
    table = match_table(
        scores,
        [10, 20],
        make(IDS),
        left_titles=["x", "y"],
        right_titles=make(TITLES),
    )
    assert isinstance(table, kind)
    assert rows_of(table) == (
        ["left", "right", "left_title", "right_title", "score", "rank"],
        [
            (10, "d", "x", "tea 5 g", 0.75, 1),
            (10, "a", "x", "tea", 0.5, 2),  # of equal scores, the first column
            (10, "c", "x", "TEA", 0.5, 3),
            (10, "b", "x", "Tea", 0.25, 4),
            (20, "d", "y", "tea 5 g", 0.5, 1),
        ],
    )


@kinds
def test_products_of_listings(make, kind):
    table = groups_table([3, 1, 0, 1], make(IDS), titles=make(TITLES))
    assert isinstance(table, kind)
    assert rows_of(table) == (
        ["id", "product", "title", "size"],
        [
            ("b", 1, "Tea", 2),
            ("d", 1, "tea 5 g", 2),
            ("a", 3, "tea", 1),
            ("c", 0, "TEA", 1),
        ],
    )


@kinds
def test_products_may_be_text_of_the_kind(make, kind):
    table = groups_table(make([*"xyxy"]))
    assert isinstance(table, kind)
    expected = [(0, "x", 2), (2, "x", 2), (1, "y", 2), (3, "y", 2)]
    assert rows_of(table)[1] == expected


def test_types_of_the_columns():
    table = match_table(GRAPH, pa.array(IDS))
    types = [pa.string(), pa.string(), pa.float32(), pa.int64()]
    assert table.schema.types == types
    table = groups_table([0, 1], pa.array([5, 6]))
    assert table.schema.types == [pa.int64()] * 3


def test_titles_of_rows_among_themselves_are_of_both_sides():
    names, rows = rows_of(match_table(GRAPH, left_titles=TITLES))
    assert names == ["left", "right", "left_title", "right_title", "score", "rank"]
    assert rows[0] == (0, 2, "tea", "TEA", 0.75, 1)


def test_the_best_of_each_row():
    scores = np.zeros((4, 4), np.float32)
    for i, j, score in ((0, 1, 0.9), (0, 2, 0.8), (0, 3, 0.7), (2, 3, 0.75)):
        scores[i, j] = scores[j, i] = score
    best = [row[:2] for row in rows_of(match_table(scores, n_matches=1))[1]]
    assert best == [(0, 1), (0, 2), (2, 3)]  # of 0 and of 1, of 2, of 3
    best = [row[:2] for row in rows_of(match_table(scores, n_matches=2))[1]]
    assert best == [(0, 1), (0, 2), (0, 3), (2, 3)]
    left = rows_of(match_table(scores, right_ids=[*range(4)], n_matches=1))[1]
    assert [row[:2] for row in left] == [(0, 1), (1, 0), (2, 0), (3, 2)]


def test_a_square_catalogue_is_told_by_its_ids_or_titles():
    scores = np.eye(2)
    assert rows_of(match_table(scores))[1] == []  # each row is itself
    expected = [(0, 0), (1, 1)]
    for given in ({"right_ids": [0, 1]}, {"right_titles": ["x", "y"]}):
        table = match_table(scores, **given)
        assert [*zip(table["left"], table["right"], strict=True)] == expected


def test_matches_have_the_score_1():
    matches = csr_array(([True, True, False], ([0, 2, 0], [2, 0, 1])), shape=(3, 3))
    assert rows_of(match_table(matches))[1] == [(0, 2, 1.0, 1)]


def test_of_two_scores_the_larger_one():
    scores = csr_array(([0.25, 0.5, -0.5], ([0, 1, 2], [1, 0, 0])), shape=(3, 3))
    assert rows_of(match_table(scores))[1] == [(0, 1, 0.5, 1), (0, 2, -0.5, 1)]


def test_a_stored_score_of_0_is_a_pair():
    scores = csr_array(([0.0], ([0], [1])), shape=(1, 2))
    assert rows_of(match_table(scores))[1] == [(0, 1, 0.0, 1)]


def test_without_a_pair_the_columns_stay():
    for scores in (np.zeros((0, 0)), np.zeros((3, 3))):
        names, rows = rows_of(match_table(scores))
        assert (names, rows) == (["left", "right", "score", "rank"], [])
    assert rows_of(groups_table([])) == (["id", "product", "size"], [])


def test_same_pairs_as_by_loops(rng):
    scores = rng.integers(0, 4, (30, 30)) * (rng.random((30, 30)) < 0.3) / 4
    best = np.maximum(scores, scores.T)
    np.fill_diagonal(best, 0)
    order = [sorted(np.flatnonzero(row), key=lambda j: -row[j]) for row in best]
    expected = [
        (i, j, best[i, j], min(order[i].index(j), order[j].index(i)) + 1)
        for i in range(30)
        for j in order[i]
        if i < j
    ]
    assert rows_of(match_table(scores))[1] == expected
    expected = [row for row in expected if row[3] <= 2]
    assert rows_of(match_table(scores, n_matches=2))[1] == expected


def test_what_is_given_stays_as_it_is():
    graph, ids = GRAPH.copy(), pd.Series(IDS, index=[7, 7, 5, 3])
    match_table(graph, ids)
    assert (graph != GRAPH).nnz == 0
    assert [*ids.index] == [7, 7, 5, 3]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"left_ids": [*"abca"]}, "row 3 of left_ids is 'a', as row 0 is"),
        ({"left_ids": ["a", None, "c", "d"]}, "row 1 of left_ids is missing"),
        ({"left_ids": np.array([1, 2, np.nan, 4])}, "row 2 of left_ids is missing"),
        (
            {"left_ids": pl.Series([1.0, np.nan, 3.0, 4.0])},
            "row 1 of left_ids is missing",
        ),
        ({"left_ids": pa.array([1, 2, 3, None])}, "row 3 of left_ids is missing"),
        ({"left_ids": [[1], [2], [3], [4]]}, r"row 0 of left_ids is .*\[1\]"),
        ({"right_ids": [*"abcc"]}, "row 3 of right_ids is 'c', as row 2 is"),
        ({"left_ids": IDS[:3]}, "left_ids has 3 values; expected 4"),
        ({"left_titles": IDS[:3]}, "left_titles has 3 values; expected 4"),
        ({"left_ids": np.eye(4)}, r"left_ids has shape \(4, 4\); expected one dim"),
        ({"left_ids": "abcd"}, r"left_ids has shape \(\); expected one dim"),
        (
            {"left_ids": pl.Series(IDS), "left_titles": pd.Series(TITLES)},
            "left_titles is of pandas and left_ids of polars; expected columns of one",
        ),
        (
            {"left_ids": pa.array(IDS), "left_titles": [1, "a", 2, "b"]},
            "left_titles is no column of pyarrow",
        ),
        ({"n_matches": 0}, "n_matches == 0"),
    ],
)
def test_errors_of_matches(given, message):
    with pytest.raises(ValueError, match=message):
        match_table(GRAPH, **given)


def test_scores_that_are_not_finite():
    with pytest.raises(ValueError, match="row 1 of scores holds NaN"):
        match_table([[0.0, 1.0], [np.nan, 0.0]])


@pytest.mark.parametrize(
    ("groups", "given", "message"),
    [
        ([0, None], {}, "row 1 of groups is None"),
        ([0, 1], {"ids": ["a", "a"]}, "row 1 of ids is 'a', as row 0 is"),
        ([0, 1], {"ids": ["a"]}, "ids has 1 values; expected 2"),
        ([0, 1], {"titles": ["a"]}, "titles has 1 values; expected 2"),
    ],
)
def test_errors_of_groups(groups, given, message):
    with pytest.raises(ValueError, match=message):
        groups_table(groups, **given)


def test_without_pandas_it_is_named():
    code = """
import sys
sys.modules["pandas"] = None
import polars as pl
from skmatch import match_table
print(len(match_table([[0.5]], pl.Series(["a"]), pl.Series(["b"]))))
match_table([[0.5]], ["a"], ["b"])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert done.stdout == "1\n"
    expected = "ImportError: A table of plain lists needs pandas: pip install pandas"
    assert done.stderr.splitlines()[-1] == expected
