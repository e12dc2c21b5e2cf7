"""Pairs that someone has judged: checked, without contradictions, and put into folds.

What is known of products follows from the matches: rows that are joined by them, or
have the same product id, are one product.
"""

from __future__ import annotations

from itertools import product
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components

from skmatch.evaluation import check_answers
from skmatch.graph import replace_entries, row_indices
from skmatch.pairs._context import PairIndices
from skmatch.persistence import savable
from skmatch.titles import distinct

_MOST_NAMED = 3  # contradictions in a warning
_ANSWERS = {True: "the same", False: "different"}


@savable
class JudgedPairs(NamedTuple):
    """Pairs of rows, and which of them are the same product."""

    indices: PairIndices
    is_match: NDArray[np.bool_]  # (n_pairs,)

    def at(self, rows: Any) -> JudgedPairs:
        """Return some of the pairs."""
        return JudgedPairs(self.indices.at(rows), self.is_match[rows])


@savable
class KnownAnswers:
    """The answers of judged pairs, by what their rows say: they hold in any gallery."""

    def __init__(self, fields: NDArray[np.object_], judged: JudgedPairs) -> None:
        self._left, self._right = (fields[side] for side in judged.indices)
        self._is_match = judged.is_match

    def apply(self, graph: csr_array, fields: NDArray[np.object_]) -> csr_array:
        """Put 1 and 0 in the place of what a score graph of these rows says."""
        rows_of: dict[str, list[int]] = {}
        for row, name in enumerate(map(_name_row, fields.tolist())):
            rows_of.setdefault(name, []).append(row)
        left, right, scores = [], [], []
        sides = zip(self._left.tolist(), self._right.tolist(), strict=True)
        for names, score in zip(sides, self._is_match.tolist(), strict=True):
            one, other = (rows_of.get(_name_row(name), []) for name in names)
            for a, b in product(one, other):
                if a != b:
                    left += [a, b]
                    right += [b, a]
                    scores += [float(score)] * 2
        return replace_entries(graph, left, right, scores)


def _name_row(fields: Any) -> str:
    return repr([*map(str, fields)]) if isinstance(fields, list) else str(fields)


def check_pairs(pairs: Any, is_match: Any, n_rows: int) -> JudgedPairs:
    """Return judged pairs of the rows of `X`; raise if one is none."""
    if pairs is None or is_match is None:
        raise ValueError(
            f"pairs={pairs!r:.50} and is_match={is_match!r:.50}; expected both or none."
        )
    found = np.asarray(pairs)
    if found.shape == (0,):  # an empty list
        found = np.empty((0, 2), np.intp)
    if found.ndim != 2 or found.shape[1] != 2 or found.dtype.kind not in "iu":
        raise ValueError(
            f"pairs has shape {found.shape} and dtype {found.dtype}; expected two row "
            "indices of X for each pair, (n_pairs, 2), int."
        )
    is_wrong = (found < 0) | (found >= n_rows)
    is_wrong |= found[:, :1] == found[:, 1:]
    if is_wrong.any():
        row = int(np.flatnonzero(is_wrong.any(axis=1))[0])
        raise ValueError(
            f"row {row} of pairs is {found[row].tolist()}; expected two different row "
            f"indices from 0 to {n_rows - 1}."
        )
    left, right = found.T.astype(np.intp)
    return JudgedPairs(
        PairIndices(left, right), check_answers(is_match, "is_match", len(found))
    )


def join_products(
    labels: NDArray[np.intp], judged: JudgedPairs | None = None
) -> NDArray[np.intp]:
    """Return the product of each row: rows of one label, or joined by matches.

    A label is -1 where it is not known.
    """
    a = labelled = np.flatnonzero(labels >= 0)
    b = len(labels) + labels[labelled]
    if judged is not None:
        a = np.concatenate([a, judged.indices.left[judged.is_match]])
        b = np.concatenate([b, judged.indices.right[judged.is_match]])
    size = len(labels) + labels.max(initial=-1) + 1
    graph = coo_array((np.ones(len(a)), (a, b)), shape=(size, size))
    products = connected_components(graph, directed=False)[1][: len(labels)]
    return np.unique(products, return_inverse=True)[1]


def drop_contradictions(
    judged: JudgedPairs, labels: NDArray[np.intp]
) -> tuple[JudgedPairs, str | None]:
    """Return the pairs that contradict nothing, and what to warn of.

    A pair contradicts others if its rows have two labels and match, if it joins two
    labels by way of rows without one, or if its rows do not match and yet are one
    product by what the others say.
    """
    left, right = judged.indices
    a, b = labels[left], labels[right]
    is_wrong = judged.is_match & (a >= 0) & (b >= 0) & (a != b)
    # Rows without a label, joined by matches, that match rows of two labels.
    is_free = (a < 0) & (b < 0)
    free = join_products(np.full(len(labels), -1), judged.at(is_free))
    is_link = judged.is_match & ((a < 0) != (b < 0))
    of_free = free[np.where(a < 0, left, right)]
    linked = np.unique(np.column_stack([of_free, np.maximum(a, b)])[is_link], axis=0)
    has_two = np.bincount(linked[:, 0], minlength=free.max(initial=0) + 1) > 1
    is_wrong |= is_link & has_two[of_free]
    products = join_products(labels, judged.at(~is_wrong))
    is_wrong |= ~judged.is_match & (products[left] == products[right])
    if not is_wrong.any():
        return judged, None
    named = [
        f"{left[i]} and {right[i]} ({_ANSWERS[bool(judged.is_match[i])]})"
        for i in np.flatnonzero(is_wrong)[:_MOST_NAMED]
    ]
    return judged.at(~is_wrong), (
        f"{is_wrong.sum()} of {len(is_wrong)} judged pairs contradict other labels and "
        f"are left out, such as that of rows {', '.join(named)}."
    )


def deal_products(
    products: NDArray[np.intp],
    judged: JudgedPairs,
    tests: list[NDArray[np.intp]],
    n_folds: int,
    seed: int,
) -> NDArray[np.intp]:
    """Return the fold of the product of each row.

    It is that of the rows that a fold tests, `tests`; other products are dealt evenly.
    """
    fold = np.full(products.max(initial=-1) + 1, -1)
    n_folds = min(n_folds, len(fold))
    for k, rows in enumerate(tests):
        fold[products[rows]] = k
    rng = np.random.default_rng(seed)
    of_pairs = np.unique(products[judged.indices.left])
    for open_ones in (of_pairs[fold[of_pairs] < 0], None):
        chosen = np.flatnonzero(fold < 0) if open_ones is None else open_ones
        fold[chosen] = rng.permutation(len(chosen)) % n_folds
    return fold[products]


def draw_uncertain(
    graph: csr_array, titles: NDArray[np.object_], n_pairs: int, seed: int
) -> NDArray[np.intp]:
    """Draw pairs of a graph of probabilities, more often where these are uncertain.

    Titles are drawn at most once, until there are no others. A pair with a probability
    of 1, as one that was judged has, is not drawn.
    """
    _, copy_of = distinct(titles)
    left, right = row_indices(graph), graph.indices
    p = np.clip(graph.data.astype(np.float64), 0.001, 0.999)
    is_one = (left < right) & (copy_of[left] != copy_of[right]) & (graph.data < 1)
    left, right, p = left[is_one], right[is_one], p[is_one]
    rng = np.random.default_rng(seed)
    # The largest keys are a sample whose weights are sqrt(p (1 - p)).
    keys = np.log(rng.random(len(p))) / np.sqrt(p * (1 - p))
    chosen: list[int] = []
    later: list[int] = []
    used: set[int] = set()
    for i in np.argsort(-keys, kind="stable"):
        both = {int(copy_of[left[i]]), int(copy_of[right[i]])}
        if len(chosen) == n_pairs:
            break
        if both & used:
            later.append(i)
        else:
            chosen.append(i)
            used |= both
    said = {frozenset((copy_of[left[i]], copy_of[right[i]])) for i in chosen}
    for i in later:
        pair = frozenset((copy_of[left[i]], copy_of[right[i]]))
        if len(chosen) < n_pairs and pair not in said:
            chosen.append(i)
            said.add(pair)
    return np.column_stack([left[chosen], right[chosen]]).astype(np.intp)
