"""What people said of titles: that they are the same product, or that they are not.

An answer is about two rows, which are titles. "The same" holds along a chain of
answers; so a set of rows is the same by answers of its first one with each other.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

Pairs = dict[tuple[int, int], bool]  # two rows, the smaller first: the same?


class Answers(NamedTuple):
    """Answers of pairs of rows. A later one takes the place of those it contradicts."""

    pairs: Pairs

    def say_same(self, rows: Iterable[int]) -> Answers:
        """Return the answers with: all these rows are the same product."""
        rows = sorted(rows)
        kept = self._without_among(set(rows), is_same=False)
        return Answers(kept | {_pair(rows[0], row): True for row in rows[1:]})

    def say_apart(self, rows: Iterable[int], others: Iterable[int]) -> Answers:
        """Return the answers with: these rows are one product, and others are not it.

        What was said to be the same among the others alone stays so.
        """
        own, others = set(rows), sorted(others)
        bound = self._chains(others)
        kept = Answers(self._without_among(own | set(others), is_same=True))
        for chain in bound:
            kept = kept.say_same(chain)
        kept = kept.say_same(own)
        return Answers(kept.pairs | {_pair(min(own), row): False for row in others})

    def without(self, row: int) -> Answers:
        """Return the answers without a row; one that is the same takes its place."""
        about = {pair: same for pair, same in self.pairs.items() if row in pair}
        others = {_other(pair, row): same for pair, same in about.items()}
        same = sorted(other for other, is_same in others.items() if is_same)
        kept = {pair: same for pair, same in self.pairs.items() if row not in pair}
        if same:
            del others[same[0]]
            heir = {_pair(same[0], other): is_same for other, is_same in others.items()}
            kept = heir | kept
        return Answers(kept)

    def rows(self) -> set[int]:
        """Return the rows that an answer is about."""
        return {row for pair in self.pairs for row in pair}

    def partners(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the rows that are the same as some of these."""
        own = set(rows.tolist())
        same = (pair for pair, is_same in self.pairs.items() if is_same)
        return np.array([row for pair in same if own & set(pair) for row in pair], int)

    def among(
        self, rows: NDArray[np.int64], is_same: bool
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return the pairs of this answer, both of whose rows are in some.

        They are given by their places in `rows`.
        """
        place = {row: number for number, row in enumerate(rows.tolist())}
        found = [
            (place[a], place[b])
            for (a, b), same in self.pairs.items()
            if same == is_same and a in place and b in place
        ]
        left, right = np.array(found, np.intp).reshape(-1, 2).T
        return left, right

    def _without_among(self, rows: set[int], *, is_same: bool) -> Pairs:
        """Return the pairs but those of this answer among some rows."""
        return {
            (a, b): same
            for (a, b), same in self.pairs.items()
            if same != is_same or a not in rows or b not in rows
        }

    def _chains(self, rows: list[int]) -> list[list[int]]:
        """Return which of some rows are the same, by a chain of any rows."""
        every = sorted({row for pair in self.pairs for row in pair} | set(rows))
        same = self.among(np.array(every, np.int64), is_same=True)
        shape = len(every), len(every)
        graph = csr_array((np.ones(len(same[0])), same), shape=shape)
        component = connected_components(graph, directed=False)[1]
        wanted: dict[int, list[int]] = {}
        for row, number in zip(every, component.tolist(), strict=True):
            if row in rows:
                wanted.setdefault(number, []).append(row)
        return [chain for chain in wanted.values() if len(chain) > 1]


def _pair(a: int, b: int) -> tuple[int, int]:
    return min(a, b), max(a, b)


def _other(pair: tuple[int, int], row: int) -> int:
    return pair[1] if pair[0] == row else pair[0]
