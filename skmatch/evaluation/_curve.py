"""The score at every threshold, in one pass over the pairs in falling order.

1. Rank: the entries of a score graph in falling order of their score. What matches at
   a threshold are the first entries, those whose score reaches it.
2. Count, at each entry, the matches of its row so far and the right ones among them.
3. Add up what each entry changes: n entries give the scores of the first 0, 1, ..., n.
"""

from __future__ import annotations

from collections.abc import Callable
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from sklearn.utils import check_scalar

# scoring(row, is_right, n_true) -> scores of the first 0, 1, 2, ... entries.
Scoring = Callable[
    [NDArray[np.intp], NDArray[np.bool_], NDArray[np.intp]], NDArray[np.float64]
]


class RankedMatches(NamedTuple):
    """The entries of a score graph in falling order, and what is right.

    With `fallback`, a row that has no entry yet matches one other row all the same, as
    with ``match_singletons=True``.
    """

    row: NDArray[np.intp]  # (n_entries,)
    column: NDArray[np.intp]  # (n_entries,)
    score: NDArray[np.float32]  # (n_entries,), falling
    labels: NDArray[np.intp]  # (n_rows,)
    fallback: NDArray[np.intp] | None = None  # (n_rows,) other row; -1 is none

    @property
    def is_right(self) -> NDArray[np.bool_]:
        """Whether both rows of an entry are the same product, (n_entries,)."""
        return self.labels[self.row] == self.labels[self.column]

    @property
    def n_true(self) -> NDArray[np.intp]:
        """Number of rows of each row's product, itself included, (n_rows,)."""
        return np.bincount(self.labels)[self.labels]


def rank_matches(
    graph: csr_array, labels: NDArray[np.intp], fallback: csr_array | None = None
) -> RankedMatches:
    """Sort the entries of a score graph; `labels` are codes 0, 1, ... of its rows.

    `fallback` is a graph of at most one match for each row, which it has while it has
    no other.
    """
    entries = graph.tocoo()
    order = np.argsort(-entries.data, kind="stable")
    row, column = (ends[order].astype(np.intp) for ends in entries.coords)
    spare = None
    if fallback is not None:
        spare = np.full(graph.shape[0], -1, np.intp)
        at_row, at_column = fallback.tocoo().coords
        spare[at_row] = at_column
    return RankedMatches(row, column, entries.data[order], labels, spare)


def score_curve(
    ranked: RankedMatches, scoring: str | tuple[str, float] | Scoring
) -> NDArray[np.float64]:
    """Return the scores of the first 0, 1, 2, ... entries: (n_entries + 1,).

    `scoring` is "rowwise_f1", "pair_f1", "bcubed_f1", ("pair_fbeta", beta),
    ("recall_at_precision", precision) or a function, as of
    :class:`skmatch.TunedThresholdMatcherCV`.
    """
    shape = (len(ranked.row) + 1,)
    if callable(scoring):
        if ranked.fallback is not None:
            raise ValueError(
                "A scoring of your own knows nothing of match_singletons=True; "
                "expected a scoring by name."
            )
        scores = np.asarray(scoring(ranked.row, ranked.is_right, ranked.n_true))
        if scores.shape != shape:
            raise ValueError(
                f"scoring returned shape {scores.shape}; expected {shape}, a score for "
                "each number of matches."
            )
        return scores
    check_scoring(scoring)
    counts = _count(ranked)
    if scoring == "rowwise_f1":
        return _rowwise_f1(counts)
    if scoring == "bcubed_f1":
        return _bcubed_f1(counts)
    name, value = ("pair_fbeta", 1.0) if isinstance(scoring, str) else scoring
    if name == "pair_fbeta":
        return _pair_fbeta(counts, float(value))
    return _recall_at_precision(counts, float(value))


def scores_at(
    ranked: RankedMatches,
    thresholds: NDArray[Any],
    scoring: str | tuple[str, float] | Scoring = "rowwise_f1",
) -> NDArray[np.float64]:
    """Return the score at each threshold; a pair exactly at it matches."""
    rising = ranked.score[::-1]
    n_below = np.searchsorted(rising, np.asarray(thresholds, np.float32), side="left")
    return score_curve(ranked, scoring)[len(rising) - n_below]


def best_threshold(
    ranked: RankedMatches,
    scoring: str | tuple[str, float] | Scoring = "rowwise_f1",
) -> tuple[float, float]:
    """Return the threshold of the highest score among all scores of pairs, and 1."""
    thresholds = np.unique(np.append(ranked.score, np.float32(1)))
    scores = scores_at(ranked, thresholds, scoring)
    best = int(scores.argmax())
    return float(thresholds[best]), float(scores[best])


def check_scoring(scoring: Any) -> None:
    """Raise unless `scoring` is one that :func:`score_curve` knows."""
    names = ("bcubed_f1", "pair_f1", "rowwise_f1")
    if callable(scoring) or (isinstance(scoring, str) and scoring in names):
        return
    tuples = ("pair_fbeta", "recall_at_precision")
    if not (isinstance(scoring, tuple) and len(scoring) == 2 and scoring[0] in tuples):
        raise ValueError(
            f"scoring={scoring!r}; expected one of {list(names)}, ('pair_fbeta', "
            "beta), ('recall_at_precision', precision) or a callable."
        )
    is_share = scoring[0] == "recall_at_precision"
    check_scalar(
        scoring[1],
        f"{scoring[0]} of scoring",
        Real,
        min_val=0,
        max_val=1 if is_share else None,
        include_boundaries="right" if is_share else "neither",
    )


class _Counts(NamedTuple):
    """The matches of an entry's row before it and with it, and the right ones.

    The row itself is one of them, and right. `alone` is the same before any entry.
    """

    found_before: NDArray[np.intp]  # (n_entries,)
    right_before: NDArray[np.intp]
    found: NDArray[np.intp]
    right: NDArray[np.intp]
    true: NDArray[np.intp]  # (n_entries,), rows of the product
    found_alone: NDArray[np.intp]  # (n_rows,)
    right_alone: NDArray[np.intp]
    true_alone: NDArray[np.intp]


def _count(ranked: RankedMatches) -> _Counts:
    row, is_right, n_true = ranked.row, ranked.is_right, ranked.n_true
    by_row = np.argsort(row, kind="stable")
    first = np.searchsorted(row[by_row], row[by_row])  # of the row's entries
    position = np.arange(len(row))
    n_right = np.append(0, is_right[by_row].cumsum())
    found, right = np.empty_like(row), np.empty_like(row)
    found[by_row] = position - first + 2
    right[by_row] = n_right[position + 1] - n_right[first] + 1
    found_before, right_before = found - 1, right - is_right
    found_alone = np.ones(len(n_true), np.intp)
    right_alone = found_alone.copy()
    if ranked.fallback is not None:
        has_one = ranked.fallback >= 0
        found_alone += has_one
        right_alone += has_one & (ranked.labels[ranked.fallback] == ranked.labels)
        is_first = found_before == 1
        found_before[is_first] = found_alone[row[is_first]]
        right_before[is_first] = right_alone[row[is_first]]
    return _Counts(
        found_before, right_before, found, right, n_true[row],
        found_alone, right_alone, n_true,
    )  # fmt: skip


def _accumulate(
    before: NDArray[Any], after: NDArray[Any], alone: NDArray[Any]
) -> NDArray[np.float64]:
    """Return the sum over the rows as entries change the value of their row."""
    start = alone.sum(dtype=np.float64)
    return np.append(start, start + (after - before).cumsum(dtype=np.float64))


def _rowwise_f1(n: _Counts) -> NDArray[np.float64]:
    """Mean over the rows of ``2 |T ∩ P| / (|T| + |P|)``."""
    total = _accumulate(
        2 * n.right_before / (n.found_before + n.true),
        2 * n.right / (n.found + n.true),
        2 * n.right_alone / (n.found_alone + n.true_alone),
    )
    return total / len(n.true_alone)


def _bcubed_f1(n: _Counts) -> NDArray[np.float64]:
    """F1 of the means over the rows of precision and recall."""
    n_rows = len(n.true_alone)
    precision, recall = (
        _accumulate(before, after, alone) / n_rows
        for before, after, alone in (
            (
                n.right_before / n.found_before,
                n.right / n.found,
                n.right_alone / n.found_alone,
            ),
            (
                n.right_before / n.true,
                n.right / n.true,
                n.right_alone / n.true_alone,
            ),
        )
    )
    return 2 * precision * recall / (precision + recall)


def _pairs(n: _Counts) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
    """Return the pairs found and the right ones, and how many there are to find."""
    found = _accumulate(n.found_before, n.found, n.found_alone - 1)
    right = _accumulate(n.right_before, n.right, n.right_alone - 1)
    return found, right, int((n.true_alone - 1).sum())


def _pair_fbeta(n: _Counts, beta: float) -> NDArray[np.float64]:
    """``(1 + beta²) right / (beta² true + found)`` of the pairs."""
    found, right, n_true = _pairs(n)
    weighted = beta**2 * n_true + found
    scores = (1 + beta**2) * right / np.maximum(weighted, 1e-12)
    return np.where(weighted > 0, scores, 1.0)  # none is right, and none was found


def _recall_at_precision(n: _Counts, least: float) -> NDArray[np.float64]:
    """Recall of the pairs where their precision is at least `least`, and else 0."""
    found, right, n_true = _pairs(n)
    precision = np.where(found > 0, right / np.maximum(found, 1), 1.0)
    recall = right / n_true if n_true else np.ones(len(right))
    return np.where(precision >= least, recall, 0.0)
