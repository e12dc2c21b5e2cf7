"""The score at every threshold, in one pass over the pairs in falling order.

1. Rank: the entries of a score graph in falling order of their score. What matches at
   a threshold are the first entries, those whose score reaches it.
2. Count, at each entry, the matches of its row so far, and the correct ones of these.
3. Add up what each entry changes: the scores of the first 0, 1, 2, ... entries.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from skmatch._numbers import check_number

# scoring(row, is_correct, n_true) -> scores of the first 0, 1, 2, ... entries.
Scoring = Callable[
    [NDArray[np.intp], NDArray[np.bool_], NDArray[np.intp]], NDArray[np.float64]
]


class RankedMatches(NamedTuple):
    """The entries of a score graph in falling order, and what is right.

    With `singleton_match`, a row that has no entry yet matches one other row all the
    same, as with ``match_singletons=True``.
    """

    row: NDArray[np.intp]  # (n_entries,)
    column: NDArray[np.intp]  # (n_entries,)
    score: NDArray[np.float32]  # (n_entries,), falling
    labels: NDArray[np.intp]  # (n_rows,)
    singleton_match: NDArray[np.intp] | None = None  # (n_rows,) other row; -1 is none

    @property
    def is_correct(self) -> NDArray[np.bool_]:
        """Whether both rows of an entry are the same product, (n_entries,)."""
        return self.labels[self.row] == self.labels[self.column]

    @property
    def n_true(self) -> NDArray[np.intp]:
        """Number of rows of each row's product, itself included, (n_rows,)."""
        return np.bincount(self.labels)[self.labels]


def rank_matches(
    graph: csr_array, labels: NDArray[np.intp], singleton_match: csr_array | None = None
) -> RankedMatches:
    """Sort the entries of a score graph; `labels` are codes 0, 1, ... of its rows.

    `singleton_match` is a graph of at most one match for each row, which the row has
    while it has no other.
    """
    entries = graph.tocoo()
    order = np.argsort(-entries.data, kind="stable")
    row, column = (ends[order].astype(np.intp) for ends in entries.coords)
    other_of_row = None
    if singleton_match is not None:
        other_of_row = np.full(graph.shape[0], -1, np.intp)
        at_row, at_column = singleton_match.tocoo().coords
        other_of_row[at_row] = at_column
    return RankedMatches(row, column, entries.data[order], labels, other_of_row)


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
        if ranked.singleton_match is not None:
            raise ValueError(
                "A scoring of your own knows nothing of match_singletons=True; "
                "expected a scoring by name."
            )
        try:
            returned = scoring(ranked.row, ranked.is_correct, ranked.n_true)
        except TypeError as error:
            raise TypeError(
                f"scoring={scoring!r} cannot be called with (row, is_correct, n_true): "
                f"{error}"
            ) from error
        scores = np.asarray(returned)
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
    best = find_best(scores)
    return float(thresholds[best]), float(scores[best])


def find_best(scores: NDArray[np.float64]) -> int:
    """Return the first best of the scores of rising thresholds; the last if all are 0.

    The highest threshold is the one to take where a precision is not to be had.
    """
    return int(scores.argmax()) if scores.any() else len(scores) - 1


def check_scoring(scoring: Any) -> None:
    """Raise unless `scoring` is one that :func:`score_curve` knows."""
    names = ("bcubed_f1", "pair_f1", "rowwise_f1")
    if callable(scoring) or (isinstance(scoring, str) and scoring in names):
        return
    tuples = ("pair_fbeta", "recall_at_precision")
    is_pair = isinstance(scoring, tuple) and len(scoring) == 2
    if not (is_pair and isinstance(scoring[0], str) and scoring[0] in tuples):
        raise ValueError(
            f"scoring={scoring!r}; expected one of {list(names)}, ('pair_fbeta', "
            "beta), ('recall_at_precision', precision) or a callable."
        )
    is_share = scoring[0] == "recall_at_precision"
    check_number(
        scoring[1],
        f"{scoring[0]} of scoring",
        min_val=0,
        max_val=1 if is_share else None,
        include_boundaries="right" if is_share else "neither",
    )


class _Counts(NamedTuple):
    """At each entry: matches of its row without and with it, and the correct ones.

    The row itself is one of them, and correct. "At start" is before any entry.
    """

    matched_before: NDArray[np.intp]  # (n_entries,)
    correct_before: NDArray[np.intp]
    matched: NDArray[np.intp]
    correct: NDArray[np.intp]
    true: NDArray[np.intp]  # (n_entries,), rows of the product
    matched_at_start: NDArray[np.intp]  # (n_rows,)
    correct_at_start: NDArray[np.intp]
    true_at_start: NDArray[np.intp]


def _count(ranked: RankedMatches) -> _Counts:
    row, is_correct, n_true = ranked.row, ranked.is_correct, ranked.n_true
    n_entries = np.bincount(row, minlength=len(n_true))
    # Of the smallest type that holds the rows: integers of 16 bits are sorted faster.
    by_row = np.argsort(row.astype(np.min_scalar_type(len(n_true))), kind="stable")
    first = (n_entries.cumsum() - n_entries)[row[by_row]]  # of the row's entries
    position = np.arange(len(row))
    n_correct = np.append(0, is_correct[by_row].cumsum())
    matched, correct = np.empty_like(row), np.empty_like(row)
    matched[by_row] = position - first + 2
    correct[by_row] = n_correct[position + 1] - n_correct[first] + 1
    matched_before, correct_before = matched - 1, correct - is_correct
    matched_at_start = np.ones(len(n_true), np.intp)
    correct_at_start = matched_at_start.copy()
    other = ranked.singleton_match
    if other is not None:
        has_one = other >= 0
        matched_at_start += has_one
        correct_at_start += has_one & (ranked.labels[other] == ranked.labels)
        is_first = matched_before == 1
        matched_before[is_first] = matched_at_start[row[is_first]]
        correct_before[is_first] = correct_at_start[row[is_first]]
    return _Counts(
        matched_before, correct_before, matched, correct, n_true[row],
        matched_at_start, correct_at_start, n_true,
    )  # fmt: skip


def _accumulate(
    before: NDArray[Any], after: NDArray[Any], at_start: NDArray[Any]
) -> NDArray[np.float64]:
    """Return the sum over the rows as entries change the value of their row."""
    total = at_start.sum(dtype=np.float64)
    return np.append(total, total + (after - before).cumsum(dtype=np.float64))


def _rowwise_f1(counts: _Counts) -> NDArray[np.float64]:
    """Mean over the rows of ``2 |T ∩ P| / (|T| + |P|)``."""
    total = _accumulate(
        2 * counts.correct_before / (counts.matched_before + counts.true),
        2 * counts.correct / (counts.matched + counts.true),
        2 * counts.correct_at_start / (counts.matched_at_start + counts.true_at_start),
    )
    return total / len(counts.true_at_start)


def _bcubed_f1(counts: _Counts) -> NDArray[np.float64]:
    """F1 of the means over the rows of precision and recall."""
    n_rows = len(counts.true_at_start)
    precision, recall = (
        _accumulate(before, after, at_start) / n_rows
        for before, after, at_start in (
            (
                counts.correct_before / counts.matched_before,
                counts.correct / counts.matched,
                counts.correct_at_start / counts.matched_at_start,
            ),
            (
                counts.correct_before / counts.true,
                counts.correct / counts.true,
                counts.correct_at_start / counts.true_at_start,
            ),
        )
    )
    return 2 * precision * recall / (precision + recall)


def _pairs(counts: _Counts) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
    """Return the pairs that match and the correct ones, and how many there are."""
    matched, correct = (
        _accumulate(before, after, at_start - 1)
        for before, after, at_start in (
            (counts.matched_before, counts.matched, counts.matched_at_start),
            (counts.correct_before, counts.correct, counts.correct_at_start),
        )
    )
    return matched, correct, int((counts.true_at_start - 1).sum())


def _pair_fbeta(counts: _Counts, beta: float) -> NDArray[np.float64]:
    """``(1 + beta²) correct / (beta² true + matched)`` of the pairs."""
    matched, correct, n_true = _pairs(counts)
    weighted = beta**2 * n_true + matched
    scores = (1 + beta**2) * correct / np.maximum(weighted, 1e-12)
    return np.where(weighted > 0, scores, 1.0)  # there is none, and none matches


def _recall_at_precision(counts: _Counts, least: float) -> NDArray[np.float64]:
    """Recall of the pairs where their precision is at least `least`, and else 0."""
    matched, correct, n_true = _pairs(counts)
    precision = np.where(matched > 0, correct / np.maximum(matched, 1), 1.0)
    recall = correct / n_true if n_true else np.ones(len(correct))
    return np.where(precision >= least, recall, 0.0)
