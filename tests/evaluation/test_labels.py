import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from skmatch.evaluation import encode_labels


@pytest.mark.parametrize(
    "labels", [["x", "a", "x"], np.array([7, 3, 7]), pd.Series(["x", "a", "x"])]
)
def test_codes_are_those_of_the_sorted_labels(labels):
    assert_array_equal(encode_labels(labels, "y"), [1, 0, 1])


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["a", None], "row 1 of y is None; expected a product label"),
        ([1.0, np.nan], "row 1 of y is nan"),
        (pd.Series(["a", pd.NA], dtype=object), "row 1 of y is <NA>"),
        ([1, "a"], r"y holds labels of the types \['int', 'str'\]; expected all int"),
    ],
)
def test_missing_and_mixed_labels_are_named(labels, message):
    with pytest.raises(ValueError, match=message):
        encode_labels(labels, "y")
