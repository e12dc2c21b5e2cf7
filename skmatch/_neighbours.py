"""All pairs of dense unit rows whose cosine similarity reaches a threshold."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from skmatch._cells import EXACT, Cells, Numbers, Recall, Rows, above, calibrate

Pairs = tuple[Numbers, Numbers, NDArray[np.float32]]
Run = Callable[[Callable[..., Any], Iterable[Any]], Iterable[Any]]

_ROWS_PER_TASK = 2048
_PAIRS_PER_LOOK = 2**16
_ROWS_TO_CALIBRATE = 2000  # they are searched exactly
_SMALL = 1e10  # flop of a comparison of all pairs that needs no plan
_AFFORDABLE = 5e12  # flop of an exact search: about a minute of one core
# What else than flop the steps cost, in flop that take as long: to compare a similarity
# with the threshold, to assign a row to a cell, to look again at a pair.
_COMPARE, _ASSIGN, _LOOK = 25, 150, 8000


class Plan(NamedTuple):
    """How the pairs are found, and about how many flop that takes."""

    flop: float
    n_prefix: int = 0  # columns of the rotated rows, if all pairs are compared
    cells: Cells | None = None
    margin: float = math.inf
    recall: Recall = EXACT


@contextmanager
def threads(n_threads: int) -> Iterator[Run]:
    """Give a function that maps on threads; BLAS and OpenMP have one each meanwhile."""
    with threadpool_limits(1), ThreadPoolExecutor(n_threads) as pool:
        yield pool.map if n_threads > 1 else map


def find_pairs(
    left: Rows, right: Rows | None, threshold: float, plan: Plan, run: Run
) -> Iterable[Pairs]:
    """Return blocks of the pairs at or above the threshold, with their similarity.

    With `right` None, those of `left` with itself, as (smaller, larger).
    """
    other = left if right is None else right
    bound = threshold - rounding(left.shape[1])

    def look(rows: Numbers, columns: Numbers) -> Pairs:
        return look_again(left, other, rows, columns, threshold)

    if plan.cells is not None:
        return plan.cells.meet(left, right, bound, plan.margin, look, run)
    short_left, short_right = _shorten(left, other, plan.n_prefix)

    def compare(start: int) -> Pairs:
        block = short_left[start : start + _ROWS_PER_TASK]
        first = start if right is None else 0
        rows, columns = above(block, short_right[first:], bound, triangle=right is None)
        return look(rows + start, columns + first)

    return run(compare, range(0, len(left), _ROWS_PER_TASK))


def plan_search(
    left: Rows,
    right: Rows | None,
    threshold: float,
    *,
    index: str,
    target_recall: float,
    run: Run,
) -> Plan:
    """Choose the cheapest way to find the pairs, by a look at a sample of rows.

    `index` is "auto", "exact" or "cells".
    """
    other = left if right is None else right
    n_pairs = len(left) * len(other) / (2 if right is None else 1)
    everything = _plan_everything(left, n_pairs)
    if everything.flop <= _SMALL and index != "cells":
        return everything
    best = _plan_prefix(left, other, threshold, n_pairs)
    n_cells = max(1, round(math.sqrt(1.6 * len(other))))
    if index != "cells" and (best.flop < 3 * _SMALL or len(left) < n_cells):
        return best
    cells = Cells(other, n_cells, seed=0)
    widest = math.sqrt(max(0.0, 2 - 2 * threshold)) / 2  # it finds every pair
    best = min(best, _plan_cells(cells, left, right, widest, EXACT), key=_flop)
    if index == "exact" or (index == "auto" and best.flop <= _AFFORDABLE):
        return best
    margin, recall = _calibrate(cells, left, right, threshold, target_recall, run)
    if margin >= widest:
        return best
    calibrated = _plan_cells(cells, left, right, margin, recall)
    return calibrated if index == "cells" else min(best, calibrated, key=_flop)


def exact_sample(
    left: Rows, right: Rows | None, threshold: float, run: Run
) -> tuple[Rows, Pairs]:
    """Return a sample of the rows of `left` and all pairs of theirs with others."""
    other = left if right is None else right
    # Not the rows that trained the cells: those lie closer to their centroids.
    rows = np.sort(draw(len(left), _ROWS_TO_CALIBRATE, seed=1))
    sample = left[rows]
    plan = _plan_prefix(sample, other, threshold, 1.0)
    mine, theirs, similarities = join(find_pairs(sample, other, threshold, plan, run))
    if right is None:
        is_other = rows[mine] != theirs
        mine, theirs = mine[is_other], theirs[is_other]
        similarities = similarities[is_other]
    return sample, (mine, theirs, similarities)


def _calibrate(
    cells: Cells,
    left: Rows,
    right: Rows | None,
    threshold: float,
    target_recall: float,
    run: Run,
) -> tuple[float, Recall]:
    """Choose the margin of the cells by an exact search of a sample."""
    other = left if right is None else right
    sample, (mine, theirs, _) = exact_sample(left, right, threshold, run)
    needed = [np.empty(0, np.float32)]
    for first in range(0, len(mine), _PAIRS_PER_LOOK):
        some = slice(first, first + _PAIRS_PER_LOOK)
        needed.append(cells.margins(sample[mine[some]], other[theirs[some]]))
    return calibrate(np.concatenate(needed), np.bincount(mine), target_recall)


def _flop(plan: Plan) -> float:
    return plan.flop


def _plan_everything(left: Rows, n_pairs: float) -> Plan:
    """Count what it costs to compare all pairs in full."""
    return Plan(n_pairs * (2 * left.shape[1] + _COMPARE), left.shape[1])


def _plan_prefix(left: Rows, right: Rows, threshold: float, n_pairs: float) -> Plan:
    """Choose the number of columns after which most pairs are out of the question."""
    n_features = left.shape[1]
    some, others = left[draw(len(left), 256)], right[draw(len(right), 4096)]
    plans = [_plan_everything(left, n_pairs)]
    for n_prefix in (15, 31, 63, 127, 255):
        if n_prefix < n_features / 1.5:
            short, others_short = _shorten(some, others, n_prefix)
            share = float((short @ others_short.T >= threshold).mean())
            flop = n_pairs * (2 * n_prefix + 2 + _COMPARE + share * _LOOK)
            plans.append(Plan(flop, n_prefix))
    return min(plans, key=_flop)


def _plan_cells(
    cells: Cells, left: Rows, right: Rows | None, margin: float, recall: Recall
) -> Plan:
    """Count what the cells cost with a margin."""
    n_features, n_cells = left.shape[1], len(cells)
    sample = cells.assign(left[draw(len(left), 2000)], margin, map)
    n_probes = len(sample.row) / len(sample.home)
    share = np.bincount(sample.home, minlength=n_cells) / len(sample.home)
    # Rows meet in crowded cells more often; of a sample, chance adds 1 / its size.
    crowd = max(1.0, n_cells * (float((share**2).sum()) - 1 / len(sample.home)))
    if right is None:
        n_assigned, n_meetings = len(left), len(left) ** 2 * (0.5 + n_probes)
    else:
        n_assigned = len(left) + len(right)
        n_meetings = len(left) * len(right) * (1 + 2 * n_probes)
    flop = n_assigned * n_cells * (2 * n_features + _ASSIGN)
    flop += n_meetings / n_cells * crowd * (2 * n_features + _COMPARE)
    return Plan(flop, 0, cells, margin, recall)


def _shorten(left: Rows, right: Rows, n_prefix: int) -> tuple[Rows, Rows]:
    """Rotate rows by PCA, keep the first columns and append the norm of the others.

    By the inequality of Cauchy and Schwarz the inner product of two short rows is no
    smaller than that of the rows.
    """
    if n_prefix == left.shape[1]:
        return left, right
    sample = right[draw(len(right), 20_000)].astype(np.float64)
    directions = np.linalg.eigh(sample.T @ sample)[1][:, ::-1]
    rotation = np.ascontiguousarray(directions[:, :n_prefix], dtype=np.float32)

    def shorten(rows: Rows) -> Rows:
        short = np.empty((len(rows), n_prefix + 1), np.float32)
        np.matmul(rows, rotation, out=short[:, :-1])
        square = np.einsum("ij,ij->i", rows, rows)
        square -= np.einsum("ij,ij->i", short[:, :-1], short[:, :-1])
        # Of a difference of nearly equal squares nothing but rounding may be left.
        short[:, -1] = np.sqrt(np.maximum(square, 0) + rounding(rows.shape[1]))
        return short

    short = shorten(right)
    return (short if left is right else shorten(left)), short


def look_again(
    left: Rows, right: Rows, rows: Numbers, columns: Numbers, threshold: float
) -> Pairs:
    """Return those pairs whose similarity, computed in float64, reaches the threshold.

    However a pair was found, its similarity is the same.
    """
    parts = []
    for first in range(0, len(rows), _PAIRS_PER_LOOK):
        some = slice(first, first + _PAIRS_PER_LOOK)
        similarities = _cosines(left[rows[some]], right[columns[some]])
        keep = similarities >= np.float32(threshold)
        parts.append((rows[some][keep], columns[some][keep], similarities[keep]))
    return join(parts)


def _cosines(left: Rows, right: Rows) -> Rows:
    """Cosine similarity of each row of `left` with the same row of `right`."""
    dot, left_square, right_square = (
        np.einsum("ij,ij->i", a, b, dtype=np.float64)
        for a, b in ((left, right), (left, left), (right, right))
    )
    norms = np.sqrt(left_square) * np.sqrt(right_square)
    cosines = np.divide(dot, norms, out=np.zeros_like(dot), where=norms > 0)
    return np.clip(cosines, -1, 1).astype(np.float32)


def join(pairs: Iterable[Pairs]) -> Pairs:
    """Join blocks of pairs; no block gives no pair."""
    empty = np.empty(0, np.intp), np.empty(0, np.intp), np.empty(0, np.float32)
    rows, columns, similarities = zip(empty, *pairs, strict=True)
    return np.concatenate(rows), np.concatenate(columns), np.concatenate(similarities)


def rounding(n_features: int) -> float:
    """Bound the error of a float32 inner product of unit rows."""
    return 2 * (n_features + 2) * float(np.finfo(np.float32).eps)


def draw(n_rows: int, n_drawn: int, seed: int = 0) -> Numbers:
    """Draw some of n rows; the same ones each time."""
    if n_rows <= n_drawn:
        return np.arange(n_rows)
    return np.random.default_rng(seed).choice(n_rows, n_drawn, replace=False)
