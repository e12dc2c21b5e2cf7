"""What two titles have in common and what parts them: named features of pairs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import chain, pairwise
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from skmatch.graph._neighbourhoods import Features, ratio, sides
from skmatch.search._neighbors import inner_products
from skmatch.titles._quantities import UNITS, find_quantities

Titles = Sequence[str] | NDArray[np.object_]
_PAIRS_PER_BLOCK = 2**17
_WORD = re.compile(r"\w+")


class Counts(NamedTuple):
    """In how many titles of a gallery each word is, and each set of words."""

    n_titles: int
    words: Counter[str]
    same: Counter[str]


def count(titles: Titles) -> Counts:
    """Count the words of titles, and the titles of the same words."""
    return _count([_words(title) for title in titles])


def _count(words: list[list[str]]) -> Counts:
    """Count the words of titles that are parted already."""
    each = Counter(chain.from_iterable(map(set, words)))
    return Counts(len(words), each, Counter(map(_sort, words)))


class PairFeatures:
    """Features of pairs of titles, the same whichever of the two comes first.

    `fit` counts the words of titles, to which those of the gallery at hand are added.
    Each of `functions` is called with the rows of both sides of all pairs, and returns
    a number for each pair.
    """

    def __init__(self, functions: Sequence[Callable[..., Any]] = ()) -> None:
        self.functions = functions

    def fit(self, titles: Titles) -> Self:
        """Count in how many titles each word is."""
        self.counts_ = count(titles)
        return self

    def get_feature_names_out(self) -> list[str]:
        """Return the names of the features, in their order."""
        gallery = _Gallery(["a", "b"], None, Counts(0, Counter(), Counter()), None)
        own = [f"own_{_name(function)}" for function in self.functions]
        return [*_compare(gallery, np.array([0]), np.array([1])), *own]

    def read(
        self, titles: Titles, cells: Any = None, around: Counts | None = None
    ) -> _Gallery:
        """Read titles, of which any pairs can be compared.

        `cells` are the rows that the functions get, `around` the counts of the gallery,
        where the titles are not all of it.
        """
        return _Gallery(titles, cells, self.counts_, around)

    def transform(
        self,
        gallery: _Gallery,
        left: NDArray[np.intp],
        right: NDArray[np.intp],
        n_threads: int = 1,
    ) -> NDArray[np.float32]:
        """Return the features of pairs of rows of a gallery, (n_pairs, n_features)."""
        blocks = []
        for first in range(0, max(1, len(left)), _PAIRS_PER_BLOCK):
            a, b = (side[first : first + _PAIRS_PER_BLOCK] for side in (left, right))
            features = list(_compare(gallery, a, b, n_threads).values())
            features += [_call(f, gallery.cells, a, b) for f in self.functions]
            blocks.append(np.column_stack(features).astype(np.float32))
        return np.concatenate(blocks)


def _compare(
    gallery: _Gallery,
    left: NDArray[np.intp],
    right: NDArray[np.intp],
    n_threads: int = 1,
) -> Features:
    """Compute the features of some pairs by name."""
    return {
        **_compare_words(gallery, left, right),
        **_compare_quantities(gallery, left, right),
        **_compare_characters(gallery, left, right, n_threads),
        **_compare_lengths(gallery, left, right),
    }


class _Gallery:
    """Titles, read once: their words, quantities and codes as sparse indicators."""

    def __init__(
        self, titles: Titles, cells: Any, known: Counts, around: Counts | None
    ) -> None:
        self.texts = [" ".join(title.lower().split()) for title in titles]
        self.cells = np.array(titles, dtype=object) if cells is None else cells
        words = [_words(text) for text in self.texts]
        around = around or _count(words)
        self.words, names = _indicator(words)
        total = known.n_titles + around.n_titles
        seen = np.array([max(1, known.words[w] + around.words[w]) for w in names])
        weights = np.log((1 + total) / (1 + seen)) / np.log(1 + total)
        self.weights = weights.astype(np.float32)
        self.is_new = np.array([w not in known.words for w in names], np.float32)
        self.bigrams = _indicator([list(pairwise(w)) for w in words])[0]
        self.first = np.array([w[0] if w else "" for w in words])
        self.last = np.array([w[-1] if w else "" for w in words])
        self.sorted = [_sort(w) for w in words]
        self.compact = ["".join(w) for w in words]
        read = [find_quantities(text) for text in self.texts]
        self.codes = _indicator([codes for _, codes in read])[0]
        self.code_text = [" ".join(sorted(codes)) for _, codes in read]
        self.kinds = {}
        for kind in [*UNITS, "number"]:
            rows = [[q for q in found if q[0] == kind] for found, _ in read]
            self.kinds[kind] = _indicator(rows)[0]
        self.n_same = np.array([max(1, around.same[text]) for text in self.sorted])


def _compare_words(
    gallery: _Gallery, left: NDArray[np.intp], right: NDArray[np.intp]
) -> Features:
    """Words weigh as much as they are rare: a shared rare one is what tells most.

    words_shared, words_missing_* : weight of the words of both and of one only
    words_jaccard, words_contained : share of the shared weight in all and in the less
    words_rarest_* : the rarest word of both and of one only; it often is the model
    words_bigrams : share of the pairs of neighbouring words: order, and phrases
    words_first, words_last : whether these are equal; sellers put the brand first
    words_unseen_* : weight of the words of one only that no title of fit has
    """
    a, b = gallery.words[left], gallery.words[right]
    weights = gallery.weights
    both = a.multiply(b).tocsr()
    shared = both @ weights
    only_a, only_b = a - both, b - both
    missing_a, missing_b = only_a @ weights, only_b @ weights
    missing = sides(missing_a, missing_b)
    all_a, all_b = shared + missing_a, shared + missing_b
    union = shared + missing_a + missing_b
    rarest = [_largest(only, weights) for only in (only_a, only_b)]
    unseen = [only @ (weights * gallery.is_new) for only in (only_a, only_b)]
    n_bigrams = np.diff(gallery.bigrams.indptr)
    bigrams = inner_products(gallery.bigrams, gallery.bigrams, left, right)
    return {
        "words_shared": shared,
        "words_missing_less": missing[0],
        "words_missing_more": missing[1],
        "words_jaccard": ratio(shared, union),
        "words_contained": ratio(shared, np.minimum(all_a, all_b)),
        "words_n_shared": np.asarray(both.sum(axis=1)).ravel(),
        "words_rarest_shared": _largest(both, weights),
        "words_rarest_missing_less": np.minimum(*rarest),
        "words_rarest_missing_more": np.maximum(*rarest),
        "words_unseen_less": np.minimum(*unseen),
        "words_unseen_more": np.maximum(*unseen),
        "words_bigrams": ratio(bigrams, n_bigrams[left] + n_bigrams[right] - bigrams),
        "words_first": gallery.first[left] == gallery.first[right],
        "words_last": gallery.last[left] == gallery.last[right],
    }


def _compare_quantities(
    gallery: _Gallery, left: NDArray[np.intp], right: NDArray[np.intp]
) -> Features:
    """Sizes and model codes part products whose other words are the same.

    quantities_agree, _conflict, _missing : kinds of quantity of which the titles share
        a value, share none though both have the kind, or which one of them lacks
    quantities_number_agree, _conflict : the same of numbers without a unit
    codes_shared, codes_alone_* : model codes of both and of one only
    codes_similar : edit similarity of all codes; "a20" is near "a20s", and another
    """
    from rapidfuzz import fuzz, process

    agree, conflict, missing = np.zeros((3, len(left)), np.float32)
    number = {}
    for kind, values in gallery.kinds.items():
        n_values = np.diff(values.indptr)
        has_a, has_b = n_values[left] > 0, n_values[right] > 0
        n_shared = inner_products(values, values, left, right)
        does_conflict = has_a & has_b & (n_shared == 0)
        if kind == "number":
            number["quantities_number_agree"] = n_shared
            number["quantities_number_conflict"] = does_conflict
            continue
        agree += n_shared > 0
        conflict += does_conflict
        missing += has_a != has_b
    n_codes = np.diff(gallery.codes.indptr)
    shared = inner_products(gallery.codes, gallery.codes, left, right)
    alone = sides(n_codes[left] - shared, n_codes[right] - shared)
    similar = process.cpdist(
        [gallery.code_text[i] for i in left],
        [gallery.code_text[i] for i in right],
        scorer=fuzz.ratio,
    )
    has_both = (n_codes[left] > 0) & (n_codes[right] > 0)
    return {
        "quantities_agree": agree,
        "quantities_conflict": conflict,
        "quantities_missing": missing,
        **number,
        "codes_shared": shared,
        "codes_alone_less": alone[0],
        "codes_alone_more": alone[1],
        "codes_similar": np.where(has_both, similar / 100, -1),
    }


def _compare_characters(
    gallery: _Gallery, left: NDArray[np.intp], right: NDArray[np.intp], n_threads: int
) -> Features:
    """Edit-based similarities see typing errors, and words that were joined or cut.

    characters_ratio : of the titles as they are
    characters_sorted : of the titles with their words sorted
    characters_set : of the words, where those of both count once
    characters_compact : of the titles without spaces and punctuation
    characters_prefix : Jaro-Winkler, which weighs the beginning
    """
    from rapidfuzz import fuzz, process
    from rapidfuzz.distance import JaroWinkler

    def score(a: list[str], b: list[str], scorer: Any) -> NDArray[np.float32]:
        return process.cpdist(a, b, scorer=scorer, dtype=np.float32, workers=n_threads)

    def compare(texts: list[str], scorer: Any) -> NDArray[np.float32]:
        a, b = [texts[i] for i in left], [texts[i] for i in right]
        if scorer not in (fuzz.token_set_ratio, fuzz.partial_ratio):
            return score(a, b, scorer)  # symmetric
        both = score(a, b, scorer) + score(b, a, scorer)
        return (both / 2).astype(np.float32)

    return {
        "characters_ratio": compare(gallery.texts, fuzz.ratio),
        "characters_sorted": compare(gallery.sorted, fuzz.ratio),
        "characters_set": compare(gallery.texts, fuzz.token_set_ratio),
        "characters_compact": compare(gallery.compact, fuzz.ratio),
        "characters_partial": compare(gallery.compact, fuzz.partial_ratio),
        "characters_prefix": compare(gallery.texts, JaroWinkler.similarity),
    }


def _compare_lengths(
    gallery: _Gallery, left: NDArray[np.intp], right: NDArray[np.intp]
) -> Features:
    """Short titles agree by chance; a title that many rows have names no variant.

    lengths_words_*, lengths_characters_* : number of both, the less and the more
    lengths_same_* : number of rows with the same words
    """
    n_words = np.diff(gallery.words.indptr)
    n_characters = np.array([len(text) for text in gallery.texts])
    features: Features = {}
    for name, values in (
        ("words", n_words),
        ("characters", n_characters),
        ("same", gallery.n_same),
    ):
        less, more = sides(values[left], values[right])
        features |= {f"lengths_{name}_less": less, f"lengths_{name}_more": more}
    return features


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _sort(words: list[str]) -> str:
    return " ".join(sorted(words))


def _name(function: Any) -> str:
    return getattr(function, "__name__", type(function).__name__)


def _indicator(rows: Sequence[Any]) -> tuple[csr_array, list[Any]]:
    """Return which row has which item, and the items."""
    sets = [sorted(set(row)) for row in rows]
    items = sorted(set(chain.from_iterable(sets)))
    number = {item: n for n, item in enumerate(items)}
    indices = np.array([number[i] for i in chain.from_iterable(sets)], dtype=np.int32)
    starts = np.append(0, np.cumsum([len(items) for items in sets]))
    values = np.ones(len(indices), np.float32)
    shape = (len(sets), max(1, len(items)))
    return csr_array((values, indices, starts), shape=shape), items or [""]


def _largest(rows: csr_array, weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the largest weight of the items of each row; 0 without one."""
    weighted = csr_array(rows)
    weighted = csr_array(
        (weighted.data * weights[weighted.indices], weighted.indices, weighted.indptr),
        shape=weighted.shape,
    )
    return np.asarray(weighted.max(axis=1).toarray()).ravel()


def _call(
    function: Callable[..., Any],
    cells: Any,
    left: NDArray[np.intp],
    right: NDArray[np.intp],
) -> NDArray[np.float32]:
    """Call a function of the user from both sides and take the mean."""
    a, b = cells[left], cells[right]
    values = [np.asarray(function(*x), dtype=np.float32) for x in ((a, b), (b, a))]
    for value in values:
        if value.shape != (len(left),):
            raise ValueError(
                f"{function!r} returned shape {value.shape} for {len(left)} pairs; "
                f"expected {(len(left),)}, a number for each pair."
            )
    return np.mean(values, axis=0, dtype=np.float32)
