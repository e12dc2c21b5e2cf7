"""What decides between exact and approximate search: the cost of each, and the choice.

Costs are counted in floating-point operations (flop), from samples of the rows.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.sparse import issparse

from skmatch.search._cells import ROWS_PER_CELL, Cells, Run
from skmatch.search._equal_rows import EqualRows
from skmatch.search._faiss_index import (
    check_factory,
    clone_index,
    make_index,
    tune_index,
)
from skmatch.search._prefixes import COMPARE, Prefix, measure_prefixes
from skmatch.search._radius import (
    Plan,
    find_pairs,
    shorten,
    sort_by_cell,
    threads,
    widest_margin,
)
from skmatch.search._recall import Recall, calibrate, design_effect
from skmatch.search._similarities import PAIRS_PER_BLOCK, Pairs, join
from skmatch.search._threads import limit_threads
from skmatch.search._unit_rows import Embeddings, Indices, draw

_OWN = ("auto", "exact", "cells")  # any other index is a faiss factory string
ROWS_TO_CALIBRATE = 2000  # they are searched exactly; more where they match little
_SMALL = 1e10  # flop of a comparison of all pairs that needs no plan
_AFFORDABLE = 5e12  # flop of an exact search: about a minute of one core
_SHARE = 0.2  # of the cost of a plain search that a plan may cost
# What else than flop the steps cost, in flop that take as long: to assign a row to a
# cell, and to a cell that it probes. Measured on a core of 85 Gflop/s.
_ASSIGN, _PROBE = 70, 500


def plan_search(
    left: Any,
    right: Any,
    threshold: float,
    *,
    index: str,
    target_recall: float,
    n_threads: int,
    search_index: Any = None,
) -> Plan:
    """Choose how to find the pairs of unit rows, and tell what share that finds.

    With `right` None, the pairs of `left` with itself. `index` is "auto", "exact",
    "cells" or a faiss factory string, `search_index` one that it has made of the first
    rows of `right`, or all of them.
    """
    if issparse(left):
        return Plan()
    if uses_factory(left, index):
        return plan_index(
            left if right is None else right,
            threshold,
            index,
            target_recall,
            n_threads,
            search_index,
        )
    with threads(n_threads) as run:
        return plan_dense(
            left, right, threshold, index=index, target_recall=target_recall, run=run
        )


def check_index(index: str) -> None:
    """Raise if `index` names no way to search."""
    if index not in _OWN:
        check_factory(index)


def uses_factory(rows: Any, index: str) -> bool:
    """Tell whether rows are searched in a faiss index of a factory string."""
    return not issparse(rows) and index not in _OWN


def plan_index(
    rows: Embeddings,
    threshold: float,
    factory: str,
    target_recall: float,
    n_threads: int,
    index: Any = None,
) -> Plan:
    """Make the index of a factory string, if need be, and let it reach the recall."""
    equal = EqualRows(rows)
    # Of several threads the quickest decides which rows a graph links.
    with limit_threads(1 if "HNSW" in factory else n_threads):
        if index is None:
            index = make_index(rows, factory, equal)
        else:
            index = clone_index(index)
            index.add(rows[equal.first[index.ntotal :]])  # what was appended
    with threads(n_threads) as run:
        sample, pairs = exact_sample(rows, None, threshold, target_recall, run)
    with limit_threads(n_threads):
        recall = tune_index(index, equal, sample, pairs, rows, threshold, target_recall)
    return Plan(recall=recall, index=index, equal=equal, factory=factory)


def plan_dense(
    left: Embeddings,
    right: Embeddings | None,
    threshold: float,
    *,
    index: str,
    target_recall: float,
    run: Run,
) -> Plan:
    """Choose the cheapest way to find the pairs, as measured on samples of the rows.

    `index` is "auto", "exact" or "cells".
    """
    other = left if right is None else right
    n_pairs = len(left) * len(other) / (2 if right is None else 1)
    whole = Plan(n_pairs * (2 * left.shape[1] + COMPARE))
    if whole.flop <= _SMALL and index != "cells":
        return whole
    budget = _SHARE * max(_SMALL, whole.flop)
    prefixes = measure_prefixes(left, other, threshold, n_pairs, budget)
    best = min((Plan(x.flop(1.0), x.directions) for x in prefixes), key=_flop)
    n_cells = max(1, round(math.sqrt(1.6 * len(other))))
    if index != "cells" and (best.flop < 3 * _SMALL or len(left) < n_cells):
        return best
    widest = widest_margin(threshold, left.shape[1])
    share, exact = 0.1, None  # share of the pairs in a common cell: a first guess
    for n_tried in (n_cells, min(2 * n_cells, len(other))):
        prefix = min(prefixes, key=lambda x: x.flop(share))
        if index != "cells" and _flop_to_train(n_tried, prefix) > _SHARE * best.flop:
            break
        training_rows = other
        if len(other) > ROWS_PER_CELL * n_tried:
            training_rows = other[draw(len(other), ROWS_PER_CELL * n_tried)]
        cells = Cells(shorten(training_rows, prefix.directions), n_tried, seed=0)
        plan = Plan(math.inf, prefix.directions, cells, widest)
        plan, share = _cost(plan, prefix, left, right)
        if exact is not None and exact.flop <= plan.flop:
            break
        exact, prefix_of_exact = plan, prefix
    if exact is None:
        return best
    best = min(best, exact, key=_flop)
    if index == "exact" or (index == "auto" and best.flop <= _AFFORDABLE):
        return best
    is_best = exact is best
    exact = exact._replace(sorted_right=sort_by_cell(other, exact, run))
    # The sample is searched in these cells only if they are the quickest exact way.
    of_sample = exact._replace(margin=2 * widest, one_sided=True) if is_best else None
    most = len(left) // 20 if index == "auto" else len(left)  # no more than pays
    sample = exact_sample(left, right, threshold, target_recall, run, of_sample, most)
    margin, recall = _calibrate(exact, other, *sample, target_recall)
    if margin >= widest:
        return best
    plan = exact._replace(margin=margin, recall=recall)
    calibrated, _ = _cost(plan, prefix_of_exact, left, right)
    return calibrated if index == "cells" else min(best, calibrated, key=_flop)


def exact_sample(
    left: Embeddings,
    right: Embeddings | None,
    threshold: float,
    target_recall: float,
    run: Run,
    plan: Plan | None = None,
    most: int | None = None,
) -> tuple[Embeddings, Pairs]:
    """Return a sample of the rows of `left` and all pairs of theirs with others.

    They are found as in `plan`, if there is one. The fewer pairs the rows have, the
    more rows are drawn, up to `most`.
    """
    other = left if right is None else right
    # Another seed than of the rows that trained the cells: those lie closer to their
    # centroids.
    order = draw(len(left), len(left), seed=1)
    if plan is None:
        flop = 2.0 * min(len(left), ROWS_TO_CALIBRATE) * other.size
        budget = _SHARE * max(_SMALL, flop)
        prefixes = measure_prefixes(left, other, threshold, 1.0, budget)
        plan = Plan(directions=min(prefixes, key=lambda x: x.flop(1.0)).directions)
    found: list[Pairs] = []
    most = len(left) if most is None else max(most, ROWS_TO_CALIBRATE)
    start, end = 0, min(len(left), ROWS_TO_CALIBRATE)
    while start < end:
        rows = order[start:end]
        mine, theirs, similarities = join(
            find_pairs(left[rows], other, threshold, plan, run)
        )
        keep = rows[mine] != theirs if right is None else slice(None)
        found.append((mine[keep] + start, theirs[keep], similarities[keep]))
        n_enough = enough_rows(join(found)[0], end, target_recall)
        start, end = end, min(len(left), most, n_enough)
    return left[order[:start]], join(found)


def enough_rows(row: Indices, n_rows: int, target_recall: float) -> int:
    """Return how many rows have the pairs that show a recall, at most ten times more.

    Of n pairs without a miss, the recall is with 97.5 % confidence at least about
    1 - 3.7 / n. `row` is the row of each pair of those that were drawn.
    """
    sizes = np.bincount(row, minlength=n_rows)
    wanted = 6 / max(1 - target_recall, 1e-4)
    n_pairs = sizes.sum() / max(1.0, design_effect(sizes))
    return math.ceil(len(sizes) * min(10.0, wanted / max(1.0, n_pairs)))


def _calibrate(
    plan: Plan,
    other: Embeddings,
    sample: Embeddings,
    pairs: Pairs,
    target_recall: float,
) -> tuple[float, Recall]:
    """Choose the margin of the cells by all pairs of a sample."""
    assert plan.cells is not None
    mine, theirs, _ = pairs
    needed = [np.empty(0, np.float32)]
    for first in range(0, len(mine), PAIRS_PER_BLOCK):
        block = slice(first, first + PAIRS_PER_BLOCK)
        pair = (sample[mine[block]], other[theirs[block]])
        needed.append(
            plan.cells.margins(*(shorten(rows, plan.directions) for rows in pair))
        )
    return calibrate(np.concatenate(needed), np.bincount(mine), target_recall)


def _flop(plan: Plan) -> float:
    return plan.flop


def _cost(
    plan: Plan, prefix: Prefix, left: Embeddings, right: Embeddings | None
) -> tuple[Plan, float]:
    """Count what a plan with cells costs, and the share of pairs in a common cell."""
    assert plan.cells is not None
    n_cells = len(plan.cells)
    drawn = shorten(left[draw(len(left), 2000)], plan.directions)
    home = plan.cells.find_homes(drawn, map)
    n_probes = plan.cells.probe(drawn, home, plan.margin, map).nnz / len(drawn)
    of_home = np.bincount(home, minlength=n_cells) / len(drawn)
    # Rows share crowded cells more often; of a sample, chance adds 1 / its size.
    crowd = max(1.0, n_cells * (float((of_home**2).sum()) - 1 / len(drawn)))
    share = min(1.0, (1 + 2 * n_probes) / n_cells * crowd)
    n_assigned = len(left) + (0 if right is None else len(right))
    per_entry = 2 * prefix.n_columns + _ASSIGN
    flop = n_assigned * (n_cells * per_entry + n_probes * _PROBE)
    flop += _flop_to_train(n_cells, prefix)
    return plan._replace(flop=flop + prefix.flop(share)), share


def _flop_to_train(n_cells: int, prefix: Prefix) -> float:
    """Count what it costs to train the centroids of cells."""
    return 4.0 * ROWS_PER_CELL * n_cells**2 * (2 * prefix.n_columns + _ASSIGN)
