import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from numpy.testing import assert_array_equal

from skmatch import (
    ClassDisjointKFold,
    FaissThresholdMatcher,
    LSTMTitleEmbedder,
    PairClassifierMatcher,
    TunedThresholdMatcherCV,
    bcubed_precision_recall_f1,
    clustered_standard_error,
    pairwise_precision_recall_f1,
    rowwise_f1_score,
)
from skmatch.evaluation import encode_known_labels, encode_labels


@pytest.mark.parametrize(
    "labels",
    [
        ["x", "a", "x"],
        ("x", "a", "x"),
        [7, 3, 7],
        [7.5, 3, 7.5],
        [True, False, True],
        ["a\0", "a", "a\0"],  # numpy's own str would lose the NUL
        ["\udc80", "a", "\udc80"],
        [2**70, 3, 2**70],
        np.array([7, 3, 7]),
        np.array([[7], [3], [7]]),
        np.array(["x", "a", "x"]),
        pd.Series(["x", "a", "x"]),
        pd.Series(["x", "a", "x"], dtype="category"),
        pd.Series([7, 3, 7], dtype="Int64"),
        pd.Series(["x", "a", "x"], dtype="string[pyarrow]"),
        pl.Series(["x", "a", "x"]),
        pl.Series(["a\0", "a", "a\0"]),
        pl.Series([7, 3, 7]),
        pa.array(["x", "a", "x"]),
        pa.array([7, 3, 7]),
    ],
    ids=lambda labels: f"{type(labels).__module__} {labels}"[:60],
)
def test_codes_are_those_of_the_sorted_labels(labels):
    assert_array_equal(encode_labels(labels, "y"), [1, 0, 1])


BAD = [
    (["a", None, "b", "b"], "row 1 of {} is None; expected a product label"),
    (["a", float("nan"), "b", "b"], "row 1 of {} is nan"),
    ([1.0, np.nan, 2.0, 2.0], "row 1 of {} is nan"),
    ([1.0, 2.0, np.inf, 2.0], "row 2 of {} is inf"),
    (pd.Series(["a", pd.NA, "b", "b"], dtype=object), "row 1 of {} is <NA>"),
    (pd.Series(["a", pd.NA, "b", "b"], dtype="string"), "row 1 of {} is (<NA>|nan)"),
    (pd.Series([1, pd.NA, 2, 2], dtype="Int64"), "row 1 of {} is (<NA>|nan)"),
    (pd.Series(["a", None, "b", "b"], dtype="category"), "row 1 of {} is nan"),
    (
        np.array(["2020-01-01", "NaT", "2020", "2020"], "datetime64[s]"),
        "row . of {} is",
    ),
    (pl.Series(["a", None, "b", "b"]), "row 1 of {} is None"),
    (pa.array([1, None, 2, 2]), "row 1 of {} is (None|nan)"),
    ([1, 1, "a", "a"], "row 2 of {} is 'a', a str, and row 0 is 1, a number"),
    (["a", "a", 1, 1], "row 2 of {} is 1, a number, and row 0 is 'a', a str"),
    ([1, 1, True, True], "row 2 of {} is True, a bool, and row 0 is 1, a number"),
    ([b"a", b"b", b"a", b"b"], "row 0 of {} is b'a'; expected a product label"),
    ([(1, 2), "a", "b", "b"], r"row 0 of {} is \(1, 2\)"),
]


@pytest.mark.parametrize(("labels", "message"), BAD, ids=lambda x: str(x)[:40])
def test_labels_that_are_none_are_named_by_all(labels, message):
    """One check serves estimators, splitters and metrics."""
    titles, X = ["a b", "a c", "d e", "d f"], np.eye(4)
    calls = {
        "y": [
            lambda: LSTMTitleEmbedder().fit(titles, labels),
            lambda: TunedThresholdMatcherCV(FaissThresholdMatcher()).fit(X, labels),
            lambda: next(ClassDisjointKFold(2).split(titles, labels)),
        ],
        "y_true": [
            lambda: rowwise_f1_score(labels, X),
            lambda: pairwise_precision_recall_f1(labels, X),
            lambda: bcubed_precision_recall_f1(labels, [0, 1, 2, 3]),
        ],
        "labels": [lambda: clustered_standard_error([0.1, 0.2, 0.3, 0.4], labels)],
    }
    for name, functions in calls.items():
        for call in functions:
            with pytest.raises(ValueError, match=message.format(name)):
                call()


def test_labels_that_may_be_missing():
    """PairClassifierMatcher learns from the rows that have one."""
    for labels in (
        [5, None, 5, 3],
        np.array([5, np.nan, 5, 3]),
        [5, -1, 5, 3],
        pd.Series([5, pd.NA, 5, 3], dtype="Int64"),
        pl.Series([5, None, 5, 3]),
        pd.Series(["b", None, "b", "a"], dtype="category"),
        ["b", np.nan, "b", "a"],
    ):
        assert encode_known_labels(labels, "y").tolist() == [1, -1, 1, 0]
    assert encode_known_labels([None, None], "y").tolist() == [-1, -1]
    assert encode_known_labels([True, False], "y").tolist() == [1, 0]
    for labels, message in (
        ([None, 1, "a"], "row 2 of y is 'a', a str, and row 1 is 1, a number"),
        ([None, b"a"], "row 1 of y is b'a'; expected a product label"),
        ([1.0, np.inf], "row 1 of y is inf"),
        ("ab", "y should be a 1d array of product labels, got 'ab'"),
        ([[1, 2], [3, 4]], r"y should be a 1d array .* of shape \(2, 2\)"),
    ):
        with pytest.raises(ValueError, match=message):
            PairClassifierMatcher().fit(["a", "b", "c"][: len(labels)], labels)


def test_labels_of_another_shape():
    with pytest.raises(
        ValueError, match=r"y should be a 1d array .* of shape \(2, 2\)"
    ):
        encode_labels([[1, 2], [3, 4]], "y")
    with pytest.raises(ValueError, match=r"y should be a 1d array .* of shape \(\)"):
        encode_labels(3, "y")


@pytest.mark.parametrize("kind", [str, bytes, bytearray, memoryview])
def test_text_and_bytes_are_no_labels(kind):
    text = "ab" if kind is str else kind(b"ab")
    with pytest.raises(ValueError, match="y should be a 1d array of product"):
        encode_labels(text, "y")


def test_complex_labels_are_refused():
    with pytest.raises(ValueError, match="Complex data not supported as y; expected"):
        encode_labels(np.array([1j, 2]), "y")
