"""Near words: what one title has alone beside what the other has alone."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from skmatch.graph import ratio
from skmatch.pairs._parsed_titles import ParsedTitles

Indices = NDArray[np.intp]
Values = NDArray[Any]
# Of the words that a title has alone; each is compared with each of the other.
_WORDS_ALIGNED = 16
_PAIRS_ALIGNED = 2**12  # at a time
_NEAR = 0.5  # least similarity of near words


class AlignmentFeatures(NamedTuple):
    """A word that one title has alone may be a near word of the other's.

    Such as one with a typing error, or another form [1]_: it is missing in so far as it
    differs from the nearest word that the other title has alone. Of many words that one
    title has alone the 16 heaviest are looked at.

    .. [1] A. Monge and C. Elkan, "The field matching problem: algorithms and
       applications", KDD, 1996.
    """

    alignment_missing_min: Annotated[Values, "weight of the words without a near word"]
    alignment_missing_max: Values
    alignment_share_min: Annotated[Values, "share of them that has a near word"]
    alignment_share_max: Values
    alignment_rarest_missing_min: Annotated[
        Values, "weight of the word that is missing most"
    ]
    alignment_rarest_missing_max: Values
    alignment_near: Annotated[Values, "sum of the similarities of near words"]


def align_words(
    titles: ParsedTitles, left: Indices, right: Indices, n_threads: int = 1
) -> AlignmentFeatures:
    """Compare each word of one title alone with each of those of the other alone."""
    blocks = [
        _align_block(titles, left[start : start + _PAIRS_ALIGNED],
                     right[start : start + _PAIRS_ALIGNED], n_threads)
        for start in range(0, max(1, len(left)), _PAIRS_ALIGNED)
    ]  # fmt: skip
    return AlignmentFeatures(*np.concatenate(blocks, axis=1))


def _align_block(
    titles: ParsedTitles, left: Indices, right: Indices, n_threads: int
) -> NDArray[np.float32]:
    """Return the features of some pairs: (n_features, n_pairs)."""
    from rapidfuzz import fuzz, process

    a, b = titles.words[left], titles.words[right]
    both = a.multiply(b).tocsr()
    sides = [_heaviest(words - both, titles.weights) for words in (a, b)]
    pair, i, j = _cross([rows for rows, _ in sides], len(left))
    words, others = sides[0][1][i], sides[1][1][j]
    # Numbers differ or do not, and of two words one of which is more than three times
    # as long as the other none is near.
    n, n_other = titles.lengths[words], titles.lengths[others]
    is_near = 3 * np.minimum(n, n_other) >= np.maximum(n, n_other)
    is_near &= ~(titles.is_number[words] | titles.is_number[others])
    pair, i, j, words, others = (x[is_near] for x in (pair, i, j, words, others))
    n_words = len(titles.names)
    key = np.minimum(words, others).astype(np.int64) * n_words
    key, place = np.unique(key + np.maximum(words, others), return_inverse=True)
    texts = [titles.names[x].tolist() for x in divmod(key, n_words)]
    similar = process.cpdist(
        *texts, scorer=fuzz.ratio, score_cutoff=100 * _NEAR, dtype=np.float32,
        workers=n_threads,
    )[place] / 100  # fmt: skip
    of_sides = []
    for (rows, alone), at in zip(sides, (i, j), strict=True):
        nearest = np.zeros(len(alone), np.float32)
        np.maximum.at(nearest, at, similar)
        weight = titles.weights[alone]
        missing = weight * (1 - nearest)
        total, rest = (
            np.bincount(rows, x, len(left)).astype(np.float32)
            for x in (weight, missing)
        )
        worst = np.zeros(len(left))
        np.maximum.at(worst, rows, missing)
        of_sides.append((rest, ratio(total - rest, total), worst))
    columns = [
        f(*of_both) for of_both in zip(*of_sides, strict=True)
        for f in (np.minimum, np.maximum)
    ]  # fmt: skip
    near = np.bincount(pair, similar, len(left))
    return np.array([*columns, near], np.float32)


def _heaviest(
    words: csr_array, weights: NDArray[np.float32]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the heaviest words of each row: the row and the word of each of these."""
    alone = csr_array(words)
    alone.eliminate_zeros()
    rows = np.repeat(np.arange(alone.shape[0]), np.diff(alone.indptr))
    order = np.lexsort((alone.indices, -weights[alone.indices], rows))
    rank = np.arange(len(rows)) - alone.indptr[rows]  # the rows stay where they are
    kept = order[rank < _WORDS_ALIGNED]
    return rows[kept], alone.indices[kept].astype(np.intp)


def _cross(
    sides: list[NDArray[np.intp]], n_rows: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Combine each item of a row on one side with each on the other: row and items."""
    n_left, n_right = (np.bincount(rows, minlength=n_rows) for rows in sides)
    start_left, start_right = (np.cumsum(n) - n for n in (n_left, n_right))
    n_both = n_left * n_right
    row = np.repeat(np.arange(n_rows), n_both)
    k = np.arange(len(row)) - np.repeat(np.cumsum(n_both) - n_both, n_both)
    of_left, of_right = np.divmod(k, np.maximum(n_right, 1)[row])
    return row, start_left[row] + of_left, start_right[row] + of_right
