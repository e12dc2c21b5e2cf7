"""A pair of a gallery that was matched: what is around it is what was scored there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from skmatch.graph import LOWEST_KEPT, Propagation, find_entries
from skmatch.pairs._context import (
    Catalogue,
    GalleryContext,
    Level,
    PairIndices,
    Scores,
)
from skmatch.pairs._graph_features import Around
from skmatch.pairs._parsed_titles import ParsedTitles, WordCounts


@dataclass(frozen=True, kw_only=True)
class PairOfGallery(GalleryContext):
    """One candidate pair of a gallery, scored as it was there."""

    gallery: Catalogue  # whose titles are those of the context
    pair: PairIndices  # of one pair
    shares_levels: ClassVar[bool] = True

    @property
    def is_candidate(self) -> bool:
        """Whether the gallery has scored the pair."""
        graphs = (near.graph for near in self.gallery.similarities)
        return any(find_entries(graph, *self.pair)[1].all() for graph in graphs)

    def candidates(self, n_candidates: int, n_threads: int) -> PairIndices:
        """Return the one pair."""
        return self.pair

    def parse(
        self, counts_of_fit: WordCounts, pairs: PairIndices
    ) -> tuple[ParsedTitles, PairIndices]:
        """Parse the two titles; the words of the gallery count."""
        two = self.left.at(np.concatenate(self.pair))
        counts = self.gallery.counts
        titles = ParsedTitles(two.titles, two.fields, counts_of_fit, counts)
        return titles, PairIndices(np.zeros_like(pairs.left), np.ones_like(pairs.left))

    def around(self, embedder: int, scores: Scores, pairs: PairIndices) -> Around:
        """Return the similarities of the gallery."""
        near = self.gallery.similarities[embedder]
        return Around(near, near, self.holds_left, self.holds_right)

    def propagate(
        self,
        level: int,
        probabilities: Scores,
        pairs: PairIndices,
        propagates: bool,
        seen: NDArray[np.intp] | None = None,
    ) -> Level:
        """Propagate other probabilities of the pair; the weights of W stay."""
        among = self.gallery.levels[level]
        (own,), (known,) = _entry(among.probabilities, self.pair), among.at(*self.pair)
        p = np.where(probabilities < LOWEST_KEPT, 0, probabilities)
        p = np.where(probabilities == own, own, p)
        propagated = np.clip(known + _say_of_own(among, self.pair) * (p - own), 0, 1)
        propagated = np.where(
            (propagated < LOWEST_KEPT) & (p != own), 0, propagated
        ).astype(np.float32)
        return Level(probabilities, propagated, among, among)


class Say(NamedTuple):
    """What a title that is like the left one of a pair says of the right one."""

    row: int
    weight: float  # in the average, in [0, 1]
    probability: float  # that it is the same product as the right one


def list_says(among: Propagation, pair: PairIndices, n_largest: int) -> list[Say]:
    """Return who has the largest say in a propagated probability.

    The left title itself is one of them. The probabilities are means over what is like
    the right one; averaged by all weights, they are the propagated probability.
    """
    (rows, left), (columns, right) = (_weights_of(among, int(side[0])) for side in pair)
    between = among.probabilities[rows][:, columns].toarray()
    between[rows[:, None] == columns[None, :]] = 1
    says = between @ right
    largest = np.argsort(-left, kind="stable")[:n_largest]
    return [Say(int(rows[k]), float(left[k]), float(says[k])) for k in largest]


def _weights_of(
    among: Propagation, row: int
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Return the rows that have a say for a row, itself first, and their weights."""
    matches = among.match_weights[[row]]
    rows = np.concatenate([[row], matches.indices]).astype(np.intp)
    return rows, np.concatenate([among.self_weights[[row]], matches.data])


def _say_of_own(among: Propagation, pair: PairIndices) -> float:
    """Return how much of a pair's own probability is in its propagated one."""
    a, b = (among.self_weights[side[0]] for side in pair)
    mutual = [_entry(among.match_weights, way)[0] for way in (pair, pair[::-1])]
    return float(a * b + mutual[0] * mutual[1])


def _entry(graph: csr_array, pair: tuple[NDArray[np.intp], ...]) -> Scores:
    """Return what a graph stores of a pair, or 0: (1,)."""
    position, is_stored = find_entries(graph, *pair)
    found = np.zeros(len(position), np.float32)
    found[is_stored] = graph.data[position[is_stored]]
    return found
