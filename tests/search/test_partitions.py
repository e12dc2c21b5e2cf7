"""A search in parts that know nothing of one another finds what one machine finds."""

from collections import Counter

import numpy as np
import pytest

from skmatch.search import (
    PartRows,
    assign_rows,
    count_to_train,
    join_part,
    plan_partitions,
    unit_rows,
)
from skmatch.search._similarities import cosines


def draw_rows(n_products=150, n_each=4, n_features=24, spread=0.35, seed=0):
    rng = np.random.default_rng(seed)
    centers = rng.standard_normal((n_products, n_features))
    rows = centers.repeat(n_each, axis=0)
    rows += spread * rng.standard_normal(rows.shape)
    rows[7] = rows[4]  # equal rows
    rows[-2:] = 0
    return unit_rows(rows)


def search(rows, order, partitions, n_batches):
    """Search part by part, of rows that were assigned batch by batch."""
    entries = []
    for batch in np.array_split(
        np.random.default_rng(1).permutation(len(rows)), n_batches
    ):
        assigned = assign_rows(rows[batch], order[batch], partitions)
        for row, part, lives, home in zip(*assigned, strict=True):
            entries.append((int(part), bool(lives), batch[row], int(home)))
    assert len(set(entries)) == len(entries)
    assert Counter(e[2] for e in entries if e[1]) == Counter(range(len(rows)))
    found = []
    parts = {entry[0] for entry in entries}
    for part in parts:
        sides = []
        for lives in (True, False):
            own = [e[2:] for e in entries if e[:2] == (part, lives)]
            index = np.array([row for row, _ in own], np.intp)
            home = np.array([home for _, home in own], np.int32)
            sides.append((index, PartRows(rows[index], home)))
        (living, one), (probing, other) = sides
        for probes, (a, b, similarity) in join_part(part, one, other, partitions):
            side = probing if probes else living
            found += [*zip(side[a], living[b], similarity, strict=True)]
    return found, len(parts)


@pytest.mark.parametrize("threshold", [0.5, 0.8, 1.0])
@pytest.mark.parametrize(("rows_per_part", "n_batches"), [(120, 1), (60, 7), (5, 3)])
def test_all_pairs_are_found_once(threshold, rows_per_part, n_batches):
    rows = draw_rows()
    order = np.random.default_rng(2).integers(-(2**63), 2**63 - 1, len(rows))
    partitions = plan_partitions(rows[:200], len(rows), threshold, rows_per_part)
    n_cells = np.bincount(partitions.first_part)  # of each part
    assert (n_cells.max() > 1) == (rows_per_part > 5)
    assert (partitions.n_parts.max() > 1) == (rows_per_part < 120)
    found, n_parts = search(rows, order, partitions, n_batches)
    assert n_parts > 5
    i, j = np.triu_indices(len(rows), k=1)
    similarities = cosines(rows[i], rows[j])
    is_pair = similarities >= np.float32(threshold)
    pairs = zip(i[is_pair], j[is_pair], strict=True)
    expected = dict(zip(pairs, similarities[is_pair], strict=True))
    assert len(expected) >= 1
    assert len(found) == len(expected)
    assert {(min(a, b), max(a, b)): s for a, b, s in found} == expected


def test_the_parts_of_cells_have_the_rows_asked_for():
    rows = draw_rows()
    first_part = plan_partitions(rows, len(rows), 0.8, 100).first_part
    cells = plan_partitions(rows, len(rows), 0.8, 100).cells
    of_part = np.bincount(first_part[cells.find_homes(rows, map)])
    assert of_part.sum() == len(rows)
    assert of_part.min() > 10
    assert of_part.max() <= 100


def test_a_part_may_have_rows_of_one_side_alone():
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((2000, 200)) * 0.95 ** np.arange(200)
    rows[:200] = rows[200:400] + 0.02
    rows = unit_rows(rows)
    partitions = plan_partitions(rows, len(rows), 0.9)
    assert partitions.directions is not None
    home = assign_rows(rows, np.arange(len(rows)), partitions).home[: len(rows)]
    some, none = PartRows(rows, home), PartRows(np.empty((0, 1), np.float32), home[:0])
    assert [*join_part(0, none, some, partitions)] == []
    found = sum(len(a) for _, (a, _, _) in join_part(0, some, none, partitions))
    assert found == (np.triu(rows @ rows.T, k=1) >= 0.9).sum() > 100


def test_one_row_and_none():
    rows = draw_rows()[:1]
    partitions = plan_partitions(rows, 1, 0.5)
    assigned = assign_rows(rows, np.array([5]), partitions)
    assert assigned.lives.tolist() == [True]
    one = PartRows(rows, assigned.home)
    none = PartRows(np.empty((0, 1), np.float32), assigned.home[:0])
    found = [*join_part(0, one, none, partitions)]
    assert [len(a) for _, (a, _, _) in found] == [0] * len(found)
    assert len(assign_rows(rows[:0], np.empty(0, np.int64), partitions).row) == 0


def test_cells_grow_as_the_root_of_the_rows():
    assert count_to_train(1) == (1, 1)
    assert count_to_train(1_000_000) == (632, 40_448)
