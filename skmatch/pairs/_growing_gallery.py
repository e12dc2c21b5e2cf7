"""A gallery that titles join and leave, scored among one another as they come.

1. Pairs of new titles, with one another and with those that are there, are described
   and classified. The words of all titles count, and each score is seen among all that
   are around it.
2. So are, again, the pairs of the titles that the new ones match by what the first
   level says, unless they are unlikely: for them, most of what is around has changed.
3. What was said of the other pairs stays.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from skmatch.graph import LOWEST_WEIGHED, drop_low, propagate_rows, widen
from skmatch.pairs._context import (
    EncodedTitles,
    GrowingContext,
    PairIndices,
    add_pairs,
)
from skmatch.pairs._features import join_rows
from skmatch.pairs._model import DescribedPairs, PairModel
from skmatch.pairs._parsed_titles import WordCounts, count_words
from skmatch.search import inner_products

_LEAST_MATCH = 0.5  # probability of a match, by the first level
_LOWEST_AGAIN = 0.05  # probability of a known pair that is scored again


class ScoredPairs(NamedTuple):
    """What titles bring along when they join: enough to have them there again."""

    embeddings: list[Any]  # of each title, by each embedder
    left: NDArray[np.intp]  # (n_pairs,) rows of the gallery
    right: NDArray[np.intp]
    scores: NDArray[np.float32]  # (n_graphs, n_pairs)


class GrowingGallery(NamedTuple):
    """Titles, their words, and the similarities and probabilities of their pairs."""

    encoded: EncodedTitles
    counts: WordCounts
    similarities: list[csr_array]  # of each embedder
    # Of each stacking level, before propagation, without what that leaves out.
    probabilities: list[csr_array]

    def at(self, rows: NDArray[np.intp]) -> Self:
        """Return the gallery of some of the titles, in rising order."""
        gone = np.delete(self.encoded.titles, rows)
        return self._replace(
            encoded=self.encoded.at(rows),
            counts=self.counts.without(count_words(gone)),
            similarities=[graph[rows][:, rows] for graph in self.similarities],
            probabilities=[graph[rows][:, rows] for graph in self.probabilities],
        )

    def grow(
        self, model: PairModel, new: EncodedTitles, n_threads: int
    ) -> tuple[Self, ScoredPairs]:
        """Return the gallery with further titles, and what they bring along.

        That are the scores of their pairs, and other ones of pairs of their matches.
        """
        counts = self.counts.add(count_words(new.titles))
        context = GrowingContext(
            left=self.encoded.join(new),
            n_known=len(self.encoded),
            counts=counts,
            similarities=self._widen(self.similarities, len(new)),
            probabilities=self._widen(self.probabilities, len(new)),
        )
        pairs = model.describer.describe(context, n_threads)
        if len(self.encoded):
            pairs = self._add_pairs_of_matches(model, pairs, context, n_threads)
        levels, _ = model.score(pairs)
        embeddings = context.left.embeddings
        scores = [inner_products(X, X, *pairs.indices) for X in embeddings]
        scores += [level.probabilities for level in levels]
        joined = ScoredPairs(new.embeddings, *pairs.indices, np.stack(scores))
        return self._join(context.left, counts, joined), joined

    def join(self, new: EncodedTitles, joined: ScoredPairs) -> Self:
        """Return the gallery with further titles whose pairs are scored."""
        counts = self.counts.add(count_words(new.titles))
        return self._join(self.encoded.join(new), counts, joined)

    def _join(
        self, encoded: EncodedTitles, counts: WordCounts, joined: ScoredPairs
    ) -> Self:
        """Return the gallery of all titles, with the scores of further pairs."""
        pairs = PairIndices(joined.left, joined.right)
        known = [*self.similarities, *self.probabilities]
        n_new = len(encoded) - len(self.encoded)
        graphs = [
            add_pairs(graph, scores, pairs)
            for graph, scores in zip(
                self._widen(known, n_new), joined.scores, strict=True
            )
        ]
        n_embedders = len(self.similarities)
        return self._replace(
            encoded=encoded,
            counts=counts,
            similarities=graphs[:n_embedders],
            probabilities=[
                drop_low(graph, is_symmetric=True) for graph in graphs[n_embedders:]
            ],
        )

    def _widen(self, graphs: list[csr_array], n_new: int) -> list[csr_array]:
        """Return graphs with further rows and columns, which are empty."""
        n_rows = len(self.encoded) + n_new
        return [widen(graph, n_rows) for graph in graphs]

    def _add_pairs_of_matches(
        self,
        model: PairModel,
        pairs: DescribedPairs,
        context: GrowingContext,
        n_threads: int,
    ) -> DescribedPairs:
        """Add to the pairs of new titles those of the titles that match these."""
        (first,), _ = model.first.score(pairs)
        is_match = first.propagated >= _LEAST_MATCH
        rows = np.unique(np.concatenate(pairs.indices.at(is_match)))
        n_known = len(self.encoded)
        matched = rows[rows < n_known]
        new = np.arange(n_known, len(context.left))
        context = replace(context, scored=np.concatenate([matched, new]))
        again = self._pairs_of(matched)
        of_texts = model.describer.describe_texts(context, again, n_threads)
        return model.describer.place(
            context,
            pairs.indices.join(again),
            join_rows(pairs.of_texts, of_texts, len(again.left)),
        )

    def _pairs_of(self, rows: NDArray[np.intp]) -> PairIndices:
        """Return the pairs of some rows that may yet match, each once."""
        part = self.probabilities[-1][rows].tocoo()
        is_kept = part.data >= np.float32(_LOWEST_AGAIN)
        left, right = (side[is_kept].astype(np.intp) for side in part.coords)
        left, n_rows = rows[left], len(self.encoded)
        keys = np.unique(np.minimum(left, right) * n_rows + np.maximum(left, right))
        return PairIndices(*np.divmod(keys, n_rows))

    def propagate(self, rows: NDArray[np.intp], propagates: bool) -> csr_array:
        """Return what the last level says of some rows, propagated; others are left."""
        return propagate_rows(self.probabilities[-1], rows, propagates).graph

    def matches_of(self, rows: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return the rows that have a say in the average of some rows."""
        part = self.probabilities[-1][rows]
        return np.unique(part.indices[part.data >= np.float32(LOWEST_WEIGHED)])


def start_gallery(model: PairModel, encoded: EncodedTitles) -> GrowingGallery:
    """Return a gallery without a title, for titles that are encoded like these."""
    similarities, probabilities = (
        [csr_array((0, 0), dtype=np.float32) for _ in range(n)]
        for n in (len(encoded.embeddings), model.n_levels)
    )
    nothing = encoded.at(slice(0, 0))
    counts = count_words(nothing.titles)
    return GrowingGallery(nothing, counts, similarities, probabilities)
