"""The words and characters of the titles of fit, and titles as indices of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, vstack
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.preprocessing import normalize

from skmatch.persistence import savable
from skmatch.titles._word_vectors import Vectors, WordVectors

TOKEN_DROPOUT = 0.15  # share of the tokens that is left out in training


@savable
class Vocabulary:
    """The words and characters of the titles of fit; it turns tokens into indices.

    A word is a token that has a word vector. Of the word vectors, only those of the
    words of these titles are kept, whitened.
    """

    def __init__(
        self,
        sentences: list[list[str]],
        vectors: Vectors,
        ngram_range: tuple[int, int] | None,
        n_columns: int,
    ) -> None:
        # One vector alone has no directions to whiten.
        words = sorted(vectors) if len(vectors) > 1 else []
        vectors = {word: vectors[word] for word in words}
        self.index_of = {word: index for index, word in enumerate(words)}
        self._whiten = None
        if words:
            raw = np.array(list(vectors.values()), dtype=np.float32)
            self._whiten = PCA(whiten=True, random_state=0).fit(normalize(raw))
        counts = Counter(chain.from_iterable(map(set, sentences)))
        self._n_titles = len(sentences)
        self.vectors = self._prepare(vectors, [counts[word] for word in words])
        letters = sorted(set("".join(chain.from_iterable(sentences))) | {" "})
        self.letters = {letter: n for n, letter in enumerate(letters, start=1)}
        self._hasher = None
        if ngram_range is not None:
            self._hasher = HashingVectorizer(
                analyzer="char_wb",
                ngram_range=(int(ngram_range[0]), int(ngram_range[1])),
                n_features=n_columns,
                dtype=np.float32,
            )
        self._grams = self._hash(words)

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in vars(self).items() if k != "_grams"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._grams = self._hash(list(self.index_of))

    def encode(
        self, sentences: list[list[str]], live_vectors: WordVectors | None = None
    ) -> TitleTokens:
        """Turn tokenised titles into indices.

        `live_vectors` are the word vectors themselves, where they are at hand: they
        know words that the titles of fit lack.
        """
        tokens = sorted(set(chain.from_iterable(sentences)))
        known = [token for token in tokens if token in self.index_of]
        new = [token for token in tokens if token not in self.index_of]
        found = live_vectors.select(new) if live_vectors and self._whiten else {}
        rows = [self.index_of[token] for token in known]
        vectors = [self.vectors[rows], self._prepare(found, [0] * len(found))]
        vector_of = {word: index for index, word in enumerate([*known, *found])}
        grams = None
        if self._grams is not None:
            gram_row = {token: row for row, token in enumerate(known + new)}
            grams = vstack([self._grams[rows], self._hash(new)], "csr")
            grams = grams[[gram_row[token] for token in tokens]]
        return TitleTokens(
            sentences,
            tokens,
            np.vstack(vectors),
            np.array([vector_of.get(token, -1) for token in tokens], np.int64),
            [[self.letters.get(letter, 0) for letter in t + " "] for t in tokens],
            grams,
        )

    @property
    def vector_size(self) -> int:
        """Number of columns of the word vectors, without the word's weight."""
        return self.vectors.shape[1] - 1

    def _prepare(self, vectors: Vectors, counts: list[int]) -> NDArray[np.float32]:
        """Whiten word vectors and append the inverse document frequency in [0, 1].

        Of a word in c of n titles it is ``log((1 + c) / (1 + n)) / log(1 / (1 + n))``:
        0 in all titles, 1 in none.
        """
        if self._whiten is None:
            return np.empty((0, 2), np.float32)
        size = self._whiten.n_features_in_
        raw = np.array(list(vectors.values()), dtype=np.float32).reshape(-1, size)
        if not len(raw):
            return np.empty((0, self._whiten.n_components_ + 1), np.float32)
        white = normalize(self._whiten.transform(normalize(raw)))
        shares = (1 + np.array(counts)) / (1 + self._n_titles)
        weights = np.log(shares) / np.log(1 / (1 + self._n_titles))
        return np.column_stack([white, weights]).astype(np.float32)

    def _hash(self, tokens: list[str]) -> csr_array | None:
        """Hash the character n-grams of each token into columns: rows of unit norm."""
        if self._hasher is None:
            return None
        if not tokens:
            return csr_array((0, self._hasher.n_features), dtype=np.float32)
        return csr_array(self._hasher.transform(tokens))


class TitleTokens:
    """Titles as indices of tokens; any of them can be taken, and without padding.

    Tokens have their indices in the order of the alphabet, so that to sort indices is
    to sort tokens.

    Parameters
    ----------
    sentences : list of list of str
        The tokens of each title.
    tokens : list of str
        The distinct tokens, sorted.
    vectors : ndarray of shape (n_vectors, vector_size + 1)
        Word vectors; the last column is the weight of the word.
    vector_of : ndarray of shape (n_tokens,)
        Row of `vectors` of each token; -1 where it has none.
    spelled : list of list of int
        The characters of each token and a space, as indices; 0 is a new character.
    grams : csr_array of shape (n_tokens, n_columns) or None
        The hashed n-grams of each token.
    """

    def __init__(
        self,
        sentences: list[list[str]],
        tokens: list[str],
        vectors: NDArray[np.float32],
        vector_of: NDArray[np.int64],
        spelled: list[list[int]],
        grams: csr_array | None,
    ) -> None:
        index_of = {token: index for index, token in enumerate(tokens)}
        self.n_tokens = np.array([len(s) for s in sentences], dtype=np.int64)
        self._first = self.n_tokens.cumsum() - self.n_tokens
        self._tokens = np.array(
            [index_of[token] for token in chain.from_iterable(sentences)], np.int64
        )
        self._vectors, self._vector_of = vectors, vector_of
        self._n_letters = np.array([len(s) for s in spelled], dtype=np.int64)
        self._first_letter = self._n_letters.cumsum() - self._n_letters
        self._letters = np.array(list(chain.from_iterable(spelled)), np.int64)
        self._grams = grams
        title = np.repeat(np.arange(len(sentences)), self.n_tokens)
        n_letters = np.where(vector_of < 0, self._n_letters, 0)[self._tokens]
        # Length of the sequence of characters of each title: the longest that a
        # network reads of it, so titles that are equally long pass through together.
        self.n_characters = np.bincount(title, n_letters, len(sentences))

    def __len__(self) -> int:
        """Return the number of titles."""
        return len(self.n_tokens)

    def take(
        self,
        titles: NDArray[np.intp],
        draw: Callable[[int], NDArray[np.float32]] | None = None,
    ) -> dict[str, NDArray[Any]]:
        """Return the tokens of some titles, end to end, by name as in `TokenBatch`.

        `draw(n)` gives n uniform numbers in [0, 1). With it, as in training, some
        tokens are left out.
        """
        n_titles, n_tokens = len(titles), self.n_tokens[titles]
        token = self._tokens[_ranges(self._first[titles], n_tokens)]
        title = np.repeat(np.arange(n_titles), n_tokens)
        if draw is not None:
            stays = draw(token.size) >= TOKEN_DROPOUT
            token, title = token[stays], title[stays]
        is_word = self._vector_of[token] >= 0
        word, title_of_word = token[is_word], title[is_word]
        unknown, title_of_unknown = token[~is_word], title[~is_word]
        order = np.lexsort((unknown, title_of_unknown))
        unknown, title_of_unknown = unknown[order], title_of_unknown[order]
        n_letters = self._n_letters[unknown]
        letters = _ranges(self._first_letter[unknown], n_letters)
        gram_tokens, gram_columns, gram_values = self._take_grams(
            np.concatenate([word, unknown])
        )
        return {
            "words": self._vectors[self._vector_of[word]],
            "n_words": np.bincount(title_of_word, minlength=n_titles),
            "characters": self._letters[letters],
            "n_characters": np.bincount(
                title_of_unknown.repeat(n_letters), minlength=n_titles
            ),
            "n_unknown": np.bincount(title_of_unknown, minlength=n_titles),
            "gram_tokens": gram_tokens,
            "gram_columns": gram_columns,
            "gram_values": gram_values,
        }

    def _take_grams(
        self, tokens: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
        """Return position in `tokens`, hashed column and value of each n-gram."""
        if self._grams is None:
            return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32)
        first = self._grams.indptr[tokens].astype(np.int64)
        n_grams = self._grams.indptr[tokens + 1] - first
        entries = _ranges(first, n_grams)
        return (
            np.repeat(np.arange(tokens.size), n_grams),
            self._grams.indices[entries].astype(np.int64),
            self._grams.data[entries],
        )


def _ranges(first: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return ``first, first + 1, ..., first + length - 1`` of each, end to end."""
    ends = lengths.cumsum()
    return np.arange(lengths.sum()) + np.repeat(first - ends + lengths, lengths)
