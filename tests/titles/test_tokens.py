import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA
from sklearn.preprocessing import normalize

from skmatch.titles._tokens import Vocabulary, check_titles, distinct, tokenize


class Reader(BaseEstimator):
    """Any estimator; check_titles notes the columns in it."""


def read(X):
    return check_titles(Reader(), X, reset=True)[0].tolist()


@pytest.mark.parametrize(
    "make",
    [list, tuple, np.array, lambda x: np.array(x, dtype=object), pd.Series, pl.Series],
)
def test_one_dimensional_titles(make):
    assert read(make(["Red Mug", "", "té 5€"])) == ["Red Mug", "", "té 5€"]


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame])
def test_columns_of_a_frame_are_joined(make):
    frame = make({"title": ["mug", "tea"], "size": [5, 12], "brand": ["x", "y"]})
    reader = Reader()
    titles, _ = check_titles(reader, frame, reset=True)
    assert titles.tolist() == ["mug 5 x", "tea 12 y"]
    assert reader.feature_names_in_.tolist() == ["title", "size", "brand"]
    assert reader.n_features_in_ == 3


def test_columns_of_lists_and_arrays_are_joined():
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
        lambda x: [[cell] for cell in x],
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


def test_columns_must_stay_the_same():
    reader = Reader()
    check_titles(reader, [["mug", "red"]], reset=True)
    with pytest.raises(ValueError, match="X has 1 features, but Reader is expecting 2"):
        check_titles(reader, ["mug"], reset=False)


def test_distinct_folds_case_and_spaces():
    texts, text_of_row = distinct(np.array(["c", "A  b", "a b ", "C"], dtype=object))
    assert texts == ["a b", "c"]
    assert_array_equal(text_of_row, [1, 0, 0, 1])


def test_tokens_are_words_and_punctuation():
    assert tokenize(["tea 1,5kg (new!)", ""]) == [
        ["tea", "1", ",", "5kg", "(", "new", "!)"],
        [],
    ]


@pytest.fixture
def vocabulary():
    sentences = [["red", "mug", "x9"], ["red", "tea"], ["mug", "tea", "red"]]
    vectors = {
        "red": np.array([1.0, 0.0, 0.0]),
        "mug": np.array([0.0, 1.0, 0.0]),
        "tea": np.array([0.0, 0.0, 1.0]),
    }
    return Vocabulary(sentences, vectors, (2, 3), 16)


def spell(vocabulary, codes):
    letters = {code: letter for letter, code in vocabulary.letters.items()}
    return "".join(letters.get(code, "?") for code in codes)


def test_cascade_sends_every_token_one_way(vocabulary):
    tokens = vocabulary.tokenize(["zed red é x9 mug", "tea", ""])
    batch = tokens.take(np.array([0, 1, 2]))
    assert batch["n_words"].tolist() == [2, 1, 0]
    assert batch["n_unknown"].tolist() == [3, 0, 0]
    # sorted, joined by a space; z and é are characters that fit has not seen
    assert spell(vocabulary, batch["characters"]) == "x9 ?ed ? "
    assert batch["n_characters"].tolist() == [9, 0, 0]


def test_unknown_character_has_an_index_of_its_own(vocabulary):
    batch = vocabulary.tokenize(["x", "é", "ß"]).take(np.arange(3))
    codes = batch["characters"].reshape(3, 2)[:, 0].tolist()
    assert codes[0] > 0
    assert codes[1:] == [0, 0]
    assert 0 not in vocabulary.letters.values()


def test_weight_of_a_word_is_its_inverse_document_frequency(vocabulary):
    batch = vocabulary.tokenize(["red mug"]).take(np.array([0]))
    weights = batch["words"][:, -1]
    np.testing.assert_allclose(weights, [0, np.log(4 / 3) / np.log(4)], atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(batch["words"][:, :-1], axis=1), 1)


@pytest.mark.parametrize("order", [1, -1])
def test_every_word_has_its_own_vector(rng, order):
    words = ["red", "tea", "mug", "cup", "zed"][::order]
    vectors = {word: rng.normal(size=3) for word in words}
    kept = Vocabulary([words], vectors, None, 16)
    raw = np.array([vectors[word] for word in sorted(words)])
    cosines = normalize(raw) @ normalize(raw).T
    white = PCA(whiten=True).fit(normalize(raw))
    expected = normalize(white.transform(normalize(raw)))
    assert abs(cosines - expected @ expected.T).max() > 0.1  # whitening does something
    batch = kept.tokenize([" ".join(sorted(words))]).take(np.array([0]))
    ours = batch["words"][:, :-1]
    np.testing.assert_allclose(ours @ ours.T, expected @ expected.T, atol=1e-5)
    own = [kept.tokenize([word]).take(np.array([0]))["words"][0] for word in words]
    for word, vector in zip(words, own, strict=True):
        place = sorted(words).index(word)
        np.testing.assert_allclose(abs(vector[:-1]), abs(expected[place]), atol=1e-5)


def test_rows_are_taken_in_any_order_and_number(vocabulary):
    tokens = vocabulary.tokenize(["red mug tea", "x9", "mug é"])
    for rows in ([2, 0], [1], [0, 0, 2, 1]):
        together = tokens.take(np.array(rows))
        alone = [tokens.take(np.array([row])) for row in rows]
        for name in ("words", "n_words", "characters", "n_characters", "n_unknown"):
            expected = np.concatenate([batch[name] for batch in alone])
            assert_array_equal(together[name], expected, name)


def test_ngrams_belong_to_their_tokens(vocabulary):
    batch = vocabulary.tokenize(["mug zz", "zz"]).take(np.array([0, 1]))
    # tokens in order: the word mug, then zz of the first and of the second title
    by_token = np.zeros((3, 16))
    np.add.at(
        by_token, (batch["gram_tokens"], batch["gram_columns"]), batch["gram_values"]
    )
    np.testing.assert_allclose(np.linalg.norm(by_token, axis=1), 1, rtol=1e-6)
    assert_array_equal(by_token[1], by_token[2])
    assert not np.array_equal(by_token[0], by_token[1])


def test_draw_leaves_tokens_out(vocabulary):
    tokens = vocabulary.tokenize(["red mug tea", "zz yy"])
    batch = tokens.take(np.array([0, 1]), lambda n: np.arange(n) % 2 * 0.9)
    assert batch["n_words"].tolist() == [1, 0]  # every other token: mug, zz
    assert batch["n_unknown"].tolist() == [0, 1]


def test_live_vectors_know_more_words(vocabulary):
    class Live:
        def select(self, words):
            return {"cup": np.array([0.0, 0.9, 0.1])} if "cup" in words else {}

    without = vocabulary.tokenize(["red cup"]).take(np.array([0]))
    batch = vocabulary.tokenize(["red cup"], Live()).take(np.array([0]))
    assert (without["n_words"].item(), batch["n_words"].item()) == (1, 2)
    assert batch["words"][1, -1] == pytest.approx(1)  # no title of fit has it
