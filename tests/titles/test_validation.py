import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import BaseEstimator

from skmatch.titles import check_titles


class Reader(BaseEstimator):
    """Any estimator; check_titles notes the fields in it."""


def read(X):
    return check_titles(Reader(), X, reset=True)[0].tolist()


@pytest.mark.parametrize(
    "make",
    [list, tuple, np.array, lambda x: np.array(x, dtype=object), pd.Series, pl.Series],
)
def test_one_dimensional_titles(make):
    assert read(make(["Red Mug", "", "té 5€"])) == ["Red Mug", "", "té 5€"]


@pytest.mark.parametrize("make", [list, pd.Series, pl.Series])
def test_titles_that_end_with_nul(make):
    assert read(make(["mug\0", "\0", "mug"])) == ["mug\0", "\0", "mug"]


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame])
def test_fields_of_a_frame_are_joined(make):
    frame = make({"title": ["mug", "tea"], "size": [5, 12], "brand": ["x", "y"]})
    reader = Reader()
    titles, _ = check_titles(reader, frame, reset=True)
    assert titles.tolist() == ["mug 5 x", "tea 12 y"]
    assert reader.feature_names_in_.tolist() == ["title", "size", "brand"]
    assert reader.n_features_in_ == 3


def test_fields_of_lists_and_arrays_are_joined():
    assert read([["mug", 5], ["tea", 12]]) == ["mug 5", "tea 12"]
    assert read(np.array([["mug", "red"]])) == ["mug red"]
    assert read(np.array([[1.5, 2]])) == ["1.5 2.0"]


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        (None, "row 1 of X holds None"),
        (float("nan"), "row 1 of X holds NaN"),
        (np.float32("nan"), "row 1 of X holds NaN"),
        (float("inf"), "row 1 of X holds inf"),
        (pd.NA, "row 1 of X holds <NA>"),
        (pd.NaT, "row 1 of X holds NaT"),
        (b"mug", "row 1 of X holds the bytes b'mug'"),
    ],
)
@pytest.mark.parametrize(
    "make",
    [
        list,
        lambda x: [[field] for field in x],
        lambda x: np.array(x, dtype=object),
        lambda x: pd.Series(x, dtype=object),
        lambda x: pd.DataFrame({"title": pd.Series(x, dtype=object)}),
    ],
)
def test_missing_title_is_named(missing, message, make):
    with pytest.raises(ValueError, match=message):
        read(make(["tea", missing, "mug"]))


@pytest.mark.parametrize("dtype", ["str", "string"])
def test_missing_in_the_string_types_of_pandas(dtype):
    series = pd.Series(["tea", None], dtype=dtype)
    with pytest.raises(ValueError, match="row 1 of X holds"):
        read(series)
    with pytest.raises(ValueError, match="row 1 of X holds"):
        read(series.to_frame())


def test_missing_in_polars():
    with pytest.raises(ValueError, match="row 1 of X holds None"):
        read(pl.Series(["tea", None]))
    with pytest.raises(ValueError, match="row 1 of X holds None"):
        read(pl.DataFrame({"title": ["tea", None]}))


def test_not_titles():
    with pytest.raises(ValueError, match="got 1D array of int64"):
        read([1, 2, 3])
    with pytest.raises(ValueError, match="got 1D array of float64"):
        read(np.array([0.5]))
    with pytest.raises(ValueError, match="single str 'mug'"):
        read("mug")
    with pytest.raises(ValueError, match="0 sample"):
        read([])


def test_fields_must_stay_the_same():
    reader = Reader()
    check_titles(reader, [["mug", "red"]], reset=True)
    with pytest.raises(ValueError, match="X has 1 features, but Reader is expecting 2"):
        check_titles(reader, ["mug"], reset=False)


def test_half_a_pair_of_surrogates_becomes_a_character():
    titles, _ = check_titles(BaseEstimator(), ["a\udc80b", "\U0001f600"], reset=True)
    assert titles.tolist() == ["a\ufffdb", "\U0001f600"]


def test_both_halves_of_a_pair_of_surrogates_become_their_character():
    titles, _ = check_titles(BaseEstimator(), ["a\ud83d\ude00b", "c"], reset=True)
    assert titles.tolist() == ["a\U0001f600b", "c"]
