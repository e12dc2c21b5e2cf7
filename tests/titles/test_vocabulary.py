import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.decomposition import PCA
from sklearn.preprocessing import normalize

from skmatch.titles import Vocabulary, tokenize


def encode(vocabulary, texts, live_vectors=None):
    return vocabulary.encode(tokenize(texts), live_vectors)


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
    tokens = encode(vocabulary, ["zed red é x9 mug", "tea", ""])
    batch = tokens.take(np.array([0, 1, 2]))
    assert batch["n_words"].tolist() == [2, 1, 0]
    assert batch["n_unknown"].tolist() == [3, 0, 0]
    # sorted, joined by a space; z and é are characters that fit has not seen
    assert spell(vocabulary, batch["characters"]) == "x9 ?ed ? "
    assert batch["n_characters"].tolist() == [9, 0, 0]


def test_unknown_character_has_an_index_of_its_own(vocabulary):
    batch = encode(vocabulary, ["x", "é", "ß"]).take(np.arange(3))
    codes = batch["characters"].reshape(3, 2)[:, 0].tolist()
    assert codes[0] > 0
    assert codes[1:] == [0, 0]
    assert 0 not in vocabulary.letters.values()


def test_weight_of_a_word_is_its_inverse_document_frequency(vocabulary):
    batch = encode(vocabulary, ["red mug"]).take(np.array([0]))
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
    batch = encode(kept, [" ".join(sorted(words))]).take(np.array([0]))
    ours = batch["words"][:, :-1]
    np.testing.assert_allclose(ours @ ours.T, expected @ expected.T, atol=1e-5)
    own = [encode(kept, [word]).take(np.array([0]))["words"][0] for word in words]
    for word, vector in zip(words, own, strict=True):
        index = sorted(words).index(word)
        np.testing.assert_allclose(abs(vector[:-1]), abs(expected[index]), atol=1e-5)


def test_titles_are_taken_in_any_order_and_number(vocabulary):
    tokens = encode(vocabulary, ["red mug tea", "x9", "mug é"])
    for titles in ([2, 0], [1], [0, 0, 2, 1]):
        together = tokens.take(np.array(titles))
        alone = [tokens.take(np.array([title])) for title in titles]
        for name in ("words", "n_words", "characters", "n_characters", "n_unknown"):
            expected = np.concatenate([batch[name] for batch in alone])
            assert_array_equal(together[name], expected, name)


def test_ngrams_belong_to_their_tokens(vocabulary):
    batch = encode(vocabulary, ["mug zz", "zz"]).take(np.array([0, 1]))
    # tokens in order: the word mug, then zz of the first and of the second title
    by_token = np.zeros((3, 16))
    np.add.at(
        by_token, (batch["gram_tokens"], batch["gram_columns"]), batch["gram_values"]
    )
    np.testing.assert_allclose(np.linalg.norm(by_token, axis=1), 1, rtol=1e-6)
    assert_array_equal(by_token[1], by_token[2])
    assert not np.array_equal(by_token[0], by_token[1])


def test_draw_leaves_tokens_out(vocabulary):
    tokens = encode(vocabulary, ["red mug tea", "zz yy"])
    batch = tokens.take(np.array([0, 1]), lambda n: np.arange(n) % 2 * 0.9)
    assert batch["n_words"].tolist() == [1, 0]  # every other token: mug, zz
    assert batch["n_unknown"].tolist() == [0, 1]


def test_live_vectors_know_more_words(vocabulary):
    class Live:
        def select(self, words):
            return {"cup": np.array([0.0, 0.9, 0.1])} if "cup" in words else {}

    without = encode(vocabulary, ["red cup"]).take(np.array([0]))
    batch = encode(vocabulary, ["red cup"], Live()).take(np.array([0]))
    assert (without["n_words"].item(), batch["n_words"].item()) == (1, 2)
    assert batch["words"][1, -1] == pytest.approx(1)  # no title of fit has it


def test_a_single_word_vector_counts_for_none():
    vectors = {"a": np.ones(3, np.float32)}
    vocabulary = Vocabulary([["a", "b"], ["a"]], vectors, (2, 3), 16)
    assert vocabulary.index_of == {}
    tokens = vocabulary.encode([["a", "b"], ["c"]])
    assert tokens.take(np.array([0, 1]))["n_words"].tolist() == [0, 0]
