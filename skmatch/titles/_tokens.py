"""Titles: their validation and their tokens."""

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
from sklearn.utils.validation import validate_data

_TOKEN_DROPOUT = 0.15  # share of the tokens that is left out in training


def check_titles(
    estimator: Any, X: Any, y: Any = "no_validation", *, reset: bool
) -> tuple[NDArray[np.object_], Any]:
    """Return a str for each row of `X`, columns joined by a space, and checked `y`."""
    checked = validate_data(
        estimator, _as_columns(X), y, reset=reset, dtype=None, ensure_all_finite=False
    )
    cells, labels = (checked, None) if isinstance(y, str) else checked
    rows = cells.tolist()
    for number, row in enumerate(rows):
        for cell in row:
            if not isinstance(cell, str):
                _check_cell(cell, number)
    titles = np.empty(len(rows), dtype=object)
    titles[:] = [" ".join(map(str, row)) for row in rows]
    return titles, labels


def distinct(titles: NDArray[np.object_]) -> tuple[list[str], NDArray[np.intp]]:
    """Return the titles that differ in more than case and spaces, and that of a row.

    They are sorted: what follows, to the last digit, does not depend on their order.
    """
    texts = [" ".join(title.lower().split()) for title in titles]
    distinct_texts = sorted(set(texts))
    position = {text: number for number, text in enumerate(distinct_texts)}
    return distinct_texts, np.array([position[text] for text in texts], dtype=np.intp)


def tokenize(titles: list[str]) -> list[list[str]]:
    """Split titles into runs of word characters and runs of punctuation."""
    from nltk.tokenize import WordPunctTokenizer

    return WordPunctTokenizer().tokenize_sents(titles)


def _as_columns(X: Any) -> Any:
    """Turn 1-D titles into a column; keep the cells of a list as they are."""
    if isinstance(X, str):
        raise ValueError(f"X is the single str {X!r}; expected a sequence of titles.")
    if isinstance(X, (list, tuple)):
        rows = (row if isinstance(row, (list, tuple)) else [row] for row in X)
        has_text = any(isinstance(cell, str) for cell in chain.from_iterable(rows))
        # As objects: numpy would make the str "nan" of the NaN in ["tea", nan].
        X = np.array(X, dtype=object if has_text else None)
    if len(getattr(X, "shape", ())) != 1:
        return X
    values = np.asarray(X)
    has_gap = values.dtype.kind == "f" and np.isnan(values).any()
    if values.size and values.dtype.kind in "biufc" and not has_gap:
        raise ValueError(
            f"Expected 2D array, got 1D array of {values.dtype} instead; a 1-D X holds "
            "titles of type str. Reshape your data with X.reshape(-1, 1) if it is one "
            "column of numbers."
        )
    return values.astype(object).reshape(-1, 1)


def _check_cell(cell: Any, number: int) -> None:
    """Raise if the cell of row `number` is missing or cannot be read as text."""
    is_number = isinstance(cell, (float, np.floating))
    if cell is None or type(cell).__name__ in {"NAType", "NaTType"}:
        found = repr(cell)
    elif is_number and not np.isfinite(cell):
        found = "NaN" if np.isnan(cell) else repr(float(cell))
    elif isinstance(cell, (bytes, list, tuple, set, frozenset, dict, np.ndarray)):
        found = f"the {type(cell).__name__} {cell!r}"
    else:
        return
    raise ValueError(
        f"row {number} of X holds {found}; expected a title, as str (an empty "
        "title is '')."
    )


class TitleTokens:
    """Tokenised titles, of which any rows can be taken without padding.

    Tokens are numbered in the order of the alphabet: to sort numbers is to sort tokens.
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
        number_of = {token: number for number, token in enumerate(tokens)}
        self.n_tokens = np.array([len(s) for s in sentences], dtype=np.int64)
        self._first = self.n_tokens.cumsum() - self.n_tokens
        self._tokens = np.array(
            [number_of[token] for token in chain.from_iterable(sentences)], np.int64
        )
        self._vectors, self._vector_of = vectors, vector_of  # -1: no vector
        self._n_letters = np.array([len(s) for s in spelled], dtype=np.int64)
        self._first_letter = self._n_letters.cumsum() - self._n_letters
        self._letters = np.array(list(chain.from_iterable(spelled)), np.int64)
        self._grams = grams
        title = np.repeat(np.arange(len(sentences)), self.n_tokens)
        n_letters = np.where(vector_of < 0, self._n_letters, 0)[self._tokens]
        # Titles of the same number are read together; it has the longest sequences.
        self.n_characters = np.bincount(title, n_letters, len(sentences))

    def __len__(self) -> int:
        """Return the number of titles."""
        return len(self.n_tokens)

    def take(
        self,
        rows: NDArray[np.intp],
        draw: Callable[[int], NDArray[np.float32]] | None = None,
    ) -> dict[str, NDArray[Any]]:
        """Return the tokens of some titles, end to end, by name as in `TokenBatch`.

        `draw(n)` gives n uniform numbers in [0, 1). With it, as in training, some
        tokens are left out.
        """
        n_titles, n_tokens = len(rows), self.n_tokens[rows]
        token = self._tokens[_places(self._first[rows], n_tokens)]
        title = np.repeat(np.arange(n_titles), n_tokens)
        if draw is not None:
            stays = draw(token.size) >= _TOKEN_DROPOUT
            token, title = token[stays], title[stays]
        is_word = self._vector_of[token] >= 0
        word, unknown, title_of_unknown = (
            token[is_word],
            token[~is_word],
            title[~is_word],
        )
        order = np.lexsort((unknown, title_of_unknown))
        unknown, title_of_unknown = unknown[order], title_of_unknown[order]
        n_letters = self._n_letters[unknown]
        letters = _places(self._first_letter[unknown], n_letters)
        gram_tokens, gram_columns, gram_values = self._take_grams(
            np.concatenate([word, unknown])
        )
        return {
            "words": self._vectors[self._vector_of[word]],
            "n_words": np.bincount(title[is_word], minlength=n_titles),
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
        """Return place in `tokens`, hashed column and value of each n-gram."""
        if self._grams is None:
            return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32)
        first = self._grams.indptr[tokens].astype(np.int64)
        n_grams = self._grams.indptr[tokens + 1] - first
        places = _places(first, n_grams)
        return (
            np.repeat(np.arange(tokens.size), n_grams),
            self._grams.indices[places].astype(np.int64),
            self._grams.data[places],
        )


class Vocabulary:
    """The words and characters of the titles of `fit`; it turns titles into tokens.

    Of the word vectors it keeps those of the words of these titles only.
    """

    def __init__(
        self,
        sentences: list[list[str]],
        vectors: dict[str, NDArray[np.float32]],
        ngram_range: tuple[int, int] | None,
        n_columns: int,
    ) -> None:
        words = sorted(vectors)
        vectors = {word: vectors[word] for word in words}
        self.row_of = {word: row for row, word in enumerate(words)}
        self._whiten = None
        if len(words) > 1:
            raw = np.array(list(vectors.values()), dtype=np.float32)
            self._whiten = PCA(whiten=True, random_state=0).fit(normalize(raw))
        counts = Counter(chain.from_iterable(map(set, sentences)))
        self._n_titles = len(sentences)
        self.vectors = self._prepare(vectors, [counts[word] for word in words])
        letters = sorted(set("".join(chain.from_iterable(sentences))) | {" "})
        self.letters = {letter: n for n, letter in enumerate(letters, start=1)}
        self._hasher = ngram_range and HashingVectorizer(
            analyzer="char_wb",
            ngram_range=ngram_range,
            n_features=n_columns,
            dtype=np.float32,
        )
        self._grams = self._hash(words)

    def tokenize(self, titles: list[str], live_vectors: Any = None) -> TitleTokens:
        """Turn lower-case titles into tokens.

        `live_vectors` are the word vectors themselves, where they are at hand: they
        know words that the titles of `fit` lack.
        """
        sentences = tokenize(titles)
        tokens = sorted(set(chain.from_iterable(sentences)))
        known = [token for token in tokens if token in self.row_of]
        new = [token for token in tokens if token not in self.row_of]
        found = live_vectors.select(new) if live_vectors and self._whiten else {}
        rows = [self.row_of[token] for token in known]
        vectors = [self.vectors[rows], self._prepare(found, [0] * len(found))]
        row_of = {word: row for row, word in enumerate([*known, *found])}
        place_of = {token: place for place, token in enumerate(known + new)}
        grams = None
        if self._grams is not None:
            grams = vstack([self._grams[rows], self._hash(new)], "csr")
            grams = grams[[place_of[token] for token in tokens]]
        return TitleTokens(
            sentences,
            tokens,
            np.vstack(vectors),
            np.array([row_of.get(token, -1) for token in tokens], np.int64),
            [[self.letters.get(letter, 0) for letter in t + " "] for t in tokens],
            grams,
        )

    @property
    def vector_size(self) -> int:
        """Number of columns of the word vectors, without the word's weight."""
        return self.vectors.shape[1] - 1

    def _prepare(
        self, vectors: dict[str, NDArray[np.float32]], counts: list[int]
    ) -> NDArray[np.float32]:
        """Whiten word vectors and append the inverse document frequency in [0, 1]."""
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


def _places(first: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the places of the items of sequences, given their first and length."""
    ends = lengths.cumsum()
    return np.arange(lengths.sum()) + np.repeat(first - ends + lengths, lengths)
