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

from skmatch.search._cells import (
    EXACT,
    ROWS_PER_CELL,
    Cells,
    Numbers,
    Recall,
    Rows,
    Sorted,
    above,
    calibrate,
    count_alike,
)

Pairs = tuple[Numbers, Numbers, NDArray[np.float32]]
Run = Callable[[Callable[..., Any], Iterable[Any]], Iterable[Any]]

_ROWS_PER_TASK = 2048
_PAIRS_PER_LOOK = 4096  # their rows stay in the cache
_PREFIXES = (7, 15, 23, 31, 47, 63, 95, 127, 191, 255)
_ROWS_TO_CALIBRATE = 2000  # they are searched exactly; more where they match little
_SMALL = 1e10  # flop of a comparison of all pairs that needs no plan
_AFFORDABLE = 5e12  # flop of an exact search: about a minute of one core
# What else than flop the steps cost, in flop that take as long: to compare a similarity
# with the threshold; to assign a row to a cell, and to a cell that it probes; to look
# again at a pair, for each column. Measured on a core of 85 Gflop/s.
_COMPARE, _ASSIGN, _PROBE, _LOOK = 10, 70, 500, 170


class Plan(NamedTuple):
    """How the pairs are found, and about how many flop that takes.

    With `directions`, an upper bound of each similarity is compared, that of the rows
    as :func:`shorten` makes them; with `cells`, only those of rows that meet in a cell.
    """

    flop: float
    directions: Rows | None = None  # (n_features, n_prefix)
    cells: Cells | None = None  # of rows that are shortened, if there are directions
    margin: float = math.inf
    one_sided: bool = False  # whether only the left rows visit cells
    hosts: Sorted | None = None  # the right rows, if they were sorted already
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
        theirs = plan.hosts or sort_by_cell(other, plan, run)
        ours = theirs if right is None else sort_by_cell(left, plan, run)
        return plan.cells.meet(
            ours, theirs, bound, plan.margin, look, run, one_sided=plan.one_sided
        )
    short_left = shorten(left, plan.directions)
    short_right = short_left if right is None else shorten(right, plan.directions)

    def compare(start: int) -> Pairs:
        block = short_left[start : start + _ROWS_PER_TASK]
        first = start if right is None else 0
        rows, columns = above(block, short_right[first:], bound, triangle=right is None)
        return look(rows + start, columns + first)

    return run(compare, range(0, len(left), _ROWS_PER_TASK))


def sort_by_cell(rows: Rows, plan: Plan, run: Run) -> Sorted:
    """Shorten rows and sort them by the cells of a plan."""
    assert plan.cells is not None
    return plan.cells.sort(shorten(rows, plan.directions), run)


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
    whole = Plan(n_pairs * (2 * left.shape[1] + _COMPARE))
    if whole.flop <= _SMALL and index != "cells":
        return whole
    prefixes = _measure_prefixes(left, other, threshold, n_pairs)
    best = min((Plan(x.flop(1.0), x.directions) for x in prefixes), key=_flop)
    n_cells = max(1, round(math.sqrt(1.6 * len(other))))
    if index != "cells" and (best.flop < 3 * _SMALL or len(left) < n_cells):
        return best
    widest = _widest_margin(threshold, left.shape[1])
    share, exact = 0.1, None  # of the pairs, which meet in a cell
    for n_tried in (n_cells, min(2 * n_cells, len(other))):
        prefix = min(prefixes, key=lambda x: x.flop(share))
        trains = other[draw(len(other), ROWS_PER_CELL * n_tried)]
        cells = Cells(shorten(trains, prefix.directions), n_tried, seed=0)
        plan = Plan(math.inf, prefix.directions, cells, widest)
        plan, share = _cost(plan, prefix, left, right)
        if exact is not None and exact.flop <= plan.flop:
            break
        exact, prefix_of_exact = plan, prefix
    assert exact is not None
    best = min(best, exact, key=_flop)
    if index == "exact" or (index == "auto" and best.flop <= _AFFORDABLE):
        return best
    hosts = sort_by_cell(other, exact, run)
    exact, is_best = exact._replace(hosts=hosts), exact is best
    # Where cells of this margin are of no use, they are none for the sample either.
    alone = exact._replace(margin=2 * widest, one_sided=True) if is_best else None
    most = len(left) // 20 if index == "auto" else len(left)  # no more than pays
    sample = exact_sample(left, right, threshold, target_recall, run, alone, most)
    margin, recall = _calibrate(exact, other, *sample, target_recall)
    if margin >= widest:
        return best
    plan = exact._replace(margin=margin, recall=recall)
    calibrated, _ = _cost(plan, prefix_of_exact, left, right)
    return calibrated if index == "cells" else min(best, calibrated, key=_flop)


def exact_sample(
    left: Rows,
    right: Rows | None,
    threshold: float,
    target_recall: float,
    run: Run,
    plan: Plan | None = None,
    most: int | None = None,
) -> tuple[Rows, Pairs]:
    """Return a sample of the rows of `left` and all pairs of theirs with others.

    They are found as in `plan`, if there is one. The fewer pairs the rows have, the
    more rows are drawn, up to `most`.
    """
    other = left if right is None else right
    # Not the rows that trained the cells: those lie closer to their centroids.
    order = np.random.default_rng(1).permutation(len(left))
    if plan is None:
        prefixes = _measure_prefixes(left, other, threshold, 1.0)
        plan = Plan(0.0, min(prefixes, key=lambda x: x.flop(1.0)).directions)
    found: list[Pairs] = []
    most = len(left) if most is None else max(most, _ROWS_TO_CALIBRATE)
    start, end = 0, min(len(left), _ROWS_TO_CALIBRATE)
    while start < end:
        rows = order[start:end]
        mine, theirs, similarities = join(
            find_pairs(left[rows], other, threshold, plan, run)
        )
        keep = rows[mine] != theirs if right is None else slice(None)
        found.append((mine[keep] + start, theirs[keep], similarities[keep]))
        sizes = np.bincount(join(found)[0], minlength=end)
        start, end = end, min(len(left), most, _enough_rows(sizes, target_recall))
    return left[order[:start]], join(found)


def _enough_rows(sizes: Numbers, target_recall: float) -> int:
    """Return how many rows have the pairs that show a recall, at most ten times more.

    Of n pairs without a miss, the recall is with 97.5 % confidence at least about
    1 - 3.7 / n. `sizes` are the numbers of pairs of each row.
    """
    wanted = 6 / max(1 - target_recall, 1e-4)
    n_pairs = sizes.sum() / max(1.0, count_alike(sizes))
    return math.ceil(len(sizes) * min(10.0, wanted / max(1.0, n_pairs)))


def _calibrate(
    plan: Plan, other: Rows, sample: Rows, pairs: Pairs, target_recall: float
) -> tuple[float, Recall]:
    """Choose the margin of the cells by all pairs of a sample."""
    assert plan.cells is not None
    mine, theirs, _ = pairs
    needed = [np.empty(0, np.float32)]
    for first in range(0, len(mine), _PAIRS_PER_LOOK):
        some = slice(first, first + _PAIRS_PER_LOOK)
        pair = (sample[mine[some]], other[theirs[some]])
        needed.append(
            plan.cells.margins(*(shorten(rows, plan.directions) for rows in pair))
        )
    return calibrate(np.concatenate(needed), np.bincount(mine), target_recall)


class _Prefix(NamedTuple):
    """What it costs to compare pairs by the first columns of their rotated rows."""

    directions: Rows | None
    n_columns: int
    pairs: float  # flop to compare all pairs
    looks: float  # flop to look again at those that the bound lets through

    def flop(self, share: float) -> float:
        """Return the cost of comparing a share of the pairs."""
        return share * self.pairs + self.looks


def _flop(plan: Plan) -> float:
    return plan.flop


def _widest_margin(threshold: float, n_features: int) -> float:
    """Return the margin of cells of shortened rows that finds every pair."""
    # What shorten adds to the squared norms, and what rounding may take.
    slack = 4 * rounding(n_features)
    return math.sqrt(max(0.0, 2 - 2 * threshold) + slack) / 2


def _measure_prefixes(
    left: Rows, right: Rows, threshold: float, n_pairs: float
) -> list[_Prefix]:
    """Measure on a sample what prefixes of several lengths let through."""
    n_features = left.shape[1]
    pairs = n_pairs * (2 * n_features + _COMPARE)
    prefixes = [_Prefix(None, n_features, pairs, 0.0)]
    lengths = [n for n in _PREFIXES if n < n_features / 1.5]
    if not lengths:
        return prefixes
    sample = right[draw(len(right), 20_000)].astype(np.float64)
    rotation = np.linalg.eigh(sample.T @ sample)[1][:, ::-1].astype(np.float32)
    some, others = left[draw(len(left), 256)], right[draw(len(right), 4096)]
    for n_prefix in lengths:
        directions = np.ascontiguousarray(rotation[:, :n_prefix])
        short, others_short = (shorten(rows, directions) for rows in (some, others))
        share = float((short @ others_short.T >= threshold).mean())
        pairs = n_pairs * (2 * n_prefix + 2 + _COMPARE)
        looks = n_pairs * share * _LOOK * n_features
        prefixes.append(_Prefix(directions, n_prefix + 1, pairs, looks))
    return prefixes


def _cost(
    plan: Plan, prefix: _Prefix, left: Rows, right: Rows | None
) -> tuple[Plan, float]:
    """Count what a plan with cells costs; return the share of pairs that meet, too."""
    assert plan.cells is not None
    n_cells = len(plan.cells)
    drawn = shorten(left[draw(len(left), 2000)], plan.directions)
    home = plan.cells.find_homes(drawn, map)
    n_probes = plan.cells.probe(drawn, home, plan.margin, map).nnz / len(drawn)
    of_home = np.bincount(home, minlength=n_cells) / len(drawn)
    # Rows meet in crowded cells more often; of a sample, chance adds 1 / its size.
    crowd = max(1.0, n_cells * (float((of_home**2).sum()) - 1 / len(drawn)))
    share = min(1.0, (1 + 2 * n_probes) / n_cells * crowd)
    n_assigned = len(left) + (0 if right is None else len(right))
    per_entry = 2 * prefix.n_columns + _ASSIGN
    flop = n_assigned * (n_cells * per_entry + n_probes * _PROBE)
    flop += 4 * ROWS_PER_CELL * n_cells**2 * per_entry  # to train the centroids
    return plan._replace(flop=flop + prefix.flop(share)), share


def shorten(rows: Rows, directions: Rows | None) -> Rows:
    """Rotate rows by PCA, keep the first columns and append the norm of the others.

    By the inequality of Cauchy and Schwarz the inner product of two short rows is no
    smaller than that of the rows. Their norm is that of the rows, and so they are
    nowhere farther apart. Without directions the rows stay whole.
    """
    if directions is None:
        return rows
    short = np.empty((len(rows), directions.shape[1] + 1), np.float32)
    np.matmul(rows, directions, out=short[:, :-1])
    square = np.einsum("ij,ij->i", rows, rows)
    square -= np.einsum("ij,ij->i", short[:, :-1], short[:, :-1])
    # Of a difference of nearly equal squares nothing but rounding may be left.
    short[:, -1] = np.sqrt(np.maximum(square, 0) + rounding(rows.shape[1]))
    return short


def look_again(
    left: Rows, right: Rows, rows: Numbers, columns: Numbers, threshold: float
) -> Pairs:
    """Return those pairs whose similarity, computed in float64, reaches the threshold.

    However a pair was found, its similarity is the same.
    """
    bound = threshold - rounding(left.shape[1])
    parts = []
    for first in range(0, len(rows), _PAIRS_PER_LOOK):
        some = slice(first, first + _PAIRS_PER_LOOK)
        a, b = left.take(rows[some], axis=0), right.take(columns[some], axis=0)
        near = np.flatnonzero(np.einsum("ij,ij->i", a, b) >= bound)  # float32 is quick
        similarities = _cosines(a[near], b[near])
        near = near[similarities >= np.float32(threshold)]
        similarities = similarities[similarities >= np.float32(threshold)]
        parts.append((rows[some][near], columns[some][near], similarities))
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
