"""Titles read once: their words, quantities and model codes as sparse indicators."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import chain, pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from skmatch.persistence import savable
from skmatch.titles import UNITS, find_quantities, plain_text

Titles = Sequence[str] | NDArray[np.object_]
_WORD = re.compile(r"\w+")
_COMPARED = 64  # characters of a word, with those of another


@savable
class WordCounts(NamedTuple):
    """In how many titles each word is, and how many titles have the same words."""

    n_titles: int
    words: Counter[str]
    same_words: Counter[str]

    def add(self, others: WordCounts) -> WordCounts:
        """Return the counts of these titles and others."""
        return WordCounts(
            self.n_titles + others.n_titles,
            self.words + others.words,
            self.same_words + others.same_words,
        )

    def without(self, others: WordCounts) -> WordCounts:
        """Return the counts of these titles but some of them."""
        return WordCounts(
            self.n_titles - others.n_titles,
            self.words - others.words,
            self.same_words - others.same_words,
        )


def count_words(titles: Titles) -> WordCounts:
    """Count the words of titles, and the titles of the same words."""
    return _count([find_words(title) for title in titles])


def share_unseen(titles: Titles, known: WordCounts) -> float:
    """Return the share of the words of titles that no known title has."""
    words = count_words(titles).words
    unseen = sum(n for word, n in words.items() if word not in known.words)
    return unseen / max(1, words.total())


class ParsedTitles:
    """Titles, of which any pairs can be compared.

    Parameters
    ----------
    titles : sequence of str
        The titles.
    fields : ndarray of shape (n_titles,) or (n_titles, n_columns), dtype object
        The rows of ``X`` as they were given.
    known : WordCounts
        Counts of the titles of ``fit``.
    around : WordCounts or None
        Counts of the gallery or catalogue; None if the titles are all of it.
    """

    def __init__(
        self,
        titles: Titles,
        fields: NDArray[np.object_],
        known: WordCounts,
        around: WordCounts | None = None,
    ) -> None:
        self.texts = [plain_text(title) for title in titles]
        self.fields = fields
        words = [find_words(text) for text in self.texts]
        around = around or _count(words)
        self.words, names = _indicator(words)
        self.names = np.array([name[:_COMPARED] for name in names], dtype=object)
        self.lengths = np.array([len(name) for name in self.names])
        self.is_number = np.array([name.isdigit() for name in names])
        # The weight of a word is its inverse document frequency, in [0, 1].
        n_titles = known.n_titles + around.n_titles
        n_with = np.array([max(1, known.words[w] + around.words[w]) for w in names])
        weights = np.log((1 + n_titles) / (1 + n_with)) / np.log(1 + n_titles)
        self.weights = weights.astype(np.float32)
        self.is_unseen = np.array([w not in known.words for w in names], np.float32)
        self.bigrams = _indicator([list(pairwise(w)) for w in words])[0]
        number = {name: index for index, name in enumerate(names)}
        self.first = np.array([number[w[0]] if w else -1 for w in words], np.intp)
        self.last = np.array([number[w[-1]] if w else -1 for w in words], np.intp)
        self.sorted = [sort_words(w) for w in words]
        self.compact = ["".join(w) for w in words]
        self.n_same_words = np.array(
            [max(1, around.same_words[text]) for text in self.sorted]
        )
        quantities = [find_quantities(text) for text in self.texts]
        self.codes = _indicator([codes for _, codes in quantities])[0]
        self.code_sets = [codes for _, codes in quantities]
        self.code_texts = [" ".join(sorted(codes)) for codes in self.code_sets]
        of_kind: dict[str, list[Any]] = {kind: [] for kind in [*UNITS, "number"]}
        for row, (found, _) in enumerate(quantities):
            for quantity in found:
                of_kind[quantity[0]].append((row, quantity))
        self.quantities = {  # of each kind: which title has which value
            kind: _place([row for row, _ in own], [q for _, q in own], len(words))[0]
            for kind, own in of_kind.items()
        }


def _count(words: list[list[str]]) -> WordCounts:
    """Count the words of titles that are split already."""
    each = Counter(chain.from_iterable(map(set, words)))
    return WordCounts(len(words), each, Counter(map(sort_words, words)))


def find_words(text: str) -> list[str]:
    """Return the words of a title, in lower case."""
    return _WORD.findall(text.lower())


def sort_words(words: list[str]) -> str:
    """Return the text that titles of the same words have in common."""
    return " ".join(sorted(words))


def _indicator(rows: Sequence[Any]) -> tuple[csr_array, list[Any]]:
    """Return which row has which item, and the items."""
    row = np.repeat(np.arange(len(rows)), [len(items) for items in rows])
    return _place(row, [*chain.from_iterable(rows)], len(rows))


def _place(row: Any, items: list[Any], n_rows: int) -> tuple[csr_array, list[Any]]:
    """Return which row has which item, of items each with its row, and the names."""
    names = sorted(set(items))
    column = {name: n for n, name in enumerate(names)}
    columns = np.array([column[item] for item in items], dtype=np.int32)
    values = np.ones(len(columns), np.float32)
    shape = (n_rows, max(1, len(names)))
    placed = csr_array((values, (np.asarray(row, np.int32), columns)), shape=shape)
    placed.data[:] = 1  # however often it is in the row
    placed.sort_indices()
    return placed, names or [""]
