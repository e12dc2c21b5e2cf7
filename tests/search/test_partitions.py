"""A search in blocks that know nothing of one another finds what one machine finds."""

from collections import Counter

import numpy as np
import pytest

from skmatch.search import (
    BlockRows,
    assign_rows,
    count_to_train,
    join_block,
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


def search(rows, order, partitions, n_parts):
    """Search block by block, of rows that were assigned part by part."""
    entries = []
    for part in np.array_split(
        np.random.default_rng(1).permutation(len(rows)), n_parts
    ):
        assigned = assign_rows(rows[part], order[part], partitions)
        for row, cell, block, lives, home in zip(*assigned, strict=True):
            entries.append((int(cell), int(block), bool(lives), part[row], int(home)))
    blocks = {entry[:2] for entry in entries}
    assert Counter(e[3] for e in entries if e[2]) == Counter(range(len(rows)))
    found = []
    for block in blocks:
        sides = []
        for lives in (True, False):
            own = [e[3:] for e in entries if e[:3] == (*block, lives)]
            index = np.array([row for row, _ in own], np.intp)
            home = np.array([home for _, home in own], np.int32)
            sides.append((index, BlockRows(rows[index], home, order[index])))
        (living, one), (probing, other) = sides
        inside, across = join_block(one, other, partitions)
        for side, (a, b, similarity) in ((living, inside), (probing, across)):
            found += [*zip(side[a], living[b], similarity, strict=True)]
    return found, len(blocks)


@pytest.mark.parametrize("threshold", [0.5, 0.8, 1.0])
@pytest.mark.parametrize(("rows_per_block", "n_parts"), [(10_000, 1), (12, 7), (5, 3)])
def test_all_pairs_are_found_once(threshold, rows_per_block, n_parts):
    rows = draw_rows()
    order = np.random.default_rng(2).integers(-(2**63), 2**63 - 1, len(rows))
    partitions = plan_partitions(rows[:200], len(rows), threshold, rows_per_block)
    assert (partitions.n_blocks.max() > 1) == (rows_per_block < 1000)
    found, n_blocks = search(rows, order, partitions, n_parts)
    assert n_blocks > 5
    i, j = np.triu_indices(len(rows), k=1)
    similarities = cosines(rows[i], rows[j])
    is_pair = similarities >= np.float32(threshold)
    pairs = zip(i[is_pair], j[is_pair], strict=True)
    expected = dict(zip(pairs, similarities[is_pair], strict=True))
    assert len(expected) >= 1
    assert len(found) == len(expected)
    assert {(min(a, b), max(a, b)): s for a, b, s in found} == expected


def test_one_row_and_none():
    rows = draw_rows()[:1]
    partitions = plan_partitions(rows, 1, 0.5)
    assigned = assign_rows(rows, np.array([5]), partitions)
    assert assigned.lives.tolist() == [True]
    one = BlockRows(rows, assigned.home, np.array([5]))
    none = BlockRows(rows[:0], assigned.home[:0], np.empty(0, np.int64))
    assert [len(a) for a, _, _ in join_block(one, none, partitions)] == [0, 0]
    assert len(assign_rows(rows[:0], np.empty(0, np.int64), partitions).row) == 0


def test_cells_grow_as_the_root_of_the_rows():
    assert count_to_train(1) == (1, 1)
    assert count_to_train(1_000_000) == (316, 20_224)
