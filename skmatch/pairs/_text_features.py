"""What two titles have in common and what parts them: named features of pairs.

Each family is a NamedTuple that names and explains its features, and a function that
computes them. To add a feature, add a field and its value. All are the same whichever
title comes first; ``*_min`` and ``*_max`` are the two sides.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain, product
from typing import Annotated, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from skmatch.graph import ratio
from skmatch.pairs._column_features import ColumnFeature
from skmatch.pairs._near_words import AlignmentFeatures, align_words
from skmatch.pairs._parsed_titles import ParsedTitles, WordCounts
from skmatch.persistence import savable
from skmatch.search import inner_products

Indices = NDArray[np.intp]
Values = NDArray[Any]
# Characters of a title: edits take time by its square, its best part by its cube.
_READ_BY_EDITS = 1000
_READ_BY_PARTS = 300
_CODES_COMPARED = 8  # of a title: each is compared with each of the other


class WordFeatures(NamedTuple):
    """Words weigh as much as they are rare: a shared rare one is what tells most."""

    words_shared: Annotated[Values, "weight of the words of both titles"]
    words_missing_min: Annotated[Values, "weight of the words of one title alone"]
    words_missing_max: Values
    words_jaccard: Annotated[Values, "share of the shared words in the weight of all"]
    words_contained: Annotated[Values, "share of the shared words in the shorter title"]
    words_n_shared: Annotated[Values, "number of words of both titles"]
    words_rarest_shared: Annotated[Values, "weight of the rarest shared word"]
    words_rarest_missing_min: Annotated[
        Values, "weight of the rarest word of one title alone"
    ]
    words_rarest_missing_max: Values
    words_unseen_min: Annotated[Values, "weight of those that no title of fit has"]
    words_unseen_max: Values
    words_bigrams: Annotated[Values, "share of neighbouring words: phrases"]
    words_first: Annotated[Values, "1 if the first words are equal"]
    words_last: Annotated[Values, "1 if the last words are equal"]


class QuantityFeatures(NamedTuple):
    """Sizes and model codes part products whose other words are the same."""

    quantities_agree: Annotated[Values, "kinds of quantity with a common value"]
    quantities_conflict: Annotated[Values, "kinds of quantity whose values differ"]
    quantities_missing: Annotated[Values, "kinds that one title has alone"]
    quantities_count_conflict: Annotated[Values, "pack counts that differ"]
    quantities_number_agree: Annotated[Values, "numbers without a unit of both"]
    quantities_number_conflict: Annotated[Values, "numbers without a unit that differ"]
    codes_shared: Annotated[Values, "number of model codes of both titles"]
    codes_alone_min: Annotated[Values, "number of model codes of one title alone"]
    codes_alone_max: Values
    codes_similar: Annotated[Values, "edit similarity of all codes; -1 without"]
    codes_nearest: Annotated[Values, "of the nearest codes alone; -1 without"]


class CharacterFeatures(NamedTuple):
    """Edit similarities see typing errors, and words that were joined or cut."""

    characters_ratio: Annotated[Values, "edit similarity of the titles"]
    characters_sorted: Annotated[Values, "edit similarity with the words sorted"]
    characters_set: Annotated[Values, "edit similarity of the sets of words"]
    characters_compact: Annotated[Values, "edit similarity of letters and digits"]
    characters_partial: Annotated[Values, "edit similarity of the best part"]
    characters_prefix: Annotated[Values, "edit similarity, by the beginning"]


class LengthFeatures(NamedTuple):
    """Short titles agree by chance; a title that many rows have names no variant."""

    lengths_words_min: Annotated[Values, "number of words"]
    lengths_words_max: Values
    lengths_characters_min: Annotated[Values, "number of characters"]
    lengths_characters_max: Values
    lengths_same_min: Annotated[Values, "number of rows with the same words"]
    lengths_same_max: Values


@savable
class TextFeatures:
    """The features of the texts of pairs, and those of functions of the user.

    Parameters
    ----------
    counts : WordCounts
        Counts of the titles of ``fit``; those of the gallery at hand are added.
    functions : sequence of callables
        Each is called with the fields of both sides of all pairs, and returns a number
        for each pair.
    """

    def __init__(
        self, counts: WordCounts, functions: Sequence[Callable[..., Any]] = ()
    ) -> None:
        self.counts = counts
        self.functions = tuple(functions)

    @property
    def names(self) -> list[str]:
        """Names of the features, in the order of the columns."""
        families = (
            WordFeatures,
            AlignmentFeatures,
            QuantityFeatures,
            CharacterFeatures,
            LengthFeatures,
        )
        own = [_name(function) for function in self.functions]
        return [*chain.from_iterable(family._fields for family in families), *own]

    def transform(
        self,
        titles: ParsedTitles,
        left: Indices,
        right: Indices,
        n_threads: int = 1,
    ) -> NDArray[np.float32]:
        """Return the features of pairs of titles: (n_pairs, n_features)."""
        columns = [
            *compare_words(titles, left, right),
            *align_words(titles, left, right, n_threads),
            *compare_quantities(titles, left, right),
            *compare_characters(titles, left, right, n_threads),
            *compare_lengths(titles, left, right),
            *(call_function(f, titles.fields, left, right) for f in self.functions),
        ]
        return np.column_stack(columns).astype(np.float32)


def compare_words(titles: ParsedTitles, left: Indices, right: Indices) -> WordFeatures:
    """Compare the words of pairs, weighted by their inverse document frequency."""
    a, b, weights = titles.words[left], titles.words[right], titles.weights
    both = a.multiply(b).tocsr()
    alone = a - both, b - both
    shared = both @ weights
    missing = [words @ weights for words in alone]
    totals = [shared + weight for weight in missing]
    rarest = [_largest(words, weights) for words in alone]
    unseen = [words @ (weights * titles.is_unseen) for words in alone]
    n_bigrams = np.diff(titles.bigrams.indptr)
    bigrams = inner_products(titles.bigrams, titles.bigrams, left, right)
    return WordFeatures(
        words_shared=shared,
        words_missing_min=np.minimum(*missing),
        words_missing_max=np.maximum(*missing),
        words_jaccard=ratio(shared, shared + missing[0] + missing[1]),
        words_contained=ratio(shared, np.minimum(*totals)),
        words_n_shared=np.asarray(both.sum(axis=1)).ravel(),
        words_rarest_shared=_largest(both, weights),
        words_rarest_missing_min=np.minimum(*rarest),
        words_rarest_missing_max=np.maximum(*rarest),
        words_unseen_min=np.minimum(*unseen),
        words_unseen_max=np.maximum(*unseen),
        words_bigrams=ratio(bigrams, n_bigrams[left] + n_bigrams[right] - bigrams),
        words_first=titles.first[left] == titles.first[right],
        words_last=titles.last[left] == titles.last[right],
    )


def compare_quantities(
    titles: ParsedTitles, left: Indices, right: Indices
) -> QuantityFeatures:
    """Compare the quantities of pairs kind by kind, and their model codes."""
    from rapidfuzz import fuzz, process

    def compare(values: csr_array) -> tuple[Values, Values, Values]:
        """Count common values of a kind; tell a conflict, and a lack on one side."""
        n_values = np.diff(values.indptr)
        has_a, has_b = n_values[left] > 0, n_values[right] > 0
        n_shared = inner_products(values, values, left, right)
        return n_shared, has_a & has_b & (n_shared == 0), has_a != has_b

    kinds = dict(titles.quantities)
    number_agree, number_conflict, _ = compare(kinds.pop("number"))
    _, count_conflict, _ = compare(kinds["count"])
    agree, conflict, missing = np.zeros((3, len(left)), np.float32)
    for values in kinds.values():
        n_shared, does_conflict, is_missing = compare(values)
        agree += n_shared > 0
        conflict += does_conflict
        missing += is_missing
    n_codes = np.diff(titles.codes.indptr)
    codes = inner_products(titles.codes, titles.codes, left, right)
    alone = n_codes[left] - codes, n_codes[right] - codes
    codes_of = [text[:_READ_BY_EDITS] for text in titles.code_texts]
    similar = process.cpdist(
        [codes_of[i] for i in left], [codes_of[i] for i in right], scorer=fuzz.ratio
    )
    has_both = (n_codes[left] > 0) & (n_codes[right] > 0)
    return QuantityFeatures(
        quantities_agree=agree,
        quantities_conflict=conflict,
        quantities_missing=missing,
        quantities_count_conflict=count_conflict,
        quantities_number_agree=number_agree,
        quantities_number_conflict=number_conflict,
        codes_shared=codes,
        codes_alone_min=np.minimum(*alone),
        codes_alone_max=np.maximum(*alone),
        codes_similar=np.where(has_both, similar / 100, -1),
        codes_nearest=_nearest_codes(titles, left, right, np.minimum(*alone) > 0),
    )


def _nearest_codes(
    titles: ParsedTitles, left: Indices, right: Indices, has_both: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Return the largest edit similarity of a code of one title alone and the other."""
    from rapidfuzz import fuzz, process

    nearest = np.full(len(left), -1, np.float32)
    rows, ours, theirs = [], [], []
    for row in np.flatnonzero(has_both):
        a, b = (titles.code_sets[side[row]] for side in (left, right))
        for ours_alone, theirs_alone in product(
            sorted(a - b)[:_CODES_COMPARED], sorted(b - a)[:_CODES_COMPARED]
        ):
            rows.append(row)
            ours.append(ours_alone[:_READ_BY_PARTS])
            theirs.append(theirs_alone[:_READ_BY_PARTS])
    similar = process.cpdist(ours, theirs, scorer=fuzz.ratio, dtype=np.float32)
    np.maximum.at(nearest, np.array(rows, np.intp), similar / 100)
    return nearest


def compare_characters(
    titles: ParsedTitles, left: Indices, right: Indices, n_threads: int = 1
) -> CharacterFeatures:
    """Compare the characters of pairs by rapidfuzz."""
    from rapidfuzz import fuzz, process
    from rapidfuzz.distance import JaroWinkler

    def score(a: list[str], b: list[str], scorer: Any) -> NDArray[np.float32]:
        return process.cpdist(a, b, scorer=scorer, dtype=np.float32, workers=n_threads)

    def compare(texts: list[str], scorer: Any) -> NDArray[np.float32]:
        n_read = _READ_BY_PARTS if scorer is fuzz.partial_ratio else _READ_BY_EDITS
        texts = [text[:n_read] for text in texts]
        a, b = [texts[i] for i in left], [texts[i] for i in right]
        if scorer not in (fuzz.token_set_ratio, fuzz.partial_ratio):
            return score(a, b, scorer)  # symmetric
        both = score(a, b, scorer) + score(b, a, scorer)
        return (both / 2).astype(np.float32)

    return CharacterFeatures(
        characters_ratio=compare(titles.texts, fuzz.ratio),
        characters_sorted=compare(titles.sorted, fuzz.ratio),
        characters_set=compare(titles.texts, fuzz.token_set_ratio),
        characters_compact=compare(titles.compact, fuzz.ratio),
        characters_partial=compare(titles.compact, fuzz.partial_ratio),
        characters_prefix=compare(titles.texts, JaroWinkler.similarity),
    )


def compare_lengths(
    titles: ParsedTitles, left: Indices, right: Indices
) -> LengthFeatures:
    """Count the words and characters of both sides, and the rows like them."""
    n_words = np.diff(titles.words.indptr)
    n_characters = np.array([len(text) for text in titles.texts])
    return LengthFeatures(
        *chain.from_iterable(
            (np.minimum(n[left], n[right]), np.maximum(n[left], n[right]))
            for n in (n_words, n_characters, titles.n_same_words)
        )
    )


def call_function(
    function: Callable[..., Any],
    fields: NDArray[np.object_],
    left: Indices,
    right: Indices,
) -> NDArray[np.float32]:
    """Call a function of the user from both sides and take the mean."""
    a, b = fields[left], fields[right]
    values = [np.asarray(function(*x), dtype=np.float32) for x in ((a, b), (b, a))]
    for value in values:
        if value.shape != (len(left),):
            raise ValueError(
                f"{function!r} returned shape {value.shape} for {len(left)} pairs; "
                f"expected {(len(left),)}, a number for each pair."
            )
    return np.mean(values, axis=0, dtype=np.float32)


def _name(function: Any) -> str:
    if isinstance(function, ColumnFeature):
        return function.name
    return f"own_{getattr(function, '__name__', type(function).__name__)}"


def _largest(rows: csr_array, weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the largest weight of the items of each row; 0 without one."""
    items = csr_array(rows)
    weighted = items.data * weights[items.indices]
    weighted = csr_array((weighted, items.indices, items.indptr), shape=items.shape)
    return np.asarray(weighted.max(axis=1).toarray()).ravel()
