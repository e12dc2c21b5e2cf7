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

Features = dict[str, NDArray[np.float32]]
Titles = Sequence[str] | NDArray[np.object_]
_PAIRS_PER_BLOCK = 2**17
_N_NEAR = 5  # the density around a title is that up to this neighbour

# Each unit as its kind and its size in the smallest unit of the kind. A word after a
# number that is not here makes no quantity of it.
_UNITS: dict[str, dict[float, str]] = {
    "mass": {
        1: "g gr gram grams gramm grm gm",
        1000: "kg kilo kgs kilogram",
        0.001: "mg miligram milligram",
        28.35: "oz ounce ounces",
        453.6: "lb lbs pound pounds",
    },
    "volume": {
        1: "ml mili mililiter milliliter cc",
        10: "cl",
        1000: "l lt ltr liter litre liters litres",
    },
    "length": {
        1: "mm",
        10: "cm",
        1000: "m mtr meter metre meters metres",
        25.4: "inch inches inchi inci in",
        304.8: "ft feet foot",
        914.4: "yard yards yd",
    },
    "storage": {1: "mb", 1024: "gb gig", 1024**2: "tb"},
    "count": {
        1: "pcs pc pce piece pieces pack packs pak pk set sets isi count ct box sachet "
        "lembar lbr tablet tablets kapsul capsule capsules caps pasang pair pairs",
        12: "lusin dozen",
    },
    "power": {1: "w watt watts", 1000: "kw"},
    "voltage": {1: "v volt volts"},
    "charge": {1: "mah"},
    "frequency": {1: "hz", 1000: "khz", 1e6: "mhz", 1e9: "ghz"},
    "share": {1: "% persen percent"},
}
_UNIT = {
    word: (kind, size)
    for kind, units in _UNITS.items()
    for size, words in units.items()
    for word in words.split()
}
_NUMBER = r"(?<![\w.,])(\d+(?:[.,]\d+)?)"
_NAMES = "|".join(sorted(map(re.escape, _UNIT), key=len)[::-1])
_QUANTITY = re.compile(rf"{_NUMBER}[\s-]*({_NAMES})(?!\w)")
_PACK = re.compile(
    rf"(?<![\w.,])(\d+)\s*x(?=\s*\d)"
    rf"|\b(?:isi|pack of|set of)\s*(\d+)(?![.,]?\d|\s*(?:{_NAMES})(?!\w))"
)
_BARE = re.compile(rf"{_NUMBER}(?!\w)")
_CODE = re.compile(r"\b(?=[\w-]*\d)(?=[\w-]*[^\W\d_])\w[\w-]*\w\b")
_WORD = re.compile(r"\w+")


def find_quantities(title: str) -> tuple[set[tuple[str, float]], set[str]]:
    """Return the quantities of a lower-case title, by kind, and its model codes.

    A number with a unit is a quantity of the unit's kind, in its smallest unit, one
    without is a quantity of the kind "number". A model code is any other word of
    letters and digits, without its hyphens.
    """
    quantities = set()

    def take(match: re.Match[str]) -> str:
        kind, size = _UNIT[match[2]]
        quantities.add((kind, _read(match[1], size)))
        return " "

    def take_pack(match: re.Match[str]) -> str:
        quantities.add(("count", _read(match[1] or match[2], 1)))
        return " "

    rest = _PACK.sub(take_pack, title)
    rest = _QUANTITY.sub(take, rest)
    codes = {code.replace("-", "").replace("_", "") for code in _CODE.findall(rest)}
    quantities |= {("number", _read(number, 1)) for number in _BARE.findall(rest)}
    return quantities, codes


def _read(number: str, size: float) -> float:
    """Return a number in another unit, to five digits: 1.5 kg is 1500 g."""
    return float(f"{float(number.replace(',', '.')) * size:.5g}")


class Counts(NamedTuple):
    """In how many titles of a gallery each word is, and each set of words."""

    n_titles: int
    words: Counter[str]
    same: Counter[str]


def count(titles: Titles) -> Counts:
    """Count the words of titles, and the titles of the same words."""
    words = [_words(title) for title in titles]
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
        self, gallery: _Gallery, left: NDArray[np.intp], right: NDArray[np.intp]
    ) -> NDArray[np.float32]:
        """Return the features of pairs of rows of a gallery, (n_pairs, n_features)."""
        blocks = []
        for first in range(0, max(1, len(left)), _PAIRS_PER_BLOCK):
            a, b = (side[first : first + _PAIRS_PER_BLOCK] for side in (left, right))
            features = list(_compare(gallery, a, b).values())
            features += [_call(f, gallery.cells, a, b) for f in self.functions]
            blocks.append(np.column_stack(features).astype(np.float32))
        return np.concatenate(blocks)


def _compare(
    gallery: _Gallery, left: NDArray[np.intp], right: NDArray[np.intp]
) -> Features:
    """Compute the features of some pairs by name."""
    return {
        **_compare_words(gallery, left, right),
        **_compare_quantities(gallery, left, right),
        **_compare_characters(gallery, left, right),
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
        around = around or count(self.texts)
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
        for kind in [*_UNITS, "number"]:
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
    missing = _sides(missing_a, missing_b)
    all_a, all_b = shared + missing_a, shared + missing_b
    union = shared + missing_a + missing_b
    rarest = [_largest(only, weights) for only in (only_a, only_b)]
    unseen = [only @ (weights * gallery.is_new) for only in (only_a, only_b)]
    n_bigrams = [
        np.asarray(gallery.bigrams.sum(axis=1)).ravel()[x] for x in (left, right)
    ]
    bigrams = _dot(gallery.bigrams, gallery.bigrams, left, right)
    return {
        "words_shared": shared,
        "words_missing_less": missing[0],
        "words_missing_more": missing[1],
        "words_jaccard": _ratio(shared, union),
        "words_contained": _ratio(shared, np.minimum(all_a, all_b)),
        "words_n_shared": np.asarray(both.sum(axis=1)).ravel(),
        "words_rarest_shared": _largest(both, weights),
        "words_rarest_missing_less": np.minimum(*rarest),
        "words_rarest_missing_more": np.maximum(*rarest),
        "words_unseen_less": np.minimum(*unseen),
        "words_unseen_more": np.maximum(*unseen),
        "words_bigrams": _ratio(bigrams, n_bigrams[0] + n_bigrams[1] - bigrams),
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
        n_shared = _dot(values, values, left, right)
        does_conflict = has_a & has_b & (n_shared == 0)
        if kind == "number":
            number["quantities_number_agree"] = n_shared
            number["quantities_number_conflict"] = does_conflict
            continue
        agree += n_shared > 0
        conflict += does_conflict
        missing += has_a != has_b
    n_codes = np.diff(gallery.codes.indptr)
    shared = _dot(gallery.codes, gallery.codes, left, right)
    alone = _sides(n_codes[left] - shared, n_codes[right] - shared)
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
    gallery: _Gallery, left: NDArray[np.intp], right: NDArray[np.intp]
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

    def compare(texts: list[str], scorer: Any) -> NDArray[np.float32]:
        a, b = [texts[i] for i in left], [texts[i] for i in right]
        one = process.cpdist(a, b, scorer=scorer, dtype=np.float32)
        if scorer not in (fuzz.token_set_ratio, fuzz.partial_ratio):
            return one  # symmetric
        return (one + process.cpdist(b, a, scorer=scorer, dtype=np.float32)) / 2

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
        less, more = _sides(values[left], values[right])
        features |= {f"lengths_{name}_less": less, f"lengths_{name}_more": more}
    return features


def compare_neighbourhoods(
    name: str,
    score: NDArray[np.float32],
    left: NDArray[np.intp],
    right: NDArray[np.intp],
    of_left: csr_array,
    of_right: csr_array,
    *,
    in_left: bool = True,
    in_right: bool = True,
) -> Features:
    """Compare a pair with the other candidates of its two rows.

    `of_left` and `of_right` are the scores of the candidates of all rows, against the
    same columns; `in_left` and `in_right` tell whether these pairs are among them. The
    best candidate is the only one that can be right where a product has few rows, and
    in a dense neighbourhood a high score says little.

    *_rank_* : number of candidates of a side with a higher score
    *_of_best_*, *_of_near_* : the score over a side's best and over its fifth one
    *_margin_* : the score less that of the side's best other candidate
    *_degree_* : sum of a side's scores; of probabilities, its expected matches
    *_support : sum over common candidates of the product of the scores
    *_agreement : cosine of the scores of the candidates of both sides
    """
    sides = [
        _Side(of_left, left, score, in_left),
        _Side(of_right, right, score, in_right),
    ]
    features = {name: score}
    for what in ("rank", "of_best", "of_near", "margin", "degree"):
        less, more = _sides(*(getattr(side, what) for side in sides))
        features |= {f"{name}_{what}_less": less, f"{name}_{what}_more": more}
    support = _dot(of_left, of_right, left, right)
    features[f"{name}_support"] = support
    # A row is a candidate of its own, with a score of 1.
    norms = np.sqrt((1 + sides[0].squares) * (1 + sides[1].squares))
    features[f"{name}_agreement"] = (support + 2 * score) / norms
    return {key: np.asarray(value, np.float32) for key, value in features.items()}


class _Side:
    """One score a pair against all scores of one of its rows."""

    def __init__(
        self,
        graph: csr_array,
        rows: NDArray[np.intp],
        score: NDArray[np.float32],
        is_in: bool,
    ) -> None:
        row = np.repeat(np.arange(graph.shape[0]), np.diff(graph.indptr))
        values = graph.data[np.lexsort((-graph.data, row))]
        first, n = graph.indptr[:-1][rows], np.diff(graph.indptr)[rows]

        def nth(number: int) -> NDArray[np.float32]:
            """Return the row's score of this rank; 0 where there is none."""
            found = np.zeros(len(rows), np.float32)
            is_there = n > number
            found[is_there] = values[first[is_there] + number]
            return found

        best = nth(0)
        other = np.where(score >= best, nth(1), best) if is_in else best
        near = nth(_N_NEAR - 1)
        if not is_in:  # as if it were
            near = np.maximum(near, np.minimum(score, nth(_N_NEAR - 2)))
        self.rank = _count_above(graph.indptr, values, rows, score)
        self.of_best = _ratio(score, np.maximum(best, score))
        self.of_near = _ratio(score, near, 10.0)
        self.margin = score - other
        alone = 0 if is_in else score
        self.degree = np.asarray(graph.sum(axis=1)).ravel()[rows] + alone
        squares = csr_array((graph.data**2, graph.indices, graph.indptr), graph.shape)
        self.squares = np.asarray(squares.sum(axis=1)).ravel()[rows] + alone * score


def _count_above(
    starts: NDArray[np.intp],
    values: NDArray[np.float32],
    rows: NDArray[np.intp],
    score: NDArray[np.float32],
) -> NDArray[np.intp]:
    """Count the values of each row, in falling order, above a score."""
    low, high = starts[:-1][rows].astype(np.intp), starts[1:][rows].astype(np.intp)
    first = low.copy()
    while (low < high).any():  # a binary search in all rows at once
        middle = (low + high) // 2
        is_above = values[np.minimum(middle, len(values) - 1)] > score
        is_open = low < high
        low = np.where(is_open & is_above, middle + 1, low)
        high = np.where(is_open & ~is_above, middle, high)
    return low - first


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


def _dot(
    a: csr_array, b: csr_array, left: NDArray[np.intp], right: NDArray[np.intp]
) -> NDArray[np.float32]:
    """Inner product of a row of `a` and a row of `b` for each pair."""
    parts = [
        np.asarray(a[left[some]].multiply(b[right[some]]).sum(axis=1)).ravel()
        for first in range(0, len(left), _PAIRS_PER_BLOCK)
        for some in [slice(first, first + _PAIRS_PER_BLOCK)]
    ]
    return np.concatenate([np.empty(0, np.float32), *parts]).astype(np.float32)


def _largest(rows: csr_array, weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the largest weight of the items of each row; 0 without one."""
    weighted = csr_array(rows)
    weighted = csr_array(
        (weighted.data * weights[weighted.indices], weighted.indices, weighted.indptr),
        shape=weighted.shape,
    )
    return np.asarray(weighted.max(axis=1).toarray()).ravel()


def _sides(
    a: NDArray[Any], b: NDArray[Any]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the less and the more of both sides: a pair has no order."""
    return np.minimum(a, b), np.maximum(a, b)


def _ratio(
    a: NDArray[np.float32], b: NDArray[np.float32], empty: float = 0.0
) -> NDArray[np.float32]:
    """Divide; where there is nothing to divide by, give `empty`."""
    return np.divide(a, b, out=np.full(len(a), empty, np.float32), where=b > 0)


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
